"""A strategies file before and after a change; what comes after is checked beforehand."""

import codecs
import contextlib
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.parsing import yaml_nodes
from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport
from mt5crs_shared.errors import ConfigError, Mark, Problem
from mt5crs_supervisor.commands import validate
from mt5crs_supervisor.commands.editing import text_edits
from mt5crs_supervisor.commands.editing.strategies_text import NotEditableError, StrategiesText
from mt5crs_supervisor.commands.editing.text_edits import Edit
from mt5crs_supervisor.commands.failures import CommandError

_NUMBER = re.compile(r"strategies\[(\d+)\]\.?")


class StrategiesFile:
    """What a file of strategies holds just now.

    Args:
        path: The file.
        shown: What it is called in messages.
        alone: It holds strategies and nothing else: a list of them, or one.

    Attributes:
        shown: What it is called.
        raw: All of it.
        text: The same as text.
        tree: The same as values.
        entries: Each strategy.
        names: Their names, in the same order; empty where one has none.

    Raises:
        ConfigError: It cannot be read, or holds no strategies.
    """

    def __init__(self, path: Path, shown: Path, *, alone: bool = False) -> None:
        self.path, self.shown = path, shown
        report = ProblemReport(str(shown))
        self.raw = yaml_nodes.read_raw(path, report) or b""
        tree = None if report.problems else yaml_nodes.parse(self.raw, report)
        if tree is None:
            raise ConfigError(tuple(report.problems))
        self.tree = tree
        self.entries = _entries(tree, report, alone)
        if report.problems and (alone or not self.entries):
            raise ConfigError(tuple(report.problems))
        self.text = self.raw.decode("utf-8-sig")
        self.written = StrategiesText(self.text)
        self.names = [_name(entry) for entry in self.entries]
        self._is_one = self.entries == [tree]

    def numbers_of(self, names: Sequence[str]) -> list[int]:
        """Where the strategies of these names are."""
        return [number for number, name in enumerate(self.names) if name in names]

    def path_of(self, number: int) -> str:
        """A strategy's path in it; empty: it is all there is."""
        return "" if self._is_one else f"strategies[{number}]"


class ChangedFile(msgspec.Struct, frozen=True):
    """What is to become of a file.

    Attributes:
        before: What it holds.
        edits: The changes of its text, in its order.
        wanted: The strategies that it is to hold then, as plain values.
        origins: Where each of them was written: its file, and its number there.
        tried: Numbers of those whose class and model are tried.
    """

    before: StrategiesFile
    edits: list[Edit]
    wanted: list[object]
    origins: list[tuple[StrategiesFile, int]]
    tried: list[int]

    def checked(self, cwd: Path) -> bytes:
        """The new text, after all that can be known of it.

        Args:
            cwd: Where the system is started, or was.

        Raises:
            ConfigError: It is no good configuration; each problem stands where it was written.
            CommandError: The text would change in something else, too.
        """
        text = text_edits.applied(self.before.text, self.edits)
        bom = codecs.BOM_UTF8 if self.before.raw.startswith(codecs.BOM_UTF8) else b""
        raw = bom + text.encode()
        path = self.before.path
        try:
            config = loading.load_config(path, cwd=cwd, text=raw)
            self._compare(raw)
            with contextlib.chdir(cwd):
                problems = validate.problems_of_strategies(config, path, raw, self.tried)
            if problems:
                raise ConfigError(tuple(problems))
        except ConfigError as error:
            raise ConfigError(tuple(map(self._where_written, error.problems))) from error
        return raw

    def _compare(self, raw: bytes) -> None:
        """Hold the new text against what was wanted: somebody's anchors may reach elsewhere."""
        tree = yaml_nodes.parse(raw, ProblemReport(""))
        found = tree.plain() if tree is not None else None
        before = self.before.tree.plain()
        assert isinstance(before, dict), "it holds strategies"
        if found == {**before, "strategies": self.wanted}:
            return
        names = [_name_of(entry) for entry in self.wanted]
        others = found["strategies"] if isinstance(found, dict) else []
        hit = [
            name for name, is_, was in zip(names, others, self.wanted, strict=False) if is_ != was
        ]
        what = f"{', '.join(hit)} would not be as wanted" if hit else "more would change than that"
        raise not_editable(self.before, f"{what}; anchors and << reach elsewhere")

    def _where_written(self, problem: Problem) -> Problem:
        """The same, told of the place where the trader wrote it."""
        if problem.file != str(self.before.path):
            return problem
        shown, path = self.before.shown, problem.path
        if found := _NUMBER.match(path):
            file, number = self.origins[int(found[1])]
            own = file.path_of(number)
            rest = path[found.end() :]
            path = f"{own}.{rest}" if own and rest else own or rest
        if not problem.line:
            return msgspec.structs.replace(problem, file=str(shown), path=path)
        mark, added = text_edits.place_written(
            self.before.text, self.edits, Mark(problem.line, problem.column)
        )
        file = self.origins[-1][0] if added else self.before
        return msgspec.structs.replace(
            problem, file=str(file.shown), line=mark.line, column=max(mark.column, 1), path=path
        )


def not_editable(file: StrategiesFile, why: str, line: int = 0) -> CommandError:
    """What is said of a file that no command can change; it is as it was."""
    where = f"{file.shown}:{line}" if line else str(file.shown)
    return CommandError(f"nothing was changed: {where}: {why}; edit it by hand, then `validate`")


def switched(before: StrategiesFile, names: Sequence[str], enabled: bool) -> ChangedFile:
    """Strategies enabled or disabled.

    Raises:
        CommandError: An entry is written in a way that no command can change.
    """
    edits, tried = [], []
    wanted = [entry.plain() for entry in before.entries]
    for number in before.numbers_of(names):
        entry, values = before.entries[number], wanted[number]
        assert isinstance(entry.value, dict) and isinstance(values, dict), "it has a name"
        if is_enabled(entry) is enabled:
            continue
        try:
            edits.append(before.written.switched(number, enabled))
        except NotEditableError as error:
            raise not_editable(before, str(error), entry.mark.line) from error
        values["enabled"] = enabled
        tried += [number] if enabled else []
    origins = [(before, number) for number in range(len(wanted))]
    return ChangedFile(before, text_edits.without_overlap(edits), wanted, origins, tried)


def removed(before: StrategiesFile, names: Sequence[str]) -> ChangedFile:
    """Strategies taken out.

    Raises:
        CommandError: None would be left.
    """
    gone = before.numbers_of(names)
    left = [number for number in range(len(before.entries)) if number not in gone]
    if not left:
        raise CommandError(
            f"nothing was changed: {before.shown} would hold no strategy any more; `disable` keeps"
            " the entry, and `stop` ends everything"
        )
    edits = text_edits.without_overlap(
        before.written.without(number, leads=gone[number : number + 1] == [number])
        for number in gone
    )
    wanted = [before.entries[number].plain() for number in left]
    return ChangedFile(before, edits, wanted, [(before, number) for number in left], [])


def with_added(before: StrategiesFile, source: StrategiesFile) -> ChangedFile:
    """Strategies of another file put behind the last one.

    Raises:
        CommandError: The file is written in a way that no command can change.
    """
    try:
        edit = before.written.with_more(source.written)
    except NotEditableError as error:
        raise not_editable(before, str(error)) from error
    wanted = [entry.plain() for entry in (*before.entries, *source.entries)]
    origins = [(file, n) for file in (before, source) for n in range(len(file.entries))]
    tried = list(range(len(before.entries), len(wanted)))
    return ChangedFile(before, [edit], wanted, origins, tried)


def is_enabled(entry: Node) -> object:
    """What an entry says of it; True where it says nothing."""
    if isinstance(entry.value, dict) and "enabled" in entry.value:
        return entry.value["enabled"].value
    return True


def _entries(tree: Node, report: ProblemReport, alone: bool) -> list[Node]:
    """The strategies of a file; where it has none, that is reported."""
    value = tree.value
    if alone and isinstance(value, list):
        found, mark = value, tree.mark
    elif isinstance(value, dict) and "strategies" in value:
        strategies = value["strategies"]
        found = strategies.value if isinstance(strategies.value, list) else []
        mark = strategies.mark
        for key, node in value.items() if alone else ():
            if key != "strategies":
                report.add(node.key_mark, key, "more than strategies", "strategies alone")
    elif alone and isinstance(value, dict) and "name" in value:
        return [tree]
    else:
        found, mark = [], tree.mark
    if not found:
        expected = "one strategy, with its name, or a list strategies" if alone else "strategies"
        report.add(mark, "", "no strategies", expected)
    return found


def _name(entry: Node) -> str:
    return _name_of(entry.plain())


def _name_of(entry: object) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else ""

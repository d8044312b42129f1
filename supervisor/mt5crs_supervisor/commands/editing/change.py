"""`enable`, `disable`, `add` and `remove`: change the strategies file, tell it, and reload."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.notes import taken_up_by
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands.editing import config_file, strategies_file
from mt5crs_supervisor.commands.editing.strategies_file import ChangedFile, StrategiesFile
from mt5crs_supervisor.commands.failures import CommandError, matching
from mt5crs_supervisor.commands.running import reload as reloading
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.operator.control import ControlClient
from mt5crs_supervisor.operator.difference import left_open


class Afterwards(msgspec.Struct, frozen=True):
    """What is to follow once the file is written.

    Attributes:
        reload: Take it up at once.
        keep: Strategies that leave may leave a position open.
        flatten: The positions of strategies that leave are closed.
    """

    reload: bool
    keep: bool
    flatten: bool


def switch(
    config: Path, paths: VarPaths, patterns: Sequence[str], enabled: bool, then: Afterwards
) -> None:
    """Enable or disable strategies; see `_change` for what it raises."""
    what = "enabled" if enabled else "disabled"

    def planned(before: StrategiesFile) -> ChangedFile:
        names = matching(filter(None, before.names), patterns, "strategy")
        for number in before.numbers_of(names):
            if strategies_file.is_enabled(before.entries[number]) is enabled:
                say(f"{before.names[number]} is {what} already")
        return strategies_file.switched(before, names, enabled)

    _change(config, paths, what, planned, then)


def remove(config: Path, paths: VarPaths, patterns: Sequence[str], then: Afterwards) -> None:
    """Take strategies out; see `_change` for what it raises."""

    def planned(before: StrategiesFile) -> ChangedFile:
        names = matching(filter(None, before.names), patterns, "strategy")
        return strategies_file.removed(before, names)

    _change(config, paths, "removed", planned, then)


def add(config: Path, paths: VarPaths, file: Path, then: Afterwards) -> None:
    """Put the strategies of another file behind the last one; see `_change` for what it raises."""
    source = StrategiesFile(file.absolute(), file, alone=True)

    def planned(before: StrategiesFile) -> ChangedFile:
        return strategies_file.with_added(before, source)

    _change(config, paths, "added", planned, then)


def _change(
    config: Path,
    paths: VarPaths,
    what: str,
    planned: Callable[[StrategiesFile], ChangedFile],
    then: Afterwards,
) -> None:
    """Change the file as planned, say so, and do what is to follow.

    Raises:
        ConfigError: The new text would be no good configuration; the file is as it was.
        CommandError: It cannot be done, and the file is as it was; or the reload failed.
        NotRunning: It is to be reloaded, and nothing runs.
        ControlTimeout: The running supervisor does not answer, or not in time.
    """
    path = config.absolute()
    report = _running(paths, then)
    ours = report is not None and Path(report.config).resolve() == path.resolve()
    if report is not None and then.reload and not ours:
        raise CommandError(
            f"nothing was changed: {paths.var} runs {nearby(report.config)}, not {config}:"
            " name that one with --config"
        )
    # What the file names is looked for where the system was started, wherever this command is.
    cwd = Path(report.folder) if report is not None and ours else Path.cwd()
    with config_file.held(path.resolve(), say):
        before = StrategiesFile(path, config)
        change = planned(before)
        backup = None
        if change.edits:
            if report is not None and then.reload:
                _refuse_held(report, change, then)
            after = change.checked(cwd)
            backup = config_file.replace_kept(path.resolve(), before.raw, after)
    if backup is not None:
        for line in (*_told(what, change), f"{'before':<9} {nearby(str(backup))}"):
            say(line)
    if then.reload:
        _reload(paths, then, backup is not None)
    elif backup is not None and report is not None:
        other = f"{paths.var} runs another file: {nearby(report.config)}"
        say(taken_up_by(report) if ours else other)


def _running(paths: VarPaths, then: Afterwards) -> StatusReport | None:
    """What runs on the folder; None: nothing does, or it does not say and need not."""
    try:
        return ControlClient(paths.var).status()
    except (NotRunning, ControlTimeout):
        if then.reload:
            raise
        return None


def _refuse_held(report: StatusReport, change: ChangedFile, then: Afterwards) -> None:
    """Refuse what the reload would refuse, before anything is changed.

    Raises:
        CommandError: A strategy that leaves holds a position, and nothing is said of that.
    """
    stays = {
        file.names[number]
        for (file, number), values in zip(change.origins, change.wanted, strict=True)
        if isinstance(values, dict) and values.get("enabled", True) is not False
    }
    leaving = [row for row in report.strategies if row.process.name not in stays]
    held = [row.process.name for row in leaving if row.position_lots]
    if held and not (then.keep or then.flatten):
        raise CommandError(f"nothing was changed: {left_open(held)}")


def _told(what: str, change: ChangedFile) -> list[str]:
    """One line for each strategy that differs."""
    before = change.before
    after = {file.names[n]: (file, n) for file, n in change.origins}
    values = dict(zip(after, change.wanted, strict=False))
    lines = []
    for name, entry in zip(before.names, before.entries, strict=True):
        if name not in after or values[name] != entry.plain():
            lines.append(f"{what:<9} {name}  ({before.shown}:{entry.mark.line})")
    for name, (file, number) in after.items():
        if file is not before:
            lines.append(f"{what:<9} {name}  ({file.shown}:{file.entries[number].mark.line})")
    return lines


def _reload(paths: VarPaths, then: Afterwards, changed: bool) -> None:
    try:
        reloading.reload(paths, dry_run=False, keep=then.keep, flatten=then.flatten)
    except Mt5crsError:
        if changed:
            say("the file is changed; the reload did not end well:", err=True)
        raise

"""`symbols pull`: what the broker says of each symbol, written into symbols.yaml."""

import contextlib
import pkgutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.configuration import symbols_file
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport, read_raw
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.notes import taken_up_by
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.files import replace_file
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands.editing import config_file
from mt5crs_supervisor.commands.editing.symbols_text import (
    SpecChange,
    changed_symbols,
    new_symbols_text,
    symbol_changes,
)
from mt5crs_supervisor.commands.editing.unchecked import UncheckedConfig, unchecked_config
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.operator.control import ControlClient

COMMAND = "mt5crs_services.mt5_gateway.client:pull_symbols"
"""Who asks; by name only, since the supervisor imports no service."""

Pull = Callable[[str, Sequence[str], KeyPlaces | None], tuple[str, list[SymbolSpec], list[str]]]


def pull(
    config: Path, paths: VarPaths, names: Sequence[str], source: str | None, dry_run: bool
) -> None:
    """Bring symbols.yaml up to what the broker says, and tell what differs.

    Args:
        config: The strategies file, which the symbols file lies beside.
        paths: Of the running system, which is told of where there is one.
        names: Symbols; none: those of the file and those that strategies trade.
        source: Address of a Windows gateway; None: that of the configuration.
        dry_run: Tell it, and write nothing.

    Raises:
        ConfigError: The symbols file has a mistake; nothing was changed.
        CommandError: The gateway cannot be asked, or a symbol cannot be had.
    """
    wanted = unchecked_config(config)
    file = symbols_file.find_symbols(config.absolute(), Path.cwd()).resolve()
    before, known = _read(file)
    asked = tuple(names) or tuple(dict.fromkeys((*known, *wanted.traded)))
    if not asked:
        raise CommandError("name the symbols: there is no symbols.yaml yet, and no strategy")
    ask: Pull = pkgutil.resolve_name(COMMAND)
    address, keys = wanted.gateway(source)
    who, specs, refused = ask(address, asked, keys)
    changes = symbol_changes(known, specs)
    for line in _told(who, known, specs, changes):
        say(line)
    for line in refused:
        say(line, err=True)
    if changes and not dry_run:
        _write(file, before, known, changes)
        _tell_running(paths)
    if missing := [line for line in refused if _is_needed(line, names, wanted)]:
        raise CommandError(
            f"not to be had: {', '.join(line.partition(':')[0] for line in missing)}; brokers"
            " write some symbols with a suffix: the terminal's Market Watch has their names"
        )


def _is_needed(line: str, names: Sequence[str], wanted: UncheckedConfig) -> bool:
    return line.partition(":")[0] in {*names, *wanted.traded}


def _read(file: Path) -> tuple[bytes, dict[str, SymbolSpec]]:
    """The file as it is, and its symbols; of one that is missing, nothing.

    Raises:
        ConfigError: It has a mistake.
    """
    if not file.exists():
        return b"", {}
    report = ProblemReport(nearby(str(file)))
    raw = read_raw(file, report)
    if raw is None:
        raise ConfigError(tuple(report.problems))
    return raw, symbols_file.read_symbols(file, report.file)


def _told(
    who: str,
    known: dict[str, SymbolSpec],
    specs: Sequence[SymbolSpec],
    changes: Sequence[SpecChange],
) -> list[str]:
    """One line for each field that differs, and for each symbol that is new."""
    lines = [f"{'from':<9} {who}"]
    for spec in specs:
        if spec.name not in known:
            lines.append(f"{'new':<9} {spec.name}")
    for change in changes:
        if change.symbol in known:
            old, new = change.shown_before, change.text
            lines.append(f"{'changed':<9} {change.symbol}  {change.key}: {old} -> {new}")
    same = sum(1 for spec in specs if spec.name not in {change.symbol for change in changes})
    return [*lines, f"{'same':<9} {same} of {len(specs)}"]


def _write(
    file: Path, before: bytes, known: dict[str, SymbolSpec], changes: Sequence[SpecChange]
) -> None:
    """Put the new text in place, where it says what it is meant to say.

    Raises:
        CommandError: It does not, or the file cannot be written; it is as it was.
    """
    after = (
        changed_symbols(before.decode(), known, changes) if before else new_symbols_text(changes)
    )
    _check(after, known, changes)
    with config_file.held(file, say):
        if before:
            backup = config_file.replace_kept(file, before, after.encode())
            say(f"{'before':<9} {nearby(str(backup))}")
            return
        try:
            replace_file(file, after.encode(), synced=True)
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error}") from error
        say(f"{'written':<9} {nearby(str(file))}")


def _check(text: str, known: dict[str, SymbolSpec], changes: Sequence[SpecChange]) -> None:
    expected = {name: msgspec.structs.asdict(spec) for name, spec in known.items()}
    for change in changes:
        expected.setdefault(change.symbol, {"name": change.symbol})[change.key] = change.value
    report = ProblemReport("symbols.yaml")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "symbols.yaml"
        file.write_text(text)
        found = symbols_file.load_symbols(file, report)
    wanted = {name: msgspec.convert(fields, SymbolSpec) for name, fields in expected.items()}
    if report.problems or found is None or found.specs != wanted:
        why = "; ".join(map(str, report.problems)) or "it would not say what it is meant to say"
        raise CommandError(f"nothing was changed: {why}")


def _tell_running(paths: VarPaths) -> None:
    with contextlib.suppress(NotRunning, ControlTimeout):
        say(taken_up_by(ControlClient(paths.var).status()))

"""Reads the strategies file: every mistake in it is found here, before any process starts."""

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import msgspec

from mt5crs_shared.configuration import (
    checks,
    execution_checks,
    feature_checks,
    notify_checks,
    security_checks,
    symbols_file,
)
from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport, parse, read_yaml
from mt5crs_shared.configuration.parsing.yaml_structs import Parsed, parse_struct, unknown_key
from mt5crs_shared.configuration.structs import Config, GlobalConfig, StrategyConfig
from mt5crs_shared.configuration.symbols_file import Symbols, load_symbols
from mt5crs_shared.errors import ConfigError, Mark, Problem
from mt5crs_shared.market import rates
from mt5crs_shared.market.symbol_spec import SymbolSpec

_KEYS: Final = ("strategies", "global")

# What a strategy's process does not depend on: whatever is added later counts until it is
# listed here, since one restart too many is better than a process that runs on old settings.
_NOT_OF_STRATEGY: Final = frozenset({"enabled", "limits", "restart", "standby", "on_give_up"})
_NOT_OF_GLOBALS: Final = frozenset(
    {
        "default_balance",
        "zmq_execution_host",
        "zmq_execution_port",
        "account",
        "execution",
        "tape",
        "risk",
        "notify",
        "metrics",
        "page",
    }
)
_NOT_OF_SUPERVISOR: Final = frozenset({"hang_after", "start_timeout", "stop_timeout", "restart"})


def load_config(path: Path, *, cwd: Path | None = None, text: bytes | None = None) -> Config:
    """Read and check a strategies file and the ``symbols.yaml`` that belongs to it.

    Args:
        path: The YAML file; a relative path is taken from `cwd`.
        cwd: The working folder; None: that of this process. Files named in the YAML are looked
            for here, then in the YAML's folder, then in its parent.
        text: What the YAML file is about to hold; None: what it holds.

    Returns:
        The configuration, with absolute paths.

    Raises:
        ConfigError: Anything is wrong, with all of it, in the order of the file.
    """
    here = Path.cwd() if cwd is None else cwd.absolute()
    file = here / path
    report = ProblemReport(str(path))
    root = read_yaml(file, report) if text is None else parse(text, report)
    if root is None:
        raise ConfigError(tuple(report.problems))
    symbols_path, symbols_report = _symbols_place(file, here)
    symbols = load_symbols(symbols_path, symbols_report)
    strategies, globals_ = _parse(root, report)
    _check(strategies, globals_, symbols, folders_of(path, here), report)
    if problems := _in_order(report) + _in_order(symbols_report):
        raise ConfigError(tuple(_with_name(problem, strategies) for problem in problems))
    return _build(file, strategies, globals_, symbols.specs if symbols else {})


def _with_name(problem: Problem, strategies: list[Parsed[StrategyConfig]]) -> Problem:
    """The same, with the name of the strategy whose entry it is in.

    What stands before an entry is in another list, which was merged in and hidden by this one.
    """
    names = [
        parsed.fields.get("name", "") if parsed.node.mark.line <= problem.line else ""
        for parsed in strategies
    ]
    return problem.of_strategy(names)


def folders_of(path: Path, cwd: Path) -> tuple[Path, ...]:
    """Where a file that a strategies file names is looked for, in this order.

    Args:
        path: The strategies file; a relative path is taken from `cwd`.
        cwd: The working folder.
    """
    folder = (cwd / path).parent
    return cwd, folder, folder.parent


def config_hash(
    strategy: StrategyConfig,
    globals_: GlobalConfig,
    symbols: Mapping[str, SymbolSpec] | None = None,
) -> str:
    """A stable fingerprint of what a strategy's process depends on.

    Two configurations with the same fingerprint can share a running process: it is adopted. Files
    that the configuration names count by path, not by content.

    Args:
        strategy: The strategy.
        globals_: What it shares with the others.
        symbols: `Config.symbols`; where given, the strategy's symbol and the one that converts
            its profit count too.

    Returns:
        32 hexadecimal digits.
    """
    common = _without(globals_, _NOT_OF_GLOBALS)
    if strategy.features == "local":
        del common["feature_api_url"]
    if globals_.market_keys is None:
        del common["secret_key"]
    common["supervisor"] = _without(globals_.supervisor, _NOT_OF_SUPERVISOR)
    specs = rates.needed([strategy.symbol], globals_.account_currency, symbols or {})
    parts = [_without(strategy, _NOT_OF_STRATEGY), common, specs]
    return blake2b(msgspec.json.encode(parts, order="sorted"), digest_size=16).hexdigest()


def _without(struct: msgspec.Struct, names: frozenset[str]) -> dict[str, Any]:
    fields = msgspec.structs.asdict(struct)
    return {name: value for name, value in fields.items() if name not in names}


def _symbols_place(file: Path, here: Path) -> tuple[Path, ProblemReport]:
    """The symbols file to read, and a report under its name as seen from the working folder."""
    tried = symbols_file.possible_places(file, here)
    found = next((place for place in tried if place.exists()), tried[0])
    shown = found.relative_to(here) if found.is_relative_to(here) else found
    return found, ProblemReport(str(shown))


def _parse(
    root: Node, report: ProblemReport
) -> tuple[list[Parsed[StrategyConfig]], Parsed[GlobalConfig]]:
    empty = Node({}, "", root.mark, root.mark)
    if not isinstance(root.value, dict):
        report.add(root.mark, "", "not a mapping", "a mapping with the key strategies")
        return [], parse_struct(GlobalConfig, empty, "global", report)
    entries = root.value
    for key, node in entries.items():
        if key not in _KEYS:
            unknown_key(key, node, "", _KEYS, {"global": GlobalConfig}, report)
    globals_ = parse_struct(GlobalConfig, entries.get("global", empty), "global", report)
    return _parse_strategies(entries, root.mark, report), globals_


def _parse_strategies(
    entries: dict[str, Node], mark: Mark, report: ProblemReport
) -> list[Parsed[StrategyConfig]]:
    node = entries.get("strategies", Node(None, "", mark, mark))
    if isinstance(node.value, list) and node.value:
        return [
            parse_struct(StrategyConfig, item, f"strategies[{index}]", report)
            for index, item in enumerate(node.value)
        ]
    if node.value is None or node.value == []:
        report.add(node.mark, "strategies", "no strategies", "a list with at least one")
    else:
        report.add(node.mark, "strategies", "not a list", "a list of strategies")
    return []


def _check(
    strategies: list[Parsed[StrategyConfig]],
    globals_: Parsed[GlobalConfig],
    symbols: Symbols | None,
    folders: tuple[Path, ...],
    report: ProblemReport,
) -> None:
    feed = globals_.nested.get("feed")
    checks.check_unique(strategies, report)
    checks.check_globals(globals_, report)
    checks.check_risk(globals_, report)
    execution_checks.check_execution(globals_, strategies, report)
    checks.check_feed(feed, report)
    security_checks.check_security(globals_, folders, report)
    notify_checks.check_notify(globals_.nested.get("notify"), strategies, report)
    checks.check_files(strategies, feed, folders, report)
    feature_checks.check_features(strategies, globals_, report)
    for parsed in strategies:
        checks.check_restart(parsed.nested.get("restart"), report)
        checks.check_limits(parsed.nested.get("limits"), report)
    if symbols is not None:
        checks.check_symbols(strategies, symbols, globals_, report)
        checks.check_replay(strategies, feed, symbols, globals_, report)


def _in_order(report: ProblemReport) -> tuple[Problem, ...]:
    return tuple(sorted(report.problems, key=lambda p: (p.line, p.column, p.path)))


def _build(
    file: Path,
    strategies: list[Parsed[StrategyConfig]],
    globals_: Parsed[GlobalConfig],
    specs: dict[str, SymbolSpec],
) -> Config:
    built = tuple(parsed.build() for parsed in strategies)
    shared = globals_.build()
    traded = [strategy.symbol for strategy in built]
    wanted = rates.needed(traded, shared.account_currency, specs)
    return Config(str(file), built, shared, wanted)

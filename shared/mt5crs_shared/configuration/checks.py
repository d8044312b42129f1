"""What must hold between the parts of a configuration, beyond each field by itself.

Every check looks only at values that are good by themselves, so that one mistake is reported once.
"""

import datetime
import importlib.util
import itertools
import re
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from msgspec import UNSET

from mt5crs_shared.configuration.execution_structs import MarketConfig
from mt5crs_shared.configuration.notify_structs import QuietHoursConfig
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport, shorten
from mt5crs_shared.configuration.parsing.yaml_structs import PATTERNS, Parsed
from mt5crs_shared.configuration.structs import (
    LEAST_MEMORY,
    RESERVED,
    FeedConfig,
    GlobalConfig,
    LimitsConfig,
    RestartConfig,
    StrategyConfig,
    SupervisorConfig,
)
from mt5crs_shared.configuration.symbols_file import Symbols
from mt5crs_shared.configuration.values import Address
from mt5crs_shared.errors import Mark
from mt5crs_shared.market import rates
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.storage import recorded
from mt5crs_shared.wording import nearest

Strategies = Sequence[Parsed[StrategyConfig]]

_ADDRESS: Final = re.compile(typing.get_args(Address)[1].pattern)

# So many names of a folder are looked at to find the one that was meant.
_FOLDER_LIMIT: Final = 1_000


def check_unique(strategies: Strategies, report: ProblemReport) -> None:
    """Names and magic numbers: a netting account tells strategies apart by magic alone."""
    by_name: dict[str, str] = {}
    by_magic: dict[int, str] = {}
    for parsed in strategies:
        name, magic = parsed.get("name"), parsed.get("magic")
        if name is UNSET:
            continue
        if name in RESERVED:
            expected = "another name: this one is a process of the system"
            report.add(parsed.mark("name"), parsed.where("name"), name, expected)
        if name in by_name:
            found = f"{name} is already the name of {by_name[name]}"
            report.add(parsed.mark("name"), parsed.where("name"), found, "a unique name")
            continue
        by_name[name] = parsed.path
        if magic is UNSET:
            continue
        number = StrategyConfig(name=name, symbol="", magic=magic).magic_number
        if number in by_magic:
            found = f"{number} is already the magic number of {by_magic[number]}"
            if magic is None:
                found += f", and the one derived from the name {name}"
            report.add(parsed.mark("magic"), parsed.where("magic"), found, "a unique number")
        by_magic.setdefault(number, name)


def check_symbols(
    strategies: Strategies, symbols: Symbols, globals_: Parsed[GlobalConfig], report: ProblemReport
) -> None:
    """Each symbol is known, can be traded in the size asked for, and pays in money we can count."""
    account = globals_.get("account_currency")
    for parsed in strategies:
        symbol = parsed.get("symbol")
        if symbol is UNSET:
            continue
        mark, where = parsed.mark("symbol"), parsed.where("symbol")
        if symbol not in symbols.names:
            hint = nearest(symbol, sorted(symbols.names))
            report.add(mark, where, f"unknown symbol {symbol}", "a symbol of symbols.yaml", hint)
            continue
        spec = symbols.specs.get(symbol)
        if spec is None:
            continue
        _check_size(parsed, spec, report)
        quote = spec.quote_currency
        if account is not UNSET and not rates.convertible(spec, account, symbols.specs):
            found = f"{symbol} pays in {quote}, which cannot be converted to {account}"
            expected = f"a symbol of {quote} and {account} in symbols.yaml"
            report.add(mark, where, found, expected)


def _check_size(parsed: Parsed[StrategyConfig], spec: SymbolSpec, report: ProblemReport) -> None:
    risk = parsed.get("risk_config")
    if risk is UNSET or spec.lot_min <= risk.max_position_size <= spec.lot_max:
        return
    size = f"{risk.max_position_size:g} lots"
    if risk.max_position_size < spec.lot_min:
        found = f"{size}, under the smallest lot of {spec.name}, {spec.lot_min:g}"
    else:
        found = f"{size}, over the largest order of {spec.name}, {spec.lot_max:g}"
    owner = parsed.nested.get("risk_config", parsed)
    where = parsed.where("risk_config.max_position_size")
    expected = f"{spec.lot_min:g} to {spec.lot_max:g} lots"
    report.add(owner.mark("max_position_size"), where, found, expected)


def check_globals(parsed: Parsed[GlobalConfig], report: ProblemReport) -> None:
    """Addresses that there can be, and deadlines that a healthy process can keep."""
    url = parsed.get("zmq_market_url")
    if url is not UNSET and url.startswith("tcp:") and int(url.rpartition(":")[2]) > 65_535:
        where = parsed.where("zmq_market_url")
        report.add(parsed.mark("zmq_market_url"), where, url, "a port of 1 to 65535")
    metrics = parsed.get("metrics")
    if metrics is not UNSET and metrics is not None:
        _check_metrics(parsed, metrics, report)
    page = parsed.nested.get("page")
    address = UNSET if page is None else page.get("address")
    if page is not None and address is not UNSET and (problem := page_problem(address)):
        report.add(page.mark("address"), page.where("address"), address, problem)
    check_zone(parsed.nested.get("market"), report)
    supervisor = parsed.nested.get("supervisor")
    if supervisor is not None:
        _check_deadlines(supervisor, report)
        check_restart(supervisor.nested.get("restart"), report)


def _check_metrics(parsed: Parsed[GlobalConfig], address: str, report: ProblemReport) -> None:
    """Figures are served on a port that there is, with what is installed."""
    mark, where = parsed.mark("metrics"), parsed.where("metrics")
    if problem := metrics_problem(address):
        report.add(mark, where, address, problem)


def metrics_problem(address: str) -> str:
    """What would have to be otherwise for figures to be served there; empty: nothing."""
    return _address_problem(address, "metrics", "prometheus_client")


def page_problem(address: str) -> str:
    """What would have to be otherwise for the page to be served there; empty: nothing."""
    return _address_problem(address, "page", "starlette", "uvicorn")


def _address_problem(address: str, extra: str, *needed: str) -> str:
    if not _ADDRESS.fullmatch(address):
        return PATTERNS[_ADDRESS.pattern]
    if int(address.rpartition(":")[2]) > 65_535:
        return "a port of 1 to 65535"
    for package in needed:
        if importlib.util.find_spec(package) is None:
            install = f"pip install 'mt5crs-supervisor[{extra}]'"
            return f"the package {package}, which is not installed: {install}"
    return ""


def check_zone(
    parsed: Parsed[MarketConfig] | Parsed[QuietHoursConfig] | None, report: ProblemReport
) -> None:
    """A `time_zone` is one that this machine knows."""
    zone = None if parsed is None else parsed.get("time_zone")
    if parsed is None or not isinstance(zone, str):
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = sorted(available_timezones())
        where = parsed.where("time_zone")
        expected = "a time zone such as Europe/Athens"
        if not known:
            expected += "; this machine knows none, the package tzdata has them"
        report.add(parsed.mark("time_zone"), where, shorten(zone), expected, nearest(zone, known))


def _check_deadlines(parsed: Parsed[SupervisorConfig], report: ProblemReport) -> None:
    heartbeat = parsed.get("heartbeat")
    for key in ("hang_after", "lease"):
        seconds = parsed.get(key)
        if UNSET not in (heartbeat, seconds) and seconds <= 2 * heartbeat:
            found = f"{seconds:g} s with a heartbeat of {heartbeat:g} s"
            expected = f"more than two heartbeats, {2 * heartbeat:g} s"
            report.add(parsed.mark(key), parsed.where(key), found, expected)
    lease, grace = parsed.get("lease"), parsed.get("orphan_grace")
    if UNSET not in (lease, grace) and grace <= lease / 3.0:
        # Leases are renewed each third of their length: a child hears nothing in between.
        found = f"{grace:g} s with a lease of {lease:g} s"
        expected = f"more than a third of the lease, {lease / 3.0:g} s"
        report.add(parsed.mark("orphan_grace"), parsed.where("orphan_grace"), found, expected)


def check_limits(parsed: Parsed[LimitsConfig] | None, report: ProblemReport) -> None:
    """Limits that a healthy process can keep, the hard one above the other."""
    if parsed is None or not parsed.good:
        return
    limits = parsed.build()
    mark, where = parsed.mark("memory"), parsed.where("memory")
    if limits.memory_bytes < LEAST_MEMORY:
        expected = f"at least {LEAST_MEMORY // 1_000_000}MB: no process of a strategy is smaller"
        report.add(mark, where, limits.memory, expected)
    elif limits.memory_hard_bytes <= limits.memory_bytes:
        found = f"{limits.memory_hard}, not above memory, {limits.memory}"
        hard, where = parsed.mark("memory_hard"), parsed.where("memory_hard")
        report.add(hard, where, found, f"more than {limits.memory}")


def check_restart(parsed: Parsed[RestartConfig] | None, report: ProblemReport) -> None:
    """Backoff and budget together: a policy must be able to retry, and to give up."""
    if parsed is None or not parsed.good:
        return
    policy = parsed.build()
    if policy.backoff > policy.backoff_max:
        found = f"{policy.backoff:g} s, over backoff_max {policy.backoff_max:g} s"
        report.add(parsed.mark("backoff"), parsed.where("backoff"), found, "at most backoff_max")
    elif policy.max_deaths == 1 and policy.retry_after is None:
        found = "1 death puts the process into quarantine, and nothing ever retries it"
        expected = "at least 2, or retry_after"
        report.add(parsed.mark("max_deaths"), parsed.where("max_deaths"), found, expected)
    elif (waits := _longest_waits(policy)) >= policy.window:
        found = (
            f"{policy.max_deaths} deaths never fall within {policy.window:g} s, since the "
            f"{policy.max_deaths - 1} respawns between them wait up to {waits:g} s: "
            f"it would never give up"
        )
        expected = f"a window over {waits:g} s, fewer deaths or a shorter backoff"
        report.add(parsed.mark("window"), parsed.where("window"), found, expected)


def _longest_waits(policy: RestartConfig) -> float:
    """Seconds from the first of `max_deaths` deaths to the last, if every respawn dies at once."""
    wait, total = policy.backoff, policy.first_delay
    for _ in range(policy.max_deaths - 2):
        if total >= policy.window:
            break
        total += min(wait, policy.backoff_max)
        wait *= 2.0
    return total * (1.0 + policy.jitter) if policy.max_deaths > 1 else 0.0


def check_risk(globals_: Parsed[GlobalConfig], report: ProblemReport) -> None:
    """A rule's state goes by its name and scope: the same twice would share it."""
    rules = globals_.get("risk")
    if rules is UNSET or not rules:
        return
    marks = globals_.marks("risk")
    seen: dict[str, Mark] = {}
    for number, (rule, mark) in enumerate(zip(rules, marks, strict=True)):
        first = seen.setdefault(rule.name, mark)
        if first is not mark:
            path = f"{globals_.where('risk')}[{number}]"
            found = f"{rule.name}, as on line {first.line}"
            report.add(mark, path, found, "another rule or scope")
        if rule.lock_for is not None and rule.on_breach == "refuse":
            path = f"{globals_.where('risk')}[{number}].lock_for"
            found = f"{rule.lock_for:g}, and nothing locks"
            report.add(mark, path, found, "on_breach: reduce, or halt")


def check_feed(parsed: Parsed[FeedConfig] | None, report: ProblemReport) -> None:
    """A replay has files, nothing else has, and the start is a moment."""
    if parsed is None:
        return
    kind, files, start = parsed.get("kind"), parsed.get("files"), parsed.get("start")
    mark, where = parsed.mark("files"), parsed.where("files")
    if kind == "replay" and files == []:
        report.add(mark, where, "nothing to replay", "at least one file of ticks")
    if kind == "synthetic" and files not in (UNSET, []):
        report.add(mark, where, "files, but the feed is synthetic", "kind: replay")
    if isinstance(start, str) and not _is_moment(start):
        expected = "a time such as 2026-01-05T08:00:00Z"
        report.add(parsed.mark("start"), parsed.where("start"), shorten(start), expected)


def check_replay(
    strategies: Strategies,
    feed: Parsed[FeedConfig] | None,
    symbols: Symbols,
    globals_: Parsed[GlobalConfig],
    report: ProblemReport,
) -> None:
    """What is replayed is what somebody trades, or what converts a profit."""
    account = globals_.get("account_currency")
    if feed is None or feed.get("kind") != "replay" or UNSET in (feed.get("files"), account):
        return
    traded = [parsed.get("symbol") for parsed in strategies if parsed.get("enabled")]
    wanted = sorted(rates.needed((s for s in traded if s is not UNSET), account, symbols.specs))
    for number, name in enumerate(feed.get("files")):
        symbol = feed.get("symbol") or recorded.symbol_of(Path(name).name)
        if _is_file(Path(name)) and symbol is not UNSET and wanted and symbol not in wanted:
            found = f"{Path(name).name} holds {symbol}, which no enabled strategy trades"
            where = f"{feed.where('files')}[{number}]"
            expected = f"{', '.join(wanted)}; symbol: says what files hold that are named otherwise"
            report.add(feed.mark("files"), where, found, expected)


def _is_moment(text: str) -> bool:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_files(
    strategies: Strategies,
    feed: Parsed[FeedConfig] | None,
    folders: Sequence[Path],
    report: ProblemReport,
) -> None:
    """Find every file that the configuration names, and make its path absolute.

    Args:
        strategies: Their `model_path` and `history` are replaced.
        feed: Its `files` are replaced.
        folders: Where a relative path is looked for, in this order.
        report: Gets what is missing.
    """
    for parsed in strategies:
        if parsed.get("model_path") is None and parsed.get("strategy") is None:
            expected = "the path of an XGBoost model, or strategy: package.module:Class instead"
            report.add(parsed.mark("model_path"), parsed.where("model_path"), "missing", expected)
        for key in ("model_path", "history"):
            if isinstance(name := parsed.get(key), str):
                parsed.fields[key] = find_file(name, folders, _reporter(parsed, key, report))
    if feed is not None and "files" in feed.fields:
        refuse = _reporter(feed, "files", report)
        feed.fields["files"] = [find_file(name, folders, refuse) for name in feed.fields["files"]]


def _reporter(
    parsed: Parsed[Any], key: str, report: ProblemReport
) -> Callable[[str, str, str], None]:
    def refuse(found: str, expected: str, hint: str) -> None:
        report.add(parsed.mark(key), parsed.where(key), found, expected, hint)

    return refuse


def find_file(name: str, folders: Sequence[Path], refuse: Callable[[str, str, str], None]) -> str:
    """The absolute path of a file; `name` after refusing it.

    Symbolic links stay as they are: a model may be swapped by pointing its link elsewhere.
    """
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        path = Path(name)
    tried = tuple(dict.fromkeys(folder / path for folder in folders))
    for candidate in tried:
        if _is_file(candidate):
            return str(candidate)
    looked = ", ".join(map(str, tried))
    refuse(f"no file {name!r}", f"a file; looked for {looked}", _similar(tried))
    return name


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _similar(tried: Sequence[Path]) -> str:
    """A file that exists beside one of those that do not."""
    for path in tried:
        try:
            names = [entry.name for entry in itertools.islice(path.parent.iterdir(), _FOLDER_LIMIT)]
        except (OSError, ValueError):
            continue
        name = nearest(path.name, sorted(names), cutoff=0.7)
        if name and _is_file(path.parent / name):
            return str(path.parent / name)
    return ""

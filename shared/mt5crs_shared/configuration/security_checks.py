"""What must hold of connections: none leaves this machine in the clear, unless that was written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import UNSET

from mt5crs_shared.configuration.checks import find_file
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.parsing.yaml_structs import Parsed
from mt5crs_shared.configuration.structs import GlobalConfig
from mt5crs_shared.sockets.curve import (
    KEY_LENGTH,
    KeyFileError,
    read_pair,
    read_public,
    require_curve,
)
from mt5crs_shared.sockets.opening import is_local

_PEERS: Final = {"market": "publisher", "execution": "bridge"}
"""Who listens at the other end, by the section that is about it."""


def check_security(
    globals_: Parsed[GlobalConfig], folders: Sequence[Path], report: ProblemReport
) -> None:
    """See that each connection has keys, or stays on this machine, or may be in the clear.

    Args:
        globals_: Its paths of keys are made absolute.
        folders: Where a relative path is looked for, in this order.
        report: Gets what is wrong.
    """
    url, host = globals_.get("zmq_market_url"), globals_.get("zmq_execution_host")
    if url is not UNSET:
        _check_link(globals_, "market", "zmq_market_url", url, report)
    execution = globals_.get("execution")
    # On paper nobody connects there, unless it is to be tried out.
    asked = globals_.get("paper_trading") is False or (execution is not UNSET and execution.shadow)
    if host is not UNSET and asked:
        # The port is the same machine's, and may be a mistake of its own.
        _check_link(globals_, "execution", "zmq_execution_host", f"tcp://{host}:1", report)
    _check_page(globals_, folders, report)
    named = [name for name in _PEERS if _read_server_key(globals_, name, folders, report)]
    if not named:
        return
    _refuse_own_feed(globals_, report)
    try:
        require_curve()
    except KeyFileError as error:
        _add(globals_, named[0], "server_key", str(error), "a pyzmq that can encrypt", report)
    _read_secret_key(globals_, folders, report)


def _check_link(
    globals_: Parsed[GlobalConfig], section: str, field: str, url: str, report: ProblemReport
) -> None:
    settings = globals_.get(section)
    if settings is UNSET:
        return
    if settings.server_key is not None and settings.insecure:
        expected = "one of them: with a key nothing is in the clear"
        _add(globals_, section, "insecure", "true beside a server_key", expected, report)
    elif settings.server_key is None and not settings.insecure and not is_local(url):
        found = f"{globals_.get(field)}, which is another machine, without keys"
        expected = (
            f"global.{section}.server_key, for which `mt5crs-supervisor keys` makes keys;"
            f" or global.{section}.insecure: true, for a {_PEERS[section]} that speaks no CURVE, on"
            " a network that nobody else is on"
        )
        report.add(globals_.mark(field), globals_.where(field), found, expected)


def _check_page(
    globals_: Parsed[GlobalConfig], folders: Sequence[Path], report: ProblemReport
) -> None:
    """The page has a certificate, or stays on this machine, or may be in the clear."""
    parsed = globals_.nested.get("page")
    if parsed is None or parsed.get("address") is UNSET:
        return
    files = {name: parsed.get(name) for name in ("certificate", "key")}
    for name, other in (("certificate", "key"), ("key", "certificate")):
        if files[name] and not files[other]:
            found, expected = f"none beside the {name}", f"the PEM file with the {other}"
            report.add(parsed.mark(other), parsed.where(other), found, expected)
        if isinstance(place := files[name], str):
            parsed.fields[name] = _find_pem(place, folders, parsed, name, report)
    address, insecure = parsed.get("address"), parsed.get("insecure") is True
    if files["certificate"] and insecure:
        expected = "one of them: with a certificate nothing is in the clear"
        report.add(
            parsed.mark("insecure"), parsed.where("insecure"), "true beside a certificate", expected
        )
    elif not files["certificate"] and not insecure and not is_local(f"tcp://{address}"):
        found = f"{address}, which other machines reach, without a certificate"
        expected = (
            "global.page.certificate and key; or an address of this machine alone, with a proxy"
            " before it that has a certificate (global.page.hosts); or global.page.insecure: true,"
            " on a network that nobody else is on"
        )
        report.add(parsed.mark("address"), parsed.where("address"), found, expected)


def _find_pem(
    name: str, folders: Sequence[Path], parsed: Parsed[Any], field: str, report: ProblemReport
) -> str:
    """The absolute path of a PEM file; `name` after refusing it."""
    missing: list[str] = []
    path = find_file(name, folders, lambda *said: missing.append(said[1]))
    if missing:
        report.add(parsed.mark(field), parsed.where(field), f"no file {name!r}", missing[0])
    return path


def _refuse_own_feed(globals_: Parsed[GlobalConfig], report: ProblemReport) -> None:
    market = globals_.get("market")
    if globals_.nested.get("feed") is not None and market is not UNSET and market.server_key:
        found = "a key, and the market is a feed of ours, which speaks no CURVE"
        _add(globals_, "market", "server_key", found, "none beside global.feed", report)


def _read_server_key(
    globals_: Parsed[GlobalConfig], section: str, folders: Sequence[Path], report: ProblemReport
) -> bool:
    """Find the key of one connection, if it has one; whether it has."""
    parsed = globals_.nested.get(section)
    name = None if parsed is None else parsed.get("server_key")
    if parsed is None or not isinstance(name, str):
        return False
    parsed.fields["server_key"] = _find_key(
        name, folders, parsed, "server_key", read_public, report
    )
    return True


def _read_secret_key(
    globals_: Parsed[GlobalConfig], folders: Sequence[Path], report: ProblemReport
) -> None:
    name = globals_.get("secret_key")
    if name is not UNSET:
        globals_.fields["secret_key"] = _find_key(
            name, folders, globals_, "secret_key", read_pair, report
        )


def _find_key(
    name: str,
    folders: Sequence[Path],
    parsed: Parsed[Any],
    field: str,
    read: Callable[[Path], object],
    report: ProblemReport,
) -> str:
    """The absolute path of a file with keys; `name` after refusing it."""
    mark, where = parsed.mark(field), parsed.where(field)
    missing: list[str] = []
    path = find_file(name, folders, lambda *said: missing.append(said[1]))
    if missing:
        if len(name) == KEY_LENGTH:
            # Somebody may have written the key itself, which is for no log.
            report.add(mark, where, "no file, and not shown: it may be a key", "a file's path")
            return name
        expected = f"{missing[0]}; `mt5crs-supervisor keys` makes keys"
        report.add(mark, where, f"no file {name!r}", expected)
        return name
    try:
        read(Path(path))
    except KeyFileError as error:
        report.add(mark, where, str(error), "a file that `mt5crs-supervisor keys` has made")
    return path


def _add(
    globals_: Parsed[GlobalConfig],
    section: str,
    field: str,
    found: str,
    expected: str,
    report: ProblemReport,
) -> None:
    nested = globals_.nested.get(section, globals_)
    where = f"{globals_.where(section)}.{field}"
    report.add(nested.mark(field), where, found, expected)

"""What must hold of ``global.notify``, beyond each field by itself."""

import importlib.util
from collections.abc import Collection, Iterable, Iterator
from fnmatch import fnmatchcase
from typing import Any

from msgspec import UNSET

from mt5crs_shared import events
from mt5crs_shared.configuration.checks import Strategies, check_zone
from mt5crs_shared.configuration.notify_structs import NotifyConfig
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.parsing.yaml_structs import Parsed, one_of
from mt5crs_shared.configuration.structs import RESERVED
from mt5crs_shared.wording import nearest


def check_notify(
    parsed: Parsed[NotifyConfig] | None, strategies: Strategies, report: ProblemReport
) -> None:
    """Somebody is told, by names that mean something, with what is installed."""
    if parsed is None:
        return
    if importlib.util.find_spec("apprise") is None:
        expected = "the package apprise: pip install 'mt5crs-supervisor[notify]'"
        report.add(parsed.node.mark, parsed.path, "nothing to send messages with", expected)
    names = list(_destinations(parsed, report))
    quiet = parsed.nested.get("quiet_hours")
    check_zone(quiet, report)
    if quiet is not None and quiet.get("begin") == quiet.get("end") != UNSET:
        found, expected = "no hours: it ends when it begins", "another time"
        report.add(quiet.mark("end"), quiet.where("end"), found, expected)
    _check_rules(parsed, names, _who([s.get("name") for s in strategies]), report)


def _destinations(parsed: Parsed[NotifyConfig], report: ProblemReport) -> Iterator[str]:
    """The names of the destinations, each once."""
    found = parsed.get("to")
    if found == []:
        report.add(parsed.mark("to"), parsed.where("to"), "nobody", "at least one destination")
    if found is UNSET:
        return
    seen: set[str] = set()
    for number, destination in enumerate(found):
        if destination.name in seen:
            where = f"{parsed.where('to')}[{number}].name"
            report.add(parsed.marks("to")[number], where, destination.name, "a unique name")
        seen.add(destination.name)
        yield destination.name


def _who(strategies: Iterable[Any]) -> set[str]:
    """Whom something can happen to."""
    return {*(name for name in strategies if name is not UNSET), *RESERVED, events.ACCOUNT}


def _check_rules(
    parsed: Parsed[NotifyConfig], to: Collection[str], who: Collection[str], report: ProblemReport
) -> None:
    rules = parsed.get("rules")
    for number, rule in enumerate(rules if rules is not UNSET else []):
        mark, where = parsed.marks("rules")[number], f"{parsed.where('rules')}[{number}]"
        strangers = [
            *(("kinds", kind, events.KINDS) for kind in rule.kinds if kind not in events.KINDS),
            *(("to", name, to) for name in rule.to if to and name not in to),
            *(("names", name, who) for name in rule.names if not _matches(name, who)),
        ]
        for field, given, known in strangers:
            expected, hint = one_of(sorted(known)), nearest(given, known)
            report.add(mark, f"{where}.{field}", given, expected, hint)


def _matches(pattern: str, names: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)

"""What must hold where a strategy asks an API for its features."""

import re
from typing import Final
from urllib.parse import urlsplit

from msgspec import UNSET

from mt5crs_shared.configuration.checks import Strategies
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport, shorten
from mt5crs_shared.configuration.parsing.yaml_structs import Parsed
from mt5crs_shared.configuration.structs import GlobalConfig, StrategyConfig

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?|[0-9A-Fa-f:.]+")
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")


def check_features(
    strategies: Strategies, globals_: Parsed[GlobalConfig], report: ProblemReport
) -> None:
    """Who asks has a model that needs it, in time to trade on the answer, and an address."""
    asking = [parsed for parsed in strategies if parsed.get("features") == "api"]
    for parsed in asking:
        _check_strategy(parsed, report)
    url = globals_.get("feature_api_url")
    if not asking or url is UNSET:
        return
    if problem := url_problem(url):
        where = globals_.where("feature_api_url")
        # What stands before an @ may be a password, which is not repeated.
        found = "an address with an @" if "@" in url else shorten(url)
        report.add(globals_.mark("feature_api_url"), where, found, problem)


def _check_strategy(parsed: Parsed[StrategyConfig], report: ProblemReport) -> None:
    if parsed.get("model_path") is None:
        found = "api, and no model that features are for"
        report.add(
            parsed.mark("features"), parsed.where("features"), found, "a model_path, or local"
        )
    if parsed.get("evaluate") == "tick":
        found = "api, and evaluate: tick; an API has the features of closed bars"
        expected = "local, or evaluate: bar"
        report.add(parsed.mark("features"), parsed.where("features"), found, expected)
    api, age = parsed.get("feature_api"), parsed.get("max_signal_age")
    if UNSET not in (api, age) and api.timeout >= age:
        found = f"{api.timeout:g} s: what is decided then is older than max_signal_age, {age:g} s"
        owner = parsed.nested.get("feature_api", parsed)
        key = "timeout" if owner is not parsed else "max_signal_age"
        report.add(
            owner.mark(key), parsed.where("feature_api.timeout"), found, f"less than {age:g}"
        )


def url_problem(url: str) -> str:
    """What an address of a feature API would have to be; empty: it is."""
    expected = "http://host:port or https://host:port, also with a path"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return expected
    if parts.username is not None or parts.password is not None:
        return f"{expected}, without user and password: this file is no place for secrets"
    if parts.query or parts.fragment or parts.scheme not in ("http", "https") or port == 0:
        return expected
    return "" if _HOST.fullmatch(host) and _PATH.fullmatch(parts.path) else expected

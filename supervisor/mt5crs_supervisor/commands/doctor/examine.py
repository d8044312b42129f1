"""Looks at everything, and prints what was found."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.wording import safe
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.commands import show, validate
from mt5crs_supervisor.commands.doctor import bridge, feature_api, files, machine, market
from mt5crs_supervisor.commands.doctor.finding import Finding, Level, fault, fine, warning
from mt5crs_supervisor.commands.failures import is_missing
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.processes.instance_lock import holder

COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "error": "red"}

MEND = "mend it; `validate` says it again"


def examine(config_path: Path, var: Path, seconds: float, as_json: bool) -> bool:
    """Print what is found; whether there is no error.

    Args:
        config_path: The configuration.
        var: The folder of the system.
        seconds: How long to listen to the market.
        as_json: Print a list of `Finding`.
    """
    found = []
    for finding in findings(config_path, var, seconds):
        found.append(finding)
        if not as_json:
            say("\n".join(_lines(finding)))
    if as_json:
        show.print_json(found)
    else:
        say(_summary(found))
    return all(finding.level != "error" for finding in found)


def findings(config_path: Path, var: Path, seconds: float) -> Iterator[Finding]:
    """Everything, in the order in which it matters."""
    yield from machine.look_at_python()
    config: Config | None = None
    try:
        config = loading.load_config(config_path)
    except ConfigError as error:
        missing = is_missing(config_path)
        advice = "`init` makes a folder with one; --config names another" if missing else MEND
        for line in str(error).splitlines():
            yield fault("configuration", line, advice)
    else:
        yield from _configuration(config, config_path)
    strategies = config.enabled if config is not None else ()
    services = plans.services(config, VarPaths(var).ledger) if config is not None else ()
    children = len(services) + len(strategies) + sum(strategy.standby for strategy in strategies)
    yield from machine.look_at_limits(children)
    yield from machine.look_at_memory(children)
    yield from machine.look_at_clock()
    yield from files.look_at_folder(var)
    yield from files.look_at_disk(var)
    yield from files.look_at_ledger(var, config)
    yield from files.look_at_journals(var, [strategy.name for strategy in strategies])
    if config is not None:
        yield from files.look_at_secrets(config)
        yield from feature_api.look_at_feature_api(config)
        running = holder(VarPaths(var)) is not None
        yield from bridge.look_at_bridge(config, running)
        yield from market.look_at_market(config, seconds, running)


def _configuration(config: Config, path: Path) -> Iterator[Finding]:
    problems = validate.problems_of(config, path)
    for problem in problems:
        yield fault("configuration", str(problem), MEND)
    count = len(config.enabled)
    if not count:
        yield warning("configuration", f"{path}: no strategy is enabled", "set enabled: true")
    elif not problems:
        yield fine(
            "configuration", f"{path}: {count} of {len(config.strategies)} enabled, all tried"
        )


def _lines(finding: Finding) -> Iterator[str]:
    level = click.style(f"{finding.level:<8}", fg=COLOURS[finding.level])
    yield f"{level} {finding.topic:<14} {safe(finding.text)}"
    if finding.advice:
        yield f"{'':<8} {'':<14} -> {safe(finding.advice)}"


def _summary(found: Iterable[Finding]) -> str:
    levels = [finding.level for finding in found]
    errors, warnings = levels.count("error"), levels.count("warning")
    if not errors and not warnings:
        return "fit to run"
    return f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}"

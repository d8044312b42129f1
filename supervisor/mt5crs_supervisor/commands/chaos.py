"""`chaos`: hurt a system of its own, and prove that it lost nothing."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market import rates
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.chaos import campaign, replay_run, scenario, verdict
from mt5crs_supervisor.chaos.campaign import Kind
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem
from mt5crs_supervisor.chaos.faults import FaultResult
from mt5crs_supervisor.chaos.verdict import CampaignVerdict
from mt5crs_supervisor.commands.failures import CommandError, refuse_money
from mt5crs_supervisor.display.folding import say

SPEED = 600.0
"""Event time to real time: a bar of a minute closes every tenth of a second."""

LEAST_SECONDS = 60.0
"""Real seconds of ticks at least: the indicators need 256 bars before there are decisions."""

SLACK = 2.5
"""Recoveries take their time as well: so much longer than the plan the ticks last."""


def run_campaign(
    config_path: Path, faults: int, every: float, seed: int, only: str | None, as_json: bool
) -> bool:
    """Run a campaign and print its verdict; whether every bound was kept.

    Raises:
        ConfigError: The configuration is refused.
        CommandError: A kind of fault is unknown, or no strategy is enabled.
        ChaosError: The system did not come back from a fault.
    """
    config = loading.load_config(config_path)
    refuse_money(config, "chaos")
    if not config.enabled:
        raise CommandError("no strategy is enabled: there is nobody to hurt")
    config = with_cross_pair(config)
    plan = campaign.plan(seed, faults, every, _kinds(only), [s.name for s in config.enabled])
    folder = Path(tempfile.mkdtemp(prefix="mt5crs-chaos-"))
    result = None
    try:
        result = _compare(config, folder, plan, seed, quiet=as_json)
    finally:
        if result is not None and result.holds:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"everything is left in {folder}", err=True)
    _print(result, as_json)
    return result.holds


def with_cross_pair(config: Config) -> Config:
    """The configuration, with a cross pair of ours where it trades none.

    A profit that other ticks convert is the first to differ where something was lost.
    """
    currency = config.globals.account_currency
    if any(
        rates.converter(config.symbols[s.symbol], currency, config.symbols) for s in config.enabled
    ):
        return config
    strategy, symbols = scenario.cross_pair(currency)
    return msgspec.structs.replace(
        config,
        strategies=(*config.strategies, strategy),
        symbols={**symbols, **config.symbols},
    )


def _compare(
    config: Config, folder: Path, plan: Sequence[campaign.Fault], seed: int, quiet: bool
) -> CampaignVerdict:
    """The same made-up ticks twice: once in peace, once with the faults."""
    seconds = max(plan[-1].at * SLACK + 10.0, LEAST_SECONDS)
    traded = [strategy.symbol for strategy in config.enabled]
    symbols = rates.needed(traded, config.globals.account_currency, config.symbols)
    ticks = round(seconds * SPEED)
    files = scenario.make_up(folder, list(symbols.values()), ticks, seed)
    published = dict.fromkeys(symbols, ticks)
    if not quiet:
        say(f"in peace: {ticks * len(symbols):,} made-up ticks as fast as possible")
    untouched = replay_run.run_replay(_installation(config, folder / "untouched", files), published)
    if not quiet:
        say(f"with {len(plan)} faults, seed {seed}, at {SPEED:g} times real speed")
    struck = replay_run.run_replay(
        _installation(config, folder / "struck", files, hurt=True),
        published,
        plan,
        (lambda _result: None) if quiet else _tell,
    )
    owners = {s.name: s.symbol for s in config.enabled}
    return verdict.judge(untouched, struck, published, owners, len(plan))


def _installation(
    config: Config, folder: Path, files: dict[str, Path], hurt: bool = False
) -> CampaignSystem:
    folder.mkdir()
    var = folder / "var"
    strategies = [msgspec.to_builtins(strategy) for strategy in config.enabled]
    for entry in strategies:
        # The campaign has its own budget of restarts, and what is unset is left out.
        entry.pop("restart")
        # An API knows nothing of made-up ticks, and is none of the processes that are hurt.
        entry["features"] = "local"
    entries = [{k: v for k, v in e.items() if v is not None} for e in strategies]
    if hurt:
        entries = [scenario.sabotaged(entry, VarPaths(var)) for entry in entries]
    symbols = [msgspec.to_builtins(config.symbols[symbol]) for symbol in files]
    file = folder / "strategies.yaml"
    speed = SPEED if hurt else 0.0
    currency = config.globals.account_currency
    scenario.write_config(file, entries, symbols, list(files.values()), speed, currency=currency)
    return CampaignSystem(file, var)


def _kinds(only: str | None) -> list[Kind]:
    if only is None:
        return list(Kind)
    wanted = only.split(",")
    unknown = [kind for kind in wanted if kind not in set(Kind)]
    if unknown:
        raise CommandError(f"no such fault: {', '.join(unknown)}; there are {', '.join(Kind)}")
    return [Kind(kind) for kind in wanted]


def _tell(result: FaultResult) -> None:
    fault = result.fault
    named = fault.kind in campaign.ALONE or fault.strategy in result.replaced
    target = f"{fault.kind} {fault.strategy}" if named else str(fault.kind)
    say(f"{result.began:7.2f} s  {target:<40} well again after {result.recovery * 1000:6.0f} ms")


def _print(result: CampaignVerdict, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
        return
    for difference in result.differences:
        say(difference)
    say("")
    say("\n".join(verdict.lines(result)))

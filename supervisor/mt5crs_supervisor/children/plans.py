"""From a configuration to the children that it asks for."""

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from mt5crs_shared.configuration.loading import config_hash
from mt5crs_shared.configuration.structs import Config, GlobalConfig, StrategyConfig
from mt5crs_shared.market import rates
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.messages import Kind
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError

ENTRIES = {
    "gateway": "mt5crs_services.gateway.server:run_gateway",
    "tape": "mt5crs_services.tape.server:run_tape",
    "feed": "mt5crs_services.feed.server:run_feed",
    "notifier": "mt5crs_services.notifier.server:run_notifier",
    "metrics": "mt5crs_supervisor.operator.exporter.server:run_exporter",
    "page": "mt5crs_services.page.server:run_page",
}
"""Entry points of the services, by name only: the supervisor imports none of them."""

STRATEGY_ENTRY = "mt5crs_worker.process.main:run_strategy"


BEATS = 500
"""Beats a second that are read at most, as long as that is often enough to notice a hang."""


class Plan(msgspec.Struct, frozen=True):
    """What to run: the part of the configuration that one child depends on.

    Attributes:
        name: The child's name.
        kind: What it is.
        entry: ``package.module:function``.
        payload: Its configuration, JSON.
        config_hash: Hash of all that it depends on.
        symbol: A strategy's symbol; empty for services.
        standby: Whether a process is to stand by for it.
    """

    name: str
    kind: Kind
    entry: str
    payload: bytes
    config_hash: str
    symbol: str = ""
    standby: bool = False


def services(config: Config, ledger: Path) -> list[Plan]:
    """The services that a configuration needs; feed, notifier, metrics and page where it says so.

    Args:
        config: The configuration.
        ledger: The account's; the symbols of its open positions are kept as well.
    """
    own = symbols_of(config, config.enabled)
    notify = config.globals.notify
    # A change of what is told, or shown, is nobody's business but of whoever does it.
    shared = msgspec.structs.replace(config.globals, notify=None, metrics=None, page=None)
    guarded = _guarded(ledger)
    # Who only publishes or records goes on where strategies come and go.
    market = Config(config.path, (), shared, own)
    traded = msgspec.structs.replace(market, strategies=tuple(map(_as_traded, config.enabled)))
    wanted = [("tape", market), ("gateway", traded)]
    feed = config.globals.feed
    if feed is not None:
        quoted = market if feed.kind == "synthetic" else msgspec.structs.replace(market, symbols={})
        wanted.append(("feed", quoted))
    if notify is not None:
        wanted.append(("notifier", _for_notifier(config)))
    if config.globals.metrics is not None:
        wanted.append(("metrics", _for_exporter(config)))
    if config.globals.page is not None:
        wanted.append(("page", _for_page(config)))
    return [_service(name, needed, guarded) for name, needed in wanted]


def _as_traded(strategy: StrategyConfig) -> StrategyConfig:
    """What the gateway goes by; how a strategy decides is no business of its."""
    return StrategyConfig(
        name=strategy.name,
        symbol=strategy.symbol,
        risk_config=strategy.risk_config,
        magic=strategy.magic,
        max_signal_age=strategy.max_signal_age,
    )


def _for_notifier(config: Config) -> Config:
    settings = GlobalConfig(
        supervisor=config.globals.supervisor,
        retention=config.globals.retention,
        notify=config.globals.notify,
    )
    return Config(config.path, (), settings, {})


def _for_exporter(config: Config) -> Config:
    settings = GlobalConfig(supervisor=config.globals.supervisor, metrics=config.globals.metrics)
    return Config(config.path, (), settings, {})


def _for_page(config: Config) -> Config:
    settings = GlobalConfig(supervisor=config.globals.supervisor, page=config.globals.page)
    return Config(config.path, (), settings, {})


def _service(name: str, needed: Config, guarded: dict[str, SymbolSpec]) -> Plan:
    """The plan of a service that depends on this part of the configuration."""
    digest = hashlib.blake2b(msgspec.json.encode(needed), digest_size=16).hexdigest()
    # What is held just now makes no other configuration: its processes are adopted all the same.
    payload = msgspec.json.encode(msgspec.structs.replace(needed, symbols=guarded | needed.symbols))
    return Plan(name, name, ENTRIES[name], payload, digest)  # type: ignore[arg-type]  # it is a Kind


def everybody(config: Config, ledger: Path) -> dict[str, Plan]:
    """The plan of each child that a configuration needs, by its name, services first."""
    return {plan.name: plan for plan in (*services(config, ledger), *strategies(config))}


def strategies(config: Config) -> list[Plan]:
    """One plan for each enabled strategy, in the order of the file."""
    return [plan_of(config, strategy) for strategy in config.enabled]


def plan_of(config: Config, strategy: StrategyConfig) -> Plan:
    """The plan of one strategy, enabled or not."""
    symbols = symbols_of(config, (strategy,))
    own = Config(config.path, (strategy,), _paced(config), symbols)
    return Plan(
        name=strategy.name,
        kind="strategy",
        entry=STRATEGY_ENTRY,
        payload=msgspec.json.encode(own),
        config_hash=config_hash(strategy, config.globals, symbols),
        symbol=strategy.symbol,
        standby=strategy.standby,
    )


def _paced(config: Config) -> GlobalConfig:
    """What all share, with a heartbeat as seldom as so many strategies need.

    It is no part of what a process depends on: one that beats more often is adopted all the same.
    """
    settings = config.globals.supervisor
    seldom = min(len(config.enabled) / BEATS, settings.hang_after / 3.0, settings.lease / 3.0)
    paced = msgspec.structs.replace(settings, heartbeat=max(settings.heartbeat, seldom))
    return msgspec.structs.replace(config.globals, supervisor=paced)


def _guarded(ledger: Path) -> dict[str, SymbolSpec]:
    """What the ledger's open positions need; the gateway says what is wrong with a bad ledger."""
    try:
        with contextlib.closing(ledger_schema.open_ledger(ledger, older=True)) as db:
            return ledger_queries.guarded(db)
    except LedgerError:
        return {}


def symbols_of(config: Config, strategies: Iterable[StrategyConfig]) -> dict[str, SymbolSpec]:
    """What strategies trade, and what converts their profit."""
    traded = [strategy.symbol for strategy in strategies]
    return rates.needed(traded, config.globals.account_currency, config.symbols)

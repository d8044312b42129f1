"""From a configuration to the children that it asks for."""

import hashlib

import msgspec

from mt5crs_shared.config import Config, StrategyConfig, SymbolSpec, conversion_symbol
from mt5crs_shared.config_file import config_hash
from mt5crs_supervisor.records import Plan

ENTRIES = {
    "gateway": "mt5crs_services.gateway.server:main",
    "tape": "mt5crs_services.tape:main",
    "feed": "mt5crs_services.feed.server:main",
}
"""Entry points of the services, by name only: the supervisor imports none of them."""

STRATEGY_ENTRY = "mt5crs_worker.process:main"


def services(config: Config) -> list[Plan]:
    """The services that a configuration needs: tape, gateway, and a feed where it names one."""
    symbols = {k: v for one in config.enabled for k, v in _symbols(config, one).items()}
    enabled = msgspec.structs.replace(config, strategies=config.enabled, symbols=symbols)
    payload = msgspec.json.encode(enabled)
    names = ["tape", "gateway"] + (["feed"] if config.globals.feed is not None else [])
    digest = hashlib.blake2b(payload, digest_size=16).hexdigest()
    return [
        Plan(name, name, ENTRIES[name], payload, digest)  # type: ignore[arg-type]  # it is a Kind
        for name in names
    ]


def strategies(config: Config) -> list[Plan]:
    """One plan for each enabled strategy, in the order of the file."""
    return [_strategy(config, strategy) for strategy in config.enabled]


def _strategy(config: Config, strategy: StrategyConfig) -> Plan:
    symbols = _symbols(config, strategy)
    own = msgspec.structs.replace(config, strategies=(strategy,), symbols=symbols)
    return Plan(
        name=strategy.name,
        kind="strategy",
        entry=STRATEGY_ENTRY,
        payload=msgspec.json.encode(own),
        config_hash=config_hash(strategy, config.globals, symbols),
        symbol=strategy.symbol,
    )


def _symbols(config: Config, strategy: StrategyConfig) -> dict[str, SymbolSpec]:
    """The strategy's symbol, and the one that converts its profit where that takes another."""
    own = config.symbols[strategy.symbol]
    account = config.globals.account_currency
    needed = {own.name: own}
    if account not in (own.quote_currency, own.base_currency):
        name = conversion_symbol(own.quote_currency, account, config.symbols)
        if name is not None:
            needed[name] = config.symbols[name]
    return needed

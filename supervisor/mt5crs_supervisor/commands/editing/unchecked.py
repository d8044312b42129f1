"""A strategies file as far as it can be read, for commands that fetch what it still lacks."""

from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport, read_yaml
from mt5crs_shared.configuration.structs import GlobalConfig, StrategyConfig


class UncheckedStrategy(msgspec.Struct, frozen=True):
    """An entry.

    Attributes:
        name: Its name; empty: it has none.
        symbol: Its symbol.
        timeframe: Of its bars.
        history: Its file of bars, as it is written; empty: it names none.
    """

    name: str
    symbol: str
    timeframe: str
    history: str


class UncheckedConfig(msgspec.Struct, frozen=True):
    """What it says of where to ask, and for what.

    Attributes:
        address: Of the Windows gateway.
        strategies: The entries that name a symbol.
    """

    address: str
    strategies: tuple[UncheckedStrategy, ...]

    @property
    def traded(self) -> tuple[str, ...]:
        """Symbols that strategies trade."""
        return tuple(dict.fromkeys(strategy.symbol for strategy in self.strategies))


def unchecked_config(config: Path) -> UncheckedConfig:
    """Read it; a symbol or a file that is missing yet is no mistake here, nor is any other."""
    root = read_yaml(config.absolute(), ProblemReport(str(config)))
    whole = _table(root.plain() if isinstance(root, Node) else None)
    shared, default = _table(whole.get("global")), GlobalConfig()
    host = shared.get("zmq_execution_host", default.zmq_execution_host)
    port = shared.get("zmq_execution_port", default.zmq_execution_port)
    strategies = whole.get("strategies")
    entries = map(_table, strategies if isinstance(strategies, list) else [])
    usual = StrategyConfig(name="usual", symbol="usual")
    return UncheckedConfig(
        f"tcp://{host}:{port}",
        tuple(
            UncheckedStrategy(
                name=str(entry.get("name") or ""),
                symbol=str(entry["symbol"]),
                timeframe=str(entry.get("timeframe") or usual.timeframe),
                history=str(entry.get("history") or ""),
            )
            for entry in entries
            if entry.get("symbol")
        ),
    )


def _table(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}

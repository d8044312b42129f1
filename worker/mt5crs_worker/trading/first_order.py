"""The first order with real money after a change of what decides: a small one."""

import sys
from hashlib import blake2b
from pathlib import Path

import msgspec

from mt5crs_shared.configuration.structs import RiskConfig, StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec


class FirstOrder:
    """Holds orders small until one was dealt.

    Args:
        most: Lots that such an order has at most; the symbol's smallest volume is allowed always.
        setup: What decides; see `setup_of`.
        dealt_by: The setup whose first order was dealt, as an earlier process left it.

    Attributes:
        dealt_by: The same, by now.
    """

    def __init__(self, most: float, setup: str, dealt_by: str) -> None:
        self.dealt_by = dealt_by
        self._most = most
        self._setup = setup

    def limited(self, risk: RiskConfig, symbol: SymbolSpec) -> RiskConfig:
        """The risk settings that an order is sized by."""
        if self.dealt_by == self._setup:
            return risk
        most = min(risk.max_position_size, max(self._most, symbol.lot_min))
        return msgspec.structs.replace(risk, max_position_size=most)

    def dealt(self) -> None:
        """An order was dealt: those that follow are sized as the settings say."""
        self.dealt_by = self._setup


def setup_of(config: StrategyConfig, model_hash: str, strategy: type) -> str:
    """Names what decides: settings, model, and the file of the strategy's class.

    Args:
        config: The strategy's entry.
        model_hash: Of its model; empty: it has none.
        strategy: Its class.
    """
    source = getattr(sys.modules.get(strategy.__module__), "__file__", None)
    parts = [msgspec.json.encode(config), model_hash.encode()]
    parts += [Path(source).read_bytes()] if source is not None and Path(source).is_file() else []
    return blake2b(b"\x00".join(parts), digest_size=16).hexdigest()

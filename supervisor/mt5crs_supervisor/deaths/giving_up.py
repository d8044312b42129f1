"""What becomes of the position of a strategy that is given up: held, or closed."""

from collections.abc import Callable, Collection, Iterable

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.control.states import State
from mt5crs_shared.metrics import AccountReport
from mt5crs_shared.trading.operator_requests import ClosePositions
from mt5crs_shared.trading.orders import Whole
from mt5crs_supervisor.children.child import Child

ASK_AGAIN = 2.0
"""Seconds until the gateway is asked again for what it has not done; it may be away just now."""

WHO = "the supervisor, which has given the strategy up"


class GivingUp:
    """Has positions closed, again and again until they are; pure but for `ask`.

    Args:
        ask: Asks the gateway.
    """

    def __init__(self, ask: Callable[[ClosePositions], None]) -> None:
        self._ask = ask
        self._ask_at = 0.0

    def on_turn(
        self,
        children: Iterable[Child],
        entries: Collection[StrategyConfig],
        account: AccountReport | None,
        now: float,
    ) -> None:
        """Look for positions of strategies that are given up, and are to be flat then.

        Args:
            children: The strategies.
            entries: Their entries in the YAML.
            account: The gateway's last word; None: none yet.
            now: Monotonic time, seconds.
        """
        lost = {child.name for child in children if child.state is State.QUARANTINED}
        if not lost or account is None or now < self._ask_at:
            return
        flat = {e.name for e in entries if e.name in lost and e.on_give_up == "flatten"}
        held: tuple[Whole, ...] = tuple(
            money.position.ticket
            for money in account.strategies
            if money.strategy in flat and money.position is not None
        )
        if held:
            self._ask_at = now + ASK_AGAIN
            self._ask(ClosePositions(held, WHO))

"""Orders that may have opened what is closed again: which part of a balance's change is theirs."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mt5crs_services.gateway.brokers.bridge.account.closings import Ended, shared_out
from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_MONEY
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot


class Opening(NamedTuple):
    """An order on its way that is to open a position.

    Attributes:
        order_id: Its id.
        begun_at: Monotonic time at which it came here, seconds.
        doubted: Seconds for which nobody has known its fate; 0.0: it is being answered.
        looked_for: It was looked for so often that it is not dealt any more, if it was not.
    """

    order_id: str
    begun_at: float
    doubted: float
    looked_for: bool


class OpeningsInDoubt:
    """Keeps what may be their profit apart from that of positions which the broker has ended.

    Where those had all of it, the order would be taken for never dealt.

    Args:
        openings: Those on their way, just now.
        unknown_after: Seconds after which people are asked about one.
    """

    def __init__(self, openings: Callable[[], Sequence[Opening]], unknown_after: float) -> None:
        self._openings = openings
        self._unknown_after = unknown_after
        self._made = 0.0
        self._looked_for: frozenset[str] = frozenset()

    def nothing_is_missing(self, difference: float) -> None:
        """Every position is listed: what has moved the balance, none that ends later has made.

        Args:
            difference: By how much it differs from what is known, in the account's currency.
        """
        self._made = difference
        self._looked_for = frozenset(each.order_id for each in self._openings() if each.looked_for)

    def may_be_found(self, snapshot: AccountSnapshot, told: bool) -> bool:
        """Whether what has ended is to wait for what becomes of one of them.

        Args:
            snapshot: The account.
            told: The broker's deals are told, and none is an order's of ours that is in no ledger.
        """
        entangled = self._entangled(snapshot, told)
        return any(each.doubted < self._unknown_after for each in entangled)

    def shares(
        self, ended: Sequence[Ended], difference: float, snapshot: AccountSnapshot, told: bool
    ) -> list[float] | None:
        """What each position that has ended has made; None: it does not fit to the balance.

        Where nobody knows yet whether an order has a share, each gets what the quotes say: what is
        left is for people to put down to that order, or not.

        Args:
            ended: What is gone.
            difference: See `nothing_is_missing`.
            snapshot: The account.
            told: See `may_be_found`.
        """
        made = difference - self._made if self._kept_apart else difference
        # A terminal that is connecting lists none, and its balance is what it was.
        shares = shared_out(ended, made) if abs(made) >= SAME_MONEY else None
        if shares is None or not self._entangled(snapshot, told):
            return shares
        return [each.expected for each in ended]

    @property
    def _kept_apart(self) -> frozenset[str]:
        """The orders that may have made what was there before, while all of them are in doubt."""
        on_way = {each.order_id for each in self._openings()}
        return self._looked_for if self._looked_for <= on_way else frozenset()

    def _entangled(self, snapshot: AccountSnapshot, told: bool) -> list[Opening]:
        """Those whose position may have ended since all was listed, as others have."""
        apart = self._kept_apart
        here = [each for each in self._openings() if each.begun_at <= snapshot.asked_at]
        return [] if told else [each for each in here if each.order_id not in apart]

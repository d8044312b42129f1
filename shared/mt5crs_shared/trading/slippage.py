"""Live deals against those of the paper book: each figure of `compare` has its formula here.

Worse is positive: a BUY that cost more than on paper, a SELL that brought less. Amounts are in the
account's currency, and without commission and swap.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from mt5crs_shared.trading.orders import Code, Side

PRICE_OF_QUOTE = "its price is that of the quote"
"""What an order's detail says where the bridge did not tell the price of its deal."""

ShadowKind = Literal["OPEN", "CLOSE", "STOP", "TARGET"]
"""OPEN and CLOSE: by an order of the strategy. STOP and TARGET: the broker has ended the position,
or the gateway where the broker had not the stop; compared with that level itself."""

KINDS: tuple[ShadowKind, ...] = ("OPEN", "CLOSE", "STOP", "TARGET")


class ComparedOrder(msgspec.Struct, frozen=True):
    """An order of a live account, and what the paper book would have made of it.

    Attributes:
        order_id: Its id.
        strategy: Whose it is.
        kind: See `ShadowKind`.
        side: Side of the deal.
        point: The last digit of the price.
        worth: What one lot gains when the price rises by 1; None: not known.
        decided_us: Event time of the tick it was decided on; None: there was no order.
        recorded: Wall time at which the gateway took it, seconds since the epoch.
        paper_price: Of the paper book's deal; None: there is none, or it is not known.
        paper_code: Why the paper book would have refused it; None: it would not.
        lots: Volume that was dealt; None: nothing was.
        price: Of the live deal.
        dealt_us: Its event time: that of the newest quote when the deal was known.
        booked: Wall time of its booking, seconds since the epoch.
        code: What became of it live; None: that is not known yet.
        detail: For people.
    """

    order_id: str
    strategy: str
    kind: ShadowKind
    side: Side
    point: float
    worth: float | None
    decided_us: int | None
    recorded: float
    paper_price: float | None
    paper_code: Code | None
    lots: float | None
    price: float | None
    dealt_us: int | None
    booked: float | None
    code: Code | None
    detail: str

    @property
    def live(self) -> Code | None:
        """FILLED, PARTIAL, or why nothing was dealt; None: that is not known yet."""
        if self.price is None or self.code is Code.PARTIAL:
            return self.code
        return Code.FILLED

    @property
    def worse(self) -> float | None:
        """By how much the live price is worse; None: one of the two is not known."""
        if self.paper_price is None or self.price is None or PRICE_OF_QUOTE in self.detail:
            return None
        sign = 1.0 if self.side == "BUY" else -1.0
        return sign * (self.price - self.paper_price)

    @property
    def points(self) -> float | None:
        """`worse` in points."""
        return None if self.worse is None else self.worse / self.point

    @property
    def money(self) -> float | None:
        """`worse` x lots x `worth`."""
        if self.worse is None or self.worth is None or self.lots is None:
            return None
        return self.worse * self.lots * self.worth

    @property
    def event_ms(self) -> float | None:
        """From the tick that it was decided on to the deal, by the market's clock."""
        if self.dealt_us is None or self.decided_us is None:
            return None
        return (self.dealt_us - self.decided_us) / 1e3

    @property
    def wall_ms(self) -> float | None:
        """From the gateway's record of the order to that of the deal, by this machine's clock."""
        if self.booked is None or self.decided_us is None:
            return None
        return (self.booked - self.recorded) * 1e3


class Slippage(msgspec.Struct, frozen=True):
    """What some deals have in common. A figure that no deal has is None.

    Attributes:
        strategy: Whose they are; empty: of all.
        kind: Of one kind; empty: of every.
        deals: How many there are.
        compared: Of how many the price is known on both sides.
        points_median: Of the points by which they were worse.
        points_p95: 95 % were no worse than that.
        money: By how much they were worse together.
        event_ms_median: Of the delays by the market's clock.
        event_ms_p95: 95 % were no later.
        wall_ms_median: Of the delays by this machine's clock.
        wall_ms_p95: 95 % were no later.
    """

    strategy: str
    kind: str
    deals: int
    compared: int
    points_median: float | None
    points_p95: float | None
    money: float | None
    event_ms_median: float | None
    event_ms_p95: float | None
    wall_ms_median: float | None
    wall_ms_p95: float | None


class Disagreement(msgspec.Struct, frozen=True):
    """Orders that one of the two would have dealt and the other not, or only in part.

    Attributes:
        strategy: Whose they are.
        live: What became of them.
        paper: What the paper book would have said.
        orders: How many there are.
        detail: Of the newest of them, for people.
    """

    strategy: str
    live: Code
    paper: Code
    orders: int
    detail: str


def slippages(orders: Sequence[ComparedOrder]) -> list[Slippage]:
    """Of each strategy, by name: all of its deals, then each kind; of several, all at the end."""
    dealt = [order for order in orders if order.price is not None]
    names = sorted({order.strategy for order in dealt})
    groups = [(name, [order for order in dealt if order.strategy == name]) for name in names]
    if len(names) > 1:
        groups.append(("", dealt))
    found = []
    for name, some in groups:
        found.append(slippage(name, "", some))
        kinds = ((kind, [order for order in some if order.kind == kind]) for kind in KINDS)
        found += [slippage(name, kind, of_kind) for kind, of_kind in kinds if of_kind]
    return found


def slippage(strategy: str, kind: str, dealt: Sequence[ComparedOrder]) -> Slippage:
    """The figures of some deals."""
    points = [order.points for order in dealt if order.points is not None]
    money = [order.money for order in dealt if order.money is not None]
    event = [order.event_ms for order in dealt if order.event_ms is not None]
    wall = [order.wall_ms for order in dealt if order.wall_ms is not None]
    return Slippage(
        strategy=strategy,
        kind=kind,
        deals=len(dealt),
        compared=len(points),
        points_median=_median(points),
        points_p95=_p95(points),
        money=round(math.fsum(money), 2) if money else None,
        event_ms_median=_median(event),
        event_ms_p95=_p95(event),
        wall_ms_median=_median(wall),
        wall_ms_p95=_p95(wall),
    )


def disagreements(orders: Sequence[ComparedOrder]) -> list[Disagreement]:
    """Orders that ended otherwise than on paper, by strategy and by what became of them."""
    groups: dict[tuple[str, Code, Code], list[ComparedOrder]] = {}
    for order in orders:
        known = order.paper_price is not None or order.paper_code is not None
        if not known or order.live is None or not (order.price or order.paper_price):
            continue
        live, paper = order.live, order.paper_code or Code.FILLED
        if live is paper:
            continue
        groups.setdefault((order.strategy, live, paper), []).append(order)
    return [
        Disagreement(strategy, live, paper, len(some), some[-1].detail)
        for (strategy, live, paper), some in sorted(groups.items())
    ]


def _median(values: Sequence[float]) -> float | None:
    return round(statistics.median(values), 3) if values else None


def _p95(values: Sequence[float]) -> float | None:
    """The smallest value that 95 % are not above."""
    if not values:
        return None
    return round(sorted(values)[math.ceil(0.95 * len(values)) - 1], 3)

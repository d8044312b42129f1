"""Positions that the broker has ended by itself: at which price, for how much, and why."""

import itertools
from collections.abc import Sequence
from uuid import uuid4

import msgspec

from mt5crs_services.gateway.brokers import fills, pricing
from mt5crs_services.gateway.brokers.bridge.account.told_deals import told_id
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import FarDeal
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.orders import Code, Fill, Position

PLAUSIBLE = 0.02
"""A closing whose profit is off its estimate by more than this share of the position's value is
not believed."""

NEAR_QUOTE = 0.001
"""One that is off by no more than this was closed about where the quotes are."""

GUESSES = 1_000
"""Ways in which several positions may have been closed that are tried."""

NEAR_STOP = 0.1
"""A price this share of a stop's distance from it is that stop's."""


TOLD_REASONS = {"SL": Code.STOP_LOSS, "TP": Code.TAKE_PROFIT, "SO": Code.STOP_OUT}
"""By the broker's word for why there is a deal; anything else is somebody's hand."""


class Ended(msgspec.Struct, frozen=True):
    """A position, or a part of one, that the broker has no more.

    Attributes:
        held: The position.
        lots: What is gone of it.
        spec: Its symbol.
        estimate: At which price that was, as far as the quotes tell.
        rate: Price of the quote currency in the account's.
        time_us: Event time.
    """

    held: OpenPosition
    lots: float
    spec: SymbolSpec
    estimate: float
    rate: float
    time_us: int

    @property
    def expected(self) -> float:
        """Profit at the estimate, in the account's currency."""
        return profit_at(self.spec, self.held.position, self.lots, self.estimate, self.rate)

    @property
    def value(self) -> float:
        """What the volume is worth, in the account's currency."""
        return self.lots * self.spec.contract_size * self.estimate * self.rate


def profit_at(
    spec: SymbolSpec, position: Position, lots: float, price: float, rate: float
) -> float:
    """Profit of closing a part of a position, in the account's currency, to the cent."""
    part = msgspec.structs.replace(position, lots=lots)
    return round(pricing.profit(spec, part, price, rate), 2)


def shared_out(ended: Sequence[Ended], made: float) -> list[float] | None:
    """What each of them has made of what all have made together; None: it does not fit.

    They were closed about where the quotes are; or else at their stops and targets, which a market
    may have touched and left while nobody here saw it.

    Args:
        ended: What is gone.
        made: By how much the balance has changed besides what is known, in the account's currency.
    """
    shares = _shares(ended, made, NEAR_QUOTE)
    return _shares(best_guess(ended, made), made, PLAUSIBLE) if shares is None else shares


def best_guess(ended: Sequence[Ended], made: float) -> Sequence[Ended]:
    """The same, each closed at the quote, at its stop or at its target: what fits `made` best."""
    guesses = itertools.islice(itertools.product(*map(_at_levels, ended)), GUESSES)
    return min(guesses, key=lambda guess: abs(made - sum(each.expected for each in guess)))


def _at_levels(ended: Ended) -> list[Ended]:
    """A position as it may have been closed: at the quote, at its stop, at its target."""
    position = ended.held.position
    levels = [level for level in (position.stop_loss, position.take_profit) if level]
    return [ended, *(msgspec.structs.replace(ended, estimate=level) for level in levels)]


def _shares(ended: Sequence[Ended], made: float, tolerance: float) -> list[float] | None:
    expected = sum(each.expected for each in ended)
    value = sum(each.value for each in ended)
    rest = made - expected
    if abs(rest) > tolerance * value:
        return None
    shares = [round(each.expected + rest * each.value / value, 2) for each in ended]
    shares[-1] = round(made - sum(shares[:-1]), 2)
    return shares


def price_of(ended: Ended, made: float) -> float:
    """At which price a position was closed that has made so much; 0.0: it cannot have.

    Args:
        ended: The position.
        made: By how much the balance has changed besides what is known, in the account's currency.
    """
    shares = shared_out([ended], made)
    return _price_of(ended, shares[0]) if shares is not None else 0.0


def ending_fill(ended: Ended, profit: float) -> Fill:
    """The deal by which the broker has ended a position, or a part of it."""
    position = ended.held.position
    price = _price_of(ended, profit)
    code = reason_of(position, price, ended.lots)
    return fills.closing_fill(
        position, own_id(position, code), ended.lots, price, ended.time_us, code, profit
    )


def told_fill(ended: Ended, deal: FarDeal) -> Fill:
    """The same, as one of the broker's deals tells it."""
    position = ended.held.position
    code = TOLD_REASONS.get(deal.reason, Code.MANUAL)
    return fills.closing_fill(
        position, told_id(deal), deal.lots, deal.price, ended.time_us, code, deal.profit
    )


def own_id(position: Position, code: Code) -> str:
    """The id of an order of the gateway's own, or of one that nobody has sent.

    Each attempt has its own: a bridge may answer a repeated id with its first answer. And a ticket
    may be closed twice, where it was adopted in between.
    """
    return f"{position.ticket}:{position.lots:g}:{uuid4().hex[:8]}:{code.lower()}"


def reason_of(position: Position, price: float, lots: float) -> Code:
    """Why a position was closed, by its price: its stop, its target, or somebody's hand."""
    if lots < position.lots:
        return Code.MANUAL
    sign = 1.0 if position.side == "BUY" else -1.0
    for level, code, beyond in (
        (position.stop_loss, Code.STOP_LOSS, -sign),
        (position.take_profit, Code.TAKE_PROFIT, sign),
    ):
        slack = NEAR_STOP * abs(level - position.open_price)
        if level and beyond * (price - level) >= -slack:
            return code
    return Code.MANUAL


def _price_of(ended: Ended, profit: float) -> float:
    """The price that makes this profit."""
    size = ended.lots * ended.spec.contract_size * ended.rate
    if profit == ended.expected or size <= 0.0:
        return ended.estimate
    sign = 1.0 if ended.held.position.side == "BUY" else -1.0
    price = ended.held.position.open_price + sign * profit / size
    return round(price, ended.spec.digits)

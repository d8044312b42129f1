import math
from typing import Any

import pytest

from mt5crs_services.gateway.risk import NoState, Proposal, Rule, rule_set
from mt5crs_services.gateway.risk.order_checks import (
    ClosesHeldPosition,
    ConvertibleProfit,
    DealableVolume,
    EnoughMargin,
    NothingToNetAgainst,
    OnePosition,
    PricedQuote,
    SoundStops,
    UncrossedQuote,
)
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.trading.orders import Code, Position
from tests.unit.gateway_cases import SYMBOLS, order, tick

EURUSD = SYMBOLS["EURUSD"]
COARSE = SymbolSpec("INDEX", 1.0, 1, 0.5, 0.25, 2.0, "USD", "XXX")
HELD = Position(7_000_001, "euro", "EURUSD", 7, "BUY", 0.1, 1.1, tick(0).time_us)


def proposal(symbol: SymbolSpec = EURUSD, **given: Any) -> Proposal:
    on = given.pop("on", tick(0))
    fields = {name: given.pop(name) for name in Proposal.__struct_fields__ if name in given}
    return Proposal(order=order(on, **given), tick=on, symbol=symbol, **fields)


@pytest.mark.parametrize(
    ("check", "given", "code"),
    [
        (DealableVolume, {"lots": 0.01}, None),
        (DealableVolume, {"lots": 0.07}, None),
        (DealableVolume, {"lots": 0.29}, None),
        (DealableVolume, {"lots": 100.0}, None),
        (DealableVolume, {"lots": 0.1 + 0.2}, None),
        (DealableVolume, {"lots": 0.0}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": -0.1}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": 0.005}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": 0.015}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": 100.01}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": math.inf}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": math.nan}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": 0.75, "symbol": COARSE}, None),
        (DealableVolume, {"lots": 0.25, "symbol": COARSE}, Code.BAD_VOLUME),
        (DealableVolume, {"lots": 0.6, "symbol": COARSE}, Code.BAD_VOLUME),
        (PricedQuote, {}, None),
        (PricedQuote, {"on": tick(0, 0.0, 1.1)}, Code.BAD_PRICE),
        (PricedQuote, {"on": tick(0, 1.1, -1.1)}, Code.BAD_PRICE),
        (PricedQuote, {"on": tick(0, math.nan, 1.1)}, Code.BAD_PRICE),
        (PricedQuote, {"on": tick(0, 1.1, math.inf)}, Code.BAD_PRICE),
        (UncrossedQuote, {"on": tick(0, 1.1, 1.1)}, None),
        (UncrossedQuote, {"on": tick(0, 1.1001, 1.1)}, Code.CROSSED_QUOTE),
        (SoundStops, {}, None),
        (SoundStops, {"stop_loss": 1.0999, "take_profit": 1.1001}, None),
        (SoundStops, {"stop_loss": 1.1}, Code.BAD_STOPS),
        (SoundStops, {"take_profit": 1.1}, Code.BAD_STOPS),
        (SoundStops, {"stop_loss": -1.0}, Code.BAD_STOPS),
        (SoundStops, {"take_profit": math.nan}, Code.BAD_STOPS),
        (SoundStops, {"stop_loss": math.inf, "side": "SELL"}, Code.BAD_STOPS),
        (SoundStops, {"side": "SELL", "stop_loss": 1.1002, "take_profit": 1.1}, None),
        (SoundStops, {"side": "SELL", "stop_loss": 1.1001}, Code.BAD_STOPS),
        (SoundStops, {"side": "SELL", "take_profit": 1.1001}, Code.BAD_STOPS),
        (OnePosition, {}, None),
        (OnePosition, {"held": HELD}, Code.POSITION_EXISTS),
        (NothingToNetAgainst, {}, None),
        (NothingToNetAgainst, {"obstacle": "position 7"}, Code.FOREIGN_POSITION),
        (ConvertibleProfit, {"rate": 1.25}, None),
        (ConvertibleProfit, {"rate": None}, Code.NO_RATE),
        (EnoughMargin, {"needed_margin": 50.0, "free_margin": 50.0}, None),
        (EnoughMargin, {"needed_margin": 50.0, "free_margin": 49.99}, Code.NO_MARGIN),
        (EnoughMargin, {"free_margin": 500.0, "balance": 0.01}, None),
        (EnoughMargin, {"free_margin": 500.0, "balance": 0.0}, Code.NO_MARGIN),
        (EnoughMargin, {"free_margin": 500.0, "balance": -20.0}, Code.NO_MARGIN),
        (ClosesHeldPosition, {"side": "SELL", "ticket": 7_000_001, "held": HELD}, None),
        (ClosesHeldPosition, {"side": "SELL", "ticket": 7_000_001}, Code.NO_POSITION),
        (ClosesHeldPosition, {"side": "SELL", "ticket": 7_000_002, "held": HELD}, Code.NO_POSITION),
        (ClosesHeldPosition, {"side": "BUY", "ticket": 7_000_001, "held": HELD}, Code.NO_POSITION),
        (
            ClosesHeldPosition,
            {"side": "SELL", "ticket": 7_000_001, "held": HELD, "before_opening": True},
            Code.UNKNOWN_TICK,
        ),
        (
            ClosesHeldPosition,
            {"side": "SELL", "ticket": 7_000_001, "held": HELD, "lots": 0.09},
            Code.BAD_VOLUME,
        ),
    ],
)
def test_an_order_check(check: Any, given: dict[str, Any], code: Code | None) -> None:
    refusal = check().before(proposal(**given), NoState())
    assert (refusal.code if refusal is not None else None) is code
    assert refusal is None or refusal.detail


def test_every_check_is_asked_somewhere() -> None:
    asked = {type(rule) for rule in (*rule_set.AT_ONCE, *rule_set.OPENING, *rule_set.CLOSING)}
    checks = {rule for rule in Rule.__subclasses__() if rule.__module__.endswith(".order_checks")}
    assert asked == checks
    assert len(checks) == 9


def test_the_first_refusal_is_the_answer() -> None:
    bad = proposal(lots=0.0, on=tick(0, 0.0, 0.0))
    refusal = rule_set.first_refusal(rule_set.AT_ONCE, bad)
    assert refusal is not None
    assert refusal.code is Code.BAD_VOLUME

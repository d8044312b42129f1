import math
from typing import Any

import pytest

from mt5crs_services.gateway import risk
from mt5crs_services.gateway.risk import (
    Proposal,
    Rule,
    closing,
    conversion,
    crossed,
    margin,
    one_position,
    price,
    stops,
    volume,
)
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.orders import Code, Position
from tests.unit.gateway_cases import SYMBOLS, order, tick

EURUSD = SYMBOLS["EURUSD"]
COARSE = SymbolSpec("INDEX", 1.0, 1, 0.5, 0.25, 2.0, "USD", "XXX")
HELD = Position(7_000_001, "euro", "EURUSD", 7, "BUY", 0.1, 1.1, tick(0).time_us)


def proposal(symbol: SymbolSpec = EURUSD, **given: Any) -> Proposal:
    on = given.pop("on", tick(0))
    fields = {name: given.pop(name) for name in Proposal.__struct_fields__ if name in given}
    return Proposal(order=order(on, **given), tick=on, symbol=symbol, **fields)


@pytest.mark.parametrize(
    ("rule", "given", "code"),
    [
        (volume, {"lots": 0.01}, None),
        (volume, {"lots": 0.07}, None),
        (volume, {"lots": 0.29}, None),
        (volume, {"lots": 100.0}, None),
        (volume, {"lots": 0.1 + 0.2}, None),
        (volume, {"lots": 0.0}, Code.BAD_VOLUME),
        (volume, {"lots": -0.1}, Code.BAD_VOLUME),
        (volume, {"lots": 0.005}, Code.BAD_VOLUME),
        (volume, {"lots": 0.015}, Code.BAD_VOLUME),
        (volume, {"lots": 100.01}, Code.BAD_VOLUME),
        (volume, {"lots": math.inf}, Code.BAD_VOLUME),
        (volume, {"lots": math.nan}, Code.BAD_VOLUME),
        (volume, {"lots": 0.75, "symbol": COARSE}, None),
        (volume, {"lots": 0.25, "symbol": COARSE}, Code.BAD_VOLUME),
        (volume, {"lots": 0.6, "symbol": COARSE}, Code.BAD_VOLUME),
        (price, {}, None),
        (price, {"on": tick(0, 0.0, 1.1)}, Code.BAD_PRICE),
        (price, {"on": tick(0, 1.1, -1.1)}, Code.BAD_PRICE),
        (price, {"on": tick(0, math.nan, 1.1)}, Code.BAD_PRICE),
        (price, {"on": tick(0, 1.1, math.inf)}, Code.BAD_PRICE),
        (crossed, {"on": tick(0, 1.1, 1.1)}, None),
        (crossed, {"on": tick(0, 1.1001, 1.1)}, Code.CROSSED_QUOTE),
        (stops, {}, None),
        (stops, {"stop_loss": 1.0999, "take_profit": 1.1001}, None),
        (stops, {"stop_loss": 1.1}, Code.BAD_STOPS),
        (stops, {"take_profit": 1.1}, Code.BAD_STOPS),
        (stops, {"stop_loss": -1.0}, Code.BAD_STOPS),
        (stops, {"take_profit": math.nan}, Code.BAD_STOPS),
        (stops, {"stop_loss": math.inf, "side": "SELL"}, Code.BAD_STOPS),
        (stops, {"side": "SELL", "stop_loss": 1.1002, "take_profit": 1.1}, None),
        (stops, {"side": "SELL", "stop_loss": 1.1001}, Code.BAD_STOPS),
        (stops, {"side": "SELL", "take_profit": 1.1001}, Code.BAD_STOPS),
        (one_position, {}, None),
        (one_position, {"held": HELD}, Code.POSITION_EXISTS),
        (conversion, {"rate": 1.25}, None),
        (conversion, {"rate": None}, Code.NO_RATE),
        (margin, {"needed_margin": 50.0, "free_margin": 50.0}, None),
        (margin, {"needed_margin": 50.0, "free_margin": 49.99}, Code.NO_MARGIN),
        (closing, {"side": "SELL", "ticket": 7_000_001, "held": HELD}, None),
        (closing, {"side": "SELL", "ticket": 7_000_001}, Code.NO_POSITION),
        (closing, {"side": "SELL", "ticket": 7_000_002, "held": HELD}, Code.NO_POSITION),
        (closing, {"side": "BUY", "ticket": 7_000_001, "held": HELD}, Code.NO_POSITION),
        (
            closing,
            {"side": "SELL", "ticket": 7_000_001, "held": HELD, "before_opening": True},
            Code.NO_POSITION,
        ),
        (
            closing,
            {"side": "SELL", "ticket": 7_000_001, "held": HELD, "lots": 0.09},
            Code.BAD_VOLUME,
        ),
    ],
)
def test_a_rule(rule: Any, given: dict[str, Any], code: Code | None) -> None:
    refusal = rule.check(proposal(**given))
    assert (refusal.code if refusal is not None else None) is code
    assert refusal is None or refusal.detail


def test_every_rule_is_asked_somewhere() -> None:
    rules: set[Rule] = {*risk.AT_ONCE, *risk.OPENING, *risk.CLOSING}
    modules = (closing, conversion, crossed, margin, one_position, price, stops, volume)
    assert rules == {module.check for module in modules}


def test_the_first_refusal_is_the_answer() -> None:
    bad = proposal(lots=0.0, on=tick(0, 0.0, 0.0))
    refusal = risk.first_refusal(risk.AT_ONCE, bad)
    assert refusal is not None
    assert refusal.code is Code.BAD_VOLUME

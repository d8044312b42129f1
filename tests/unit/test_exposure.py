"""Limits on what is open: net lots by currency, and money in per cent of the first balance."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.risk.exposure import net_lots
from mt5crs_shared.configuration.structs import Config, RiskRuleConfig
from mt5crs_shared.trading.orders import Code, OrderResult, Position
from tests.unit.gateway_cases import SYMBOLS, Office, config, order, tick


def with_rule(rule: str, balance: float = 10_000.0, **params: Any) -> Config:
    base = config(balance)
    entry = RiskRuleConfig(rule, params=params)
    return msgspec.structs.replace(
        base, globals=msgspec.structs.replace(base.globals, risk=[entry])
    )


def position(symbol: str, side: Any, lots: float) -> Position:
    return Position(1, "some", symbol, 1, side, lots, 1.0, 0)


def test_what_is_long_in_one_is_short_in_the_other() -> None:
    held = [
        position("EURUSD", "BUY", 0.3),
        position("GBPUSD", "SELL", 0.2),
        position("EURGBP", "SELL", 0.3),
    ]
    found = net_lots(held, SYMBOLS.__getitem__)
    assert found == pytest.approx({"EUR": 0.0, "USD": -0.1, "GBP": 0.1})


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """0.1 lots of EURUSD are held; at most 0.15 may be open in a currency."""
    made = Office(tmp_path / "ledger.db", with_rule("max_exposure", most=0.15))
    made.feed(tick(0, 1.25, 1.2501, "GBPUSD"))
    made.open(tick(10), strategy="euro")
    return made


def ask(office: Office, symbol: str, side: Any, at: int = 5_000_000) -> OrderResult:
    prices = {"EURUSD": (1.1, 1.1001), "EURGBP": (0.85, 0.8501)}
    strategy = {"EURUSD": "other", "EURGBP": "cross"}[symbol]
    on = tick(at, *prices[symbol], symbol)
    return office.submit(order(on, side, strategy=strategy))


@pytest.mark.parametrize(
    ("symbol", "side", "words"),
    [
        ("EURUSD", "BUY", "+0.1 lots in EUR are open and +0.1 would come, at most 0.15"),
        ("EURUSD", "SELL", ""),
        ("EURGBP", "SELL", ""),
        ("EURGBP", "BUY", "+0.1 lots in EUR are open and +0.1 would come, at most 0.15"),
    ],
)
def test_a_currency_has_its_limit(office: Office, symbol: str, side: Any, words: str) -> None:
    result = ask(office, symbol, side)
    assert result.code is (Code.RISK if words else Code.FILLED)
    assert words in result.detail


@pytest.mark.parametrize(
    ("currencies", "buying"), [([], Code.RISK), (["EUR"], Code.RISK), (["GBP"], Code.FILLED)]
)
def test_what_makes_it_less_is_let_through_though_it_is_too_much(
    tmp_path: Path, currencies: list[str], buying: Code
) -> None:
    path = tmp_path / "ledger.db"
    before = Office(path)
    for strategy in ("euro", "other"):
        before.open(tick(0), strategy=strategy)
    before.ledger.close()
    office = Office(path, with_rule("max_exposure", most=0.15, currencies=currencies))
    office.feed(tick(0), tick(0, 1.25, 1.2501, "GBPUSD"))
    assert ask(office, "EURGBP", "BUY").code is buying
    if buying is Code.RISK:
        assert ask(office, "EURGBP", "SELL", at=6_000_000).code is Code.FILLED


@pytest.mark.parametrize(
    ("rule", "words"),
    [("max_loss", "at most -10.00 a day"), ("max_drawdown", "below the highest, at most 10.00")],
)
def test_per_cent_are_those_of_the_first_balance(tmp_path: Path, rule: str, words: str) -> None:
    office = Office(tmp_path / "ledger.db", with_rule(rule, 1_000.0, most=1.0, unit="per_cent"))
    held = office.open(tick(0))
    # 0.1 lots, 11 points down with the spread: 11 in the account's currency.
    closing = office.submit(order(tick(1, 1.0990, 1.0991), "SELL", ticket=held.ticket))
    assert closing.fill is not None and closing.fill.profit == pytest.approx(-11.0)
    refused = office.submit(order(tick(2)))
    assert refused.code is Code.RISK
    assert words in refused.detail


def test_less_than_that_is_no_breach(tmp_path: Path) -> None:
    office = Office(
        tmp_path / "ledger.db", with_rule("max_loss", 1_000.0, most=1.2, unit="per_cent")
    )
    held = office.open(tick(0))
    office.submit(order(tick(1, 1.0990, 1.0991), "SELL", ticket=held.ticket))
    assert office.submit(order(tick(2))).code is Code.FILLED

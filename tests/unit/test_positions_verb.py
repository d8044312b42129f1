"""`positions`: by the ledger alone, and with what the gateway says of them."""

import click

from mt5crs_shared.metrics import StrategyMoney
from mt5crs_shared.trading.orders import Position
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.display.table import table

LONG = Position(
    7, "euro", "EURUSD", 7, "BUY", 0.1, 1.1, 1_700_000_000_000_000, stop_loss=1.09, take_profit=1.13
)
SHORT = Position(9, "yen", "EURJPY", 9, "SELL", 0.2, 163.0, 1_700_000_000_000_000)
MONEY = {
    7: StrategyMoney("euro", 0.0, 42.0, 1, LONG, price=1.1042),
    9: StrategyMoney("yen", 0.0, -3.5, 1, SHORT, price=163.021),
}


def shown(money: dict[int, StrategyMoney] | None, width: int = 200) -> list[list[str]]:
    lines = table(books.position_columns([LONG, SHORT], money), width)
    return [click.unstyle(line).split() for line in lines]


def test_what_the_ledger_has() -> None:
    heading, long, short = shown(None)
    assert "NOW" not in heading
    assert long[:6] == ["7", "euro", "EURUSD", "BUY", "0.10", "1.10000"]
    assert short[:6] == ["9", "yen", "EURJPY", "SELL", "0.20", "163.000"]


def test_what_they_are_worth_now_and_how_far_stop_and_target_are() -> None:
    heading, long, short = shown(MONEY)
    assert heading[5:9] == ["PRICE", "NOW", "FLOATING", "TO"]
    assert long[5:10] == ["1.10000", "1.10420", "+42.00", "0.01420", "0.02580"]
    assert short[5:10] == ["163.000", "163.021", "-3.50", "-", "-"]


def test_a_narrow_window_keeps_the_price_of_now_and_the_money() -> None:
    heading, long, _ = shown(MONEY, 80)
    assert {"PRICE", "NOW", "FLOATING"} <= set(heading)
    assert "MAGIC" not in heading
    assert "+42.00" in long

"""The page reads the ledger on as it is booked; its figures are those of `pnl`."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from mt5crs_services.page.desk import booked as booked_module
from mt5crs_services.page.desk.booked import EveryTrade
from mt5crs_services.page.desk.figures import TradeFigures, market_day
from mt5crs_services.page.strategy.view import read_strategy
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading.orders import Charge
from mt5crs_shared.trading.trades import Trade, grouped_by, performance
from tests.unit.gateway_cases import START_US, Office, order, tick

DAY = market_day(START_US / 1e6)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(VarPaths(tmp_path).ledger)


def opened(office: Office, at: int) -> int:
    return office.open(tick(at), lots=0.07).ticket


def close(office: Office, at: int, ticket: int) -> None:
    office.submit(order(tick(at, 1.1003, 1.2), "SELL", lots=0.07, ticket=ticket))


def charge(office: Office, number: int, ticket: int, cost: float, swap: float = 0.0) -> None:
    said = Charge(number, "euro", ticket, START_US, commission=cost, swap=swap)
    office.ledger.keep_far_side(str(number), charges=[said])


def booked(office: Office) -> list[Trade]:
    with ledger_schema.open_ledger(office.path) as db:
        return ledger_queries.trades(db)


class Page:
    """What it keeps of trades, always and while somebody looks at them."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.figures = TradeFigures(office.path)
        self.every = EveryTrade(office.path)

    def agree(self) -> None:
        self.figures.read(DAY)
        expected = booked(self.office)
        assert self.every.read() == expected
        for sums, trades in (
            (self.figures.together, expected),
            (self.figures.of("euro"), [t for t in expected if t.strategy == "euro"]),
        ):
            found = performance(trades)
            assert (sums.trades, sums.win_rate) == (found.trades, found.win_rate)
            assert sums.today == pytest.approx(found.net)
            assert sums.drawdown == pytest.approx(found.drawdown)


@pytest.mark.parametrize("at_once", [1, 2, 2_000])
def test_what_a_broker_charges_is_a_cost_whenever_it_is_said(
    office: Office, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(booked_module, "AT_ONCE", at_once)
    page = Page(office)
    first = opened(office, 1_000)
    charge(office, 1, first, 0.5)
    page.figures.read(DAY)
    close(office, 2_000, first)
    page.agree()
    second = opened(office, 3_000)
    close(office, 4_000, second)
    page.agree()
    charge(office, 2, first, 0.25, swap=-1.5)
    charge(office, 3, second, 3.5)
    page.agree()
    costs = [(0.75, -1.5), (3.5, 0.0)]
    assert [(t.commission, t.swap) for t in page.every.read()] == costs
    page.every.forget()
    page.agree()
    Page(office).agree()


def test_an_older_ledger_that_was_put_back_is_read_from_its_beginning(office: Office) -> None:
    page = Page(office)
    for number in range(3):
        close(office, 2_000 * number + 1_000, opened(office, 2_000 * number))
    page.agree()
    last = booked(office)[-1]
    with contextlib.closing(sqlite3.connect(office.path)) as db, db:
        db.execute("DELETE FROM deals WHERE ticket = ?", (last.ticket,))
    page.agree()
    assert page.figures.together.trades == 2


def test_each_strategys_figures_are_those_of_its_day_whoever_has_traded_since(
    office: Office,
) -> None:
    figures = TradeFigures(office.path)
    expected: dict[str, list[Trade]] = {"euro": [], "other": []}
    for turn in range(6):
        name = ("euro", "other")[turn % 2]
        at = turn * 86_400_000_000 // 3
        held = office.open(tick(at), strategy=name, lots=0.07)
        later = tick(at + 1_000, 1.1 + turn * 1e-4, 1.2)
        office.submit(order(later, "SELL", name, lots=0.07, ticket=held.ticket))
        day = market_day((START_US + at) / 1e6)
        figures.read(day)
        expected[name].append(booked(office)[-1])
        for other, own in expected.items():
            found = figures.of(other)
            of_day = grouped_by(own, "day").get(day, [])
            assert found.trades == len(own)
            assert found.today == pytest.approx(sum(trade.net for trade in of_day))
            assert found.drawdown_today == (performance(of_day).drawdown if of_day else 0.0)


def test_one_strategys_own_trades_have_their_charges_too(office: Office) -> None:
    ticket = opened(office, 1_000)
    close(office, 2_000, ticket)
    charge(office, 1, ticket, 0.5, swap=-1.5)
    paths = VarPaths(office.path.parent)
    (trade,) = read_strategy(paths, "euro", "EURUSD", paths.var / "none.yaml", paths.var).trades
    assert (trade.commission, trade.swap) == (0.5, -1.5)

"""What deals come to: trades, and the figures that are made of them."""

import asyncio
import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.page.history.parquet import ParquetError, parquet_of
from mt5crs_shared.messages import Submit
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading import trades
from mt5crs_shared.trading.orders import Charge, Code, Fill
from mt5crs_shared.trading.trade_table import trades_csv, trades_parquet
from mt5crs_supervisor.cli import cli
from tests.unit.gateway_cases import Office, order, tick

DAY_US = 86_400_000_000
MONDAY_US = 1_767_571_200_000_000
"""2026-01-05, 00:00 UTC."""


def deal(ticket: int, entry: str, at: int, **changes: object) -> Fill:
    fields: dict[str, object] = {
        "order_id": f"{ticket}:{entry}:{at}",
        "strategy": "euro",
        "symbol": "EURUSD",
        "ticket": ticket,
        "entry": entry,
        "side": "BUY" if entry == "IN" else "SELL",
        "lots": 1.0,
        "price": 1.1,
        "time_us": MONDAY_US + at,
        "code": Code.FILLED,
    }
    return Fill(**{**fields, **changes})  # type: ignore[arg-type]


def made(nets: Sequence[float], at: int = 1) -> list[trades.Trade]:
    found: list[trades.Trade] = []
    for number, net in enumerate(nets):
        closing = deal(number, "OUT", at * (number + 1), profit=net)
        found += trades.trades_of([deal(number, "IN", 0), closing])
    return found


def test_a_trade_is_an_opening_and_a_closing() -> None:
    opening = deal(7, "IN", 0, price=1.1, commission=3.0)
    closing = deal(7, "OUT", 9_000_000, price=1.2, profit=50.0, commission=3.0, code=Code.STOP_LOSS)
    (trade,) = trades.trades_of([opening, closing])
    assert (trade.entry, trade.exit, trade.profit, trade.commission) == (1.1, 1.2, 50.0, 6.0)
    assert (trade.net, trade.seconds, trade.code) == (44.0, 9.0, Code.STOP_LOSS)


def test_what_a_broker_has_charged_since_is_a_cost_of_the_trade() -> None:
    deals = [deal(7, "IN", 0), deal(7, "OUT", 1, profit=50.0), deal(8, "IN", 2)]
    charges = [
        Charge(1, "euro", 7, 0, commission=3.0, swap=0.0),
        Charge(2, "euro", 7, 0, commission=3.5, swap=-1.25),
        Charge(3, "euro", 8, 0, commission=9.0, swap=0.0),
        Charge(4, "other", 7, 0, commission=9.0, swap=9.0),
    ]
    (trade,) = trades.trades_of(deals, charges)
    assert (trade.profit, trade.commission, trade.swap, trade.net) == (50.0, 6.5, -1.25, 42.25)
    together = trades.performance([trade])
    assert (together.commission, together.swap, together.net) == (6.5, -1.25, 42.25)


def test_one_that_is_closed_in_parts_is_one_trade() -> None:
    parts = [
        deal(7, "IN", 0),
        deal(7, "OUT", 1, lots=0.25, price=1.2, profit=10.0),
        deal(7, "OUT", 2, lots=0.75, price=1.4, profit=60.0, code=Code.TAKE_PROFIT),
    ]
    assert list(trades.trades_of(parts[:2])) == []
    (trade,) = trades.trades_of(parts)
    assert trade.profit == 70.0
    assert trade.exit == pytest.approx(1.35)
    assert trade.code is Code.TAKE_PROFIT


def test_what_is_open_and_what_began_before_is_no_trade() -> None:
    assert list(trades.trades_of([deal(7, "OUT", 0), deal(8, "IN", 1)])) == []


def test_the_figures_of_some_trades() -> None:
    found = trades.performance(made([10.0, -4.0, -8.0, 6.0, 0.0]))
    assert (found.trades, found.net, found.wins) == (5, 4.0, 2)
    assert (found.won, found.lost, found.best, found.worst) == (16.0, -12.0, 10.0, -8.0)
    assert found.win_rate == 0.4
    assert found.profit_factor == pytest.approx(16.0 / 12.0)
    assert found.drawdown == 12.0
    assert found.mean == 0.8


def test_without_a_loss_there_is_no_profit_factor() -> None:
    assert trades.performance(made([1.0])).profit_factor is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30))
def test_the_drawdown_is_the_deepest_fall_from_a_height(nets: list[float]) -> None:
    found = trades.performance(made(nets))
    heights = [math.fsum(nets[:count]) for count in range(len(nets) + 1)]
    deepest = max(high - low for n, high in enumerate(heights) for low in heights[n:])
    assert found.drawdown == pytest.approx(deepest, abs=1e-3)
    assert found.won + found.lost == pytest.approx(found.net, abs=1e-3)


@pytest.mark.parametrize(
    ("span", "names"),
    [
        ("day", ["2026-01-05", "2026-01-12", "2026-02-02"]),
        ("week", ["2026-01-05", "2026-01-12", "2026-02-02"]),
        ("month", ["2026-01", "2026-02"]),
        ("hour", ["00:00", "23:00"]),
        ("weekday", ["1 Mon"]),
        ("exit", ["FILLED"]),
        ("symbol", ["EURUSD"]),
        ("strategy", ["euro"]),
    ],
)
def test_trades_are_put_together_by_their_closing(span: trades.Span, names: list[str]) -> None:
    moments = (1, 7 * DAY_US, 29 * DAY_US - 1)
    closed = [t for at in moments for t in trades.trades_of([deal(1, "IN", 0), deal(1, "OUT", at)])]
    assert list(trades.grouped_by(closed, span)) == names


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A folder with one closed trade and one open position."""
    paths = VarPaths(tmp_path / "var")
    paths.create()
    office = Office(paths.ledger)
    office.feed(tick(0))
    opened = office.ask(Submit(order(tick(0))))
    assert opened is not None
    office.feed(tick(1))
    position = office.position("euro")
    assert position is not None
    office.ask(Submit(order(tick(1), action="CLOSE", side="SELL", ticket=position.ticket)))
    office.feed(tick(2))
    office.ask(Submit(order(tick(2))))
    office.ledger.close()
    return paths.var


def run(var: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--var-dir", str(var), *arguments])


def test_the_figures_of_the_verbs_are_the_ledgers(var: Path) -> None:
    with ledger_schema.open_ledger(VarPaths(var).ledger) as db:
        made_by_ledger = sum(s.realised for s in ledger_queries.balances(db).strategies)
    (row,) = json.loads(run(var, "pnl", "--json").output)
    assert row["net"] == pytest.approx(made_by_ledger)
    (trade,) = json.loads(run(var, "trades", "--json").output)
    net = trade["profit"] - trade["commission"] + trade["swap"]
    assert net == pytest.approx(made_by_ledger)
    (line,) = csv.DictReader(io.StringIO(run(var, "trades", "--csv").output))
    assert float(line["net"]) == pytest.approx(made_by_ledger)
    assert line["opened"].endswith("Z")


def test_the_verbs_have_what_the_broker_has_charged(var: Path) -> None:
    assert "SWAP" not in run(var, "trades").output + run(var, "pnl").output
    ledger = Ledger(VarPaths(var).ledger, "USD", 10_000.0)
    ticket = ledger.deals()[0].fill.ticket
    ledger.keep_far_side("{}", charges=[Charge(9, "euro", ticket, 0, commission=0.7, swap=-2.5)])
    ledger.close()
    test_the_figures_of_the_verbs_are_the_ledgers(var)
    (trade,) = json.loads(run(var, "trades", "--json").output)
    assert (trade["commission"], trade["swap"]) == (0.7, -2.5)
    (row,) = json.loads(run(var, "pnl", "--json").output)
    assert (row["commission"], row["swap"]) == (0.7, -2.5)
    assert "after 0.70 commission and -2.50 swap" in run(var, "events", "--summary").output


def test_a_parquet_file_has_the_rows_of_the_csv_with_types(var: Path, tmp_path: Path) -> None:
    file = tmp_path / "trades.parquet"
    assert run(var, "trades", "--parquet", str(file)).output == f"1 trade written to {file}\n"
    found = duckdb.read_parquet(str(file))
    assert tuple(found.columns)[5:7] == ("opened", "closed")
    types = dict(zip(found.columns, map(str, found.types), strict=True))
    assert types["ticket"] == "BIGINT"
    assert types["opened"] == "TIMESTAMP WITH TIME ZONE"
    assert types["strategy"] == "VARCHAR"
    (line,) = csv.DictReader(io.StringIO(run(var, "trades", "--csv").output))
    (row,) = found.project("*, epoch_us(closed) AS at").fetchall()
    told = dict(zip((*found.columns, "at"), row, strict=True))
    for name in ("lots", "entry", "exit", "profit", "commission", "swap", "net"):
        assert told[name] == float(line[name])
    assert told["at"] == json.loads(run(var, "trades", "--json").output)[0]["closed_us"]


def test_a_parquet_file_that_cannot_be_made_says_why(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "none" / "trades.parquet"
    result = run(var, "trades", "--parquet", str(nowhere))
    assert (result.exit_code, result.stderr) == (
        1,
        f"error: {nowhere}: No such file or directory\n",
    )
    with pytest.raises(ParquetError, match=r"\S"):
        asyncio.run(parquet_of("no,table\n1\n"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run(var, "trades", "--parquet", str(nowhere))
    assert "pip install 'mt5crs-supervisor[parquet]'" in result.stderr


def test_the_page_makes_the_same_file_beside_itself(var: Path) -> None:
    table = trades_csv(made([5.0, -2.0]))
    assert asyncio.run(parquet_of(table)) == trades_parquet(table)


def test_what_people_are_shown(var: Path) -> None:
    head, row = run(var, "trades").output.splitlines()
    assert head.split()[:2] == ["CLOSED", "(UTC)"]
    assert "strategy" in row
    head, row = run(var, "pnl", "--by", "day").output.splitlines()
    assert head.split()[0] == "DAY"


@pytest.mark.parametrize("verb", ["trades", "pnl"])
def test_nothing_and_nobody(verb: str, var: Path, tmp_path: Path) -> None:
    assert "No trade was closed" in run(tmp_path / "none", verb).output
    unknown = run(var, verb, "euri")
    assert unknown.exit_code == 2
    assert "Did you mean euro?" in unknown.output
    assert "No trade was closed" in run(var, verb, "--since", "1s").output


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (Code.FILLED, "strategy"),
        (Code.PARTIAL, "strategy"),
        (Code.STOP_LOSS, "stop loss"),
        (Code.TAKE_PROFIT, "take profit"),
        (Code.STOP_OUT, "stop out"),
        (Code.MANUAL, "manual"),
    ],
)
def test_what_closed_a_position_has_one_word(code: Code, word: str) -> None:
    assert trades.closed_by(code) == word

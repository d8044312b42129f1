import math
import sqlite3
from pathlib import Path

import msgspec
import pytest

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.ledger_file import LedgerGoneError
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import PAPER, LedgerError
from mt5crs_shared.trading.orders import Charge, Code
from tests.unit.gateway_cases import Office, config, order, tick


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "ledger.db", config(commission_per_lot=0.7))


def trade(office: Office, count: int) -> None:
    """Open and close positions of two strategies, at prices that no binary number hits."""
    for n in range(count):
        strategy = ("euro", "other")[n % 2]
        at, later = tick(2_000 * n), tick(2_000 * n + 1_000, 1.1 + 0.00007 * (n % 13 - 6), 1.2)
        position = office.open(at, strategy=strategy, lots=0.07)
        office.submit(order(later, "SELL", strategy, lots=0.07, ticket=position.ticket))


def test_the_sum_of_the_deals_is_the_balance_exactly(office: Office) -> None:
    trade(office, 60)
    with ledger_schema.open_ledger(office.path) as db:
        deals = ledger_queries.deals(db)
        balances = ledger_queries.balances(db)
    made = [deal.fill.profit - deal.fill.commission for deal in deals]
    assert deals[-1].balance == balances.balance == office.core.account.balance
    assert balances.balance == round(math.fsum([10_000.0, *made]), 6)
    assert {s.strategy: s.deals for s in balances.strategies} == {"euro": 60, "other": 60}
    assert all(s.realised == office.register(s.strategy).realised for s in balances.strategies)
    assert math.fsum(s.realised for s in balances.strategies) == pytest.approx(
        balances.balance - balances.first_balance, abs=1e-9
    )


def test_a_charge_is_booked_with_the_word_that_it_is_known_or_not_at_all(office: Office) -> None:
    trade(office, 2)
    ticket = office.open(tick(9_000)).ticket
    assert (office.ledger.owner_of(ticket), office.ledger.owner_of(1)) == ("euro", None)
    before, deals = office.ledger.totals(), office.ledger.deals()
    charge = Charge(31, "euro", ticket, 5, commission=0.35, swap=-0.1)
    twice = [charge, msgspec.structs.replace(charge, swap=-0.2)]
    with pytest.raises(LedgerError):
        office.ledger.keep_far_side("31", charges=twice)
    assert (office.ledger.far_side(), office.ledger.totals()) == ("", before)
    office.ledger.keep_far_side("31", charges=[charge])
    office.restart()
    assert office.ledger.far_side() == "31"
    with ledger_schema.open_ledger(office.path) as db:
        balances = ledger_queries.balances(db)
        assert ledger_queries.charges(db) == [charge]
    assert office.core.account.balance == balances.balance
    made = before["euro"].made / 1e6 - 0.45
    assert {s.strategy: s.realised for s in balances.strategies}["euro"] == pytest.approx(made)
    assert office.core.account.realised("euro") == pytest.approx(made)
    assert office.register().realised == pytest.approx(made)
    assert office.ledger.deals() == deals
    assert office.core.account.deals("euro") == before["euro"].deals


def test_everything_comes_back(office: Office) -> None:
    trade(office, 4)
    office.feed(tick(90_000))
    position = office.open(tick(90_000), stop_loss=1.0, take_profit=1.3)
    before = (office.fills(), office.core.report(), office.register(epoch=4))
    office.core.save()
    office.restart()
    assert (office.fills(), office.core.report(), office.register(epoch=4)) == before
    assert office.position("euro") == position


def test_readers_see_what_the_gateway_writes(office: Office) -> None:
    with ledger_schema.open_ledger(office.path) as db:
        assert ledger_queries.read_positions(db) == []
        position = office.open(tick(0))
        office.submit(order(tick(1)))
        assert ledger_queries.read_positions(db) == [position]
        assert [r.status for r in ledger_queries.read_orders(db)] == ["FILLED", "REJECTED"]
        assert [r.code for r in ledger_queries.read_orders(db, "euro", 1)] == [Code.POSITION_EXISTS]
        assert ledger_queries.read_orders(db, "other") == []
        office.submit(order(tick(2), "SELL", ticket=position.ticket))
        assert [d.fill.entry for d in ledger_queries.deals(db)] == ["IN", "OUT"]
        assert [d.id for d in ledger_queries.deals(db, "euro", limit=1)] == [2]
        with pytest.raises(sqlite3.OperationalError):
            db.execute("DELETE FROM deals")


def test_what_the_book_did_by_itself_is_an_order_with_its_reason(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(balance=120.0))
    office.feed(tick(0))
    office.open(tick(0))
    office.feed(tick(1_000, 1.0935, 1.0936))
    office.core.execution.turn(caught_up=True)
    with ledger_schema.open_ledger(office.path) as db:
        record = ledger_queries.read_orders(db)[-1]
    assert (record.order_id, record.code, record.epoch) == ("7000001:stop_out", Code.STOP_OUT, 0)
    assert "below half of the margin" in record.reason


def test_an_order_that_waits_is_new(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=5.0))
    office.ask_submit(order(tick(0)))
    with ledger_schema.open_ledger(office.path) as db:
        [record] = ledger_queries.read_orders(db)
    assert (record.status, record.code) == ("NEW", None)


def test_a_ledger_of_a_gateway_that_ended_can_be_read(office: Office) -> None:
    office.open(tick(0))
    office.ledger.close()
    with ledger_schema.open_ledger(office.path) as db:
        assert len(ledger_queries.read_positions(db)) == 1


@pytest.mark.parametrize(
    ("currency", "balance", "said"),
    [("USD", 500.0, "default_balance: 500"), ("EUR", 10_000.0, "account_currency: EUR")],
)
def test_an_account_does_not_begin_a_second_time(
    office: Office, currency: str, balance: float, said: str
) -> None:
    office.ledger.close()
    with pytest.raises(LedgerError, match=said):
        Ledger(office.path, currency, balance)
    assert Ledger(office.path, "USD", 10_000.0).first_balance == 10_000.0


@pytest.mark.parametrize("replaced", [False, True])
def test_a_ledger_that_is_taken_away_is_noticed(office: Office, replaced: bool) -> None:
    office.ledger.check_in_place()
    office.path.rename(office.path.with_name("elsewhere"))
    if replaced:
        office.path.write_bytes(b"")
    with pytest.raises(LedgerGoneError, match="removed or replaced"):
        office.ledger.check_in_place()


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[100:4_000] = b"\xff" * 3_900
    path.write_bytes(bytes(data))


def newer_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()


def older_version(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 0")
        db.execute("INSERT INTO meta VALUES ('version', '2')")
    db.close()


@pytest.mark.parametrize(
    "spoil",
    [damage, newer_version, older_version, lambda path: path.write_text("balance: 5" * 200)],
    ids=["damaged", "newer", "older", "no database"],
)
def test_a_ledger_that_cannot_be_used_is_left_as_it_is(office: Office, spoil: object) -> None:
    office.open(tick(0))
    office.ledger.close()
    spoil(office.path)  # type: ignore[operator]
    content = office.path.read_bytes()
    with pytest.raises(LedgerError, match=office.path.name):
        Ledger(office.path, "USD", 10_000.0)
    with pytest.raises(LedgerError, match=office.path.name):
        ledger_schema.open_ledger(office.path)
    assert office.path.read_bytes() == content
    assert [p.name for p in office.path.parent.iterdir() if "-" not in p.name] == ["ledger.db"]


def test_another_currency_is_refused(office: Office) -> None:
    office.ledger.close()
    with pytest.raises(LedgerError, match="USD"):
        Ledger(office.path, "EUR", 10_000.0)


def test_a_missing_ledger_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no ledger yet"):
        ledger_schema.open_ledger(tmp_path / "ledger.db")
    assert list(tmp_path.iterdir()) == []


def test_what_sqlite_rolled_back_by_itself_does_not_hide_the_cause(office: Office) -> None:
    db = office.ledger._db
    with (
        pytest.raises(LedgerError, match="UNIQUE constraint failed") as caught,
        office.ledger._writing(),
    ):
        db.execute("INSERT INTO epochs VALUES ('one', 1)")
        db.execute("INSERT OR ROLLBACK INTO epochs VALUES ('one', 1)")
    assert isinstance(caught.value.__cause__, sqlite3.IntegrityError)
    assert not db.in_transaction
    office.open(tick(0))


def test_each_account_has_a_ledger_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    book = "account 7 at Broker-Demo"
    for _ in range(2):
        Ledger(path, "USD", 10_000.0, book=book).close()
    for other in ("account 8 at Broker-Demo", "account 7 at Broker-Real", PAPER):
        with pytest.raises(LedgerError, match=f"the ledger of {book}, .* says {other}; use"):
            Ledger(path, "USD", 10_000.0, book=other)

"""The paper shadow of a live account: what paper would have dealt, and that it harms nothing."""

import sqlite3
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.broker import Dealt, Outcome, Status, Worth
from mt5crs_services.gateway.ledger import shadow_rows
from mt5crs_services.gateway.shadow.shadow import Shadow
from mt5crs_shared.configuration.structs import PaperConfig
from mt5crs_shared.storage import ledger_schema, shadow_log
from mt5crs_shared.storage.ledger_schema import SCHEMA
from mt5crs_shared.trading import slippage
from mt5crs_shared.trading.orders import Code, Order
from mt5crs_shared.trading.slippage import ComparedOrder
from tests.unit.gateway_cases import config, order, tick
from tests.unit.scripted_broker import PENDING, UNKNOWN, FarSide
from tests.unit.test_execution import FarOffice

REFUSED = Outcome(Status.REJECTED, Code.BROKER, "10019 no money")


class ShadowOffice(FarOffice):
    """A gateway before a broker that is far away, with the paper book's frictions."""

    def __init__(
        self, folder: Path, *answers: Outcome | Exception, balance: float = 10_000.0, **paper: Any
    ) -> None:
        self.paper = PaperConfig(**paper)
        self.balance = balance
        super().__init__(folder / "ledger.db", FarSide(*answers))

    def start(self) -> None:
        settings = config(self.balance)
        changed = msgspec.structs.replace(settings.globals, paper=self.paper)
        self.config = msgspec.structs.replace(settings, globals=changed)
        super().start()

    @property
    def compared(self) -> list[ComparedOrder]:
        with ledger_schema.open_ledger(self.path) as db:
            return shadow_log.read_compared(db)


def at(price: float, request: Order) -> Outcome:
    """The broker deals, at a price of its own."""
    dealt = FarSide().deal(request)
    assert dealt.dealt is not None
    fill = msgspec.structs.replace(dealt.dealt.fill, price=price)
    return msgspec.structs.replace(dealt, dealt=msgspec.structs.replace(dealt.dealt, fill=fill))


def test_a_deal_is_compared_with_the_quote_that_it_was_decided_on(tmp_path: Path) -> None:
    buy = order(tick(0, 1.1, 1.1001))
    one = ShadowOffice(tmp_path, at(1.10025, buy), slippage_points=5.0)
    # What the own stream has seen last does not matter to the paper book.
    one.feed(tick(0, 1.1, 1.1001), tick(1_000, 1.2, 1.2001))
    assert one.submit(buy).status == "FILLED"
    (found,) = one.compared
    assert (found.kind, found.paper_price, found.price) == ("OPEN", 1.10015, 1.10025)
    assert found.points == pytest.approx(10.0)
    # 0.1 lots of 100,000 EUR: a point is worth 0.10 USD.
    assert found.money == pytest.approx(1.0)
    assert found.event_ms == 0.0
    assert found.wall_ms is not None
    assert 0.0 <= found.wall_ms < 60_000.0


def test_a_sell_that_brings_more_is_better_and_better_is_negative(tmp_path: Path) -> None:
    sell = order(tick(0, 1.1, 1.1001), "SELL")
    one = ShadowOffice(tmp_path, at(1.10003, sell))
    one.submit(sell)
    (found,) = one.compared
    assert found.points == pytest.approx(-3.0)
    assert found.money == pytest.approx(-0.3)


def test_the_row_is_there_before_the_order_leaves_and_once_whatever_dies(tmp_path: Path) -> None:
    buy = order(tick(0))
    one = ShadowOffice(tmp_path, UNKNOWN, PENDING)
    seen: list[int] = []
    send = one.core.broker.submit
    one.core.broker.submit = lambda *args: seen.append(len(one.compared)) or send(*args)  # type: ignore[func-returns-value, method-assign]
    assert one.ask_submit(buy) is None
    assert seen == [1]
    (before,) = one.compared
    assert before.code is None
    one.restart()
    assert one.ask_submit(buy) is None
    one.turn()
    one.turn()
    (found,) = one.compared
    assert found.code is Code.FILLED
    assert (found.recorded, found.paper_price) == (before.recorded, 1.1001)


def test_with_a_latency_paper_deals_on_the_tick_that_comes_then(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path, latency_ms=100.0)
    buy = order(tick(0))
    one.feed(tick(0))
    one.submit(buy)
    assert one.compared[0].paper_price is None
    one.feed(tick(99_000, 1.3, 1.3001), tick(100_000, 1.2, 1.2001), tick(101_000, 1.4, 1.4001))
    (found,) = one.compared
    assert found.paper_price == 1.2001


def test_with_a_latency_and_a_stream_that_is_ahead_the_tick_is_known_at_once(
    tmp_path: Path,
) -> None:
    one = ShadowOffice(tmp_path, latency_ms=100.0)
    one.feed(tick(0), tick(150_000, 1.2, 1.2001))
    one.submit(order(tick(0)))
    assert one.compared[0].paper_price == 1.2001


def test_a_restart_before_that_tick_leaves_it_unknown_and_not_wrong(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path, latency_ms=100.0)
    one.feed(tick(0))
    one.submit(order(tick(0)))
    one.restart()
    one.feed(tick(9_000_000, 1.3, 1.3001))
    (found,) = one.compared
    assert (found.paper_price, found.paper_code, found.points) == (None, None, None)
    assert slippage.disagreements([found]) == []


def test_on_the_later_tick_paper_may_refuse_what_was_dealt(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path, latency_ms=100.0)
    one.feed(tick(0))
    one.submit(order(tick(0), stop_loss=1.0990))
    one.feed(tick(100_000, 1.0980, 1.0981))
    (found,) = slippage.disagreements(one.compared)
    assert (found.live, found.paper, found.orders) == (Code.FILLED, Code.BAD_STOPS, 1)


def test_refusals_of_the_broker_and_of_the_way_there_are_live_alone(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path, REFUSED)
    one.submit(order(tick(0)))
    # It never leaves: the broker is busy with another one, whose fate is not known.
    one.side.answers.append(UNKNOWN)
    assert one.ask_submit(order(tick(1_000))) is None
    assert one.submit(order(tick(2_000))).code is Code.UNSETTLED
    told = slippage.disagreements(one.compared)
    assert [(d.live, d.paper, d.orders) for d in told] == [
        (Code.BROKER, Code.FILLED, 1),
        (Code.UNSETTLED, Code.FILLED, 1),
    ]
    assert told[0].detail == "10019 no money"


def test_what_paper_would_refuse_too_has_no_row(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path)
    assert one.submit(order(tick(0), stop_loss=1.2)).code is Code.BAD_STOPS
    assert one.submit(order(tick(1), lots=0.001)).code is Code.BAD_VOLUME
    assert one.compared == []


def test_what_the_broker_lends_and_paper_would_not(tmp_path: Path) -> None:
    # The scripted broker asks 10.00 of 1,000.00 for whatever it is.
    one = ShadowOffice(tmp_path, balance=100.0)
    assert one.submit(order(tick(0))).status == "FILLED"
    (found,) = slippage.disagreements(one.compared)
    assert (found.live, found.paper) == (Code.FILLED, Code.NO_MARGIN)


def test_with_a_latency_the_position_that_was_opened_meanwhile_takes_no_margin_from_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 0.1 lots need 110.01 of 150.00.
    one = ShadowOffice(tmp_path, balance=150.0, latency_ms=100.0)
    one.feed(tick(0))
    one.open(tick(0))
    monkeypatch.setattr(one.core.broker, "worth", lambda: Worth({"euro": -20.0}, 110.01))
    one.feed(tick(100_000))
    (found,) = one.compared
    assert (found.paper_code, found.paper_price) == (None, 1.1001)
    # Of another one's it does.
    assert one.submit(order(tick(100_000), strategy="other")).status == "FILLED"
    both = Worth({"euro": -20.0, "other": -5.0}, 220.02)
    monkeypatch.setattr(one.core.broker, "worth", lambda: both)
    one.feed(tick(200_000))
    assert one.compared[-1].paper_code is Code.NO_MARGIN


@pytest.mark.parametrize(
    ("code", "kind", "paper", "points"),
    [(Code.STOP_LOSS, "STOP", 1.09, 20.0), (Code.TAKE_PROFIT, "TARGET", 1.12, 3020.0)],
)
def test_the_brokers_own_closings_are_compared_with_their_level(
    tmp_path: Path, code: Code, kind: str, paper: float, points: float
) -> None:
    one = ShadowOffice(tmp_path)
    one.feed(tick(0))
    held = one.open(tick(0), stop_loss=1.09, take_profit=1.12)
    one.side.unasked.append(ended(held.ticket, code, 1.0898))
    one.turn()
    found = one.compared[-1]
    assert (found.kind, found.paper_price, found.event_ms) == (kind, paper, None)
    assert found.points == pytest.approx(points)
    assert slippage.disagreements([found]) == []


def test_a_closing_by_hand_is_not_compared(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path)
    held = one.open(tick(0), stop_loss=1.09)
    one.side.unasked.append(ended(held.ticket, Code.MANUAL, 1.095))
    one.turn()
    assert [found.kind for found in one.compared] == ["OPEN"]


def ended(ticket: int, code: Code, price: float) -> Dealt:
    """The broker has closed a position by itself."""
    side = FarSide()
    outcome = side.deal(order(tick(0), "SELL", ticket=ticket))
    assert outcome.dealt is not None
    fill = msgspec.structs.replace(
        outcome.dealt.fill,
        order_id=f"{ticket}:{code.lower()}",
        ticket=ticket,
        price=price,
        code=code,
        stop_loss=1.09,
        take_profit=1.12,
    )
    return Dealt(fill, None)


def test_a_price_that_the_bridge_did_not_tell_is_not_compared(tmp_path: Path) -> None:
    buy = order(tick(0))
    said = at(1.2, buy)
    one = ShadowOffice(
        tmp_path, msgspec.structs.replace(said, detail=f"late; {slippage.PRICE_OF_QUOTE}")
    )
    one.submit(buy)
    (found,) = one.compared
    assert (found.price, found.points) == (1.2, None)
    (own, _) = slippage.slippages([found])
    assert (own.deals, own.compared, own.money, own.event_ms_median) == (1, 0, None, 0.0)


@pytest.mark.parametrize("what", ["row", "insert"])
def test_a_shadow_that_fails_harms_no_order(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    one = ShadowOffice(tmp_path)
    shadow = one.core.shadow
    assert shadow is not None
    if what == "row":
        monkeypatch.setattr(shadow, "row", fail)
    else:
        monkeypatch.setattr("mt5crs_services.gateway.shadow.shadow.insert_shadow", fail)
    held = one.open(tick(0))
    assert one.submit(order(tick(1), "SELL", ticket=held.ticket)).status == "FILLED"
    assert len(one.fills()) == 2
    assert one.compared == []
    assert shadow.failures > 1
    assert caplog.text.count("failure 1 of the shadow") == 1
    assert "failure 2" not in caplog.text


def test_a_table_that_is_damaged_harms_no_order(tmp_path: Path) -> None:
    one = ShadowOffice(tmp_path)
    with sqlite3.connect(one.path) as db:
        db.execute("DROP TABLE shadow_deals")
    db.close()
    assert one.submit(order(tick(0))).status == "FILLED"
    assert len(one.fills()) == 1


def test_a_transaction_that_is_lost_with_the_shadow_is_lost_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(db: sqlite3.Connection, _row: object) -> None:
        db.execute("ROLLBACK")  # As SQLite does by itself on a full disk.
        raise sqlite3.OperationalError("database or disk is full")

    one = ShadowOffice(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr("mt5crs_services.gateway.shadow.shadow.insert_shadow", full)
        assert one.ask_submit(order(tick(0))) is None
        assert one.side.sent == []
        assert one.ledger.open_orders() == []
    assert one.submit(order(tick(0))).status == "FILLED"
    assert (len(one.fills()), len(one.compared)) == (1, 1)


def test_a_later_tick_that_cannot_be_written_harms_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("no such table")

    monkeypatch.setattr(shadow_rows, "complete_shadow", fail)
    one = ShadowOffice(tmp_path, latency_ms=100.0)
    one.feed(tick(0))
    one.submit(order(tick(0)))
    one.feed(tick(200_000))
    assert isinstance(one.core.shadow, Shadow)
    assert one.core.shadow.failures == 1
    assert one.submit(order(tick(300_000), "SELL", "other")).status == "FILLED"


def test_a_ledger_from_before_there_were_shadows_is_compared_from_then_on(tmp_path: Path) -> None:
    steps = SCHEMA.steps
    before = next(n for n, step in enumerate(steps) if "shadow_deals" in step)
    deal = (
        "INSERT INTO deals VALUES (1, 'euro:old', 'euro', 'EURUSD', 7000001, 'IN', 'BUY', 0.1, 1.1,"
        " 1, 'FILLED', 0.0, 0.0, 0.0, 0.0, 10000.0, 1.0)"
    )
    with sqlite3.connect(tmp_path / "ledger.db") as db:
        db.create_function("renamed", 3, lambda body, path, new: body)
        for step in steps[:before]:
            db.executescript(step)
        db.execute(deal)
        db.execute(f"PRAGMA user_version = {before}")
    db.close()
    one = ShadowOffice(tmp_path)
    one.submit(order(tick(0)))
    assert next(deal.fill.order_id for deal in one.ledger.deals()) == "euro:old"
    assert [row.order_id for row in one.compared] == [order(tick(0)).order_id]

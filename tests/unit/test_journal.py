"""A strategy's journal: what is written is there after a crash, and damage never stops a start."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.sanity import SanityState
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading.orders import Code, Order, OrderResult
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.trading.journal import Checkpoint, Journal
from mt5crs_worker.trading.journal_file import JournalError, JournalVersionError, ReplacedError

TICK = Tick("EURUSD", 5, 1.1, 1.2)
ORDER = Order("s:5:0:OPEN", "s", 1, "EURUSD", 7, "OPEN", "BUY", 0.1, TICK)
DECISION = Decision(5, 0, 1.1, 1.2, 0, 1, 0.6, "OPEN", 0.1, "s:5:0:OPEN", "", "note")


def checkpoint(realised: float = 1.5) -> Checkpoint:
    return Checkpoint(
        identity="EURUSD M1 model",
        mark=TickMark(1, 2, (TICK,)),
        decide_from_us=7,
        sanity=SanityState(),
        open_bar=None,
        window=BarWindow().to_bytes(),
        pending=True,
        occurrences=(5, [(1.1, 1.2, 1)]),
        position=None,
        realised=realised,
        last_signal=1,
        state={"a": [1, 2], 5: {"levels": {1.5: True}}},
        metrics=StrategyMetrics(bars=3),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s.db"


def rows(path: Path) -> int:
    with sqlite3.connect(path) as db:
        count: int = db.execute("SELECT count(*) FROM decisions").fetchone()[0]
    return count


def test_a_checkpoint_comes_back_whole_with_its_decisions(path: Path) -> None:
    first = Journal(path, 1)
    assert first.load() is None
    first.save(checkpoint(), [DECISION, DECISION])
    assert Journal(path, 2).load() == checkpoint()
    assert rows(path) == 2


def test_an_intent_is_there_before_its_result_and_the_result_is_final(path: Path) -> None:
    first = Journal(path, 1)
    assert first.intend(ORDER) is None
    second = Journal(path, 2)
    assert second.unsettled() == [ORDER]
    assert second.intend(ORDER) is None
    result = OrderResult(ORDER.order_id, "REJECTED", Code.NO_MARGIN)
    second.settle(result)
    assert Journal(path, 3).intend(ORDER) == result
    assert Journal(path, 4).unsettled() == []


def test_a_process_that_was_replaced_writes_nothing_any_more(path: Path) -> None:
    old = Journal(path, 1)
    old.save(checkpoint(1.0), [])
    new = Journal(path, 2)
    new.save(checkpoint(2.0), [])
    for write in (
        lambda: old.save(checkpoint(3.0), [DECISION]),
        lambda: old.intend(ORDER),
        lambda: old.event("x", "y"),
    ):
        with pytest.raises(ReplacedError, match="epoch 2 has taken over from 1"):
            write()
    assert new.load() == checkpoint(2.0)
    assert rows(path) == 0
    with pytest.raises(ReplacedError):
        Journal(path, 1)


@pytest.mark.parametrize("damage", ["garbage", "header", "older", "table"])
def test_a_file_that_cannot_be_used_is_set_aside(path: Path, damage: str) -> None:
    Journal(path, 1).save(checkpoint(), [])
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    match damage:
        case "garbage":
            path.write_bytes(b"\x00garbage" * 1000)
        case "header":
            path.write_bytes(b"x" * 100 + path.read_bytes()[100:])
        case "older":
            with sqlite3.connect(path) as db:
                db.execute("PRAGMA user_version = 0")
                db.execute("ALTER TABLE meta ADD COLUMN version INTEGER DEFAULT 4")
        case "table":
            with sqlite3.connect(path) as db:
                db.execute("DROP TABLE meta")
                db.execute("CREATE TABLE meta (other TEXT)")
    fresh = Journal(path, 2)
    assert fresh.load() is None
    assert fresh.set_aside is not None
    assert fresh.set_aside.exists()
    fresh.save(checkpoint(), [])
    assert Journal(path, 3).load() == checkpoint()


def test_a_journal_of_a_newer_version_is_refused_and_left_as_it_is(path: Path) -> None:
    first = Journal(path, 1)
    first.save(checkpoint(), [DECISION])
    first.close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    content = path.read_bytes()
    with pytest.raises(JournalVersionError, match=r"version is 99.*newer one again; or"):
        Journal(path, 2)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_checkpoint_of_an_older_format_is_left_and_the_rows_are_kept(path: Path) -> None:
    first = Journal(path, 1)
    first.save(checkpoint(), [DECISION])
    first.intend(ORDER)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE checkpoint SET format = format - 1")
    second = Journal(path, 2)
    assert second.load() is None
    assert second.unsettled() == [ORDER]
    assert (rows(path), second.set_aside) == (1, None)
    assert count(path, "events WHERE kind = 'checkpoint_left'") == 1
    second.save(checkpoint(), [])
    assert Journal(path, 3).load() == checkpoint()


def test_a_checkpoint_of_a_newer_format_is_refused(path: Path) -> None:
    Journal(path, 1).save(checkpoint(), [])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE checkpoint SET format = format + 1")
    with pytest.raises(JournalVersionError, match="Use the newer one again"):
        Journal(path, 2).load()
    assert count(path, "checkpoint") == 1


def test_what_sqlite_keeps_beside_a_journal_is_missed(path: Path) -> None:
    journal = Journal(path, 1)
    journal.save(checkpoint(), [DECISION])
    path.with_name("s.db-wal").unlink()
    with pytest.raises(JournalError, match="-wal was removed") as caught:
        journal.intend(ORDER)
    journal.abandon(caught.value)
    journal.close()
    assert journal.set_aside is None
    assert Journal(path, 2).load() == checkpoint()


def test_a_checkpoint_that_cannot_be_read_is_none(path: Path) -> None:
    Journal(path, 1).save(checkpoint(), [])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE checkpoint SET body = ?", (b"\xc1",))
    assert Journal(path, 2).load() is None


def test_a_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="unable to open"):
        Journal(tmp_path / "none" / "s.db", 1)


@pytest.mark.parametrize(
    "use", [lambda j: j.intend(ORDER), Journal.newest_filled, Journal.unsettled]
)
def test_damage_found_while_running_is_set_aside_for_the_next_process(
    path: Path, use: Callable[[Journal], object]
) -> None:
    journal = Journal(path, 1)
    journal.save(checkpoint(), [DECISION] * 500)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        pages = db.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name='orders'").fetchall()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        for (page,) in pages:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
    again = Journal(path, 2)
    with pytest.raises(JournalError, match="malformed") as caught:
        use(again)
    again.abandon(caught.value)
    assert again.set_aside is not None
    assert Journal(path, 3).load() is None


def test_a_file_that_is_only_locked_is_left_alone(path: Path) -> None:
    Journal(path, 1).save(checkpoint(), [])
    with sqlite3.connect(path, isolation_level=None) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked"):
            Journal(path, 2)
    assert Journal(path, 2).load() == checkpoint()


def count(path: Path, table: str) -> int:
    with sqlite3.connect(path) as db:
        (rows,) = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(rows)


def test_old_rows_are_pruned_and_what_is_still_asked_about_stays(
    memory: Path,
) -> None:
    path = memory / "s.db"
    journal = Journal(path, 1, RetentionConfig(rows=1_000))
    journal.intend(replace(ORDER, order_id="filled"))
    journal.settle(OrderResult("filled", "FILLED", Code.FILLED))
    journal.intend(replace(ORDER, order_id="open"))
    for number in range(5_000):
        name = f"refused {number}"
        journal.intend(replace(ORDER, order_id=name))
        journal.settle(OrderResult(name, "REJECTED", Code.NO_MARGIN))
    journal.save(checkpoint(), [DECISION] * 5_000)
    journal.save(checkpoint(), [DECISION] * 1_000)
    assert count(path, "orders") <= 2_100
    assert count(path, "decisions") <= 2_100
    assert journal.newest_filled() == "filled"
    assert [order.order_id for order in journal.unsettled()] == ["open"]


def test_rows_of_long_ago_are_pruned_by_their_age(path: Path) -> None:
    journal = Journal(path, 1, RetentionConfig(days=1))
    for number in range(10):
        journal.event("old", str(number))
    with sqlite3.connect(path) as db:
        db.execute("UPDATE events SET time = time - 100000")
    journal.save(checkpoint(), [DECISION] * 1_000)
    assert count(path, "events") == 0


def test_the_window_is_written_when_it_has_changed(path: Path) -> None:
    journal = Journal(path, 1)
    journal.save(checkpoint(), [])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE window SET body = x'00'")
    journal.save(checkpoint(), [])
    assert count(path, "window WHERE body = x'00'") == 1
    journal.save(replace(checkpoint(), window=b"another"), [])
    found = journal.load()
    assert found is not None
    assert found.window == b"another"


def test_what_sqlite_rolled_back_by_itself_does_not_hide_the_cause(path: Path) -> None:
    journal = Journal(path, 1)
    with pytest.raises(JournalError, match="full"), journal._file.writing("NORMAL"):
        journal._db.execute("ROLLBACK")
        raise sqlite3.OperationalError("database or disk is full")


def test_what_a_checkpoint_says_is_kept_with_it_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "euro.db"
    old = Journal(path, 1)
    new = Journal(path, 2)
    with pytest.raises(ReplacedError):
        old.save(checkpoint(1.0), [], [("interrupted", "from here to there")])
    new.save(checkpoint(2.0), [], [("interrupted", "a span")])
    with sqlite3.connect(path) as db:
        told = db.execute("SELECT kind, detail FROM events").fetchall()
    assert ("interrupted", "a span") in told
    assert ("interrupted", "from here to there") not in told
    new.close()

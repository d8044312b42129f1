"""The files of the version before, made by its own code: nothing of them is lost at an upgrade."""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_supervisor.children import plans
from mt5crs_worker.trading.journal import Journal
from mt5crs_worker.trading.journal_file import SCHEMA, ReplacedError
from tests import old_files
from tests.old_files import INSTALLATION, Life
from tests.unit.gateway_cases import config, order, tick

Tables = dict[str, list[dict[str, Any]]]


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A folder with both files."""
    folder = tmp_path / "before"
    folder.mkdir()
    for name in ("ledger.db", "euro.db"):
        old_files.unpack(folder / name)
    return folder


def tables(path: Path) -> Tables:
    """Every row of every table."""
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: [dict(row) for row in db.execute(f"SELECT * FROM {name}")] for name in names}
    db.close()
    return found


BLOBS = {("orders", "request"), ("orders", "result"), ("orders", "body"), ("checkpoint", "body")}


def decoded(found: Tables) -> Tables:
    """The same with its blobs decoded, in the names of today."""
    return {
        name: today(
            [
                {
                    k: msgspec.msgpack.decode(v) if (name, k) in BLOBS and v else v
                    for k, v in row.items()
                }
                for row in rows
            ]
        )
        for name, rows in found.items()
    }


def today(value: Any) -> Any:
    """What the version before said, in the names of today."""
    if isinstance(value, list):
        return [today(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    names = {
        "place": "occurrences" if "identity" in value else "occurrence",
        "open_place": "open_occurrence",
    }
    return {names.get(key, key): today(entry) for key, entry in value.items()}


def contained(old: Any, new: Any) -> bool:
    """Whether what was said is said still; there may be more."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(
            key in new and contained(value, new[key]) for key, value in old.items()
        )
    if isinstance(old, list):
        return isinstance(new, list) and len(new) >= len(old) and all(map(contained, old, new))
    return bool(old == new)


def installed(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.db", "USD", 10_000.0, installation=INSTALLATION)


def test_a_journal_keeps_every_row(before: Path) -> None:
    path = before / "euro.db"
    old = decoded(tables(path))
    journal = Journal(path, 4)
    assert journal.set_aside is None
    assert [order_.order_id for order_ in journal.unsettled()] == ["euro:1:0:OPEN"]
    assert journal.newest_filled() is not None
    journal.close()
    new = decoded(tables(path))
    for name in ("checkpoint", "window", "decisions", "orders", "events"):
        assert old[name], name
        assert contained(old[name], new[name]), name
    assert (old["meta"], new["meta"]) == ([{"version": 5, "epoch": 3}], [{"epoch": 4}])


def test_a_process_that_was_replaced_before_the_upgrade_does_not_come_back(before: Path) -> None:
    path = before / "euro.db"
    content = path.read_bytes()
    with pytest.raises(ReplacedError, match="epoch 3 has taken over from 2"):
        Journal(path, 2)
    assert path.read_bytes() == content


def test_nothing_of_a_checkpoint_is_lost_or_read_as_something_else(before: Path) -> None:
    path = before / "euro.db"
    (saved,) = tables(path)["checkpoint"]
    found = Journal(path, 4).load()
    assert found is not None
    again = msgspec.msgpack.encode(msgspec.structs.replace(found, window=b""))
    assert contained(today(msgspec.msgpack.decode(saved["body"])), msgspec.msgpack.decode(again))


def test_a_ledger_keeps_every_row(before: Path) -> None:
    path = before / "ledger.db"
    old = decoded(tables(path))
    installed(before).close()
    new = decoded(tables(path))
    for name in old.keys() - {"meta"}:
        assert old[name] or name == "events", name
        assert contained(old[name], new[name]), name
    gone = {row["key"] for row in old["meta"]} - {row["key"] for row in new["meta"]}
    assert gone == {"version"}
    with ledger_schema.open_ledger(path) as db:
        assert len(ledger_queries.deals(db)) == len(old["deals"])
        assert len(ledger_queries.read_orders(db)) == len(old["orders"])
        assert [p.strategy for p in ledger_queries.read_positions(db)] == ["euro", "other"]


def test_until_the_gateway_starts_a_reader_says_that_the_ledger_is_older(before: Path) -> None:
    path = before / "ledger.db"
    content = path.read_bytes()
    with pytest.raises(LedgerError, match=r"older version \(1, .* The next `start` brings it up"):
        ledger_schema.open_ledger(path)
    assert path.read_bytes() == content


def test_before_that_it_is_known_what_is_guarded_and_whose_the_ledger_is(before: Path) -> None:
    path = before / "ledger.db"
    assert ledger_schema.owner(path) == INSTALLATION
    with_none = msgspec.structs.replace(config(), strategies=(), symbols={})
    payload = msgspec.json.decode(plans.services(with_none, path)[0].payload)
    assert list(payload["symbols"]) == ["EURUSD"]


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Life]:
    """The same market with no upgrade in it."""
    folder = tmp_path / "whole"
    folder.mkdir()
    life = Life(folder, 3)
    life.take(list(old_files.market()))
    yield life
    life.close()


def test_a_strategy_goes_on_from_its_checkpoint(before: Path, whole: Life) -> None:
    with sqlite3.connect(before / "ledger.db") as db:
        db.execute("UPDATE meta SET value = '' WHERE key = 'installation'")
    db.close()
    life = Life(before, 4)
    assert life.checkpoint is not None
    assert life.checkpoint.position is not None
    taken = life.checkpoint.metrics.ticks_processed
    assert old_files.HALFWAY <= taken < old_files.TICKS - 300
    life.office.tape["EURUSD"].extend(itertools.islice(old_files.market(), taken))
    life.take(list(itertools.islice(old_files.market(), taken, None)))
    assert life.instance.get_status() == whole.instance.get_status()
    assert life.instance.strategy.state == whole.instance.strategy.state
    assert decided(before) == decided(whole.journal.path.parent)
    assert dealt(life) == dealt(whole)
    life.close()


def decided(folder: Path) -> list[dict[str, Any]]:
    rows = tables(folder / "euro.db")["decisions"]
    return [{key: value for key, value in row.items() if key != "time"} for row in rows]


def dealt(life: Life) -> list[bytes]:
    fills = [fill for fill in life.office.fills() if fill.strategy == "euro"]
    assert len(fills) > 15
    return [msgspec.json.encode(fill) for fill in fills]


def test_orders_of_the_version_before_are_known_to_the_gateway(before: Path) -> None:
    ledger = installed(before)
    for row in tables(before / "ledger.db")["orders"]:
        known = ledger.find(row["order_id"])
        assert known is not None
        assert known.result is not None
        assert (known.result.status, known.result.code) == (row["status"], row["code"])
    assert ledger.find(order(tick(7)).order_id) is None
    ledger.close()


def test_a_journal_that_begins_now_has_what_the_steps_make(tmp_path: Path) -> None:
    Journal(tmp_path / "new.db", 1).close()
    with sqlite3.connect(tmp_path / "steps.db") as stepped:
        stepped.create_function("renamed", 3, lambda body, path, new: body)
        for step in SCHEMA.steps:
            stepped.executescript(step)
        stepped.execute("UPDATE meta SET epoch = 1")
    stepped.close()
    assert shape(tmp_path / "new.db") == shape(tmp_path / "steps.db")


def shape(path: Path) -> dict[str, Any]:
    """Columns, rows and indexes, whatever words made them."""
    with sqlite3.connect(path) as db:
        made = db.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
        found = {
            name: (
                db.execute(f"PRAGMA table_info({name})").fetchall()
                if kind == "table"
                else "".join((sql or "").split()),
                db.execute(f"SELECT * FROM {name}").fetchall() if kind == "table" else [],
            )
            for kind, name, sql in made
        }
    db.close()
    return found

"""A whole system on the files of the version before, and on those of one that is yet to come."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mt5crs_shared.process.paths import VarPaths
from tests import old_files
from tests.integration.test_cli_process import CommandLine
from tests.system import ROOT, Pulse, wait_for

EURO: dict[str, Any] = {
    "name": "euro",
    "symbol": "EURUSD",
    "timeframe": "S1",
    "strategy": "tests.old_files:Swinging",
    "magic": 7,
}


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    """One strategy on a `var` folder in which the version before has run."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    made = CommandLine(tmp_path, [EURO])
    made.paths.create()
    old_files.unpack(made.paths.ledger)
    old_files.unpack(made.paths.journal("euro"))
    pulse = Pulse(made.port, ["EURUSD"])
    pulse.start()
    try:
        yield made
    finally:
        pulse.stop()
        made.call("stop")


def select(path: Path, query: str) -> list[Any]:
    db = sqlite3.connect(path)
    found = db.execute(query).fetchall()
    db.commit()
    db.close()
    return found


def test_a_system_goes_on_after_an_upgrade_and_refuses_a_downgrade(system: CommandLine) -> None:
    paths: VarPaths = system.paths
    journal, ledger = paths.journal("euro"), paths.ledger
    decisions = "SELECT id, time_us, action, lots, order_ids FROM decisions ORDER BY id"
    deals = "SELECT * FROM deals ORDER BY id"
    before = select(journal, decisions), select(ledger, deals)
    older = system.call("positions")
    assert (older.returncode, "The next `start` brings it up" in older.stderr) == (1, True)

    assert system.call("start", "--detach").returncode == 0
    system.wait_running()
    wait_for(
        lambda: select(journal, "SELECT detail FROM events WHERE kind = 'recovered' AND id > 1"),
        "the recovery",
    )
    told = dict(select(journal, "SELECT kind, detail FROM events ORDER BY id"))
    assert told["recovered"].startswith("began from its checkpoint")
    assert told["settled"].startswith("euro:1:0:OPEN: REJECTED")
    assert "other" in [position["strategy"] for position in system.json("positions")]
    assert system.call("stop").returncode == 0
    after = select(journal, decisions), select(ledger, deals)
    assert [new[: len(old)] for new, old in zip(after, before, strict=True)] == list(before)

    select(journal, "PRAGMA user_version = 99")
    assert refused(system, "euro").startswith(f"{journal}: a newer mt5crs-supervisor")
    assert select(journal, decisions) == after[0]
    assert list(journal.parent.glob("*.damaged-*")) == []

    select(ledger, "PRAGMA user_version = 99")
    assert refused(system, "gateway").startswith(f"{ledger}: a newer mt5crs-supervisor")
    newer = system.call("positions")
    assert (newer.returncode, "Use the newer one again" in newer.stderr) == (1, True)


def refused(system: CommandLine, name: str) -> str:
    """Why a child does not start; it is stopped again."""
    system.call("start", "--detach")

    def reason() -> str:
        report = system.status()
        children = [*report.services, *(s.process for s in report.strategies)]
        child = next(c for c in children if c.name == name)
        return child.last_error if child.state == "QUARANTINED" else ""

    said = wait_for(reason, f"the refusal of {name}")
    assert system.call("stop").returncode == 0
    return said

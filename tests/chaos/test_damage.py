"""A journal that is damaged while its strategy is down: what is promised then, and what is not.

Promised: the file is set aside and said so; position and profit are the ledger's; bars, and so
every signal from then on, are rebuilt from the tape; no order is repeated; nobody else notices.
Not promised: decisions of the ticks that came while it was away are not made any more once they
are older than `max_signal_age`, and what the file alone knew (older decisions, a strategy's own
`state`) is in the file that was set aside.
"""

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from mt5crs_shared.control.status_report import StrategyStatus
from mt5crs_supervisor.chaos import replay_run, run_logs, scenario
from mt5crs_supervisor.chaos.campaign_system import CampaignSystem, send_signal, wait_for
from tests.chaos import crosses
from tests.chaos.crosses import SPEC, TICKS


def installation(folder: Path, file: Path, speed: float) -> CampaignSystem:
    return crosses.installation(folder, folder / "var", ("victim", "other"), file, speed)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    for begin in range(0, len(content), 4096):
        content[begin : begin + 256] = bytes(byte ^ 0xFF for byte in content[begin : begin + 256])
    path.write_bytes(content)


@pytest.mark.slow
def test_a_damaged_journal_is_set_aside_and_the_strategy_rebuilt(tmp_path: Path) -> None:
    file = scenario.make_up(tmp_path, [SPEC], TICKS, seed=3)["EURUSD"]
    published = {"EURUSD": TICKS}
    untouched = replay_run.run_replay(
        installation(tmp_path / "untouched", file, 0.0), published
    ).logs
    system = installation(tmp_path / "struck", file, 400.0)
    journal = system.paths.journal("victim")
    system.start()
    try:
        system.wait_running()
        wait_for(lambda: _strategy(system, "victim").deals >= 4, "some deals")
        pids, pid = system.pids(), system.pid("victim")
        os.kill(system.supervisor_pid, signal.SIGSTOP)
        send_signal(pid)
        for path in (journal, journal.with_name(journal.name + "-wal")):
            damage(path)
        os.kill(system.supervisor_pid, signal.SIGCONT)
        wait_for(lambda: system.running() and system.pid("victim") != pid, "the victim back")
        assert {k: v for k, v in system.pids().items() if k != "victim"} == {
            k: v for k, v in pids.items() if k != "victim"
        }
        wait_for(lambda: _taken(system, "other") == TICKS, "the end")
        wait_for(lambda: _taken(system, "victim") == TICKS, "the end")
        status = _strategy(system, "victim")
    finally:
        assert system.close() == []
    assert len(list(journal.parent.glob(f"{journal.name}.damaged-*"))) == 1
    with sqlite3.connect(journal) as db:
        kinds = [kind for (kind,) in db.execute("SELECT kind FROM events")]
    assert kinds[0] == "journal_set_aside"
    found = run_logs.gather(system.paths, {"victim": TICKS, "other": TICKS})
    assert run_logs.differences(untouched, found, ["other"]) == []
    assert found.books_agree
    assert status.metrics is not None
    assert status.metrics.realised == pytest.approx(status.realised)
    signals = [(row[0], row[5], row[11]) for row in found.decisions["victim"]]
    expected = [(row[0], row[5], row[11]) for row in untouched.decisions["victim"]]
    assert len(signals) > 100
    assert signals == expected[-len(signals) :]
    ids = [line[0] for line in found.orders["victim"]]
    assert len(ids) == len(set(ids))


def _strategy(system: CampaignSystem, name: str) -> StrategyStatus:
    return next(s for s in system.status().strategies if s.process.name == name)


def _taken(system: CampaignSystem, name: str) -> int:
    metrics = _strategy(system, name).metrics
    return metrics.ticks_processed if metrics is not None else 0

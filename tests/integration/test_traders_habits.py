"""What traders do without a thought: slow code, files named like Python's own, a bug in on_fill."""

import os
import re
import signal
import subprocess
from pathlib import Path

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Fill
from mt5crs_supervisor.chaos import scenario
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.examples.ma_cross import MovingAverageCross
from mt5crs_worker.strategy import Signal
from tests.chaos.crosses import CROSS, SPEC
from tests.chaos.strategies import Recorder
from tests.integration.test_cli_process import FAST, STRATEGIES, CommandLine
from tests.system import ROOT, running, wait_for

TICKS = 300
"""Slow takes 50 ms for each: fifteen seconds in one batch, five times what counts as a hang."""


class BadFill(MovingAverageCross):
    """Trades, and fails whenever it is told of a deal."""

    def on_fill(self, fill: Fill) -> None:
        raise RuntimeError("a bug in on_fill")


class BadTick(Recorder):
    """Has a bug that shows at each tick."""

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        super().on_tick(tick, bars)
        raise RuntimeError("a bug in on_tick")


def recorder(folder: Path, name: str, strategy: str) -> dict[str, object]:
    """The entry of one that is asked at each tick."""
    return {
        "name": name,
        "symbol": "EURUSD",
        "strategy": strategy,
        "evaluate": "tick",
        "timeframe": "S1",
        "params": {"file": str(folder / "seen")},
    }


def test_a_slow_strategy_with_a_backlog_is_not_taken_for_hung(tmp_path: Path) -> None:
    file = scenario.make_up(tmp_path, [SPEC], TICKS, seed=4)["EURUSD"]
    slow = recorder(tmp_path, "slow", "tests.chaos.strategies:Slow")
    feed = {"feed": {"kind": "replay", "files": [str(file)], "speed": 0.0}}
    with running(tmp_path, [slow], feed) as system:
        pid = system.pid("slow")
        wait_for(lambda: system.processed("slow") == TICKS, "every tick")
        assert (system.pid("slow"), system.strategy("slow").process.restarts) == (pid, 0)


def test_files_named_like_pythons_own_shadow_nothing(tmp_path: Path) -> None:
    mine = {"name": "mine", "symbol": "EURUSD", "strategy": "my_strategies:Mine"}
    system = CommandLine(tmp_path, [mine], {"feed": FAST})
    for name in ("signal", "logging", "queue", "numpy", "statistics"):
        (tmp_path / f"{name}.py").write_text("BUY_WHEN = 1\n")
    source = (ROOT / "worker/mt5crs_worker/examples/ma_cross.py").read_text()
    (tmp_path / "my_strategies.py").write_text(source + "\n\nclass Mine(MovingAverageCross): ...\n")
    valid = system.call("validate")
    assert valid.returncode == 0, valid.stdout + valid.stderr
    started = system.call("start", "--detach")
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        wait_for(lambda: system.processed("mine") > 0, "ticks")
    finally:
        assert system.call("stop").returncode == 0
    front = system.popen("start")
    try:
        system.wait_running()
    finally:
        front.send_signal(signal.SIGINT)
        output = front.communicate()[0]
    assert front.returncode == 0, output
    assert "Traceback" not in output


def test_validate_looks_for_a_class_where_start_does(tmp_path: Path) -> None:
    entry = {"name": "mine", "symbol": "EURUSD", "strategy": "statistics:Mine"}
    system = CommandLine(tmp_path, [entry])
    source = (ROOT / "worker/mt5crs_worker/examples/ma_cross.py").read_text()
    (tmp_path / "statistics.py").write_text(source + "\n\nclass Mine(MovingAverageCross): ...\n")
    result = system.call("validate")
    assert result.returncode == 4
    assert "statistics has no class Mine" in result.stderr


def test_a_bug_in_on_fill_is_told(tmp_path: Path) -> None:
    bad = {**STRATEGIES[1], "name": "bad", "strategy": f"{__name__}:BadFill"}
    with running(tmp_path, [bad], {"feed": FAST}) as system:
        told = re.compile(r": its on_fill failed so on the last \d+ deals; it trades on; ").search
        wait_for(lambda: told(system.strategy("bad").process.degraded), "that it is DEGRADED")
        assert "a bug in on_fill" in system.strategy("bad").process.last_error


def test_a_death_forgives_no_bug_and_a_restart_waits_for_the_next_one(tmp_path: Path) -> None:
    file = scenario.make_up(tmp_path, [SPEC], TICKS, seed=4)["EURUSD"]
    bad = recorder(tmp_path, "bad", f"{__name__}:BadTick")
    feed = {"feed": {"kind": "replay", "files": [str(file)], "speed": 0.0}}
    failed = f": x{TICKS} in a row in its code, nothing is decided; see `logs bad`"
    with running(tmp_path, [bad], feed) as system:

        def is_told() -> bool:
            return failed in system.strategy("bad").process.degraded

        wait_for(is_told, "that it is DEGRADED")
        first = system.pid("bad")
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: system.pids()["bad"] not in (None, first) and is_told(), "the next")
        restarted = subprocess.run(system.command("restart", "bad"), capture_output=True, text=True)
        assert restarted.returncode == 0, restarted.stderr
        metrics = system.strategy("bad").metrics
        assert metrics is not None and (metrics.errors_in_a_row, metrics.error_count) == (0, TICKS)
        assert "in a row" not in system.strategy("bad").process.degraded


def test_a_stop_says_what_stays_open(tmp_path: Path) -> None:
    system = CommandLine(tmp_path, [STRATEGIES[1]], {"feed": FAST})
    assert system.call("start", "--detach").returncode == 0
    said = ""
    for _ in range(10):
        wait_for(lambda: system.strategy("cable").position_lots, "a position")
        said = system.call("stop").stdout.splitlines()[-1]
        if "cable" in said:
            break
        system.call("start", "--detach")  # it was closed in the last moment
    assert re.search(r"stops of what stays open until the next start: cable [+-]0\.\d+$", said)


def test_a_restart_says_that_the_file_has_changed(tmp_path: Path) -> None:
    system = CommandLine(tmp_path, [STRATEGIES[1]], {"feed": FAST})
    assert system.call("start", "--detach").returncode == 0
    try:
        assert "has changed" not in system.call("restart", "cable").stdout
        system.config.write_text(system.config.read_text() + "\n")
        assert "has changed" not in system.call("restart", "cable").stdout, "it says what runs"
        system.config.write_text(system.config.read_text().replace("fast: 3", "fast: 4"))
        told = system.call("restart", "cable").stdout
        assert re.search(r"has changed at .*: 1 difference \(`reload --dry-run`", told), told
    finally:
        assert system.call("stop").returncode == 0


def test_a_restart_takes_no_process_away_that_could_not_begin_again(tmp_path: Path) -> None:
    entry = {**STRATEGIES[1], "name": "mine", "strategy": "mine:Mine"}
    system = CommandLine(tmp_path, [entry], {"feed": FAST})
    module = tmp_path / "mine.py"
    source = (ROOT / "worker/mt5crs_worker/examples/ma_cross.py").read_text()
    module.write_text(f"{source}\n\nclass Mine(MovingAverageCross): ...\n")
    assert system.call("start", "--detach").returncode == 0
    try:
        pid = system.pid("mine")
        module.write_text("def half of an edit")
        for verb in ("restart mine", "reload"):
            refused = system.call(*verb.split())
            assert refused.returncode == 4, refused
            assert "SyntaxError" in refused.stderr
            assert refused.stderr.endswith("nothing was changed: what runs goes on as it was\n")
        assert system.pid("mine") == pid
    finally:
        assert system.call("stop").returncode == 0


def test_who_never_died_has_no_black_box(tmp_path: Path) -> None:
    plain = {"name": "one", "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}
    with running(tmp_path, [plain], {"feed": FAST}) as system:
        result = subprocess.run(system.command("crashes", "one"), capture_output=True, text=True)
        assert (result.returncode, result.stdout) == (0, "one has never died.\n")
        wrong = subprocess.run(system.command("crashes", "on"), capture_output=True, text=True)
        assert wrong.returncode == 2
        assert "no process called on. Did you mean one?" in wrong.stderr

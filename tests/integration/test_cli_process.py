"""The command line against real processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.system import PATIENCE, ROOT, Pulse, System, wait_for

STRATEGIES = [
    {"name": "euro", "symbol": "EURUSD", "model_path": str(ROOT / "models/baseline_v1.json")},
    {
        "name": "cable",
        "symbol": "GBPUSD",
        "strategy": "mt5crs_worker.examples.ma_cross:MovingAverageCross",
        "timeframe": "S1",
        "params": {"fast": 3, "slow": 6},
        "risk_config": {"stop_loss_atr_multiple": 40.0},
    },
]
FAST = {"speed": 50.0, "history_minutes": 10, "ticks_per_second": 4.0}


class CommandLine(System):
    """An installation that is only touched through the command line."""

    def call(self, *arguments: str, within: float = 60.0) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command("--config", str(self.config), *arguments),
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=within,
        )

    def popen(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self.command("--config", str(self.config), *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            **options,
        )

    def said(self, *arguments: str, code: int = 0) -> str:
        """What a command that ends with this code prints, on stderr where that is an error's."""
        result = self.call(*arguments)
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout if code == 0 else result.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.call(*arguments, "--json").stdout)

    def assert_nothing_left(self) -> None:
        wait_for(lambda: not self.processes(), "no process left")
        folders = [run for run in self.var.glob("**/run") if run.is_dir()]
        assert folders, "nothing ever ran"
        assert [file for run in folders for file in run.iterdir()] == []


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[CommandLine]:
    system = CommandLine(tmp_path, STRATEGIES)
    yield system
    system.call("stop")
    system.end_leftovers()


@pytest.fixture
def market(installation: CommandLine) -> Iterator[Pulse]:
    pulse = Pulse(installation.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    yield pulse
    pulse.stop()


def test_a_day_of_an_operator(installation: CommandLine, market: Pulse) -> None:
    started = installation.call("start", "--detach")
    assert started.returncode == 0, started.stderr
    assert "euro  RUNNING" in started.stdout

    report = installation.json("status")
    own = f"({installation.folder.name})"
    assert psutil.Process(report["pid"]).cmdline()[0] == f"mt5crs supervisor {own}"
    for child in [*(s["process"] for s in report["strategies"]), *report["services"]]:
        process = psutil.Process(child["pid"])
        assert process.cmdline()[0] == f"mt5crs {child['name']} {own}"
        assert process.ppid() == report["forkserver_pid"]

    second = installation.call("start")
    assert second.returncode == 1
    assert f"pid {report['pid']}" in second.stderr
    assert str(installation.config) in second.stderr
    assert installation.call("start", "--detach").returncode == 1
    assert installation.call("demo").returncode == 1

    victim = report["strategies"][0]["process"]["pid"]
    os.kill(victim, signal.SIGKILL)
    installation.wait_back("euro", victim)
    after = installation.json("status")["strategies"][0]["process"]
    assert (after["restarts"], after["state"]) == (1, "RUNNING")

    restarted = installation.call("restart", "euro")
    assert restarted.returncode == 0, restarted.stderr
    assert f"euro is RUNNING (pid {after['pid']} -> " in restarted.stdout
    fresh = installation.json("status")["strategies"][0]["process"]
    assert fresh["recovery_ms"] is None, "wanted by the operator, it recovered from nothing"
    unknown = installation.call("restart", "cabel")
    assert unknown.returncode == 2
    assert "Did you mean cable? There are: cable, euro, gateway, tape." in unknown.stderr

    assert "started" in installation.call("logs", "euro").stdout
    assert installation.call("logs", "euor").returncode == 2

    stopped = installation.call("stop")
    assert stopped.returncode == 0, stopped.stderr
    # What it has opened meanwhile stays open, and that is said.
    assert stopped.stdout.splitlines()[-1].startswith("stopped")
    installation.assert_nothing_left()
    assert installation.call("stop").returncode == 3


def test_the_books_are_open_while_it_runs_and_afterwards(tmp_path: Path) -> None:
    system = CommandLine(tmp_path, STRATEGIES, {"feed": FAST})
    try:
        assert system.call("start", "--detach").returncode == 0
        wait_for(lambda: len(system.json("orders", "cable")) > 2, "orders of cable")
        assert "FILLED" in system.call("orders").stdout
    finally:
        system.call("stop")
    system.assert_nothing_left()
    orders = system.json("orders", "cable")
    assert {order["strategy"] for order in orders} == {"cable"}
    assert len(system.json("orders", "-n", "2")) == 2
    held = system.json("positions")
    opened = {order["ticket"] for order in orders if order["status"] == "FILLED"}
    assert {p["ticket"] for p in held if p["strategy"] == "cable"} <= opened
    assert system.call("positions").returncode == 0


def test_two_starts_at_once_make_one_system(installation: CommandLine, market: Pulse) -> None:
    both = [installation.popen("start", "--detach") for _ in range(2)]
    outputs = [process.communicate(timeout=PATIENCE)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes == [0, 1], outputs
    assert installation.call("status").returncode == 0


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_a_start_in_order(installation: CommandLine, market: Pulse, times: int) -> None:
    process = installation.popen("start", start_new_session=True)
    installation.wait_running()
    # As a terminal does it: to the whole group.
    for _ in range(times):
        os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=PATIENCE)[0]
    assert process.returncode == 0, output
    assert "stopping ... (SIGKILL after 10 s)" in output
    assert output.splitlines()[-1].split()[1:3] == ["supervisor", "stopped"]
    assert "Traceback" not in output
    installation.assert_nothing_left()


def test_ctrl_c_during_the_imports_prints_no_traceback(installation: CommandLine) -> None:
    process = installation.popen("start", start_new_session=True)
    helpers: list[psutil.Process] = []

    def importing() -> bool:
        helpers[:] = psutil.Process(process.pid).children()
        return any(helper.memory_info().rss > 25_000_000 for helper in helpers)

    wait_for(importing, "the forkserver in the middle of its imports")
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in printed
    assert process.returncode in (0, 1)
    wait_for(lambda: not any(h.is_running() for h in helpers), "the helpers' end")


def test_a_reader_that_goes_away_does_not_stop_it(installation: CommandLine, market: Pulse) -> None:
    process = installation.popen("start")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    installation.wait_running()
    assert installation.call("restart", "euro").returncode == 0
    assert installation.call("stop").returncode == 0
    assert process.wait(PATIENCE) == 0


def test_a_start_that_fails_says_why(installation: CommandLine) -> None:
    installation.var.mkdir()
    (installation.var / "log").write_text("in the way")
    for arguments in (["start"], ["start", "--detach"]):
        result = installation.call(*arguments)
        assert result.returncode == 1
        assert "cannot be used" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_supervisor_that_was_killed_is_not_running(
    installation: CommandLine, market: Pulse
) -> None:
    installation.call("start", "--detach")
    pid = installation.json("status")["pid"]
    os.kill(pid, signal.SIGKILL)
    result = installation.call("status")
    assert (result.returncode, result.stdout) == (3, "")
    # Its strategies live; the next start adopts them.
    assert installation.call("start", "--detach").returncode == 0
    assert installation.call("stop").returncode == 0


def test_a_supervisor_that_stands_still_is_a_time_out(
    installation: CommandLine, market: Pulse
) -> None:
    installation.call("start", "--detach")
    pid = installation.json("status")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert installation.call("status").returncode == 5
    finally:
        os.kill(pid, signal.SIGCONT)


class TestDemo:
    def test_runs_and_sums_up(self, installation: CommandLine) -> None:
        result = installation.call("demo", "--duration", "4")
        assert result.returncode == 0, result.stderr
        assert "2/2 running" in result.stdout
        assert "kill -9" in result.stdout
        assert "demo over after" in result.stdout
        installation.assert_nothing_left()

    def test_ctrl_c_stops_it_in_order(self, installation: CommandLine) -> None:
        process = installation.popen("demo", start_new_session=True)
        installation.var /= "demo"
        wait_for(lambda: installation.processed("euro") > 0, "the first ticks")
        os.killpg(process.pid, signal.SIGINT)
        os.killpg(process.pid, signal.SIGINT)
        output = process.communicate(timeout=PATIENCE)[0]
        assert process.returncode == 0, output
        assert "demo over after" in output
        installation.assert_nothing_left()

    def test_a_killed_front_takes_the_system_with_it(self, installation: CommandLine) -> None:
        process = installation.popen("demo")
        installation.var /= "demo"
        wait_for(lambda: installation.status().pid, "a supervisor")
        process.kill()
        process.communicate()
        installation.assert_nothing_left()

    def test_a_bad_row_ends_a_replay_after_every_tick_before_it(
        self, installation: CommandLine, tmp_path: Path
    ) -> None:
        rows = [f"2026-01-05T10:00:{n:02}Z,1.1,1.1001" for n in range(60)]
        file = tmp_path / "20260105_quote.csv"
        file.write_text("\n".join(["timestamp,bid,ask", *rows, "soon,1,2", rows[0]]) + "\n")
        installation.call("start", "--detach")
        result = installation.call("feed", "replay", str(file), "--fast", "--symbol", "EURUSD")
        assert result.returncode == 1
        assert f"error: {file}:62: " in result.stderr
        assert "published 60 ticks" in result.stderr
        assert "warning" not in result.stderr
        wait_for(lambda: installation.processed("euro") == 60, "all ticks before the bad row")

    def test_what_nobody_takes_is_said_before_it_is_published(
        self, installation: CommandLine, tmp_path: Path
    ) -> None:
        file = tmp_path / "20260105_quote.csv"
        file.write_text("timestamp,bid,ask\n2026-01-05T10:00:00Z,1.1,1.1001\n")
        feed = installation.popen("feed", "replay", str(file), "--fast")
        assert feed.stdout is not None
        warning, waiting = feed.stdout.readline(), feed.stdout.readline()
        assert "20260105_quote.csv holds 20260105, which no enabled strategy of" in warning
        assert waiting == "waiting for a subscriber: start the strategies\n"
        feed.send_signal(signal.SIGINT)
        assert feed.wait(PATIENCE) == 0

    def test_a_port_in_use_is_told(self, installation: CommandLine, market: Pulse) -> None:
        result = installation.call("demo")
        assert result.returncode == 1
        assert "the feed cannot publish" in result.stderr
        assert "another program has that port" in result.stderr
        installation.assert_nothing_left()


class TestFeed:
    def test_a_synthetic_market_from_the_command_line(self, installation: CommandLine) -> None:
        installation.call("start", "--detach")
        feed = installation.popen("feed", "synthetic", "--speed", "20", "--history-minutes", "5")
        wait_for(lambda: installation.processed("euro") > 20, "ticks")
        feed.send_signal(signal.SIGINT)
        output = feed.communicate(timeout=PATIENCE)[0]
        assert feed.returncode == 0, output
        assert "published" in output

    def test_a_replay_ends_by_itself(self, installation: CommandLine, tmp_path: Path) -> None:
        rows = [f"2026-01-05T10:00:{n:02}Z,1.1,1.1001" for n in range(60)]
        file = tmp_path / "EURUSD_2026.csv"
        file.write_text("\n".join(["timestamp,bid,ask", *rows]) + "\n")
        installation.call("start", "--detach")
        result = installation.call("feed", "replay", str(file), "--fast")
        assert result.returncode == 0, result.stderr
        wait_for(lambda: installation.processed("euro") == 60, "all ticks")

    def test_a_bad_row_ends_a_replay_after_every_tick_before_it(
        self, installation: CommandLine, tmp_path: Path
    ) -> None:
        rows = [f"2026-01-05T10:00:{n:02}Z,1.1,1.1001" for n in range(60)]
        file = tmp_path / "20260105_quote.csv"
        file.write_text("\n".join(["timestamp,bid,ask", *rows, "soon,1,2", rows[0]]) + "\n")
        installation.call("start", "--detach")
        result = installation.call("feed", "replay", str(file), "--fast", "--symbol", "EURUSD")
        assert result.returncode == 1
        assert f"error: {file}:62: " in result.stderr
        assert "published 60 ticks" in result.stderr
        assert "warning" not in result.stderr
        wait_for(lambda: installation.processed("euro") == 60, "all ticks before the bad row")

    def test_what_nobody_takes_is_said_before_it_is_published(
        self, installation: CommandLine, tmp_path: Path
    ) -> None:
        file = tmp_path / "20260105_quote.csv"
        file.write_text("timestamp,bid,ask\n2026-01-05T10:00:00Z,1.1,1.1001\n")
        feed = installation.popen("feed", "replay", str(file), "--fast")
        assert feed.stdout is not None
        warning, waiting = feed.stdout.readline(), feed.stdout.readline()
        assert "20260105_quote.csv holds 20260105, which no enabled strategy of" in warning
        assert waiting == "waiting for a subscriber: start the strategies\n"
        feed.send_signal(signal.SIGINT)
        assert feed.wait(PATIENCE) == 0

    def test_a_port_in_use_is_told(self, installation: CommandLine, market: Pulse) -> None:
        result = installation.call("feed", "synthetic")
        assert result.returncode == 1
        assert "cannot be bound" in result.stderr
        assert "Traceback" not in result.stderr


def test_follow_and_watch_end_with_ctrl_c(installation: CommandLine, market: Pulse) -> None:
    installation.call("start", "--detach")
    for arguments in (["logs", "-f"], ["status", "--watch"], ["status", "--watch", "--json"]):
        process = installation.popen(*arguments)
        assert process.stdout is not None
        assert process.stdout.readline()
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=10)[0]
        assert process.returncode == 0, output
        assert "Traceback" not in output


def test_status_is_fast(installation: CommandLine, market: Pulse) -> None:
    installation.call("start", "--detach")
    bare = [sys.executable, "-c", "import click, msgspec, zmq"]
    took, least = [], []
    for _ in range(7):
        begun = time.perf_counter()
        subprocess.run(bare, check=True)
        between = time.perf_counter()
        assert installation.call("status").returncode == 0
        least.append(between - begun)
        took.append(time.perf_counter() - between)
    # The median is 0.16 s on a quiet machine. A busy one holds up both: against what it imports.
    assert sorted(took)[3] < max(10.0 * sorted(least)[3], 1.6)


def test_the_module_and_the_command_are_the_same() -> None:
    script = Path(sys.executable).parent / "mt5crs-supervisor"
    said = [
        subprocess.run([*command, "--version"], capture_output=True, text=True).stdout
        for command in ([str(script)], [sys.executable, "-m", "mt5crs_supervisor"])
    ]
    assert said[0] == said[1] != ""

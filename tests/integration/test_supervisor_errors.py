"""The supervisor is gone, or has a fault of its own: no strategy notices, nobody is forgotten."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mt5crs_shared.storage import crash_report
from mt5crs_supervisor import MultiStrategyRunner
from mt5crs_supervisor.deaths.restart_in_place import MOST
from mt5crs_supervisor.operator.actions import Operator
from mt5crs_supervisor.operator.orphans import described, living_orphans
from mt5crs_supervisor.processes.identity import is_alive
from mt5crs_supervisor.processes.instance_lock import holder
from tests.chaos.crosses import CROSS
from tests.integration.test_cli_process import CommandLine
from tests.system import PATIENCE, ROOT, wait_for

STRATEGIES = [
    {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}
    for name in ("one", "two")
]
FEED = {"feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 10}}
CHILDREN = {"one", "two", "gateway", "tape", "feed"}

FAULTY = """
import sys
from pathlib import Path
from mt5crs_supervisor.operator.actions import Operator
serve = Operator.serve
def faulty(self):
    fault = Path({fault!r})
    if fault.exists():
        fault.unlink()
        raise RuntimeError("a bug in the supervisor")
    serve(self)
Operator.serve = faulty
from mt5crs_supervisor.cli import run_command_line
run_command_line()
"""
"""A supervisor with a bug that a file brings out; what it is run with survives its exec."""


class Faulty(CommandLine):
    """An installation whose supervisor has a bug."""

    @property
    def fault(self) -> Path:
        return self.folder / "fault"

    def command(self, *arguments: str) -> list[str]:
        code = FAULTY.format(fault=str(self.fault))
        return [sys.executable, "-c", code, "--var-dir", str(self.var), *arguments]

    def fail(self) -> None:
        """Bring the bug out, and wait until it has struck."""
        self.fault.touch()
        wait_for(lambda: not self.fault.exists(), "the fault")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Faulty]:
    found = Faulty(tmp_path, STRATEGIES, FEED)
    found.start()
    try:
        found.wait_running()
        # A process that its supervisor has not answered yet ends with it, as it should.
        begun = found.service("feed").progress
        wait_for(lambda: found.service("feed").progress > begun, "the feed's next beat")
        yield found
    finally:
        found.call("stop")
        found.stop()


def printed(system: CommandLine) -> str:
    return (system.folder / "supervisor.out").read_text()


def test_an_error_of_the_supervisor_ends_no_child(system: Faulty) -> None:
    assert system.process is not None
    before, processed = system.pids(), system.processed("one")
    system.fail()
    # Asked in the middle of it, it answers as soon as it can.
    result = system.call("status")
    assert result.returncode == 0, result.stderr
    wait_for(lambda: system.processed("one") > processed, "ticks")
    assert system.pids() == before
    assert system.status().pid == system.process.pid
    told = [e.detail for e in system.status().events if e.kind == "began_again"]
    assert re.fullmatch(
        r"after an error of its own: RuntimeError: a bug in the supervisor \(<string>:\d+\)",
        told[0],
    )
    (box,) = crash_report.load_reports(system.var / "crash", "supervisor")
    assert "a bug in the supervisor" in box.trace
    assert "began_again" in printed(system)
    assert system.call("crashes", "supervisor").returncode == 0


def test_it_goes_on_with_what_ran_while_its_file_is_being_edited(system: Faulty) -> None:
    before = system.pids()
    good = system.config.read_text()
    system.config.write_text("strategies: [")
    system.fail()
    wait_for(lambda: system.call("status").returncode == 0, "its answer")
    system.wait_running()
    assert system.pids() == before
    assert "has changed at" in system.call("status").stdout
    system.config.write_text(good)
    assert "Nothing differs from what runs." in system.call("reload").stdout
    assert "has changed at" not in system.call("status").stdout


def test_three_errors_in_a_minute_are_told_and_the_children_live_until_somebody_decides(
    system: Faulty,
) -> None:
    assert system.process is not None
    before = system.pids()
    for _ in range(MOST - 1):
        system.fail()
        system.wait_running()
    system.fail()
    assert system.process.wait(PATIENCE) == 1
    said = printed(system).splitlines()[-1]
    assert "failed 3 times within a minute and stays down" in said
    assert "a bug in the supervisor" in said
    assert "5 processes live on without one" in said

    result = system.call("status")
    assert result.returncode == 3
    for name, pid in before.items():
        assert f"{name} (pid {pid})" in result.stderr
    assert "`stop` ends them" in result.stderr

    system.start()
    system.wait_running()
    assert system.pids() == before


def test_a_killed_supervisor_leaves_no_temporary_folder(system: Faulty) -> None:
    assert system.process is not None
    killed = holder(system.paths)
    assert killed is not None
    assert Path(killed.temporary).is_dir()
    system.process.kill()
    system.process.wait()
    assert system.call("stop").returncode == 0
    assert not Path(killed.temporary).exists()


@pytest.mark.parametrize("name", ["status", "restart"])
def test_a_killed_supervisors_children_are_named(system: Faulty, name: str) -> None:
    assert system.process is not None
    system.process.kill()
    system.process.wait()
    result = system.call(*([name, "one"] if name == "restart" else [name]))
    assert result.returncode == 3
    # One that had not heard of its supervisor yet ends with it.
    assert re.search(r"[45] processes live on without one: .*one \(pid \d+\)", result.stderr)


def test_stop_ends_what_a_killed_supervisor_has_left(system: Faulty) -> None:
    assert system.process is not None
    left = living_orphans(system.paths)
    assert set(left) == CHILDREN
    os.kill(left["two"].pid, signal.SIGSTOP)
    system.process.kill()
    system.process.wait()
    result = system.call("stop")
    assert result.returncode == 0, result.stderr
    # Strategies first.
    assert re.search(r"stopped: (?=.*one)(?=.*two)(?=.*gateway)", result.stdout)
    assert not any(is_alive(entry.pid, entry.born) for entry in left.values())
    system.assert_nothing_left()
    again = system.call("stop")
    assert (again.returncode, again.stderr.strip()) == (
        3,
        f"error: no supervisor is running on {system.var}",
    )


def test_an_error_is_survived_in_python_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = CommandLine(tmp_path, STRATEGIES, FEED)
    runner = MultiStrategyRunner(system.config, system.var)
    serve, faults = Operator.serve, list[str]()

    def faulty(self: Operator) -> None:
        if faults:
            raise RuntimeError(faults.pop())
        serve(self)

    monkeypatch.setattr(Operator, "serve", faulty)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            runner.run(0)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    system.wait_running()
    before = system.pids()
    faults.append("first")
    wait_for(lambda: not faults, "the fault")
    system.wait_running()
    assert system.pids() == before
    for number in range(1, MOST):
        faults.append(f"another {number}")
        wait_for(lambda: not faults, "the fault")
        if number < MOST - 1:
            system.wait_running()
    thread.join(PATIENCE)
    assert [str(error) for error in raised] == ["another 2"]
    system.assert_nothing_left()


def test_nobody_is_left_where_nobody_ran(tmp_path: Path) -> None:
    system = CommandLine(tmp_path, STRATEGIES)
    assert described(system.paths) == ""
    told = system.call("status").stderr.strip()
    assert told == f"error: no supervisor is running on {system.var}; `start` begins one"


def test_too_few_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    many = [{**STRATEGIES[0], "name": f"s{n}"} for n in range(20)]
    system = CommandLine(tmp_path, many)
    command = ["bash", "-c", 'ulimit -n 128; exec "$@"', "-", *system.command("start")]
    result = subprocess.run(
        [*command, "--config", str(system.config)], capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 1
    assert "may open 128: raise it (`ulimit -n 4096`" in result.stderr
    assert not system.processes()


class Limited(CommandLine):
    """An installation of a user with a low limit, which can be raised."""

    def command(self, *arguments: str) -> list[str]:
        plain = super().command(*arguments)
        return ["bash", "-c", 'ulimit -S -n 64; exec "$@"', "-", *plain]


def test_a_low_limit_that_can_be_raised_is_raised(tmp_path: Path) -> None:
    system = Limited(tmp_path, STRATEGIES, FEED)
    system.start()
    try:
        system.wait_running()
    finally:
        system.stop()

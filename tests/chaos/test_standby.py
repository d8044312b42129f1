"""A process that stands by takes over at once, is never old, and outlives nobody."""

import os
import signal
from pathlib import Path
from typing import Any, ClassVar

import psutil

from mt5crs_shared.market.ticks import Tick
from tests.chaos.scene import entry, playing
from tests.integration.test_cli_process import FAST, CommandLine
from tests.system import Pulse, System, running, wait_for


def standby_of(system: System, name: str) -> int:
    """The process that stands by for a strategy, when it is warm."""
    return wait_for(lambda: system.strategy(name).process.standby, f"one to stand by for {name}")


def wait_trading(system: System, name: str, pid: int) -> None:
    """Wait until a strategy has this process."""
    wait_for(lambda: system.strategy(name).process.pid == pid, f"{pid} to take over")


def ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_it_takes_over_and_another_one_stands_by(tmp_path: Path) -> None:
    entries = [entry(tmp_path, "victim", standby=True), entry(tmp_path, "witness")]
    with playing(tmp_path, entries) as one:
        system = one.system
        own = f"({tmp_path.name})"
        for deaths in (1, 2, 3):
            standby = standby_of(system, "victim")
            assert psutil.Process(standby).cmdline()[0] == f"mt5crs victim standby {own}"
            one.kill("victim")
            wait_trading(system, "victim", standby)
            system.wait_running()
            assert psutil.Process(standby).cmdline()[0] == f"mt5crs victim {own}"
            assert system.strategy("victim").process.restarts == deaths
        last = standby_of(system, "victim")
        assert system.strategy("witness").process.standby is None
        one.assert_undisturbed("witness")
        one.assert_complete("victim")
    wait_for(lambda: ended(last), "what stood by to end with the system")


def test_one_that_is_killed_is_replaced_and_one_of_a_stopped_strategy_ends(tmp_path: Path) -> None:
    quick = {"supervisor": {"lease": 2.0, "orphan_grace": 1.0}}
    with running(tmp_path, [entry(tmp_path, "victim", standby=True)], quick) as system:
        # Both at once: the usual way.
        first, trading = standby_of(system, "victim"), system.pid("victim")
        os.kill(first, signal.SIGKILL)
        os.kill(trading, signal.SIGKILL)
        system.wait_back("victim", trading)
        assert system.pid("victim") != first
        second = standby_of(system, "victim")
        os.kill(second, signal.SIGKILL)
        wait_for(lambda: standby_of(system, "victim") != second, "another one")
        third = standby_of(system, "victim")
        assert system.process is not None
        system.process.kill()
        wait_for(lambda: ended(third), "what stood by to end with the supervisor")
        wait_for(lambda: not system.processes(), "every process to end")


def test_one_that_is_stopped_takes_nothing_over(tmp_path: Path) -> None:
    with running(tmp_path, [entry(tmp_path, "victim", standby=True)]) as system:
        stopped, trading = standby_of(system, "victim"), system.pid("victim")
        suspended = psutil.Process(stopped)
        suspended.suspend()
        wait_for(lambda: suspended.status() == psutil.STATUS_STOPPED, "it to stand still")
        os.kill(trading, signal.SIGKILL)
        system.wait_back("victim", trading)
        assert system.pid("victim") != stopped
        assert system.strategy("victim").process.restarts == 1
        wait_for(lambda: ended(stopped), "what was stopped to be ended")


def test_a_reload_brings_one_and_takes_it_away(tmp_path: Path) -> None:
    config = {"name": "mine", "symbol": "EURUSD", "strategy": "my_strategies:Mine"}
    with Desk(tmp_path, standby=False) as system:
        trading = system.pid("mine")
        for wanted in (True, False):
            system.write_config([{**config, "standby": wanted}], Desk.SETTINGS)
            assert system.call("reload").returncode == 0
            if wanted:
                standby = standby_of(system, "mine")
        wait_for(lambda: ended(standby), "what is wanted no more to end")
        process = system.strategy("mine").process
        assert (process.pid, process.standby, process.no_standby) == (trading, None, "")


SOURCE = """
import os, pathlib, time
from mt5crs_worker.strategy import HOLD, Strategy
VERSION = {version!r}
here = pathlib.Path(__file__).parent
here.joinpath(f"imported.{{os.getpid()}}").touch()
if here.joinpath("fail").exists():
    1 / 0
while here.joinpath("hang").exists():
    time.sleep(0.01)
class Mine(Strategy):
    warmup = 1
    def __init__(self, config, symbol):
        super().__init__(config, symbol)
        here.joinpath(f"made.{{os.getpid()}}").write_text(VERSION)
    def on_bar(self, bars):
        return HOLD
"""


class Desk(CommandLine):
    """A system that runs a trader's own file."""

    SETTINGS: ClassVar = {"feed": FAST, "supervisor": {"lease": 1.5}}

    def __init__(self, folder: Path, **more: Any) -> None:
        mine = {"name": "mine", "symbol": "EURUSD", "strategy": "my_strategies:Mine"}
        super().__init__(folder, [{**mine, "standby": True, **more}], self.SETTINGS)
        self.source("one")

    def source(self, version: str) -> None:
        """Save the trader's file."""
        (self.folder / "my_strategies.py").write_text(SOURCE.format(version=version))

    def made(self, pid: int) -> str:
        """Which version a process trades."""
        file = self.folder / f"made.{pid}"
        return wait_for(lambda: file.exists() and file.read_text(), f"{pid} to make its strategy")

    def __enter__(self) -> "Desk":
        started = self.call("start", "--detach")
        assert started.returncode == 0, started.stdout + started.stderr
        self.wait_running()
        return self

    def __exit__(self, *_: object) -> None:
        assert self.call("stop").returncode == 0
        self.end_leftovers()


def test_one_that_has_read_older_code_is_not_taken(tmp_path: Path) -> None:
    with Desk(tmp_path) as system:
        standby, trading = standby_of(system, "mine"), system.pid("mine")
        assert not (tmp_path / f"made.{standby}").exists(), "only what trades makes a strategy"
        system.source("two, which is longer")
        os.kill(trading, signal.SIGKILL)
        system.wait_back("mine", trading)
        assert system.pid("mine") != standby
        assert system.made(system.pid("mine")) == "two, which is longer"
        wait_for(lambda: ended(standby), "the older one to end")
        fresh, trading = standby_of(system, "mine"), system.pid("mine")
        os.kill(trading, signal.SIGKILL)
        wait_trading(system, "mine", fresh)
        assert system.made(fresh) == "two, which is longer"


def test_a_file_that_fails_meanwhile_is_told_and_stops_nobody(tmp_path: Path) -> None:
    with Desk(tmp_path) as system:
        first, trading = standby_of(system, "mine"), system.pid("mine")
        (tmp_path / "fail").touch()
        os.kill(first, signal.SIGKILL)

        def told() -> str:
            events = system.status().events
            return next((e.detail for e in events if e.kind == "no_standby"), "")

        assert "ZeroDivisionError" in wait_for(told, "why none stands by")
        assert "my_strategies.py:8" in told()
        process = system.strategy("mine").process
        assert process.standby is None and process.no_standby == told()
        for command in (["status"], ["explain", "mine"]):
            assert told() in " ".join(system.call(*command).stdout.split())
        assert system.pid("mine") == trading
        (tmp_path / "fail").unlink()
        os.kill(trading, signal.SIGKILL)
        system.wait_back("mine", trading)


def test_an_import_that_never_ends_is_waited_for_by_nobody(tmp_path: Path) -> None:
    with Desk(tmp_path) as system:
        first, trading = standby_of(system, "mine"), system.pid("mine")
        (tmp_path / "hang").touch()
        os.kill(first, signal.SIGKILL)

        def hanging() -> int:
            files = [file.suffix[1:] for file in tmp_path.glob("imported.*")]
            return next((int(f) for f in files if int(f) not in (first, trading)), 0)

        stuck = wait_for(hanging, "one whose import hangs")
        (tmp_path / "hang").unlink()
        stopped = psutil.Process(stuck)
        stopped.suspend()
        os.kill(trading, signal.SIGKILL)
        system.wait_back("mine", trading)
        assert system.pid("mine") != stuck
    wait_for(lambda: ended(stuck), "what hangs to be ended with the system")


def test_a_tick_that_kills_is_spared_by_what_stood_by(tmp_path: Path) -> None:
    victim = entry(tmp_path, "victim", standby=True)
    victim["params"]["poison"] = 13.0
    with running(tmp_path, [victim]) as system:
        pulse = Pulse(system.port, ["EURUSD"])
        try:
            pulse.wait_heard(3)  # the tape too: before it, a cold strategy leaves ticks out
            pulse.start()
            standby_of(system, "victim")
            pulse.inject(Tick("EURUSD", 0, 1.1, 1.1001, volume=13.0))
            wait_for(lambda: system.strategy("victim").process.restarts >= 2, "two deaths")
            system.wait_running()
            before = pulse.sent["EURUSD"]
            wait_for(lambda: system.processed("victim") > before, "it to go on")
            assert system.strategy("victim").process.restarts == 2
        finally:
            pulse.stop()

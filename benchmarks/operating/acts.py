"""What the operator does, one after the other, and what each has to lead to."""

import contextlib
import functools
import os
import signal
from collections import Counter
from collections.abc import Iterator

import yaml

from benchmarks.operating.desk import KILLED, TOUCHED, Desk, cross
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.trading.orders import Code
from mt5crs_supervisor.chaos.campaign_system import wait_for
from mt5crs_supervisor.commands.failures import ExitCode

KILLS = 12
"""Of the two together, half of them before the reload in their middle."""

Act = tuple[str, str]
"""Kind and name of an event."""


class Operator:
    """Does it all.

    Args:
        desk: Where.

    Attributes:
        expected: How often each act has to stand in the story.
        closed: Strategies whose position was closed by hand.
    """

    def __init__(self, desk: Desk) -> None:
        self.expected: Counter[Act] = Counter()
        self.closed: list[str] = []
        self._desk = desk

    def work(self) -> None:
        """A day's acts, but for the kill switch."""
        self._pause()
        self._flatten()
        self._change("S30")
        self._add()
        self._switch()
        self._remove()
        self._bad_files()
        self._kills_with_a_reload_in_their_middle()

    def throw_kill_switch(self) -> int:
        """Switch it on, see that nothing gets through, and off; the event time of before, us."""
        desk = self._desk
        metrics = [s.metrics for s in desk.system.status().strategies]
        before = max(found.last_tick_time_us for found in metrics if found is not None)
        desk.say("kill-switch", "on", "--why", "a drill")
        self.expected["locked", "account"] += 1
        held = self._filled()
        wanted = self._refused() + 20
        wait_for(lambda: self._refused() >= wanted, "orders that are refused")
        assert self._filled() == held, "an order got through the kill switch"
        desk.say("kill-switch", "off", "--yes")
        self.expected["unlocked", "account"] += 1
        wait_for(lambda: self._filled() > held, "orders after the kill switch")
        return before

    def _pause(self) -> None:
        self._desk.say("pause", "pau*", "--why", "a drill")
        self.expected["locked", "paused"] += 1
        assert self._desk.strategy("paused").trading == "REDUCING"
        self._desk.say("resume", "paused")
        self.expected["unlocked", "paused"] += 1

    def _flatten(self) -> None:
        self._desk.wait_open("flat")
        said = self._desk.say("flatten", "flat")
        if "nothing is open" not in said:
            self.closed.append("flat")

    def _change(self, timeframe: str) -> None:
        document = self._desk.document()
        for entry in document["strategies"]:
            if entry["name"] == "changed":
                entry["timeframe"] = timeframe
        self._desk.write(document)
        self._reload(f'timeframe: "{"S15" if timeframe == "S30" else "S30"}" -> "{timeframe}"')

    def _add(self) -> None:
        file = self._desk.folder / "added.yaml"
        file.write_text(yaml.safe_dump(cross("added", "USDJPY")))
        said = self._desk.say("add", str(file), "--reload")
        assert "untouched" in said
        self.expected["reload", "supervisor"] += 1

    def _switch(self) -> None:
        self._desk.say("disable", "switched", "--reload", "--keep")
        assert "switched" not in self._desk.system.pids()
        self._desk.say("enable", "switched", "--reload")
        wait_for(lambda: self._desk.system.child("switched").state == "RUNNING", "switched")
        self.expected["reload", "supervisor"] += 2
        self._held_while_it_leaves("switched")

    def _remove(self) -> None:
        self._desk.say("remove", "gone", "--reload", "--flatten")
        self.expected["reload", "supervisor"] += 1
        self._held_while_it_leaves("gone")
        assert "gone" not in self._desk.system.pids()

    def _held_while_it_leaves(self, name: str) -> None:
        """It opens nothing more from the moment on in which the command was given."""
        self.expected["locked", name] += 1
        self.expected["unlocked", name] += 1

    def _bad_files(self) -> None:
        desk = self._desk
        good, before = desk.file.read_text(), desk.system.pids()
        for bad in self._spoilt(good):
            desk.file.write_text(bad)
            said = desk.say("reload", code=ExitCode.CONFIGURATION)
            assert str(desk.file.name) in said
        desk.file.write_text(good)
        assert desk.system.pids() == before, "a bad file has changed something"

    @staticmethod
    def _spoilt(good: str) -> Iterator[str]:
        yield good.replace("timeframe: S15", "timeframe: S16", 1)
        yield good.replace("strategies:", "strategies: [", 1)
        yield good.replace(f"name: {TOUCHED[0]}", f"name: {TOUCHED[1]}", 1)

    def _kills_with_a_reload_in_their_middle(self) -> None:
        for number in range(KILLS):
            name = KILLED[number % 2]
            pid = self._desk.system.pid(name)
            os.kill(pid, signal.SIGKILL)
            self.expected["died", name] += 1
            if number == KILLS // 2:
                # In the very moment in which one is brought back.
                self._change("S15")
            wait_for(functools.partial(self._back, name, pid), f"{name} back")

    def _back(self, name: str, pid: int) -> bool:
        child = self._desk.system.child(name)
        return child.state == "RUNNING" and child.pid not in (None, pid)

    def _reload(self, words: str) -> None:
        said = self._desk.say("reload")
        assert words in said and "untouched" in said, said
        self.expected["reload", "supervisor"] += 1

    def _filled(self) -> int:
        """Deals that strategies asked for, by the ledger: `status` is a beat older.

        Stops and targets go on guarding, whatever is switched on.
        """
        with contextlib.closing(ledger_schema.open_ledger(self._desk.system.paths.ledger)) as db:
            return sum(deal.fill.code is Code.FILLED for deal in ledger_queries.deals(db))

    def _refused(self) -> int:
        found = self._desk.system.status().strategies
        return sum(s.metrics.orders_rejected for s in found if s.metrics is not None)

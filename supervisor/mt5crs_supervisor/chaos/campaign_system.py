"""A system of its own in a folder: started, killed, started again, and taken away at the end."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import psutil

from mt5crs_shared.control.status_report import ChildStatus, StatusReport
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.operator.control import Asking, ControlClient, Reply
from mt5crs_supervisor.processes.identity import is_alive
from mt5crs_supervisor.processes.registry import Entry, Listing

PATIENCE = 30.0
"""Seconds that anything may take, usually, before a campaign is given up."""

HELPERS_END_WITHIN = 3.0
LAST_WORDS = 2_000
LOOK_EVERY = 0.01
COMMAND = (sys.executable, "-m", "mt5crs_supervisor")

T = TypeVar("T")


class ChaosError(Mt5crsError):
    """The campaign cannot go on: something did not come back at all; the message says what."""


def wait_for(condition: Callable[[], T | None], what: str, within: float = PATIENCE) -> T:
    """The first true answer of a condition.

    Raises:
        ChaosError: There was none in time.
    """
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            found = condition()
        except ChaosError:
            raise
        except Mt5crsError:
            found = None
        if found:
            return found
        time.sleep(LOOK_EVERY)
    raise ChaosError(f"not within {within:g} s: {what}")


class CampaignSystem:
    """One configuration on one ``var`` folder.

    Args:
        config: The YAML file.
        var: The ``var`` folder; made where it is missing.
        cwd: Where the supervisor is started; a strategy's own class may lie there.
        patience: Seconds that anything may take before the campaign is given up.
    """

    def __init__(
        self, config: Path, var: Path, cwd: Path | None = None, patience: float = PATIENCE
    ) -> None:
        self.paths = VarPaths(var)
        self._config = config
        self._cwd = cwd
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._client = ControlClient(var, timeout=2.0)

    def start(self) -> None:
        """Start the supervisor; it runs, or is about to."""
        if self._process is not None:
            self._process.wait()
        self.paths.create()
        with (self.paths.var / "supervisor.out").open("ab") as out:
            self._process = subprocess.Popen(
                [
                    *COMMAND,
                    "--var-dir",
                    str(self.paths.var),
                    "start",
                    "--config",
                    str(self._config),
                ],
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def supervisor_pid(self) -> int:
        """The supervisor's process."""
        assert self._process is not None, "it has been started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How the supervisor has ended; None: it lives, or was not started."""
        return self._process.poll() if self._process is not None else None

    def request(self, request: Asking) -> Reply:
        """Ask the supervisor for something.

        Raises:
            NotRunning: There is none.
            ControlTimeout: It did not answer.
        """
        return self._client.request(request)

    def status(self) -> StatusReport:
        """What the supervisor says.

        Raises:
            NotRunning: There is none.
            ControlTimeout: It did not answer.
        """
        return self._client.status()

    def child(self, name: str) -> ChildStatus:
        """One child's status."""
        return next(child for child in self.status().children if child.name == name)

    def pid(self, name: str) -> int:
        """A child's process, as soon as it has one."""
        return wait_for(lambda: self.child(name).pid, f"{name} to have a process")

    def pids(self) -> dict[str, int | None]:
        """Every child's process."""
        return {child.name: child.pid for child in self.status().children}

    def running(self) -> StatusReport | None:
        """The status, where this supervisor answers and every child is RUNNING.

        Raises:
            ChaosError: The supervisor has ended.
            NotRunning: It does not answer yet.
        """
        if self.exit_code is not None:
            words = (self.paths.var / "supervisor.out").read_text(errors="replace")
            raise ChaosError(f"the supervisor ended: {words[-LAST_WORDS:]}")
        report = self.status()
        up = all(child.state == "RUNNING" for child in report.children)
        return report if up and report.pid == self.supervisor_pid else None

    def wait_running(self) -> StatusReport:
        """Wait until every child is RUNNING."""
        return self.wait_for(self.running, "every child RUNNING")

    def wait_for(self, condition: Callable[[], T | None], what: str) -> T:
        """As the function of that name; what is not RUNNING then is told as well.

        Raises:
            ChaosError: It was not true in time.
        """
        try:
            return wait_for(condition, what, self._patience)
        except ChaosError as error:
            raise ChaosError(f"{error}: {self._complaints()}") from None

    def tree(self) -> list[int]:
        """Every process of this installation, the supervisor first; adopted children too."""
        pids = [self.supervisor_pid, *(pid for pid in self.pids().values() if pid)]
        below = psutil.Process(self.supervisor_pid).children(recursive=True)
        return list(dict.fromkeys([*pids, *(process.pid for process in below)]))

    def kill_supervisor(self) -> None:
        """SIGKILL the supervisor alone."""
        assert self._process is not None, "it has been started"
        self._process.kill()
        self._process.wait()

    def kill_all(self) -> None:
        """SIGKILL every process of this installation, the one that could start others first."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGSTOP)
                for process in psutil.Process(self._process.pid).children(recursive=True):
                    send_signal(process.pid)
        self._process.kill()
        self._process.wait()
        for entry in self.registered().values():
            if entry.pid and is_alive(entry.pid, entry.born):
                send_signal(entry.pid)

    def registered(self) -> dict[str, Entry]:
        """Every child's last process, by the supervisor's own list."""
        try:
            found = msgspec.json.decode(self.paths.registry.read_bytes(), type=Listing)
        except (OSError, msgspec.MsgspecError):
            return {}
        return found.children

    def forget(self, name: str) -> None:
        """Strike a child off that list; only while no supervisor runs."""
        entries = self.registered()
        del entries[name]
        listing = Listing(str(self.paths.var), entries)
        self.paths.registry.write_bytes(msgspec.json.encode(listing))

    def processes(self) -> list[psutil.Process]:
        """Every living process that has a file of this installation open."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                ours = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
                if ours and any(str(self.paths.var) in f.path for f in process.open_files()):
                    found.append(process)
        return found

    def close(self) -> list[str]:
        """Stop in order, and kill what is left.

        Returns:
            The processes that did not end by themselves.
        """
        if self._process is None:
            return []
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
        # Multiprocessing's own helpers end a moment after the last process that used them.
        _, left = psutil.wait_procs(self.processes(), HELPERS_END_WITHIN)
        names = []
        for process in left:
            with contextlib.suppress(psutil.Error):
                names.append(" ".join(process.cmdline()))
        self.kill_all()
        for process in left:
            send_signal(process.pid)
        psutil.wait_procs(left, 5.0)
        return names

    def _complaints(self) -> str:
        try:
            bad = [c for c in self.status().children if c.state != "RUNNING"]
        except Mt5crsError as error:
            return str(error)
        told = (f"{c.name} {c.pid} {c.state} {c.degraded} {c.last_error}" for c in bad)
        return "; ".join(told) or f"by now everybody is RUNNING: {self.pids()}"


def send_signal(pid: int, signum: int = signal.SIGKILL) -> None:
    """Send a signal; nothing happens where the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)

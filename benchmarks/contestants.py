"""Who competes, each running the same job N times."""

import abc
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import psutil

from tests.system import ROOT, System, wait_for

MODEL = ROOT / "models" / "baseline_v1.json"


class Contestant(Protocol):
    """Something that keeps N jobs running."""

    name: str
    parent_pid: int

    def start(self, folder: Path, port: int, jobs: int) -> None:
        """Start them all."""

    def stop(self) -> None:
        """End them all."""


def rival_command(job: str, folder: Path, port: int) -> str:
    """The command line of the script."""
    script = ROOT / "benchmarks" / "rival_job.py"
    return f"{sys.executable} {script} {job} {folder} tcp://127.0.0.1:{port} {MODEL}"


class Ours:
    """mt5crs-supervisor, with tape and gateway.

    Args:
        standby: A process stands by for each job.
        job: Class of `benchmarks.jobs`.
    """

    name = "mt5crs-supervisor"

    def __init__(self, standby: bool = False, job: str = "ModelOnEveryTick") -> None:
        self._job = job
        self._standby = standby
        if standby:
            self.name = f"{self.name}, standby: true"

    def start(self, folder: Path, port: int, jobs: int) -> None:
        """Start them all."""
        strategies = [
            {
                "name": f"job{number}",
                "symbol": "EURUSD",
                "model_path": str(MODEL),
                "strategy": f"benchmarks.jobs:{self._job}",
                "evaluate": "tick",
                "params": {"folder": str(folder)},
                "magic": number + 1,
                "standby": self._standby,
                # Killed over and over: the budget must not end the benchmark.
                "restart": {"healthy_after": 0.5},
            }
            for number in range(jobs)
        ]
        url = {"zmq_market_url": f"tcp://127.0.0.1:{port}"}
        self.system = System(folder, strategies, url)
        self.system.start()
        assert self.system.process is not None
        self.parent_pid = self.system.process.pid

    def settle(self, job: str) -> None:
        """Wait until all that a job is to have is there."""
        if self._standby:
            stands = f"a process that stands by for {job}"
            wait_for(lambda: self.system.strategy(job).process.standby, stands)

    def stop(self) -> None:
        """End them all."""
        self.system.stop()


class _Rival(abc.ABC):
    """A process manager started from a configuration file."""

    def start(self, folder: Path, port: int, jobs: int) -> None:
        """Start them all."""
        file = folder / "rival.ini"
        file.write_text(self._configuration(folder, port, jobs))
        output = (folder / "rival.out").open("wb")
        self._process = subprocess.Popen(self._command(file), stdout=output, stderr=output)
        self.parent_pid = self._process.pid

    def stop(self) -> None:
        """End them all."""
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(20)
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.kill()
        self._process.wait()

    @abc.abstractmethod
    def _configuration(self, folder: Path, port: int, jobs: int) -> str: ...

    @abc.abstractmethod
    def _command(self, file: Path) -> list[str]: ...


class BareForkserver(_Rival):
    """What the machine can do: see `benchmarks.bare_forkserver`."""

    name = "bare forkserver"

    def _configuration(self, folder: Path, port: int, jobs: int) -> str:
        self._arguments = [str(folder), f"tcp://127.0.0.1:{port}", str(MODEL), str(jobs)]
        return ""

    def _command(self, file: Path) -> list[str]:
        return [sys.executable, str(ROOT / "benchmarks" / "bare_forkserver.py"), *self._arguments]


class Supervisord(_Rival):
    """supervisord, with its defaults or with startsecs=0."""

    def __init__(self, startsecs: int | None = None) -> None:
        self.name = "supervisord" if startsecs is None else f"supervisord, startsecs={startsecs}"
        self._extra = "" if startsecs is None else f"startsecs={startsecs}\n"

    def _configuration(self, folder: Path, port: int, jobs: int) -> str:
        head = f"[supervisord]\nnodaemon=true\nlogfile={folder}/s.log\npidfile={folder}/s.pid\n"
        return head + "".join(
            f"[program:job{n}]\ncommand={rival_command(f'job{n}', folder, port)}\n"
            f"autorestart=true\n{self._extra}"
            for n in range(jobs)
        )

    def _command(self, file: Path) -> list[str]:
        return [str(Path(sys.executable).with_name("supervisord")), "-c", str(file)]


class Circus(_Rival):
    """circus, with its defaults or another check_delay."""

    def __init__(self, check_delay: float | None = None) -> None:
        self.name = "circus" if check_delay is None else f"circus, check_delay={check_delay:g}"
        self._extra = "" if check_delay is None else f"check_delay = {check_delay:g}\n"

    def _configuration(self, folder: Path, port: int, jobs: int) -> str:
        sockets = "".join(
            f"{kind} = ipc://{folder}/{kind}\n"
            for kind in ("endpoint", "pubsub_endpoint", "stats_endpoint")
        )
        head = f"[circus]\n{sockets}{self._extra}"
        return head + "".join(
            f"[watcher:job{n}]\ncmd = {rival_command(f'job{n}', folder, port)}\n"
            "copy_env = True\nmax_retry = -1\n"
            for n in range(jobs)
        )

    def _command(self, file: Path) -> list[str]:
        return [str(Path(sys.executable).with_name("circusd")), str(file)]

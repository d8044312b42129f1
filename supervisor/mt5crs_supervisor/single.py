"""One supervisor on one ``var`` folder."""

import fcntl
import os
from io import TextIOWrapper

import msgspec
import psutil

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.paths import VarPaths
from mt5crs_supervisor.launcher import is_alive


class AlreadyRunning(Mt5crsError):  # noqa: N818 - a state of affairs
    """Another supervisor has this ``var`` folder. Nothing was changed; the command ends."""


class Holder(msgspec.Struct, frozen=True):
    """Who has the ``var`` folder.

    Attributes:
        pid: Its process.
        create_time: When that process was made.
        config: The YAML file it runs.
    """

    pid: int
    create_time: float
    config: str


def holder(paths: VarPaths) -> Holder | None:
    """The supervisor that runs on this folder; None where there is none, or a dead one's traces."""
    try:
        found = msgspec.json.decode(paths.pid_file.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if is_alive(found.pid, found.create_time) else None


class SingleInstance:
    """Holds the folder for this process; the kernel lets go of it when the process dies.

    Args:
        paths: The folder.
        config: The YAML file, for whoever asks.

    Raises:
        AlreadyRunning: Somebody else holds it.
    """

    def __init__(self, paths: VarPaths, config: str) -> None:
        self._paths = paths
        self._lock: TextIOWrapper = (paths.run / "supervisor.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            other = holder(paths)
            who = f"pid {other.pid}, running {other.config}" if other else "another process"
            raise AlreadyRunning(
                f"{paths.var} is in use by a supervisor ({who}); "
                "stop it first, or choose another --var-dir"
            ) from None
        me = Holder(os.getpid(), psutil.Process().create_time(), config)
        temporary = paths.pid_file.with_suffix(".new")
        temporary.write_bytes(msgspec.json.encode(me))
        temporary.replace(paths.pid_file)

    def release(self) -> None:
        """Let go of the folder and remove the traces."""
        self._paths.pid_file.unlink(missing_ok=True)
        (self._paths.run / "supervisor.lock").unlink(missing_ok=True)
        self._lock.close()

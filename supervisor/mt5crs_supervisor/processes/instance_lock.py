"""One supervisor on one ``var`` folder."""

import contextlib
import fcntl
import os
from typing import BinaryIO

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.files import read_regular
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.processes import forkserver
from mt5crs_supervisor.processes.identity import birth, is_alive

_LIMIT = 65_536
"""Bytes of the largest file that is read."""


class AlreadyRunning(Mt5crsError):  # noqa: N818 - a state of affairs
    """Another supervisor has this ``var`` folder. Nothing was changed; the command ends."""


class Holder(msgspec.Struct, frozen=True):
    """Who has the ``var`` folder.

    Attributes:
        pid: Its process.
        born: Its birth; see `identity.birth`.
        config: The YAML file it runs.
        var: The folder; another one where this file has been copied along with a folder.
        temporary: Its forkserver's temporary folder, which a kill leaves behind.
    """

    pid: int
    born: str
    config: str
    var: str
    temporary: str = ""


def holder(paths: VarPaths) -> Holder | None:
    """The supervisor that runs on this folder; None where there is none, or a dead one's traces."""
    try:
        found = msgspec.json.decode(read_regular(paths.pid_file, _LIMIT), type=Holder)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return None
    lives = found.var == str(paths.var) and is_alive(found.pid, found.born)
    return found if lives else None


def refusal(paths: VarPaths, other: Holder | None) -> AlreadyRunning:
    """What is said to a second supervisor; `other` is None where its file cannot be read."""
    who = f"pid {other.pid}, running {other.config}" if other else "another process"
    return AlreadyRunning(
        f"{paths.var} is in use by a supervisor ({who}); stop it first, or choose another --var-dir"
    )


class InstanceLock:
    """Holds the folder for this process; the kernel lets go of it when the process dies.

    Args:
        paths: The folder.
        config: The YAML file, for whoever asks.

    Raises:
        AlreadyRunning: Somebody else holds it.
    """

    def __init__(self, paths: VarPaths, config: str) -> None:
        self._paths = paths
        self._file = self._lock()
        self._clear_up(forkserver.folder())
        me = Holder(
            pid=os.getpid(),
            born=birth(os.getpid()),
            config=config,
            var=str(paths.var),
            temporary=forkserver.folder(),
        )
        # Over what is there, and never shorter: whoever looks just now finds one or the other.
        size = os.fstat(self._file.fileno()).st_size
        os.pwrite(self._file.fileno(), msgspec.json.encode(me).ljust(size), 0)

    def release(self) -> None:
        """Let go of the folder and remove the trace."""
        if self._is_current(self._file):
            self._paths.pid_file.unlink()
        self.close()

    def close(self) -> None:
        """Let go of the folder for a moment: this process takes it again."""
        self._file.close()

    def _clear_up(self, own: str) -> None:
        """Remove what the last holder left outside of the folder, if it was killed."""
        with contextlib.suppress(msgspec.MsgspecError, RecursionError):
            before = msgspec.json.decode(self._file.read(_LIMIT), type=Holder)
            if before.temporary != own:
                forkserver.remove_folder(before.temporary)

    def _lock(self) -> BinaryIO:
        while True:
            # Beside the sockets' folder: who clears that away must not make room for a second one.
            file = os.fdopen(os.open(self._paths.pid_file, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise refusal(self._paths, holder(self._paths)) from None
            if self._is_current(file):
                return file
            # Its last holder removed it between our two steps.
            file.close()

    def _is_current(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self._paths.pid_file.stat())
        except FileNotFoundError:
            return False

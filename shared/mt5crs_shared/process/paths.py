"""Where a running system keeps its files and sockets: everything below one ``var`` folder."""

import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import ChildSpec

logger = logging.getLogger(__name__)

MAX_SOCKET_PATH = 100
"""Longest path of an ipc socket; the kernel's limit is 107 bytes."""


SOCKETS = ("supervisor", "control", "gateway", "gateway-backlog", "tape", "feed")
"""Names of all sockets."""


DEMO = "demo"
"""A demo's folder within a desk's: what is made up must not meet a real market's checkpoints."""

PRIVATE = 0o700
"""Mode of every folder."""

UMASK = 0o077
"""Of every process: what it makes is for its user alone."""


class ForeignFolderError(Mt5crsError):
    """A folder that we would use is another user's. Nothing is started."""


class VarPaths:
    """The files and sockets of one installation.

    Args:
        var_dir: The folder; made by :meth:`create`.
    """

    def __init__(self, var_dir: Path) -> None:
        self.var = var_dir.expanduser().resolve()
        self.run = self.var / "run"
        self.log = self.var / "log"
        self.state = self.var / "state"
        self.tape = self.var / "tape"
        self.crash = self.var / "crash"
        self.events = self.var / "events"
        self.models = self.var / "models"
        self.ledger = self.var / "ledger.db"
        self.installation = self.var / "installation"
        self.pid_file = self.var / "supervisor.pid"
        self.registry = self.state / "processes.json"
        self.outbox = self.state / "notifier.outbox"
        self.token = self.run / "token"
        self.recoveries = self.state / "recoveries.json"
        self.feed_state = self.state / "feed.json"
        self.running = self.run / "running.json"
        self.demo_mark = self.var / "made-up-market"

    @classmethod
    def of(cls, spec: ChildSpec) -> "VarPaths":
        """Those of the installation that a child belongs to."""
        return cls(Path(spec.var_dir))

    @property
    def title(self) -> str:
        """What people call this installation: its folder, or the one around a plain ``var``."""
        return self.var.name if self.var.name != "var" else self.var.parent.name

    @property
    def demo(self) -> "VarPaths":
        """The demo's own."""
        return VarPaths(self.var / DEMO)

    @property
    def is_of_demo(self) -> bool:
        """Whether a demo has lived here, whose market was made up."""
        return self.demo_mark.exists()

    def mark_demo(self) -> None:
        """Note that a demo lives here."""
        self.demo_mark.touch(mode=0o600)

    def process_title(self, name: str) -> str:
        """What `ps` shows of a process: its name, and whose it is.

        The name comes first: `top` shows the beginning alone.
        """
        return f"mt5crs {name} ({self.title})"

    def create(self) -> None:
        """Make every folder, open to its owner only.

        Raises:
            ForeignFolderError: The folder of the sockets belongs to somebody else.
        """
        sockets = self._sockets()
        folders = (
            self.run,
            self.log,
            self.state,
            self.tape,
            self.crash,
            self.events,
            self.models,
        )
        for folder in (self.var, *folders, sockets):
            folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        found = sockets.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise ForeignFolderError(
                f"{sockets} belongs to user {found.st_uid}; remove it, or choose a --var-dir with"
                " a shorter path"
            )
        for folder in (*folders, sockets):
            folder.chmod(PRIVATE)

    def socket_file(self, name: str) -> Path:
        """The file of the socket called `name` (``supervisor``, ``control``, ``gateway`` ...).

        A path that the kernel would refuse moves to a short folder of the user's runtime
        directory, named after the ``var`` folder so that every process finds it again.
        """
        return self._sockets() / f"{name}.ipc"

    def endpoint(self, name: str) -> str:
        """The ZMQ address of the socket called `name`."""
        return f"ipc://{self.socket_file(name)}"

    def journal(self, strategy: str) -> Path:
        """The journal and checkpoint of one strategy."""
        return self.state / f"{strategy}.db"

    def log_file(self, name: str) -> Path:
        """The log of one process."""
        return self.log / f"{name}.log"

    def logged(self) -> list[str]:
        """Who has a log, in the order of the alphabet."""
        return sorted(path.stem for path in self.log.glob("*.log"))

    def stacks_file(self, name: str) -> Path:
        """Where a process writes its stacks when it crashes or is asked to."""
        return self.run / f"{name}.stacks"

    def flight_file(self, name: str) -> Path:
        """Where a strategy's flight recorder is."""
        return self.run / f"{name}.flight"

    def remove_traces(self, names: Iterable[str]) -> None:
        """Remove the sockets, and what the processes of these names used while they ran."""
        traces = [self.running, self.token, *(self.socket_file(socket) for socket in SOCKETS)]
        for name in names:
            traces += [self.stacks_file(name), self.flight_file(name)]
            traces += [self.stderr_file(name), self.words_file(name)]
        for trace in traces:
            try:
                trace.unlink(missing_ok=True)
            except OSError as error:
                # A folder, say: nobody of ours made it.
                logger.warning("%s cannot be removed: %s", trace, error)

    def stderr_file(self, name: str) -> Path:
        """Where what a process writes to its file descriptors of output goes."""
        return self.run / f"{name}.stderr"

    def words_file(self, name: str) -> Path:
        """Where the last words of a process that fails are."""
        return self.run / f"{name}.words"

    def _sockets(self) -> Path:
        if len(os.fsencode(self.run)) + len("/supervisor.ipc") <= MAX_SOCKET_PATH:
            return self.run
        # Imported where it is rarely needed: every start of the command line would pay for it.
        import hashlib
        import tempfile

        digest = hashlib.blake2s(os.fsencode(self.run), digest_size=6).hexdigest()
        runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        return Path(runtime) / f"mt5crs-{os.getuid()}-{digest}"

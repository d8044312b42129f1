"""Where a child process begins: from here on it is on its own."""

import _thread
import errno
import faulthandler
import io
import logging
import os
import pkgutil
import random
import signal
import sys
import traceback
from pathlib import Path

import msgspec
from setproctitle import setproctitle

from mt5crs_shared.messages import ChildSpec, Failed
from mt5crs_shared.process import logs, machine_trouble
from mt5crs_shared.process.black_box import last_words
from mt5crs_shared.process.environment import SAFE_PATH, forget_service_manager
from mt5crs_shared.process.files import create
from mt5crs_shared.process.paths import UMASK, VarPaths

logger = logging.getLogger(__name__)

THREADS = 3
"""Two of ZMQ's, and one in reserve."""

_decode = msgspec.msgpack.Decoder(ChildSpec).decode


LINE = 10_000
"""Characters of the longest line of the log that is printed at once."""


class _LogWriter(io.TextIOBase):
    """Takes what is printed and makes log records of it, line by line.

    A strategy's `print` belongs in its own rotating log, not on the trader's terminal, and must
    not fill the disk. A line without an end is logged in parts; of one that is printed at once,
    what goes beyond :data:`LINE` is left out.
    """

    def __init__(self, level: int) -> None:
        self._level = level
        self._rest: list[str] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        begin = 0
        while (end := text.find("\n", begin)) >= 0:
            self._add(text[begin : min(end, begin + LINE)], end - begin)
            self._end_line()
            begin = end + 1
        self._add(text[begin : begin + LINE], len(text) - begin)
        if self._length >= LINE:
            self._end_line()
        return len(text)

    def _add(self, text: str, length: int) -> None:
        if length > len(text):
            text = f"{text} ... ({length - len(text):,} characters more)"
        self._rest.append(text)
        self._length += len(text)

    def _end_line(self) -> None:
        line = "".join(self._rest)
        self._rest.clear()
        self._length = 0
        if line:
            logging.getLogger("printed").log(self._level, line)


def run_child(encoded_spec: bytes, preload_module: str) -> None:
    """Run one child process to its end; the target of every `multiprocessing.Process`.

    Args:
        encoded_spec: A :class:`ChildSpec`, msgpack.
        preload_module: The module that the forkserver was to import beforehand; it shows
            whether that worked.
    """
    preloaded = preload_module in sys.modules
    spec = _decode(encoded_spec)
    paths = VarPaths.of(spec)
    leave_terminal()
    if SAFE_PATH[1] in os.environ:
        for variable in SAFE_PATH:
            os.environ.pop(variable, None)
    forget_service_manager()
    os.umask(UMASK)
    setproctitle(paths.process_title(spec.name))
    last_words.prepare(paths.words_file(spec.name))
    try:
        _try_threads()
        _own_files(spec, paths)
        main = pkgutil.resolve_name(spec.entry)
        logger.info("started", extra={"epoch": spec.epoch, "preloaded": preloaded})
        main(spec, preloaded)
    except Exception as error:
        _fail(spec, paths, error)
        code = machine_trouble.EXIT_CODE if machine_trouble.passes(error) else 1
        raise SystemExit(code) from error
    logger.info("ended", extra={"epoch": spec.epoch})


def _fail(spec: ChildSpec, paths: VarPaths, error: Exception) -> None:
    """Say why this process ends, where nothing of that can be lost."""
    reason = f"{type(error).__name__}: {error}"
    trace = "".join(traceback.format_exception(error))
    passing = machine_trouble.passes(error)
    words = Failed(spec.name, os.getpid(), spec.epoch, reason, passing=passing, trace=trace)
    last_words.write_last_words(paths.words_file(spec.name), words)
    logger.critical("this process fails", exc_info=error, extra={"epoch": spec.epoch})


def leave_terminal() -> None:
    """Begin a session: closing the terminal, and Ctrl-C in it, are the supervisor's business.

    What this process starts itself is in its session too, and ends with it. Nothing happens where
    it has left already.
    """
    if hasattr(os, "setsid") and os.getsid(0) != os.getpid():
        os.setsid()
        # The forkserver has these blocked, for the same reason.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP, signal.SIGINT})


def print_nowhere() -> int:
    """Let nothing that this process prints go anywhere.

    Returns:
        A descriptor that forgets what is written to it.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return nowhere


def _try_threads() -> None:
    """See that this process may have the threads that ZMQ needs: where not, ZMQ aborts it.

    Raises:
        OSError: The system has no more (EAGAIN).
    """
    # Bare threads: those of `threading` take twice the time, and touch twice the memory.
    begin = _thread.allocate_lock()
    ended: list[_thread.LockType] = []
    try:
        with begin:
            for _ in range(THREADS):
                end = _thread.allocate_lock()
                end.acquire()
                _thread.start_new_thread(_try_thread, (begin, end))
                ended.append(end)
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, "no thread to be had: raise the limit of processes") from error
    finally:
        for end in ended:
            end.acquire()


def _try_thread(begin: "_thread.LockType", end: "_thread.LockType") -> None:
    with begin:
        end.release()


def _own_files(spec: ChildSpec, paths: VarPaths) -> None:
    _own_output(paths.stderr_file(spec.name))
    logs.configure(paths.log_file(spec.name))
    _own_stacks(paths.stacks_file(spec.name))
    # A forked child starts with a copy of the forkserver's generator.
    random.seed(os.urandom(16))


def _own_output(path: Path) -> None:
    """Point the file descriptors of output at a small file, and `print` at the log.

    The file is appended to, so that it can be emptied while it grows; see `child`.
    """
    descriptor = create(path)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = _LogWriter(logging.INFO)
    sys.stderr = _LogWriter(logging.WARNING)


def _own_stacks(path: Path) -> None:
    """Write every thread's stack to `path` on SIGUSR1, also from within C code, and on a crash."""
    if sys.platform == "win32":
        return
    stacks = os.fdopen(create(path), "w")
    faulthandler.enable(stacks)
    faulthandler.register(signal.SIGUSR1, stacks, all_threads=True)

"""The side of a child process that its supervisor sees: beats, leases, stopping, orphanhood.

Every child (strategy, gateway, tape, feed, notifier, metrics, page) runs one loop on one poller::

    while not child.stopping:
        ready = child.poll(timeout)
        ...                          # the child's own work
        child.service(report)        # beats, leases; returns at once

The beat is sent by that loop and by nothing else, so a loop that stands still falls silent.
"""

import contextlib
import logging
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable
from multiprocessing import parent_process
from pathlib import Path

import msgspec
import psutil
import zmq

from mt5crs_shared.configuration.structs import SupervisorConfig
from mt5crs_shared.messages import (
    Beat,
    ChildSpec,
    Failed,
    FirstTick,
    FromChild,
    FromSupervisor,
    Hello,
    Identify,
    Lease,
    Phase,
    Ready,
    Recycle,
    Stop,
)
from mt5crs_shared.metrics import AccountReport, StrategyMetrics, Timings, Usage
from mt5crs_shared.process import installation, machine_trouble
from mt5crs_shared.process.black_box import last_words
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import SMALL, open_socket

logger = logging.getLogger(__name__)

_decode = msgspec.msgpack.Decoder(FromSupervisor).decode
_encode = msgspec.msgpack.Encoder().encode

_PAGE = os.sysconf("SC_PAGE_SIZE")

OUTPUT_LIMIT = 1_000_000
"""Bytes that this process may write past `print` before what it wrote is thrown away."""

SEND_QUEUE = 64
"""Messages that wait for a supervisor that is away; more are dropped, beats grow old."""


class ChildReport(msgspec.Struct, frozen=True):
    """What a child says of itself in a beat; see `messages.Beat` for the fields."""

    phase: Phase
    degraded: str = ""
    metrics: StrategyMetrics | None = None
    account: AccountReport | None = None
    progress: int = 0
    timings: Timings | None = None


class ChildProcess:
    """Beats, leases, stop requests and orphanhood of this process.

    Attributes:
        recycling: This process uses too much memory, and is to end at the next good moment.

    Args:
        spec: What this process was told at its spawn.
        settings: Heartbeat, lease and grace.
        context: The process's own ZMQ context.
        preloaded: Its modules were there before it was forked.
        monotonic: The monotonic clock, seconds.
    """

    def __init__(
        self,
        spec: ChildSpec,
        settings: SupervisorConfig,
        context: "zmq.Context[zmq.Socket[bytes]]",
        preloaded: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._monotonic = monotonic
        self._preloaded = preloaded
        self.recycling = False
        self._stopping = False
        self._loops = 0
        self._model_hash = ""
        self._lease = spec.lease
        self._last_word = monotonic()
        self._known = False
        self._next_beat = 0.0
        self._told = ChildReport("booting")
        self._paths = VarPaths.of(spec)
        self._output = self._paths.stderr_file(spec.name)
        self._look_at = 0.0
        self._socket = open_socket(context, zmq.DEALER, SMALL)
        self._socket.setsockopt(zmq.IDENTITY, spec.identity)
        self._socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.connect(self._paths.endpoint("supervisor"))
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._sentinel = self._parent_sentinel()
        self._pollers: list[zmq.Poller] = []
        self.poller = self.new_poller()
        self._orphaned = False
        self._events: dict[object, int] = {}
        self._install_signals()
        self.poll(0.0)
        # A process that was born after its supervisor's death does not even begin.
        self._watch_parent(monotonic())
        self._hello()

    @property
    def stopping(self) -> bool:
        """Somebody asked this process to end."""
        return self._stopping

    @property
    def lease(self) -> Lease | None:
        """Leave to open positions, while it is valid."""
        lease = self._lease
        return lease if lease is not None and self._monotonic() < lease.until else None

    def new_poller(self) -> zmq.Poller:
        """A poller that wakes for the supervisor, for SIGTERM and for the parent's death."""
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._wake_read, zmq.POLLIN)
        if self._sentinel is not None:
            poller.register(self._sentinel, zmq.POLLIN)
        self._pollers.append(poller)
        return poller

    def poll(self, timeout: float, poller: zmq.Poller | None = None) -> dict[object, int]:
        """Wait for any registered socket, at most `timeout` seconds and until the next beat.

        Args:
            timeout: Seconds; 0.0 only looks.
            poller: One of :meth:`new_poller`; None: :attr:`poller`.
        """
        until_beat = max(self._next_beat - self._monotonic(), 0.0)
        milliseconds = round(min(timeout, until_beat) * 1000)
        self._events = dict((poller or self.poller).poll(milliseconds))
        return self._events

    def ready(self, model_hash: str = "") -> None:
        """Say that boot is over; of a strategy, with which model."""
        self._model_hash = model_hash
        self._send(Ready(self._spec.name, os.getpid(), self._spec.epoch, model_hash))

    def first_tick(self) -> None:
        """Say that this spawn has processed its first tick, and when."""
        self._send(FirstTick(self._spec.name, os.getpid(), self._spec.epoch, self._monotonic()))

    def failed(self, reason: str, permanent: bool, error: BaseException | None = None) -> None:
        """Say why this process is about to exit.

        Args:
            reason: For people.
            permanent: A restart cannot help, unless the error is the machine's.
            error: What happened.
        """
        passing = error is not None and machine_trouble.passes(error)
        words = Failed(
            name=self._spec.name,
            pid=os.getpid(),
            epoch=self._spec.epoch,
            reason=reason,
            permanent=permanent and not passing,
            passing=passing,
            trace="".join(traceback.format_exception(error)) if error is not None else "",
        )
        # What is sent may not leave before this process has ended.
        last_words.write_last_words(self._paths.words_file(words.name), words)
        self._send(words)

    def service(self, report: Callable[[], ChildReport]) -> None:
        """Read the supervisor's word, beat when it is time, notice what happened to the parent."""
        self._loops += 1
        if self._socket in self._events:
            self._read()
        now = self._monotonic()
        self._watch_parent(now)
        if now >= self._next_beat:
            self._watch_installation(now)
            _bound_output(self._output)
            self._next_beat = now + self._beat(report())

    def beat_soon(self) -> None:
        """Something changed that the supervisor should hear at the next turn of the loop."""
        self._next_beat = 0.0

    def close(self) -> None:
        """Give the sockets back; queued words get a moment to leave."""
        signal.set_wakeup_fd(-1)
        self._socket.close()
        self._wake_read.close()
        self._wake_write.close()

    def _beat(self, report: ChildReport) -> float:
        """Say how it stands; seconds until the next time."""
        told, self._told = self._told, report
        metrics = None if _is_known(report.metrics, told.metrics) else report.metrics
        self._send(
            Beat(
                name=self._spec.name,
                pid=os.getpid(),
                epoch=self._spec.epoch,
                loops=self._loops,
                phase=report.phase,
                degraded=report.degraded,
                usage=_usage(),
                metrics=metrics,
                account=None if report.account == told.account else report.account,
                progress=report.progress,
                timings=None if report.timings == told.timings else report.timings,
            )
        )
        return _interval(self._settings, metrics is not None or _has_other_news(report, told))

    def _hello(self) -> None:
        # Whoever has to be told this knows nothing of this process.
        self._told = ChildReport("booting")
        self._send(
            Hello(
                name=self._spec.name,
                kind=self._spec.kind,
                pid=os.getpid(),
                epoch=self._spec.epoch,
                config_hash=self._spec.config_hash,
                preloaded=self._preloaded,
                model_hash=self._model_hash,
            )
        )

    def _send(self, message: FromChild) -> None:
        try:
            self._socket.send(_encode(message), zmq.DONTWAIT)
        except zmq.Again:
            logger.debug("the supervisor does not read; a %s was dropped", type(message).__name__)
            self._told = ChildReport("booting")

    def _read(self) -> None:
        while True:
            try:
                message = _decode(self._socket.recv(zmq.DONTWAIT))
            except zmq.Again:
                return
            self._last_word = self._monotonic()
            self._known = True
            match message:
                case Lease(epoch=epoch) if epoch == self._spec.epoch:
                    self._lease = message
                case Stop():
                    self._stopping = True
                case Recycle():
                    self.recycling = True
                case Identify():
                    self._hello()
                case _:
                    logger.warning("a lease for another epoch was ignored: %s", message)

    def _watch_installation(self, now: float) -> None:
        """End where the folder is gone, or another one now: nobody could find this process."""
        if now < self._look_at:
            return
        self._look_at = now + self._settings.lease / 3.0
        file = self._paths.installation
        if not installation.is_at(file, self._spec.installation):
            logger.critical("%s is gone, or of another installation", file)
            self._stopping = True

    def _watch_parent(self, now: float) -> None:
        if self._wake_read.fileno() in self._events:
            # It may be drained already: what a poll said is looked at more than once.
            with contextlib.suppress(BlockingIOError):
                self._wake_read.recv(64)
        if self._sentinel is not None and self._sentinel in self._events:
            for poller in self._pollers:
                poller.unregister(self._sentinel)
            self._sentinel = None
            self._orphaned = True
            logger.warning("the supervisor is gone; waiting for another one")
            if not self._known:
                # It may have died before it wrote down that this process exists: the next one
                # would start another beside it.
                logger.warning("it had not answered yet; this process ends")
                self._stopping = True
        if self._orphaned and now - self._last_word > self._settings.orphan_grace:
            logger.warning("no supervisor came within the grace; this process ends")
            self._stopping = True

    @staticmethod
    def _parent_sentinel() -> int | None:
        parent = parent_process()
        return parent.sentinel if parent is not None else None

    def _install_signals(self) -> None:
        """SIGTERM asks for the end and wakes the poller; SIGINT is the supervisor's business."""
        self._wake_write.setblocking(False)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def _on_sigterm(self, _signum: int, _frame: object) -> None:
        self._stopping = True


def _interval(settings: SupervisorConfig, news: bool) -> float:
    """Seconds between two beats; twice as many where there is no news, if that is soon enough."""
    seldom = min(2.0 * settings.heartbeat, settings.hang_after / 3.0, settings.lease / 3.0)
    return settings.heartbeat if news else max(settings.heartbeat, seldom)


def _has_other_news(report: ChildReport, told: ChildReport) -> bool:
    """Whether a report says what the last one did not, besides counters."""
    return msgspec.structs.replace(report, metrics=told.metrics) != told


def _is_known(metrics: StrategyMetrics | None, told: StrategyMetrics | None) -> bool:
    """Whether counters are those of the last beat; the age of the last tick follows from that."""
    if metrics is None or told is None:
        return metrics is told
    return msgspec.structs.replace(metrics, last_tick_age=told.last_tick_age) == told


def _usage() -> Usage:
    times = os.times()
    return Usage(_resident_bytes(), times.user + times.system)


def _resident_bytes() -> int:
    """What `psutil` would say; to make it say it, a fresh process has to copy half a megabyte."""
    try:
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE
    except OSError:
        return int(psutil.Process().memory_info().rss)


def _bound_output(file: Path) -> None:
    """Empty the file of what was written to the descriptors of output, where it grows long."""
    with contextlib.suppress(OSError):
        size = file.stat().st_size
        if size > OUTPUT_LIMIT:
            os.truncate(file, 0)
            said = "%s: %d bytes written past print() were thrown away; use print() or logging"
            logger.warning(said, file.name, size)

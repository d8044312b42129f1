"""The notifier as a child of the supervisor."""

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import zmq
from msgspec.structs import replace

from mt5crs_services.notifier import delivery, policy
from mt5crs_services.notifier.alive import AliveSignal
from mt5crs_services.notifier.courier import Courier, Sending
from mt5crs_services.notifier.outbox import Outbox, QueuedLine
from mt5crs_shared.configuration.notify_structs import NotifyConfig
from mt5crs_shared.configuration.structs import decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.storage.outbox_file import OutboxError
from mt5crs_shared.storage.story import StoryLine, StoryReader, newest_cursor, newest_event

logger = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds between two looks at what has happened."""

FAREWELL = 5.0
"""Seconds that messages get to leave at the end."""


class NotifierError(Mt5crsError):
    """There is nobody to tell. The notifier ends for good; nobody else notices."""


class Notifier:
    """Reads what happens, and tells it.

    Messages are sent on threads of their own, since a service may take its time; everything else,
    the outbox too, is the loop's.

    Args:
        spec: What this process was told.
        preloaded: Its modules were there before it was forked.
    """

    def __init__(self, spec: ChildSpec, preloaded: bool) -> None:
        config = decode_config(spec.payload)
        if config.globals.notify is None:
            raise NotifierError("the configuration has no global.notify")
        self._config: NotifyConfig = config.globals.notify
        self._retention = config.globals.retention
        self._paths = VarPaths.of(spec)
        self._epoch = spec.epoch
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._child = ChildProcess(spec, config.globals.supervisor, self._context, preloaded)
        self._senders = ThreadPoolExecutor(1, "sender")
        self._fetchers = ThreadPoolExecutor(1, "alive")
        self._reader: StoryReader | None = None
        self._first_event: int | None = None
        self._next_look = 0.0
        self._trouble = ""

    def run(self) -> None:
        """Tell until asked to stop; say why where that is impossible."""
        try:
            self._outbox = Outbox(self._paths.outbox, self._epoch, self._retention)
            self._outbox.drop_others([found.name for found in self._config.to])
            self._couriers = [
                Courier(found.name, self._paths.title, self._outbox, self._sending(found.address))
                for found in self._config.to
            ]
            self._alive = self._alive_signal()
            self._child.ready()
            while not self._child.stopping:
                self._child.poll(LOOK_EVERY / 2.0)
                self._turn(time.monotonic())
            self._say_farewell()
        except OutboxError as error:
            self._child.failed(str(error), permanent=True, error=error)
            raise
        finally:
            self._senders.shutdown(wait=False, cancel_futures=True)
            self._fetchers.shutdown(wait=False, cancel_futures=True)
            self._child.close()

    def _turn(self, now: float) -> None:
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            self._look()
            quiet = self._is_quiet()
            for courier in self._couriers:
                courier.on_turn(now, quiet)
        if self._alive is not None:
            self._alive.on_turn(now)
        self._child.service(self._report)

    def _look(self) -> None:
        """Read what has come, and keep whom it is to be told to."""
        try:
            if self._reader is None:
                self._reader = self._begin_reading()
            before = self._reader.cursor
            lines = self._reader.read()
        except LedgerError as error:
            if not self._trouble:
                logger.warning("%s", error)
            self._trouble = str(error)
            return
        self._trouble = ""
        if self._reader.cursor != before:
            self._outbox.add(self._entries(lines), self._reader.cursor)

    def _begin_reading(self) -> StoryReader:
        """From where the last process stopped; the first begins with what comes from now on."""
        cursor = self._outbox.cursor()
        if cursor is None:
            # What happens until the gateway has made the ledger is told as well.
            if self._first_event is None:
                self._first_event = newest_event(self._paths)
            cursor = replace(newest_cursor(self._paths), event=self._first_event)
            self._outbox.add([], cursor)
        return StoryReader(self._paths, cursor)

    def _entries(self, lines: Iterable[StoryLine]) -> Iterable[QueuedLine]:
        for line in lines:
            for name, urgent in policy.told_to(line, self._config).items():
                yield QueuedLine(name, line, urgent)

    def _sending(self, address: str) -> Sending:
        return lambda message, urgent: self._senders.submit(delivery.send, address, message, urgent)

    def _alive_signal(self) -> AliveSignal | None:
        place = self._config.alive_url
        if place is None:
            return None
        return AliveSignal(lambda: self._fetchers.submit(delivery.fetch, place))

    def _is_quiet(self) -> bool:
        return policy.is_quiet(self._config.quiet_hours, datetime.now(UTC))

    def _say_farewell(self) -> None:
        """Tell what has happened until now, the end itself too, as far as that goes quickly."""
        until = time.monotonic() + FAREWELL
        self._look()
        quiet = self._is_quiet()
        while (now := time.monotonic()) < until:
            for courier in self._couriers:
                courier.on_turn(now, quiet, farewell=True)
            if not any(courier.is_sending for courier in self._couriers):
                return
            self._child.poll(0.05)
            self._child.service(self._report)

    def _report(self) -> ChildReport:
        alive = self._alive.trouble if self._alive is not None else ""
        troubles = [self._trouble, *(courier.trouble for courier in self._couriers), alive]
        return ChildReport("running", "; ".join(trouble for trouble in troubles if trouble))


def run_notifier(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of the notifier's process."""
    Notifier(spec, preloaded).run()

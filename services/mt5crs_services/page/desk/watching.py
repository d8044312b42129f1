"""Asks the supervisor, once a second for all viewers together, and tells them what differs."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator

import msgspec
import zmq

from mt5crs_services.page.desk.decisions import LastDecisions
from mt5crs_services.page.desk.figures import TradeFigures, market_day
from mt5crs_services.page.desk.patches import Json, merge_patch, pruned
from mt5crs_services.page.desk.rows import Desk, LastSignal
from mt5crs_services.page.desk.story import StoryTail
from mt5crs_services.page.desk.view import desk_of, market_time_of
from mt5crs_services.page.desk.viewers import Audience
from mt5crs_shared.control.asking import ask_status
from mt5crs_shared.control.status_report import StatusReport, StrategyStatus
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.black_box.flight_recorder import read_newest
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.ledger_schema import LedgerError

logger = logging.getLogger(__name__)

EVERY = 1.0
"""Seconds between two questions, as long as somebody looks."""

ANSWER_WITHIN = 2.0
"""Seconds that the supervisor has to answer."""


class DeskReader:
    """Reads one state of the desk; in a thread, by one at a time.

    Args:
        paths: The ``var`` folder.
    """

    def __init__(self, paths: VarPaths) -> None:
        self._paths = paths
        self._figures = TradeFigures(paths.ledger)
        self._decisions = LastDecisions(paths)

    def read(self) -> tuple[StatusReport, Desk]:
        """Ask and read.

        Raises:
            ControlTimeout: The supervisor does not answer.
        """
        report = ask_status(self._paths, ANSWER_WITHIN)
        now = time.time()
        self._decisions.next_look()
        trouble = ""
        try:
            self._figures.read(market_day(market_time_of(report) or now))
        except LedgerError as error:
            trouble = str(error)
        return report, desk_of(
            report,
            self._figures,
            now,
            self._paths.title,
            lambda name, symbol: read_newest(self._paths.flight_file(name), symbol),
            self._last_signal,
            trouble,
        )

    def _last_signal(self, status: StrategyStatus) -> LastSignal | None:
        metrics = status.metrics
        progress = (
            (metrics.bars, metrics.signals_generated, metrics.orders_sent, metrics.orders_filled)
            if metrics is not None
            else None
        )
        return self._decisions.of(status.process.name, progress)


class DeskWatch:
    """The newest state, and everybody who wants to hear of changes; of one event loop.

    Args:
        reader: Reads it.
        story: Reads what happens.

    Attributes:
        report: What the supervisor said last; None: nothing yet.
    """

    def __init__(self, reader: DeskReader, story: StoryTail) -> None:
        self.report: StatusReport | None = None
        self._reader = reader
        self._story = story
        self._wanted = asyncio.Event()
        self._audience = Audience(self._wanted.set)
        self._one = asyncio.Lock()
        self._asked = float("-inf")
        self._state: Json = {}
        self._heard = 0.0
        self._trouble = ""

    async def run(self) -> None:
        """Ask as long as somebody looks; for ever."""
        while True:
            await self._wanted.wait()
            await self.look()
            if not len(self._audience):
                self._wanted.clear()
            await asyncio.sleep(max(self._asked + EVERY - time.monotonic(), 0.1))

    async def look(self) -> None:
        """Ask, and tell everybody what differs; not where somebody has asked just now."""
        wanted = time.monotonic()
        async with self._one:
            # Whoever has waited for a supervisor that does not answer does not all wait again.
            if self._asked < wanted and time.monotonic() - self._asked >= EVERY:
                self._asked = time.monotonic()
                await self._ask()

    async def _ask(self) -> None:
        try:
            report, desk = await asyncio.to_thread(self._reader.read)
            lines = await asyncio.to_thread(self._story.read)
        except (Mt5crsError, msgspec.MsgspecError, zmq.ZMQError, OSError) as error:
            self._say_silence(str(error))
            return
        self.report = report
        self._heard, self._trouble = time.time(), ""
        after = pruned(msgspec.to_builtins(desk))
        patch = merge_patch(self._state, after)
        self._state = after
        self._audience.tell(_message("change", patch), self._everything)
        if lines:
            self._audience.tell(_message("story", lines), self._everything)

    async def fresh_report(self) -> StatusReport | None:
        """What the supervisor said last, and asked for where that is long ago; None: nothing."""
        await self.look()
        return self.report

    async def stream(self) -> AsyncIterator[bytes]:
        """What one viewer hears: everything, then what differs.

        Raises:
            TooManyViewers: There are too many.
        """
        await self.look()
        viewer = self._audience.join()
        try:
            viewer.give(self._everything())
            while (message := await viewer.take()) is not None:
                yield message
        finally:
            self._audience.leave(viewer)

    def _say_silence(self, trouble: str) -> None:
        if not self._trouble:
            logger.warning("no word from the supervisor: %s", trouble)
        self._trouble = trouble
        silent = {"since": self._heard, "why": trouble}
        self._audience.tell(_message("silence", silent), self._everything)

    def _everything(self) -> bytes:
        parts = [_message("desk", self._state), _message("stories", self._story.newest())]
        if self._trouble:
            parts.append(_message("silence", {"since": self._heard, "why": self._trouble}))
        return b"".join(parts)


def _message(event: str, data: Json) -> bytes:
    """One server-sent event."""
    return b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode(data))

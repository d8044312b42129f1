"""What happened, in order: kept in files, written to the log, told to whoever listens."""

import logging
from collections import deque
from collections.abc import Callable

from mt5crs_shared.control.status_report import EventLine
from mt5crs_shared.events import AnyEvent, StateChanged
from mt5crs_shared.storage.event_files import EventWriter

logger = logging.getLogger(__name__)

KEPT = 200
"""Events in memory, for `status`."""


class EventLog:
    """The supervisor's events.

    Each change of a child's state is one of them; terminal and `status` leave these out, since
    what led to it is an event of its own there.

    Args:
        writer: Keeps them.
        listener: Called for each one that people are shown.
    """

    def __init__(
        self, writer: EventWriter, listener: Callable[[EventLine], None] = lambda _event: None
    ) -> None:
        self.newest: deque[EventLine] = deque(maxlen=KEPT)
        self._writer = writer
        self._listener = listener

    def notify(self, event: AnyEvent) -> None:
        """Something happened to a child, or to the supervisor itself."""
        numbered = self._writer.write(event)
        kind, detail = event.kind, event.detail
        logger.log(event.level, "%s: %s", kind, detail, extra={"child": event.name})
        if isinstance(event, StateChanged):
            return
        line = EventLine(numbered.time, event.name, kind, detail)
        self.newest.append(line)
        self._listener(line)

    def close(self) -> None:
        """Give the file back."""
        self._writer.close()

"""What happened, in order: kept for `status`, written to the log, told to whoever listens."""

import logging
from collections import deque
from collections.abc import Callable

from mt5crs_supervisor.operator.status_report import EventLine

logger = logging.getLogger(__name__)

KEPT = 200

_LEVELS = {
    **dict.fromkeys(
        ("died", "hung", "start_timeout", "memory", "quarantined", "not_killed"), logging.ERROR
    ),
    **dict.fromkeys(
        ("incident", "poison_tick", "forkserver_died", "recycling", "degraded"), logging.WARNING
    ),
}


def level_of(kind: str) -> int:
    """How grave an event is, for the log."""
    return _LEVELS.get(kind, logging.INFO)


class EventLog:
    """The supervisor's events.

    Args:
        listener: Called for each of them.
    """

    def __init__(self, listener: Callable[[EventLine], None] = lambda _event: None) -> None:
        self.newest: deque[EventLine] = deque(maxlen=KEPT)
        self._listener = listener

    def notify(self, name: str, kind: str, detail: str) -> None:
        """Something happened to a child, or to the supervisor itself."""
        event = EventLine.now(name, kind, detail)
        logger.log(level_of(kind), "%s: %s", kind, detail, extra={"child": name})
        self.newest.append(event)
        self._listener(event)

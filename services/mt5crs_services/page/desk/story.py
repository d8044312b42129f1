"""The newest of what happened, for the page: a tail of the story that is kept up to date."""

from msgspec.structs import replace

from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.story import StoryCursor, StoryLine, StoryReader, newest_cursor

STATE = "state"
"""Kind of a child's every change of state: what led to it is a line of its own."""

KEPT = 1_000
"""Lines that are there when the page is opened."""

BEFORE = 2_000
"""Numbers of each kind that are read back at the beginning."""


class StoryTail:
    """Reads on, in one thread at a time; what was read may be asked for from any.

    Args:
        paths: The ``var`` folder.
    """

    def __init__(self, paths: VarPaths) -> None:
        self._paths = paths
        self._reader: StoryReader | None = None
        self._lines: tuple[StoryLine, ...] = ()

    def read(self) -> list[StoryLine]:
        """What has come since the last time; the first time nothing is new.

        Raises:
            LedgerError: The ledger cannot be read.
        """
        begins = self._reader is None
        if self._reader is None:
            self._reader = StoryReader(self._paths, _earlier(newest_cursor(self._paths)))
        found = [line for line in self._reader.read() if line.kind != STATE]
        # Replaced, not changed: whoever asks from another thread has the one or the other.
        self._lines = (*self._lines, *found)[-KEPT:]
        return [] if begins else found

    def newest(self) -> tuple[StoryLine, ...]:
        """The newest lines, oldest first."""
        return self._lines


def _earlier(cursor: StoryCursor) -> StoryCursor:
    return replace(
        cursor,
        event=max(cursor.event - BEFORE, 0),
        deal=max(cursor.deal - BEFORE, 0),
        order=max(cursor.order - BEFORE, 0),
        lock=max(cursor.lock - BEFORE, 0),
    )

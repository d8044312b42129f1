"""The decisions in a strategy's journal: what stands there of each, and how they are read."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage.store import connect_readonly

SIGNALS = {-1: "SELL", 0: "HOLD", 1: "BUY", 2: "EXIT"}
"""Signals in words."""


class DecisionLogError(Mt5crsError):
    """A journal that cannot be read. Whoever asked is told; the journal is left as it is."""


class Decision(msgspec.Struct, frozen=True):
    """One evaluation, as its row has it; in event time only, so that two runs compare.

    Attributes:
        time_us: Event time of the tick it was made on.
        occurrence: The tick's occurrence among equal ones.
        bid: Its bid.
        ask: Its ask.
        bar_us: Start of the newest closed bar.
        signal: -1 SELL, 0 HOLD, 1 BUY, 2 EXIT.
        probability: The model's, if there is one.
        action: NONE, NO_TRADE, KEEP, OPEN, CLOSE, TURN, MISSED or REFUSED.
        lots: Volume opened.
        order_ids: Orders that followed, separated by blanks.
        detail: Why nothing, or less, was done.
        note: The strategy's own words.
    """

    time_us: int
    occurrence: int
    bid: float
    ask: float
    bar_us: int
    signal: int
    probability: float | None
    action: str
    lots: float
    order_ids: str
    detail: str
    note: str

    @property
    def word(self) -> str:
        """Its signal in words; one that nobody knows as its number."""
        return SIGNALS.get(self.signal, str(self.signal))

    @property
    def why(self) -> str:
        """`detail` and `note`, where there are both."""
        return "; ".join(filter(None, (self.detail, self.note)))


def read_decisions(journal: Path, limit: int | None = None) -> list[Decision]:
    """The decisions in the order they were made; the strategy may be writing.

    Args:
        journal: The file.
        limit: Only the newest so many.

    Raises:
        DecisionLogError: There is none, or it cannot be read.
    """
    fields = Decision.__struct_fields__
    newest = f"SELECT id, {', '.join(fields)} FROM decisions ORDER BY id DESC LIMIT ?"
    query = f"SELECT {', '.join(fields)} FROM ({newest}) ORDER BY id"
    try:
        with contextlib.closing(connect_readonly(journal)) as db:
            rows = db.execute(query, (-1 if limit is None else limit,)).fetchall()
    except OSError as error:
        raise DecisionLogError(str(error)) from error
    except sqlite3.Error as error:
        raise DecisionLogError(
            f"{journal} cannot be read ({error}); one of an older version is brought up to date by"
            " the strategy's next start"
        ) from error
    try:
        return [msgspec.convert(dict(zip(fields, row, strict=True)), Decision) for row in rows]
    except msgspec.ValidationError as error:
        raise DecisionLogError(f"{journal} is damaged: {error}") from error

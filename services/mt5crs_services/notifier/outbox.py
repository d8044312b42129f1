"""What is to be told and what was: the file that a notifier's next process goes on from."""

import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Final

import msgspec

from mt5crs_services.notifier.composing import Composed
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.storage.outbox_file import SCHEMA, OutboxError
from mt5crs_shared.storage.store import Store
from mt5crs_shared.storage.story import StoryCursor, StoryLine

HOUR: Final = 3_600.0

_encode = msgspec.json.Encoder().encode
_decode_line = msgspec.json.Decoder(StoryLine).decode
_decode_cursor = msgspec.json.Decoder(StoryCursor).decode


class QueuedLine(msgspec.Struct, frozen=True):
    """A line that one destination is to be told of."""

    destination: str
    line: StoryLine
    urgent: bool


class Unsent(msgspec.Struct, frozen=True):
    """A message that is not known to have been sent.

    Attributes:
        id: Its number.
        message: What is sent.
        urgent: One of its lines is.
        attempts: How often that was tried.
        begun: A process began to send it, and did not say what became of it.
    """

    id: int
    message: Composed
    urgent: bool
    attempts: int
    begun: bool


class Waiting(msgspec.Struct, frozen=True):
    """A line that is in no message yet."""

    id: int
    line: StoryLine
    urgent: bool


class Outbox(Store):
    """Lines that wait, messages made of them, and how far the story was read.

    What was read, and who is to be told of it, is one transaction: nothing is lost or told twice
    when the process dies between them.

    Args:
        path: The file; made where it is missing.
        epoch: Number of this spawn; an earlier one writes nothing any more.
        retention: How long sent messages are kept.

    Raises:
        OutboxError: It cannot be opened or made, or a newer process writes it.
    """

    schema = SCHEMA
    gone = OutboxError
    wal_gone = OutboxError

    def __init__(self, path: Path, epoch: int, retention: RetentionConfig) -> None:
        self._epoch = epoch
        super().__init__(path, "FULL", retention)

    def take(self) -> None:
        """Become the writer."""
        self.check_writer()
        self.db.execute("UPDATE meta SET epoch = ?", (self._epoch,))

    def check_writer(self) -> None:
        """See that no newer process writes it."""
        (newest,) = self.db.execute("SELECT epoch FROM meta").fetchone()
        if newest > self._epoch:
            raise OutboxError(f"epoch {newest} has taken over from {self._epoch}")

    def cursor(self) -> StoryCursor | None:
        """How far the story was read; None: it never was."""
        ((body,),) = self.select("SELECT cursor FROM meta")
        return _decode_cursor(body) if body else None

    def add(self, entries: Iterable[QueuedLine], cursor: StoryCursor) -> None:
        """Keep what is to be told, and how far the story was read."""
        rows = [
            (entry.destination, entry.urgent, _encode(entry.line), time.time()) for entry in entries
        ]
        with self.writing("FULL"):
            self.db.executemany(
                "INSERT INTO lines (destination, urgent, line, recorded) VALUES (?, ?, ?, ?)", rows
            )
            self.db.execute("UPDATE meta SET cursor = ?", (_encode(cursor),))
            self.wrote(len(rows))
            self.prune_if_due()

    def waiting(self, destination: str) -> list[Waiting]:
        """The lines that are in no message yet, the oldest first."""
        rows = self.select(
            "SELECT id, line, urgent FROM lines WHERE destination = ? AND message IS NULL"
            " ORDER BY id",
            destination,
        )
        return [Waiting(number, _decode_line(line), bool(urgent)) for number, line, urgent in rows]

    def make(self, destination: str, message: Composed, urgent: bool, lines: Iterable[int]) -> None:
        """Make a message of lines."""
        with self.writing("FULL"):
            made = self.db.execute(
                "INSERT INTO messages (destination, title, body, urgent, made, state)"
                " VALUES (?, ?, ?, ?, ?, 'WAITING')",
                (destination, message.title, message.body, urgent, time.time()),
            )
            self.db.executemany(
                "UPDATE lines SET message = ? WHERE id = ?", [(made.lastrowid, n) for n in lines]
            )
            self.wrote(1)

    def unsent(self, destination: str) -> Unsent | None:
        """The oldest message that is not known to have been sent."""
        rows = self.select(
            "SELECT id, title, body, urgent, attempts, state = 'SENDING' FROM messages"
            " WHERE destination = ? AND state IN ('WAITING', 'SENDING') ORDER BY id LIMIT 1",
            destination,
        )
        if not rows:
            return None
        ((number, title, body, urgent, attempts, begun),) = rows
        return Unsent(number, Composed(title, body), bool(urgent), attempts, bool(begun))

    def begin(self, number: int) -> None:
        """A message is about to be sent."""
        with self.writing("FULL"):
            self.db.execute(
                "UPDATE messages SET state = 'SENDING', attempts = attempts + 1 WHERE id = ?",
                (number,),
            )

    def end(self, number: int, error: str = "") -> None:
        """It was sent; or, with an error, it was not."""
        with self.writing("FULL"):
            self.db.execute(
                "UPDATE messages SET state = ?, error = ?, ended = ? WHERE id = ?",
                ("WAITING" if error else "SENT", error, time.time(), number),
            )

    def recent(self, destination: str) -> int:
        """Messages that were made for it within the last hour."""
        ((count,),) = self.select(
            "SELECT count(*) FROM messages WHERE destination = ? AND made > ?",
            destination,
            time.time() - HOUR,
        )
        return int(count)

    def drop_others(self, destinations: Collection[str]) -> None:
        """Forget what waits for destinations that the configuration has no more."""
        known = msgspec.json.encode(list(destinations)).decode()
        others = "destination NOT IN (SELECT value FROM json_each(?))"
        with self.writing("FULL"):
            self.db.execute(f"DELETE FROM lines WHERE message IS NULL AND {others}", (known,))
            self.db.execute(
                f"UPDATE messages SET state = 'DROPPED' WHERE state != 'SENT' AND {others}",
                (known,),
            )

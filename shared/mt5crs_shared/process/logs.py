"""Logs: JSON lines, one rotating file per process, written by that process itself."""

import logging
import logging.handlers
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.process.files import is_irregular

MAX_BYTES = 10_000_000
"""Size at which a log file is rotated."""

BACKUPS = 3
"""Rotated files that are kept."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, message, and the record's extras."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's line, without the line end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        line.update((k, v) for k, v in vars(record).items() if k not in _STANDARD)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode()


def configure(path: Path, level: int = logging.INFO) -> None:
    """Send this process's log records to one rotating file, and nowhere else.

    Called once by a process's entry point, never at import.
    """
    if path.is_symlink() or is_irregular(path):
        path.unlink()
    handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=MAX_BYTES, backupCount=BACKUPS, encoding="utf-8"
    )
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    # Setting it touches every logger there is, which a forked process would have to copy.
    if root.level != level:
        root.setLevel(level)
    # A full disk must not turn every log call into a traceback on a closed stderr.
    logging.raiseExceptions = False

"""What other files remember: the identity, and epochs below which they take nothing any more.

The list of processes remembers which epochs were given out. Where it is lost, damaged, or an old
one out of a backup, these files still refuse what is not newer than their last writer; a
supervisor that began below them would start processes that nobody listens to.
"""

import contextlib
import sqlite3
from pathlib import Path

from mt5crs_shared.process.installation import Installation, load_or_make
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_schema
from mt5crs_shared.storage.store import connect_readonly


def installation_of(paths: VarPaths) -> Installation:
    """The identity of this folder; made where it is new, and after the ledger where it was lost.

    Raises:
        InstallationError: Its file cannot be used, or not be made.
    """
    return load_or_make(paths.installation, ledger_schema.owner(paths.ledger))


def highest_epoch(paths: VarPaths) -> int:
    """The newest epoch that the ledger or a strategy's journal has seen; 0: none.

    A file that cannot be read counts for nothing: its owner sets it aside, or says what is wrong.
    """
    found = [_ask(paths.ledger, "SELECT max(epoch) FROM epochs")]
    found += [_ask(file, "SELECT max(epoch) FROM meta") for file in paths.state.glob("*.db")]
    return max(found)


def _ask(file: Path, question: str) -> int:
    unreadable = contextlib.suppress(sqlite3.Error, OSError)
    with unreadable, contextlib.closing(connect_readonly(file, timeout=0.1)) as db:
        (number,) = db.execute(question).fetchone()
        return number or 0
    return 0

"""What a year of trading costs at a start: a journal and a ledger of that age against fresh ones.

Makes files with as many rows as a year leaves, and times the opening of both, in one run. Writes
its section to docs/benchmarks.md.
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks.tables import report, table
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_worker.trading.journal import Journal

ROUNDS = 20
KEEP_ALL = RetentionConfig(days=36_500, rows=10**9)


def old_journal(path: Path, rows: int) -> None:
    """A journal with so many decisions, refused orders and events."""
    journal = Journal(path, 1, KEEP_ALL)
    db = journal._db
    db.execute("BEGIN")
    numbers = range(rows)
    db.executemany(
        "INSERT INTO decisions (time_us, occurrence, bid, ask, bar_us, signal, probability, action,"
        " lots, order_ids, detail, note, time) VALUES (?,0,1.1,1.2,0,0,0.5,'NONE',0.0,'','','',?)",
        ((n, time.time()) for n in numbers),
    )
    db.executemany(
        "INSERT INTO orders (order_id, body, time, status, code, result)"
        " VALUES (?, ?, ?, 'REJECTED', 'NO_MARGIN', ?)",
        ((f"s:{n}:0:OPEN", b"x" * 300, time.time(), b"y" * 100) for n in numbers),
    )
    db.executemany(
        "INSERT INTO events (time, kind, detail) VALUES (?, 'recovered', 'began anew')",
        ((time.time(),) for _ in numbers),
    )
    db.execute("COMMIT")
    journal.close()


def old_ledger(path: Path, deals: int) -> None:
    """A ledger with so many deals, and an order for each."""
    ledger = Ledger(path, "USD", 10_000.0, KEEP_ALL)
    db = ledger._db
    db.execute("BEGIN")
    db.executemany(
        "INSERT INTO deals VALUES (NULL, ?, 's', 'EURUSD', ?, ?, 'BUY', 0.1, 1.1, ?, 'FILLED', 0.5,"
        " 0.1, 0.0, 0.0, 10000.0, ?)",
        ((f"o{n}", n // 2, ("IN", "OUT")[n % 2], n, time.time()) for n in range(deals)),
    )
    db.executemany(
        "INSERT INTO orders VALUES (NULL, ?, 's', 1, 'EURUSD', 'OPEN', 'BUY', 0.1, ?, '', ?,"
        " 'FILLED', 'FILLED', '', 1, ?, ?)",
        ((f"o{n}", n, b"x" * 300, b"y" * 200, time.time()) for n in range(deals)),
    )
    db.execute("INSERT INTO totals VALUES ('s', ?, ?, 0)", (deals * 400_000, deals))
    db.execute("COMMIT")
    ledger.close()


def open_journal(path: Path) -> None:
    journal = Journal(path, 2, KEEP_ALL)
    journal.load()
    journal.unsettled()
    journal.newest_filled()
    journal.close()


def open_ledger(path: Path) -> None:
    ledger = Ledger(path, "USD", 10_000.0, KEEP_ALL)
    Account(ledger.first_balance, ledger.totals())
    ledger.open_orders()
    ledger.open_positions()
    ledger.streams()
    ledger.close()


def median_ms(action: Callable[[], None]) -> float:
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        action()
        times.append((time.perf_counter() - begun) * 1000.0)
    return statistics.median(times)


@click.command()
@click.option("--rows", default=1_000_000, show_default=True, help="Of each table.")
@click.option("--no-write", is_flag=True, help="Leave docs/benchmarks.md alone.")
def main(rows: int, no_write: bool) -> None:
    """Make the files, time their opening, print and write docs/benchmarks.md."""
    lines = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, make, use in (
            ("a strategy's journal", old_journal, open_journal),
            ("the ledger", old_ledger, open_ledger),
        ):
            old, fresh = folder / f"{make.__name__}.db", folder / f"{use.__name__}.db"
            make(old, rows)
            make(fresh, 0)
            pairs = (median_ms(lambda o=old, u=use: u(o)), median_ms(lambda f=fresh, u=use: u(f)))
            megabytes = old.stat().st_size / 1e6
            cells = [f"{pairs[0] / pairs[1]:.2f}", f"{pairs[0]:.1f}", f"{pairs[1]:.1f}"]
            lines.append([name, *cells, f"{megabytes:,.0f}"])
    heads = ["file", "ratio", "opened in ms", "a fresh one", "MB"]
    click.echo(table(heads, lines))
    if not no_write:
        note = f"{rows:,} rows in each table, medians of {ROUNDS}, nothing pruned."
        report("files of a long time", note, heads, lines)


if __name__ == "__main__":
    main()

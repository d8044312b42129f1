"""Orders through bridges with faults, and kills in between: both books are alike at the end.

The long form: `benchmarks/bridges.py`.
"""

import json
from pathlib import Path

import pytest

from tests.bridges.campaign import DIALECTS, Book, differences, run_campaign
from tests.bridges.scripted_bridge import BRIDGES
from tests.bridges.terminal_book import TerminalBook
from tests.bridges.windows_side import WindowsBook

# What a netting account has closed by itself in the very moment of a fault cannot always be told
# apart from what our deals did there: a few orders in ten thousand, see docs/live.md.
TRIED = [pytest.param("trade", marks=pytest.mark.slow), *(d for d in DIALECTS if d != "trade")]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("dialect", TRIED)
def test_none_twice_none_lost_and_each_in_the_ledger(tmp_path: Path, dialect: str) -> None:
    result = run_campaign(dialect, tmp_path, orders=80, seed=3, kill_every=2.0)
    assert not result.differences, "\n".join(result.differences)
    # How many are dealt is chance: on a busy machine most meet a gateway that was just killed.
    assert (result.orders, result.deals > 0) == (80, True)
    # What it compares with is looked at: a deal that nobody has ordered is found.
    book = with_one_more(tmp_path, dialect)
    assert differences(tmp_path / "ledger.db", book, exact=False) != []


def with_one_more(folder: Path, dialect: str) -> Book:
    """The far side's books with a deal that nobody has ordered."""
    if dialect in BRIDGES:
        book = TerminalBook(folder / "terminal.db", BRIDGES[dialect][1])
        book.deal("EURUSD", "BUY", 0.01, 7, "m5 nobody's")
        return book
    file = folder / "windows" / "book.json"
    kept = json.loads(file.read_text())
    ours = next(deal for deal in kept["deals"] if deal["sent_as"])  # The first may be a deposit.
    kept["deals"].append(ours | {"sent_as": "TOKEN m5 nobody's", "entry": 0})
    file.write_text(json.dumps(kept))
    return WindowsBook(file.parent)

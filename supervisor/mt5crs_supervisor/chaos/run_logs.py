"""What a run leaves behind: decisions, orders and deals, as its files have them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.decision_log import read_decisions
from mt5crs_shared.storage.ledger_queries import OrderRecord

SHOWN = 5
"""Differing lines that are shown of each log."""

Line = tuple[object, ...]


class RunLogs(msgspec.Struct, frozen=True):
    """One run, in event time only, so that two runs compare.

    Attributes:
        decisions: Each strategy's decision log.
        deals: Each strategy's deals: ids, sides, lots, prices, stops, times, profits.
        orders: Each strategy's orders: ids, sides, lots and how they ended.
        ticks: Ticks that each strategy has processed or counted as bad.
        balance: Of the account.
        books_agree: The balance is the first one and what the deals made.
    """

    decisions: dict[str, list[Line]]
    deals: dict[str, list[Line]]
    orders: dict[str, list[Line]]
    ticks: dict[str, int]
    balance: float
    books_agree: bool


class Difference(msgspec.Struct, frozen=True):
    """Where two runs part.

    Attributes:
        log: Which log of which strategy.
        row: Number of the first differing line, from 0.
        expected: Lines of the untouched run from there.
        found: Lines of the other one.
    """

    log: str
    row: int
    expected: tuple[Line, ...]
    found: tuple[Line, ...]

    def __str__(self) -> str:
        lines = [f"{self.log}, line {self.row}:"]
        lines += [f"  untouched {line}" for line in self.expected]
        lines += [f"  this run  {line}" for line in self.found]
        return "\n".join(lines)


def gather(paths: VarPaths, ticks: Mapping[str, int]) -> RunLogs:
    """Read a run's files; nobody may be writing them.

    Args:
        paths: Its ``var`` folder.
        ticks: Ticks that each strategy has taken.

    Raises:
        LedgerError: There is no ledger, or it cannot be read.
        DecisionLogError: A journal cannot be read.
    """
    with ledger_schema.open_ledger(paths.ledger) as db:
        deals = ledger_queries.deals(db)
        orders = ledger_queries.read_orders(db)
        balances = ledger_queries.balances(db)
    last = deals[-1].balance if deals else balances.first_balance
    return RunLogs(
        decisions={name: decisions(paths.journal(name)) for name in ticks},
        deals={
            name: [msgspec.structs.astuple(d.fill) for d in deals if d.fill.strategy == name]
            for name in ticks
        },
        orders={name: order_lines(o for o in orders if o.strategy == name) for name in ticks},
        ticks=dict(ticks),
        balance=balances.balance,
        books_agree=abs(last - balances.balance) < 10.0**-ledger_schema.MONEY_DIGITS,
    )


def order_lines(orders: Iterable[OrderRecord]) -> list[Line]:
    """Orders by the ticks that they belong to.

    The ledger has them as they came: a stop that was touched while an order was on its way stands
    before it or after it, by how far the gateway's own stream had come.
    """
    return [
        (o.order_id, o.action, o.side, o.lots, o.time_us, o.status, o.code, o.ticket)
        for o in sorted(orders, key=lambda o: (o.time_us, o.order_id))
    ]


def decisions(journal: Path) -> list[Line]:
    """A strategy's decision log.

    Raises:
        DecisionLogError: The journal cannot be read.
    """
    return [msgspec.structs.astuple(row) for row in read_decisions(journal)]


def differences(untouched: RunLogs, found: RunLogs, strategies: Iterable[str]) -> list[Difference]:
    """The first difference in each log."""
    parted = []
    for name in strategies:
        for log in ("decisions", "orders", "deals"):
            one, other = getattr(untouched, log)[name], getattr(found, log)[name]
            difference = _first_difference(f"{log} of {name}", one, other)
            if difference is not None:
                parted.append(difference)
    return parted


def lost_and_added(expected: Sequence[Line], found: Sequence[Line]) -> tuple[int, int]:
    """How many lines are missing, and how many are there that should not be."""
    one, other = Counter(expected), Counter(found)
    return (one - other).total(), (other - one).total()


def _first_difference(log: str, one: list[Line], other: list[Line]) -> Difference | None:
    if one == other:
        return None
    pairs = zip(one, other, strict=False)
    row = next(
        (n for n, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other))
    )
    return Difference(log, row, tuple(one[row : row + SHOWN]), tuple(other[row : row + SHOWN]))

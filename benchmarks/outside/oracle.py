"""What a process that never died would have decided on the ticks that a strategy says it heard.

Two runs hear different ticks as soon as one of them misses some, and cannot be compared from there
on. This can: the ticks that were published, without those in the spans that the journal names, go
through one strategy object here, whose orders are answered as the run's own books answered them.
An order on a tick that was missed is taken as it was executed: a process that died had heard the
tick and written the order down, and the next one, whose tape lacks the tick, has sent it.
"""

import contextlib
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from itertools import takewhile

import msgspec

from benchmarks.outside.account import Account, decided_us
from benchmarks.outside.publisher import Published
from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.storage.store import connect_readonly
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult, Position
from mt5crs_supervisor.chaos import run_logs
from mt5crs_supervisor.chaos.run_logs import Line
from mt5crs_worker.instance import StrategyInstance

SAID = Decision.__struct_fields__.index("probability") + 1
"""Columns of a decision that no rate can change: the quote, the bar, the signal."""


class Redecided(msgspec.Struct, frozen=True):
    """A strategy's decision log beside what it should be.

    Attributes:
        decided: Lines of its log.
        expected: Lines that it should have.
        equal: So many are equal, from the first one on.
        parting: The next line of both; empty: there is none.
    """

    decided: int
    expected: int
    equal: int
    parting: str = ""


class RecordedBook:
    """The way to the market of one that decides again: everything has been answered before."""

    def __init__(self, paths: VarPaths, strategy: str) -> None:
        with contextlib.closing(connect_readonly(paths.journal(strategy))) as journal:
            rows = journal.execute(
                # One without a body is the book's own: it closed a position at its stop or target.
                "SELECT order_id, result FROM orders WHERE result IS NOT NULL AND body != x'' "
                "ORDER BY id"
            )
            self._results = {
                order_id: msgspec.msgpack.decode(result, type=OrderResult)
                for order_id, result in rows
            }
        with ledger_schema.open_ledger(paths.ledger) as ledger:
            fills = [deal.fill for deal in ledger_queries.deals(ledger, strategy=strategy)]
        self._decided: defaultdict[int, list[OrderResult]] = defaultdict(list)
        for order_id, result in self._results.items():
            self._decided[decided_us(order_id)].append(result)
        self._exits = {
            fill.ticket: fill for fill in fills if fill.order_id.startswith(f"{fill.ticket}:")
        }
        self._gone: set[int] = set()
        self._asked: set[str] = set()

    def unasked(self, tick: Tick) -> list[OrderResult]:
        """What became of the orders on a tick, as far as they have not been asked for.

        By its time: that a tick is repeated, and another of the copies was heard, is one of the
        readings of the spans, and another one fits.
        """
        found = [r for r in self._decided[tick.time_us] if r.order_id not in self._asked]
        self._asked.update(result.order_id for result in found)
        return found

    def submit(self, order: Order) -> OrderResult:
        """The run's answer to the same order; it never had any other."""
        unheard = OrderResult(order.order_id, "REJECTED", Code.NOT_SEEN)
        self._asked.add(order.order_id)
        result = self._results.get(order.order_id, unheard)
        if result.code is Code.NO_POSITION and "it was closed" in result.detail:
            self._gone.add(order.ticket)
        return result

    def closed_by(self, position: Position, tick: Tick, rate: float | None) -> Fill | None:
        """The deal that closed it on this tick.

        Or on a later one: of a strategy that is away for long a stop is booked without its word,
        and its order on an earlier tick comes too late.
        """
        fill = self._exits.get(position.ticket)
        late = position.ticket in self._gone
        return fill if fill is not None and (late or fill.time_us == tick.time_us) else None

    def closed_before(self, position: Position, tick: Tick) -> bool:
        """Whether it was closed on an earlier tick."""
        fill = self._exits.get(position.ticket)
        return fill is not None and fill.time_us < tick.time_us


def redecide(
    config: Config,
    paths: VarPaths,
    published: Mapping[str, Sequence[Published]],
    accounts: Mapping[str, Account],
) -> dict[str, Redecided]:
    """Decide again for every strategy of a run, and compare.

    Args:
        config: The run's.
        paths: Its ``var`` folder; nobody may be writing there.
        published: What was published of each symbol, in order.
        accounts: What became of each strategy's ticks.
    """
    found = {}
    for entry in config.strategies:
        heard = [tick for tick, _ in published[entry.symbol]]
        found[entry.name] = _best(
            _compare(config, entry, paths, heard, missing)
            for missing in accounts[entry.name].readings
        )
    return found


def _best(found: Iterable[Redecided]) -> Redecided:
    """The reading of the spans that fits: where ticks repeat, an end may mean either of two."""
    best: Redecided | None = None
    for each in found:
        if not each.parting:
            return each
        if best is None or each.equal > best.equal:
            best = each
    assert best is not None, "there is a reading of every journal"
    return best


def _compare(
    config: Config,
    entry: StrategyConfig,
    paths: VarPaths,
    ticks: Sequence[Tick],
    missing: Container[int],
) -> Redecided:
    currency, symbol = config.globals.account_currency, config.symbols[entry.symbol]
    balance, book = config.globals.default_balance, RecordedBook(paths, entry.name)
    instance = StrategyInstance(entry, symbol, book, balance, currency)
    expected: list[Line] = []
    for place, tick in enumerate(ticks):
        if place in missing:
            for result in book.unasked(tick):
                instance.settle(result)
            continue
        instance.on_tick(tick)
        expected += map(msgspec.structs.astuple, instance.take_decisions())
    decided = run_logs.decisions(paths.journal(entry.name))
    # Lots of a cross pair go by a rate, and which of its ticks were missed no journal says.
    columns = None if symbol.quote_currency == currency else SAID
    pairs = zip(expected, decided, strict=False)
    equal = sum(1 for _ in takewhile(lambda p: p[0][:columns] == p[1][:columns], pairs))
    parting = [str(log[equal]) for log in (expected, decided) if len(log) > equal]
    return Redecided(len(decided), len(expected), equal, " instead of ".join(parting[::-1]))

"""The files of the version before: a journal and a ledger as a trader has them when he upgrades.

`tests/data/before/` holds them, made by that version's own code in the middle of a made-up market.
To take today's version as the one before, run this in a checkout of it, with its `.venv`:

    .venv/bin/python -m tests.old_files tests/data/before

Tests go on from there with the rest of the same market.
"""

import gzip
import itertools
import random
import sqlite3
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.backlog import TAIL, TickMark
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.trading.orders import Fill, Order, OrderResult, Position
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.examples.ma_cross import MovingAverageCross
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.strategy import BUY, HOLD, Signal
from mt5crs_worker.trading.journal import Checkpoint, Journal
from tests.unit.gateway_cases import STRATEGIES, SYMBOLS, Office, config, order, tick

FILES = Path(__file__).with_name("data") / "before"
INSTALLATION = "5f3a0c1e9b7d4286"
"""Of the folder that the ledger belongs to."""

TICKS = 1_000
HALFWAY = 600
"""The version before ended at the next tick after it on which a position was open."""


class Swinging(MovingAverageCross):
    """Trades both ways, with a state of its own: every fifth bar after a cross it buys."""

    warmup = 40

    def on_bar(self, bars: BarWindow) -> Signal:
        """The cross, or what the count of bars since the last one says."""
        signal = super().on_bar(bars)
        since = self.state["since"] = 0 if signal != HOLD else self.state.get("since", 0) + 1
        return BUY if since and since % 5 == 0 else signal


STRATEGY: StrategyConfig = replace(
    STRATEGIES[0], timeframe="S1", strategy="tests.old_files:Swinging", magic=7
)


def market() -> Iterator[Tick]:
    """The same ticks each time, four a second."""
    dice, price = random.Random(4), 1.1
    for number in range(TICKS):
        price += dice.gauss(0.0, 0.00004)
        yield tick(number * 250_000, round(price, 5), round(price + 0.00002, 5))


class OrderService:
    """A strategy's way to a gateway without sockets; its journal knows of everything first."""

    def __init__(self, office: Office, journal: Journal) -> None:
        self._office = office
        self._journal = journal

    def submit(self, request: Order) -> OrderResult:
        known = self._journal.intend(request)
        result = known or self._office.submit(request)
        self._journal.settle(result)
        return result

    def closed_by(self, position: Position, on: Tick, rate: float | None) -> Fill | None:
        fill = self._office.ledger.closing(position.strategy, position.ticket)
        if fill is not None:
            self._journal.book_exit(fill)
        return fill

    def closed_before(self, position: Position, on: Tick) -> bool:
        # The gateway hears each tick first here, and ends by itself what one touches.
        return self._office.ledger.closing(position.strategy, position.ticket) is not None


class Life:
    """A strategy and its gateway on the files of a folder, from the checkpoint that is there."""

    def __init__(self, folder: Path, epoch: int) -> None:
        self.office = Office(folder / "ledger.db", config(commission_per_lot=0.7))
        self.journal = Journal(folder / "euro.db", epoch)
        self.checkpoint = self.journal.load()
        self.instance = StrategyInstance(
            STRATEGY,
            SYMBOLS["EURUSD"],
            OrderService(self.office, self.journal),
            10_000.0,
            "USD",
            epoch,
            self.checkpoint,
        )

    def take(self, ticks: Sequence[Tick]) -> None:
        """Trade, and end with a checkpoint."""
        for each in ticks:
            self.office.feed(each)
            self.instance.on_tick(each)
        mark = TickMark(1, self.instance.ticks_processed, tuple(ticks[-TAIL:]))
        saved: Checkpoint = self.instance.checkpoint(mark, 0, StrategyMetrics())
        saved = replace(saved, metrics=self.instance.get_status())
        self.journal.save(saved, self.instance.take_decisions())
        self.office.core.save()

    def close(self) -> None:
        self.journal.close()
        self.office.ledger.close()


def first_half(life: Life) -> int:
    """Trade until a position is open halfway; how many ticks that took."""
    ticks = iter(market())
    taken = list(itertools.islice(ticks, HALFWAY))
    life.take(taken)
    while life.instance.bot.position is None:
        taken.append(next(ticks))
        life.take(taken[-1:])
    return len(taken)


def make(folder: Path) -> None:
    """Write both files, packed."""
    with tempfile.TemporaryDirectory() as temporary:
        life = Life(Path(temporary), 3)
        taken = first_half(life)
        last = list(itertools.islice(market(), taken))[-1]
        life.office.submit(order(last, strategy="small", lots=1_000.0))
        life.office.open(last, strategy="other", lots=0.2)
        life.journal.intend(order(last, order_id="euro:1:0:OPEN"))
        life.journal.event("recovered", "began anew, took 0 ticks from the tape, 0 are gone; flat")
        life.close()
        with sqlite3.connect(Path(temporary) / "ledger.db") as db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'installation'", (INSTALLATION,))
        db.close()
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("ledger.db", "euro.db"):
            body = (Path(temporary) / name).read_bytes()
            (folder / f"{name}.gz").write_bytes(gzip.compress(body, mtime=0))


def unpack(path: Path) -> None:
    """Put the file of this name there."""
    path.write_bytes(gzip.decompress((FILES / f"{path.name}.gz").read_bytes()))


if __name__ == "__main__":
    make(Path(sys.argv[1]))

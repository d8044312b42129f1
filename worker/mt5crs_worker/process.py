"""A strategy's process: its sockets, its one loop, and what is kept for the next process."""

import logging
import time
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import zmq

from mt5crs_shared.catch_up import content
from mt5crs_shared.child import Child, Report
from mt5crs_shared.config import StrategyConfig, decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.flight import FlightRecorder
from mt5crs_shared.messages import ChildSpec, Phase, StrategyMetrics
from mt5crs_shared.orders import Code, Position
from mt5crs_shared.paths import VarPaths
from mt5crs_shared.stream import Batch, TickStream
from mt5crs_shared.ticks import Tick
from mt5crs_worker import session
from mt5crs_worker.bars import BarWindow, HistoryError, load_history
from mt5crs_worker.gateway_client import GatewayClient, StopRequested
from mt5crs_worker.instance import StrategyInstance, identity_of
from mt5crs_worker.journal import Checkpoint, Decision, Journal, JournalError, ReplacedError

logger = logging.getLogger(__name__)

PULSE_TICKS = 200
"""Ticks of one batch after which the supervisor is served in between."""

CHECKPOINT_EVERY = 1.0
"""Seconds between checkpoints while ticks come but no bar closes."""

CHECKPOINT_TICKS = 1_000
"""Ticks between checkpoints while they come faster than that."""

BEHIND = 2.0
"""Seconds with ticks always waiting after which the strategy counts as behind its feed."""

REWOUND = 50
"""Late ticks in a row that mean: the feed's clock went back."""


class BooksError(Mt5crsError):
    """The ledger is not that of this strategy's past. It stops, until the operator decides."""


class Worker:
    """One strategy in its own process.

    Args:
        spec: What this process was told at its spawn.
        preloaded: Its modules were there before it was forked.
    """

    def __init__(self, spec: ChildSpec, preloaded: bool) -> None:
        self._spec = spec
        self._config = decode_config(spec.payload)
        self._strategy: StrategyConfig = self._config.strategies[0]
        self._paths = VarPaths.of(spec)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        settings = self._config.globals.supervisor
        self._child = Child(spec, settings, self._context, preloaded)
        self._waiting = self._child.new_poller()
        self._phase: Phase = "booting"
        self._decisions: list[Decision] = []
        self._first_tick_told = False
        self._saved_at = time.monotonic()
        self._saved_ticks = 0
        self._last_tick_at = 0.0
        self._begun = time.monotonic()
        self._poison = {content(tick) for tick in spec.poison}

    def run(self) -> None:
        """Boot, then trade until asked to stop; say why where that is impossible."""
        try:
            self._boot()
            self._loop()
        except StopRequested:
            logger.info("stopped; ticks after the checkpoint are left to the next process")
        except ReplacedError as error:
            logger.warning("this process ends: %s", error)
            self._child.failed(str(error), permanent=False)
        except JournalError as error:
            self._child.failed(str(error), permanent=False, trace=traceback.format_exc())
            raise
        except Mt5crsError as error:
            # A model or a class that cannot be used stays so until somebody mends it.
            self._child.failed(str(error), permanent=True, trace=traceback.format_exc())
            raise
        except Exception as error:
            self._child.failed(repr(error), permanent=False, trace=traceback.format_exc())
            raise
        finally:
            self._child.close()

    def _boot(self) -> None:
        strategy, globals_ = self._strategy, self._config.globals
        self._journal = Journal(self._paths.journal(strategy.name), self._spec.epoch)
        self._gateway = GatewayClient(
            self._context,
            self._paths.endpoint("gateway"),
            strategy.name,
            self._spec.epoch,
            self._journal,
            pump=self._pump,
            may_open=lambda: self._child.may_open,
            age=lambda tick: self._stream.age(tick),
            max_age=strategy.max_signal_age,
        )
        self._flight = FlightRecorder(self._paths.flight_file(strategy.name))
        checkpoint = self._load_checkpoint()
        self._stream = self._open_stream(checkpoint)
        self._child.poller.register(self._gateway.socket, zmq.POLLIN)
        self._waiting.register(self._gateway.socket, zmq.POLLIN)
        self._instance = self._make_instance(checkpoint, globals_.default_balance)
        self._cold = checkpoint is None
        self._ticks_before = self._instance.ticks_processed
        self._decide_from_us = checkpoint.decide_from_us if checkpoint is not None else None
        self._duplicates, self._missed = (
            (checkpoint.metrics.ticks_duplicate, checkpoint.metrics.ticks_missed)
            if checkpoint is not None
            else (0, 0)
        )
        self._phase = "recovering"
        self._child.ready()

    def _load_checkpoint(self) -> Checkpoint | None:
        """The last checkpoint, unless it belongs to another strategy or is damaged."""
        saved = self._journal.load()
        if saved is None:
            return None
        wanted = identity_of(self._strategy)
        if saved.identity != wanted:
            self._journal.event("checkpoint_left", f"it is of {saved.identity}, not {wanted}")
            return None
        try:
            BarWindow.from_bytes(saved.window)
        except ValueError as error:
            self._journal.event("checkpoint_damaged", str(error))
            return None
        return saved

    def _make_instance(self, checkpoint: Checkpoint | None, balance: float) -> StrategyInstance:
        strategy = self._strategy
        symbol = self._config.symbols[strategy.symbol]
        currency = self._config.globals.account_currency
        instance = StrategyInstance(
            strategy, symbol, self._gateway, balance, currency, self._spec.epoch, checkpoint
        )
        if checkpoint is None and strategy.history is not None:
            try:
                instance.warm_up(load_history(Path(strategy.history), strategy.timeframe))
            except HistoryError as error:
                self._journal.event("history_unusable", str(error))
        return instance

    def _open_stream(self, checkpoint: Checkpoint | None) -> TickStream:
        own = self._strategy.symbol
        marks = {symbol: None for symbol in self._config.symbols}
        stream = TickStream(
            self._context,
            self._config.globals.zmq_market_url,
            {**marks, own: checkpoint.mark if checkpoint is not None else None},
            [self._paths.endpoint("tape")],
        )
        stream.register(self._child.poller)
        return stream

    def _loop(self) -> None:
        try:
            self._trade()
        except JournalError as error:
            self._journal.abandon(error)
            raise

    def _trade(self) -> None:
        if self._cold:
            self._register()
        while not self._child.stopping:
            events = self._child.poll(min(self._stream.timeout(), CHECKPOINT_EVERY))
            if self._gateway.socket in events:
                while self._gateway.read() is not None:
                    pass
            for batch in self._stream.read(events):
                self._process(batch)
            if self._stream.caught_up:
                self._on_caught_up()
            self._child.service(self._report)
            self._save_if_due()
        self._save()
        self._instance.shutdown()
        self._journal.close()

    def _process(self, batch: Batch) -> None:
        decide_from_us = self._decision_start(batch)
        bars = self._instance.bars
        for number, tick in enumerate(batch.ticks):
            if tick.symbol != self._strategy.symbol:
                self._instance.conversion_rate = self._conversion_rate(tick.symbol, tick.mid)
                continue
            decide = number >= batch.history and tick.time_us >= decide_from_us
            if self._poison and content(tick) in self._poison:
                self._skip(tick)
                continue
            self._flight.begin(tick)
            self._instance.on_tick(tick, decide)
            self._flight.end()
            if not self._first_tick_told:
                self._first_tick_told = True
                self._child.first_tick()
            if number % PULSE_TICKS == PULSE_TICKS - 1:
                self._pump(0.0)
        self._last_tick_at = time.monotonic()
        fresh = self._instance.take_decisions()
        self._decisions.extend(fresh)
        if fresh or not self._saved_ticks:
            self._save()
        if self._child.recycling and self._instance.bars != bars:
            self._save()
            raise StopRequested

    def _skip(self, tick: Tick) -> None:
        """Leave out a tick that killed this strategy twice; once, and for good."""
        self._poison.discard(content(tick))
        self._journal.event("poison_tick", f"skipped: {tick}")
        self._instance.skip(tick)

    def _decision_start(self, batch: Batch) -> int:
        """A strategy that never ran before leaves the past alone: it only warms up on it."""
        if self._decide_from_us is None:
            past = 0 if batch.live else batch.feed_time_us
            self._decide_from_us = past - int(self._strategy.max_signal_age * 1e6)
        return self._decide_from_us

    def _conversion_rate(self, symbol: str, mid: float) -> float:
        spec = self._config.symbols[symbol]
        quote = self._config.symbols[self._strategy.symbol].quote_currency
        return mid if spec.base_currency == quote else 1.0 / mid

    def _on_caught_up(self) -> None:
        if self._decide_from_us is None:
            # Nothing was published before we were here: every tick to come is ours, also for a
            # process that replaces this one before it has taken any.
            self._decide_from_us = -(2**62)
            self._save()
        if self._phase == "recovering":
            self._register()
            self._settle_intents()
            self._tell_recovery()
            self._phase = "running"
            self._child.beat_soon()
            self._save()

    def _settle_intents(self) -> None:
        """Ask what became of orders that an earlier process recorded and nobody decided again."""
        for order in self._journal.unsettled():
            result = self._gateway.query(order.order_id)
            self._journal.settle(result)
            self._journal.event("settled", f"{order.order_id}: {result.status} {result.code}")

    def _tell_recovery(self) -> None:
        instance, position = self._instance, self._instance.bot.position
        held = f"{position.side} {position.lots:g}" if position is not None else "flat"
        begun = "anew" if self._cold else "from its checkpoint"
        taken, gone = instance.ticks_processed - self._ticks_before, self._stream.missed
        found = f"began {begun}, took {taken} ticks from the tape, {gone} are gone; {held}"
        self._journal.event("recovered", found)

    def _register(self) -> None:
        """Tell the gateway which spawn trades now, and believe its ledger about the position."""
        bot = self._instance.bot
        word = self._gateway.register()
        if word.refused:
            raise ReplacedError(f"the gateway refuses this process: {word.refused}")
        self._refuse_foreign_books(word.position)
        if word.position != bot.position or abs(word.realised - bot.realised) > 1e-6:
            self._journal.event(
                "reconciled",
                f"position {bot.position} -> {word.position}, "
                f"realised {bot.realised:.2f} -> {word.realised:.2f}",
            )
            bot.position, bot.realised = word.position, word.realised

    def _refuse_foreign_books(self, held: Position | None) -> None:
        """Trade nothing on a ledger that is not this strategy's own past."""
        symbol = self._strategy.symbol
        if held is not None and held.symbol != symbol:
            raise BooksError(
                f"it holds {held.side} {held.lots:g} of {held.symbol} (position {held.ticket}),"
                f" and the configuration says symbol: {symbol}; set it back until that is closed"
            )
        newest = self._journal.newest_filled()
        if newest is not None and self._gateway.query(newest).code is Code.NOT_SEEN:
            raise BooksError(
                f"order {newest} was filled, and the ledger does not know it: it is an older copy,"
                f" or a new file. Put the right ledger.db back; or, to go on with this one, stop"
                f" the system and move {self._journal.path} away"
            )

    def _pump(self, timeout: float) -> Mapping[object, int]:
        """Serve supervisor and gateway while ticks wait."""
        with self._flight.waiting():
            events = self._child.poll(timeout, self._waiting)
        self._child.service(self._report)
        if self._child.stopping:
            raise StopRequested
        return events

    def _save_if_due(self) -> None:
        ticks = self._instance.ticks_processed - self._saved_ticks
        overdue = time.monotonic() - self._saved_at >= CHECKPOINT_EVERY
        if ticks >= CHECKPOINT_TICKS or (ticks and overdue):
            self._save()

    def _save(self) -> None:
        """Keep everything up to the last tick of the last batch."""
        mark, decide_from_us = self._stream.mark(self._strategy.symbol), self._decide_from_us
        if decide_from_us is not None:
            checkpoint = self._instance.checkpoint(mark, decide_from_us, self._metrics())
            self._journal.save(checkpoint, self._decisions)
            self._decisions.clear()
        self._saved_at = time.monotonic()
        self._saved_ticks = self._instance.ticks_processed

    def _metrics(self) -> StrategyMetrics:
        age = time.monotonic() - self._last_tick_at if self._last_tick_at else -1.0
        return msgspec.structs.replace(
            self._instance.get_status(),
            ticks_duplicate=self._duplicates + self._stream.duplicates,
            ticks_missed=self._missed + self._stream.missed,
            last_tick_age=age,
        )

    def _report(self) -> Report:
        waiting = self._gateway.waiting_since
        phase: Phase = self._phase
        if phase == "running" and waiting is not None:
            phase = "waiting"
        elif phase == "running" and not self._child.may_open:
            phase = "holding"
        return Report(phase=phase, degraded=self._trouble(waiting), metrics=self._metrics())

    def _trouble(self, waiting: float | None) -> str:
        """Why this strategy cannot do its work fully; empty: it can."""
        if waiting is not None and (seconds := time.monotonic() - waiting) > 1.0:
            return f"the gateway has not answered for {seconds:.0f} s"
        if not self._child.may_open:
            return "no lease of the supervisor: positions are held, none is opened"
        if not self._stream.connected:
            return f"not connected to {self._config.globals.zmq_market_url}"
        if silent := self._silence():
            return silent
        if failing := self._failing():
            return failing
        if self._instance.rewound >= REWOUND:
            newest = datetime.fromtimestamp(self._instance.last_tick_time_us / 1e6, UTC)
            return (
                f"the feed's clock went back: ticks older than {newest:%Y-%m-%d %H:%M:%S} were"
                " taken already, and are left out; another market needs another --var-dir"
            )
        if self._stream.behind > BEHIND:
            return f"behind the feed: ticks have been waiting for {self._stream.behind:.0f} s"
        return ""

    def _failing(self) -> str:
        """What the strategy's code raises again and again; empty: it does not."""
        counts = self._instance.get_status()
        times = counts.errors_in_a_row
        if times < self._config.globals.supervisor.degraded_after_errors:
            return ""
        return (
            f"the strategy's code failed x{times} in a row, nothing is decided: {counts.last_error}"
        )

    def _silence(self) -> str:
        """What is wrong with a feed that is connected and says nothing; empty: nothing."""
        seconds = time.monotonic() - (self._last_tick_at or self._begun)
        limit = self._config.globals.supervisor.feed_silent_after
        base = self._config.symbols[self._strategy.symbol].base_currency
        return session.silence(seconds, limit, datetime.now(UTC), base)


def main(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of a strategy's process."""
    Worker(spec, preloaded).run()

"""A strategy's process: its sockets, its one loop, and what is kept for the next process."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
import zmq

from mt5crs_shared.configuration.structs import StrategyConfig, decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.catch_up import Break, content
from mt5crs_shared.market.market_socket import new_context
from mt5crs_shared.market.rates import RateBook
from mt5crs_shared.market.stream import Batch, TickStream
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.messages import ChildSpec, Phase, Registered, StrategyMetrics
from mt5crs_shared.process.flight_recorder import FlightRecorder
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport
from mt5crs_shared.trading.orders import Order
from mt5crs_worker.bars import BarWindow, HistoryError, load_history
from mt5crs_worker.instance import StrategyInstance, identity_of
from mt5crs_worker.process import trouble, unsettled
from mt5crs_worker.trading import books
from mt5crs_worker.trading.gateway_client import GatewayClient, StopRequested
from mt5crs_worker.trading.journal import Checkpoint, Decision, Journal, KeptRate
from mt5crs_worker.trading.journal_file import JournalError, ReplacedError

logger = logging.getLogger(__name__)

SERVE_EVERY = 0.2
"""Seconds after which the supervisor is served between two ticks, however slow each one is."""

CHECKPOINT_EVERY = 1.0
"""Seconds between checkpoints while ticks come but no bar closes."""

CHECKPOINT_TICKS = 1_000
"""Ticks between checkpoints while they come faster than that."""


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
        self._context = new_context()
        settings = self._config.globals.supervisor
        self._child = ChildProcess(spec, settings, self._context, preloaded)
        self._waiting = self._child.new_poller()
        self._phase: Phase = "booting"
        self._decisions: list[Decision] = []
        self._first_tick_told = False
        self._saved_at = time.monotonic()
        self._saved_ticks = 0
        self._last_tick_at = 0.0
        self._served_at = time.monotonic()
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
            self._child.failed(str(error), permanent=False, error=error)
            raise
        except Mt5crsError as error:
            # A model or a class that cannot be used stays so until somebody mends it.
            self._child.failed(str(error), permanent=True, error=error)
            raise
        except Exception as error:
            self._child.failed(repr(error), permanent=False, error=error)
            raise
        finally:
            self._child.close()

    def _boot(self) -> None:
        strategy, globals_ = self._strategy, self._config.globals
        self._journal = Journal(
            self._paths.journal(strategy.name), self._spec.epoch, globals_.retention
        )
        self._gateway = GatewayClient(
            self._context,
            self._paths.endpoint("gateway"),
            strategy.name,
            self._spec.epoch,
            self._spec.identity,
            self._journal,
            pump=self._pump,
            lease=lambda: self._child.lease,
            age=lambda tick: self._stream.age(tick),
            max_age=strategy.max_signal_age,
            introduce=lambda: self._register(),
        )
        self._flight = FlightRecorder(self._paths.flight_file(strategy.name), self._spec.epoch)
        checkpoint = self._load_checkpoint()
        self._child.poller.register(self._gateway.socket, zmq.POLLIN)
        self._waiting.register(self._gateway.socket, zmq.POLLIN)
        kept = checkpoint.rates if checkpoint is not None else {}
        self._kept_rates = kept
        self._rates = RateBook(
            globals_.account_currency,
            self._config.symbols,
            {symbol: rate.state for symbol, rate in kept.items()},
        )
        self._stream = self._open_stream(checkpoint)
        self._instance = self._make_instance(checkpoint, globals_.default_balance)
        self._cold = checkpoint is None
        self._ticks_before = self._instance.ticks_processed
        self._decide_from_us = checkpoint.decide_from_us if checkpoint is not None else None
        before = checkpoint.metrics if checkpoint is not None else StrategyMetrics()
        self._duplicates, self._missed = before.ticks_duplicate, before.ticks_missed
        self._interruptions, self._refused = before.interruptions, before.frames_refused
        self._phase = "recovering"
        self._child.ready(self._instance.model_hash)

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
            strategy,
            symbol,
            self._gateway,
            balance,
            currency,
            self._spec.epoch,
            checkpoint,
            self._rates,
        )
        if checkpoint is None and strategy.history is not None:
            try:
                instance.warm_up(load_history(Path(strategy.history), strategy.timeframe))
            except HistoryError as error:
                self._journal.event("history_unusable", str(error))
        return instance

    def _open_stream(self, checkpoint: Checkpoint | None) -> TickStream:
        marks: dict[str, TickMark | None] = dict.fromkeys(self._config.symbols)
        if checkpoint is not None:
            marks |= {symbol: rate.mark for symbol, rate in checkpoint.rates.items()}
            marks[self._strategy.symbol] = checkpoint.mark
        stream = TickStream(
            self._context,
            self._config.globals.zmq_market_url,
            {symbol: marks[symbol] for symbol in self._config.symbols},
            [self._paths.endpoint("tape")],
            needs=self._rates.needs,
            own_feed=self._config.globals.feed is not None,
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
        held = self._register()
        if self._cold:
            self._reconcile(held)
        while not self._child.stopping:
            events = self._child.poll(min(self._stream.timeout(), CHECKPOINT_EVERY))
            if self._gateway.socket in events:
                while self._gateway.read() is not None:
                    pass
            for batch in self._stream.read(events):
                self._process(batch)
            if self._stream.caught_up:
                self._on_caught_up()
            self._serve()
            self._save_if_due()
        self._save()
        self._instance.shutdown()
        self._journal.close()

    def _process(self, batch: Batch) -> None:
        decide_from_us = self._decision_start(batch)
        bars = self._instance.bars
        for number, tick in enumerate(batch.ticks):
            if tick.symbol != self._strategy.symbol:
                self._rates.add(tick)
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
            if time.monotonic() - self._served_at > SERVE_EVERY:
                self._pump(0.0)
        for found in batch.breaks:
            self._tell_break(found)
        self._last_tick_at = time.monotonic()
        fresh = self._instance.take_decisions()
        self._decisions.extend(fresh)
        if fresh or not self._saved_ticks:
            self._save()
        if self._child.recycling and self._instance.bars != bars:
            self._save()
            raise StopRequested

    def _tell_break(self, found: Break) -> None:
        """Record a span of time in which ticks may have been published that nobody has."""
        if found.after.symbol == self._strategy.symbol:
            self._interruptions += 1
            begin, end = format_iso(found.before.time_us), format_iso(found.after.time_us)
            what = "nobody was connected to the market; what was published then is not known"
            self._journal.event("interrupted", f"from {begin} to {end}: {what}")

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

    def _keep_rates(self) -> dict[str, KeptRate]:
        """Where the rates stand; while they are ahead of the strategy, where they stood."""
        if self._stream.caught_up:
            self._rates.forget(self._instance.last_tick_time_us)
            self._kept_rates = {
                symbol: KeptRate(self._stream.mark(symbol), state)
                for symbol, state in self._rates.states.items()
            }
        return self._kept_rates

    def _on_caught_up(self) -> None:
        if self._decide_from_us is None:
            # Nothing was published before we were here: every tick to come is ours, also for a
            # process that replaces this one before it has taken any.
            self._decide_from_us = -(2**62)
            self._save()
        if self._phase == "recovering":
            self._reconcile(self._register())
            unsettled.settle(
                self._journal, self._gateway, self._instance, self._spec.epoch, self._fresh
            )
            self._tell_recovery()
            self._phase = "running"
            self._child.beat_soon()
            self._save()

    def _fresh(self, order: Order) -> bool:
        """Whether an order that an earlier process decided may still be sent.

        Also in a replay, where nothing is stale: what was decided long before the newest tick
        would open a position behind this strategy's back.
        """
        behind = (self._instance.last_tick_time_us - order.tick.time_us) / 1e6
        return max(self._stream.age(order.tick), behind) <= self._strategy.max_signal_age

    def _tell_recovery(self) -> None:
        instance, position = self._instance, self._instance.bot.position
        held = f"{position.side} {position.lots:g}" if position is not None else "flat"
        begun = "anew" if self._cold else "from its checkpoint"
        taken, gone = instance.ticks_processed - self._ticks_before, self._stream.missed
        found = f"began {begun}, took {taken} ticks from the tape, {gone} are gone; {held}"
        self._journal.event("recovered", found)

    def _register(self) -> Registered:
        """Tell the gateway which spawn trades now, before anything is decided on its books.

        Raises:
            ReplacedError: A newer process trades.
            BooksError: They are not those of this strategy's past.
        """
        word = self._gateway.register()
        if word.refused:
            raise ReplacedError(f"the gateway refuses this process: {word.refused}")
        books.refuse_foreign(self._strategy.symbol, self._journal, self._gateway, word.position)
        return word

    def _reconcile(self, word: Registered) -> None:
        """Believe the ledger about the position, as far as the ticks have been taken."""
        bot = self._instance.bot
        if word.position != bot.position or abs(word.realised - bot.realised) > 1e-6:
            self._journal.event(
                "reconciled",
                f"position {bot.position} -> {word.position}, "
                f"realised {bot.realised:.2f} -> {word.realised:.2f}",
            )
            bot.position, bot.realised = word.position, word.realised

    def _pump(self, timeout: float) -> Mapping[object, int]:
        """Serve supervisor and gateway while ticks wait."""
        with self._flight.waiting():
            events = self._child.poll(timeout, self._waiting)
        self._serve()
        if self._child.stopping:
            raise StopRequested
        return events

    def _serve(self) -> None:
        """Hear the supervisor and beat where it is time; noted, for the ticks of a batch."""
        self._child.service(self._report)
        self._served_at = time.monotonic()

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
            checkpoint = msgspec.structs.replace(checkpoint, rates=self._keep_rates())
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
            interruptions=self._interruptions,
            frames_refused=self._refused + self._stream.refusals.total,
            refused_frames=str(self._stream.refusals),
            last_tick_age=age,
        )

    def _report(self) -> ChildReport:
        waiting = self._gateway.waiting_since
        phase: Phase = self._phase
        if phase == "running" and waiting is not None:
            phase = "waiting"
        elif phase == "running" and self._child.lease is None:
            phase = "holding"
        return ChildReport(phase=phase, degraded=self._trouble(waiting), metrics=self._metrics())

    def _trouble(self, waiting: float | None) -> str:
        """Why this strategy cannot do its work fully; empty: it can."""
        if waiting is not None and (seconds := time.monotonic() - waiting) > 1.0:
            return f"the gateway has not answered for {seconds:.0f} s"
        if self._child.lease is None:
            return "no lease of the supervisor: positions are held, none is opened"
        silent_for = time.monotonic() - (self._last_tick_at or self._begun)
        rewound = self._instance.rewound
        counts = self._instance.get_status()
        return trouble.trouble_of(self._config, counts) or trouble.of_market(
            self._config, self._stream, silent_for, rewound, counts.last_tick_time_us
        )


def run_strategy(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of a strategy's process."""
    Worker(spec, preloaded).run()

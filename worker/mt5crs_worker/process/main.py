"""A strategy's process: its sockets, its one loop, and what is kept for the next process."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path

import zmq

from mt5crs_shared.configuration.structs import Config, StrategyConfig, decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.backlog import TickMark
from mt5crs_shared.market.market_socket import new_context
from mt5crs_shared.market.rates import RateBook
from mt5crs_shared.market.stream import Batch, TickStream
from mt5crs_shared.market.ticks import Tick, content
from mt5crs_shared.messages import ChildSpec, Registered
from mt5crs_shared.process.black_box.flight_recorder import FlightRecorder
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess
from mt5crs_worker import prepared_models
from mt5crs_worker.bars import HistoryError, load_history
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.process.checkpoints import CHECKPOINT_EVERY, Checkpoints, load_checkpoint
from mt5crs_worker.process.recovery import Takeover, break_in_words, left_out_in_words
from mt5crs_worker.process.vitals import Vitals
from mt5crs_worker.strategy import ModelStrategy
from mt5crs_worker.trading import books
from mt5crs_worker.trading.first_order import FirstOrder, setup_of
from mt5crs_worker.trading.gateway_client import GatewayClient, StopRequested
from mt5crs_worker.trading.journal import Checkpoint, Journal
from mt5crs_worker.trading.journal_file import JournalError, ReplacedError

logger = logging.getLogger(__name__)

SERVE_EVERY = 0.2
"""Seconds after which the supervisor is served between two ticks, however slow each one is."""


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
        self._first_tick_told = False
        self._served_at = time.monotonic()
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

    def rehearse(self, ticks: list[Tick]) -> None:
        """Boot, take these ticks, and end, where nobody is; see `rehearsal`."""
        try:
            self._boot()
            self._process(Batch(ticks, 0, 0, live=True))
            self._serve()
            self._journal.close()
        finally:
            self._context.destroy(linger=0)  # Nobody waits for what it said.
            self._child.close()

    def _boot(self) -> None:
        strategy, globals_ = self._strategy, self._config.globals
        prepared_models.use(self._paths.models)
        self._journal = Journal(
            self._paths.journal(strategy.name), self._spec.epoch, globals_.retention
        )
        checkpoint = load_checkpoint(self._journal, strategy, self._spec.by_hand)
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
        self._child.poller.register(self._gateway.socket, zmq.POLLIN)
        self._waiting.register(self._gateway.socket, zmq.POLLIN)
        kept = checkpoint.rates if checkpoint is not None else {}
        self._rates = RateBook(
            globals_.account_currency,
            self._config.symbols,
            {symbol: rate.state for symbol, rate in kept.items()},
        )
        self._stream = open_stream(
            self._context, self._config, self._paths, checkpoint, self._rates
        )
        self._stream.register(self._child.poller)
        self._flight = FlightRecorder(self._paths.flight_file(strategy.name), self._spec.epoch)
        # What gateway and tape answer is there when the model is loaded.
        self._gateway.announce(checkpoint.position if checkpoint is not None else None)
        nothing = list(self._stream.read({}))
        assert not nothing, "it only asks: nobody was heard yet"
        self._instance = self._make_instance(checkpoint)
        self._takeover = Takeover(
            self._journal, self._gateway, self._instance, self._stream, cold=checkpoint is None
        )
        self._checkpoints = Checkpoints(self._journal, strategy, checkpoint, self._rates)
        self._vitals = Vitals(
            self._config, self._child, self._gateway, self._stream, self._instance, checkpoint
        )
        self._vitals.phase = "recovering"
        self._child.ready(self._instance.model_hash)

    def _make_instance(self, checkpoint: Checkpoint | None) -> StrategyInstance:
        instance = make_instance(
            self._spec, self._config, self._gateway, self._journal, checkpoint, self._rates
        )
        if self._strategy.features == "api":
            # Who computes features by himself does without what asks for them.
            from mt5crs_worker.features.api_source import ApiFeatures, wait_with

            wait = wait_with(self._child.new_poller(), self._pump)
            url = self._config.globals.feature_api_url
            source = ApiFeatures(self._strategy, url, self._journal, wait)
            assert isinstance(instance.strategy, ModelStrategy), "nothing else was loaded"
            instance.strategy.source = instance.decider.source = source
        return instance

    def _loop(self) -> None:
        try:
            self._trade()
        except JournalError as error:
            self._journal.abandon(error)
            raise

    def _trade(self) -> None:
        self._takeover.begin(self._register())
        while not self._child.stopping:
            events = self._child.poll(min(self._stream.timeout(), CHECKPOINT_EVERY))
            called = self._gateway.called or self._gateway.socket in events
            word = self._gateway.hear() if called else None
            if word is not None and self._takeover.adopt(word):
                self._save()
            for batch in self._stream.read(events):
                self._process(batch)
            if self._stream.caught_up:
                self._on_caught_up()
            if self._gateway.charged and self._takeover.over:
                self._gateway.charged = not self._takeover.count(self._register())
            self._serve()
            if self._checkpoints.is_due(self._instance):
                self._save()
        self._save()
        self._instance.shutdown()
        self._journal.close()

    def _process(self, batch: Batch) -> None:
        decide_from_us = self._decision_start(batch)
        bars = self._instance.bars
        over = self._takeover.over
        for number, tick in enumerate(batch.ticks):
            if tick.symbol != self._strategy.symbol:
                self._rates.add(tick)
                continue
            if not self._takeover.over and self._takeover.ends_before(tick, self._register):
                self._on_taken_over()
            decide = number >= batch.history and tick.time_us >= decide_from_us
            if self._poison and content(tick) in self._poison:
                self._skip(tick)
                continue
            self._vitals.last_tick_at = time.monotonic()
            self._flight.begin(tick)
            self._instance.on_tick(tick, decide)
            self._flight.end()
            self._vitals.end_tick()
            if not self._first_tick_told:
                self._first_tick_told = True
                self._child.first_tick()
            if time.monotonic() - self._served_at > SERVE_EVERY:
                self._pump(0.0)
        for found in batch.breaks:
            if found.after.symbol == self._strategy.symbol:
                self._vitals.interruptions += 1
                self._checkpoints.tell("interrupted", break_in_words(found))
        fresh = self._instance.take_decisions()
        self._checkpoints.take(fresh)
        if fresh or batch.breaks or self._takeover.over != over or self._checkpoints.none_yet:
            self._save()
        if self._child.recycling and self._instance.bars != bars:
            self._save()
            raise StopRequested

    def _skip(self, tick: Tick) -> None:
        """Leave out a tick that killed this strategy twice; once, and for good."""
        self._poison.discard(content(tick))
        self._journal.event("poison_tick", left_out_in_words(tick), logging.WARNING)
        self._instance.skip(tick)

    def _decision_start(self, batch: Batch) -> int:
        """A strategy that never ran before leaves the past alone: it only warms up on it."""
        if self._checkpoints.decide_from_us is None:
            past = 0 if batch.live else batch.feed_time_us
            self._checkpoints.decide_from_us = past - int(self._strategy.max_signal_age * 1e6)
        return self._checkpoints.decide_from_us

    def _on_caught_up(self) -> None:
        if self._checkpoints.decide_from_us is None:
            # Nothing was published before we were here: every tick to come is ours, also for a
            # process that replaces this one before it has taken any.
            self._checkpoints.decide_from_us = -(2**62)
            self._save()
        if not self._takeover.over and self._takeover.ends_here(self._register):
            self._on_taken_over()
            self._save()

    def _on_taken_over(self) -> None:
        self._vitals.phase = "running"
        self._child.beat_soon()

    def _register(self) -> Registered:
        """Tell the gateway which spawn trades now, before anything is decided on its books.

        Raises:
            ReplacedError: A newer process trades.
            BooksError: They are not those of this strategy's past.
        """
        word = self._gateway.register(self._instance.bot.position)
        if word.refused:
            raise ReplacedError(f"the gateway refuses this process: {word.refused}")
        books.refuse_foreign(self._strategy.symbol, self._journal, self._gateway, word.position)
        return word

    def _pump(self, timeout: float, poller: zmq.Poller | None = None) -> Mapping[object, int]:
        """Serve the supervisor while ticks wait, for the gateway or for what else is polled."""
        with self._flight.waiting():
            events = self._child.poll(timeout, poller or self._waiting)
        self._serve()
        if self._child.stopping:
            raise StopRequested
        return events

    def _serve(self) -> None:
        """Hear the supervisor and beat where it is time; noted, for the ticks of a batch."""
        self._child.service(self._vitals.report)
        self._served_at = time.monotonic()

    def _save(self) -> None:
        self._checkpoints.save(self._instance, self._stream, self._vitals.metrics())


def open_stream(
    context: "zmq.Context[zmq.Socket[bytes]]",
    config: Config,
    paths: VarPaths,
    checkpoint: Checkpoint | None,
    rates: RateBook,
) -> TickStream:
    """The ticks of the strategy's symbol, and of those that its profit is converted by."""
    marks: dict[str, TickMark | None] = dict.fromkeys(config.symbols)
    if checkpoint is not None:
        (strategy,) = config.strategies
        marks |= {symbol: rate.mark for symbol, rate in checkpoint.rates.items()}
        marks[strategy.symbol] = checkpoint.mark
    return TickStream(
        context,
        config.globals.zmq_market_url,
        {symbol: marks[symbol] for symbol in config.symbols},
        [paths.endpoint("tape")],
        needs=rates.needs,
        own_feed=config.globals.feed is not None,
        zone=config.globals.market.zone,
        keys=config.globals.market_keys,
    )


def make_instance(
    spec: ChildSpec,
    config: Config,
    gateway: GatewayClient,
    journal: Journal,
    checkpoint: Checkpoint | None,
    rates: RateBook,
) -> StrategyInstance:
    """The strategy where its checkpoint left it, or with the bars of its history.

    Raises:
        StrategyError: Its class cannot be used.
        ModelError: Its model cannot be used.
    """
    (strategy,) = config.strategies
    instance = StrategyInstance(
        strategy,
        config.symbols[strategy.symbol],
        gateway,
        config.globals.default_balance,
        config.globals.account_currency,
        spec.epoch,
        checkpoint,
        rates,
    )
    if not config.globals.paper_trading:
        dealt_by = checkpoint.first_order if checkpoint is not None else ""
        setup = setup_of(strategy, instance.model_hash, type(instance.strategy))
        most = config.globals.execution.max_first_lots
        instance.bot.first = FirstOrder(most, setup, dealt_by)
    if checkpoint is None and strategy.history is not None:
        try:
            instance.warm_up(load_history(Path(strategy.history), strategy.timeframe))
        except HistoryError as error:
            journal.event("history_unusable", str(error))
    return instance


def run_strategy(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of a strategy's process."""
    Worker(spec, preloaded).run()

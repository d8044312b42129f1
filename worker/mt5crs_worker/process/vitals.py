"""What a strategy's process says of itself in its heartbeats."""

import time

import msgspec

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.stream import TickStream
from mt5crs_shared.messages import Phase
from mt5crs_shared.metrics import DECISION_BOUNDS, StrategyMetrics, Timings
from mt5crs_shared.process.supervision import ChildProcess, ChildReport
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.process import trouble
from mt5crs_worker.trading.durations import DurationCounter
from mt5crs_worker.trading.gateway_client import GatewayClient
from mt5crs_worker.trading.journal import Checkpoint


class Vitals:
    """Counters, phase, and what is wrong.

    Args:
        config: The configuration, with this strategy alone.
        child: Has the lease.
        gateway: Whether an answer is being waited for.
        stream: The market.
        instance: The strategy.
        checkpoint: What an earlier process had counted.

    Attributes:
        phase: Where the process is in its life.
        last_tick_at: Monotonic time of the last tick, seconds; 0: none so far.
        interruptions: Spans in which ticks may have been published that nobody has.
    """

    def __init__(
        self,
        config: Config,
        child: ChildProcess,
        gateway: GatewayClient,
        stream: TickStream,
        instance: StrategyInstance,
        checkpoint: Checkpoint | None,
    ) -> None:
        before = checkpoint.metrics if checkpoint is not None else StrategyMetrics()
        self.phase: Phase = "booting"
        self.last_tick_at = 0.0
        self.interruptions = before.interruptions
        self._before = before
        self._config = config
        self._child = child
        self._gateway = gateway
        self._stream = stream
        self._instance = instance
        self._begun = time.monotonic()
        self._answers = 0
        self._decisions = DurationCounter(DECISION_BOUNDS)

    def end_tick(self) -> None:
        """A tick is done; where the strategy was asked, count how long it took to decide."""
        answers = self._instance.decider.answers
        if answers == self._answers:
            return
        self._answers = answers
        took = time.monotonic() - self.last_tick_at
        # Orders are sent in the middle of it.
        self._decisions.observe(took - self._gateway.spent_since(self.last_tick_at))

    def metrics(self) -> StrategyMetrics:
        """The counters, those of earlier processes included."""
        age = time.monotonic() - self.last_tick_at if self.last_tick_at else -1.0
        return msgspec.structs.replace(
            self._instance.get_status(),
            ticks_duplicate=self._before.ticks_duplicate + self._stream.duplicates,
            ticks_missed=self._before.ticks_missed + self._stream.missed,
            interruptions=self.interruptions,
            frames_refused=self._before.frames_refused + self._stream.refusals.total,
            refused_frames=str(self._stream.refusals),
            last_tick_age=age,
        )

    def report(self) -> ChildReport:
        """What the next beat says."""
        waiting = self._gateway.waiting_since
        phase: Phase = self.phase
        if phase == "running" and waiting is not None:
            phase = "waiting"
        elif phase == "running" and self._child.lease is None:
            phase = "holding"
        timings = Timings(self._decisions.counted, self._gateway.round_trips.counted)
        return ChildReport(phase, self._trouble(waiting), self.metrics(), timings=timings)

    def _trouble(self, waiting: float | None) -> str:
        """Why this strategy cannot do its work fully; empty: it can."""
        if waiting is not None and (seconds := time.monotonic() - waiting) > 1.0:
            return f"the gateway has not answered for {seconds:.0f} s"
        silent_for = time.monotonic() - (self.last_tick_at or self._begun)
        if self.phase != "running":
            return trouble.of_waiting(self._stream, silent_for)
        if self._child.lease is None:
            return "no lease of the supervisor: positions are held, none is opened"
        rewound = self._instance.sanity.late_count
        counts = self._instance.get_status()
        return trouble.trouble_of(self._config, counts) or trouble.of_market(
            self._config, self._stream, silent_for, rewound, counts.last_tick_time_us
        )

"""One symbol of a stream: its catch-up, when to ask the tape again, and what is held meanwhile."""

from mt5crs_shared.market.backlog import BacklogReply, TickMark
from mt5crs_shared.market.catch_up import CatchUp
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick

ASK_AGAIN = (0.01, 0.25)
"""Shortest and longest wait, in seconds, between two questions while nothing is new."""

HELD_FOR = 1.0
"""Seconds that an answer is held for another symbol whose place nobody can compare."""


class Reader:
    """Where one symbol of a `stream.TickStream` stands.

    Args:
        symbol: The symbol.
        mark: Where an earlier reader stopped; None: the tape's oldest tick.

    Attributes:
        waiting_since: Monotonic time since which live ticks wait for the tape's word.
        held: An answer of the tape that needs ticks of another symbol, which are not here yet.
        held_from: The source that gave it.
        held_live: Live ticks of which the same is true, in order.
        patient_until: Monotonic time until which `held` waits where it cannot be seen whether
            they are.
    """

    def __init__(self, symbol: str, mark: TickMark | None) -> None:
        self.catch_up = CatchUp(symbol, mark)
        self.clock = TickSanity()
        self.tape_time_us = 0
        self.ask_at = 0.0
        self.pause = ASK_AGAIN[0]
        self.waiting_since: float | None = None
        self.asked = 0
        self.helpless: set[int] = set()
        self.held: BacklogReply | None = None
        self.held_from = 0
        self.held_live: list[Tick] = []
        self.patient_until = 0.0

    @property
    def live_waits(self) -> bool:
        """Live ticks are here that cannot be taken yet."""
        return not self.catch_up.joined and self.waiting_since is not None

    def take_live(self, tick: Tick, now: float) -> tuple[Tick, ...]:
        """Take a live tick; what may be processed now is returned."""
        ready = self.catch_up.on_live(tick)
        if not self.catch_up.joined and self.waiting_since is None:
            self.waiting_since = now
            self.ask_at, self.pause = min(self.ask_at, now), ASK_AGAIN[0]
        return ready

    def hold(self, reply: BacklogReply, source: int, now: float) -> None:
        """Keep an answer for later; nothing else is asked meanwhile."""
        self.held, self.held_from, self.patient_until = reply, source, now + HELD_FOR

    def hurry(self) -> None:
        """Somebody waits for the next answer."""
        self.ask_at, self.pause = 0.0, ASK_AGAIN[0]

    def rejoin(self) -> None:
        """What comes next must be aligned anew, since some may have been lost."""
        self.catch_up.rejoin()
        self.waiting_since = None
        self.helpless.clear()
        self.held = None
        self.held_live.clear()
        self.hurry()

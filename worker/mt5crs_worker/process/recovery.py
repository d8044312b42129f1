"""From an earlier process's checkpoint to where it ended: what is believed, and told."""

import time
from collections.abc import Callable

from mt5crs_shared.market.catch_up import Break
from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.stream import TickStream
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.messages import Registered
from mt5crs_shared.trading.orders import Order, Position
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.process import unsettled
from mt5crs_worker.trading.bot import TradingBot
from mt5crs_worker.trading.journal import Journal


class Takeover:
    """What a process does once, when it has taken all the ticks that came before it.

    An earlier process may have had a tick from the market before the tape had it, and traded on
    it. Until that tick has come here too, the ledger is ahead: what it says belongs to the future,
    and a decision that is made again would find its own position.

    Args:
        journal: The strategy's.
        gateway: Whom to ask.
        instance: The strategy, as the checkpoint has left it.
        stream: Its ticks; so long as it waits for the tape, such a tick is waited for, once the
            tape has no more.
        cold: There was no checkpoint.
        monotonic: The monotonic clock, seconds.

    Attributes:
        over: It is done.
    """

    def __init__(
        self,
        journal: Journal,
        gateway: unsettled.Way,
        instance: StrategyInstance,
        stream: TickStream,
        cold: bool,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.over = False
        self._journal = journal
        self._gateway = gateway
        self._instance = instance
        self._stream = stream
        self._cold = cold
        self._monotonic = monotonic
        self._ticks_before = instance.ticks_processed
        self._traded_until_us = 0
        self._caught_up_at: float | None = None

    def begin(self, word: Registered) -> None:
        """The gateway's first word, before any tick: without a checkpoint it is all there is."""
        if self._cold:
            self._believe(word)
        self._look_ahead(word)

    def ends_before(self, tick: Tick, register: Callable[[], Registered]) -> bool:
        """Whether a tick that was traded on will not come any more: a later one comes.

        Then this ends before that one is looked at.

        Args:
            tick: The next one of the strategy's symbol.
            register: Gets the ledger's word.
        """
        return self._end_if(lambda: self._is_passed_by(tick), register)

    def ends_here(self, register: Callable[[], Registered]) -> bool:
        """Whether this ends, now that the tape has no more: the ledger is not ahead of the ticks.

        Args:
            register: Gets the ledger's word.
        """
        now = self._monotonic()
        if self._caught_up_at is None:
            self._caught_up_at = now
        patient = now - self._caught_up_at <= self._stream.give_up
        return self._end_if(lambda: not (patient and self._is_behind()), register)

    def adopt(self, word: Registered) -> bool:
        """Take a position that somebody has made the strategy's own; whether there was one.

        Between two ticks, with no order on its way: what the ledger has more is none of its own.
        """
        adopted = self.over and word.position is not None and self._instance.bot.position is None
        if adopted:
            self._believe(word)
        else:
            # The gateway before may have died between a charge and its word of it.
            self.count(word)
        return adopted

    def count(self, word: Registered) -> bool:
        """Take what the ledger has realised, with what the broker has charged; whether it is time.

        Between two ticks, with no order on its way. A closing that is not known here yet is among
        it: then this comes after that one.
        """
        bot = self._instance.bot
        fits = self.over and _volume(word.position) == _volume(bot.position)
        if fits and _differs(word, bot):
            bot.realised = word.realised
        return fits

    def _end_if(self, ready: Callable[[], bool], register: Callable[[], Registered]) -> bool:
        """Believe the ledger, settle what was left, and write down how it stands, if it is time."""
        if not ready():
            return False
        # The gateway may have done more since it was asked last.
        word = register()
        self._look_ahead(word)
        if not ready():
            return False
        self._believe(word)
        unsettled.settle(self._journal, self._gateway, self._instance, self._fresh)
        self._tell()
        self.over = True
        return True

    def _look_ahead(self, word: Registered) -> None:
        """Note the newest tick that was traded on, by the ledger and the journal."""
        if self._cold:
            return  # It decides on nothing that came before it.
        times = [order.tick.time_us for order in self._journal.unsettled()]
        # The last deal may be known here and its time still to come: the publisher's clock was
        # ahead when it was made, and has gone back since.
        known = self._instance.bot.deals == word.deals
        self._traded_until_us = max(0 if known else word.deal_us, *times, 0)

    def _is_passed_by(self, tick: Tick) -> bool:
        if not self._is_behind() or tick.time_us <= self._traded_until_us:
            return False
        # After one from the future, that tick comes still.
        return TickSanity(self._instance.sanity.state).judge(tick) == "good"

    def _is_behind(self) -> bool:
        return self._instance.last_tick_time_us < self._traded_until_us

    def _believe(self, word: Registered) -> None:
        bot = self._instance.bot
        if word.position != bot.position or _differs(word, bot):
            self._journal.event(
                "reconciled",
                f"position {bot.position} -> {word.position}, "
                f"realised {bot.realised:.2f} -> {word.realised:.2f}",
            )
            bot.position, bot.realised = word.position, word.realised
        bot.deals = word.deals

    def _fresh(self, order: Order) -> bool:
        """Whether an order that an earlier process decided may still be sent.

        Also in a replay, where nothing is stale: what was decided long before the newest tick
        would open a position behind this strategy's back.
        """
        behind = (self._instance.last_tick_time_us - order.tick.time_us) / 1e6
        return max(self._stream.age(order.tick), behind) <= self._instance.config.max_signal_age

    def _tell(self) -> None:
        position = self._instance.bot.position
        held = f"{position.side} {position.lots:g}" if position is not None else "flat"
        begun = "anew" if self._cold else "from its checkpoint"
        taken = self._instance.ticks_processed - self._ticks_before
        missed = self._stream.missed
        found = f"began {begun}, took {taken} ticks from the tape, {missed} are gone; {held}"
        self._journal.event("recovered", found)


def _differs(word: Registered, bot: TradingBot) -> bool:
    """Whether the ledger has realised something else, and not the same added up otherwise."""
    return abs(word.realised - bot.realised) > 1e-6


def _volume(position: Position | None) -> tuple[int, float] | None:
    return (position.ticket, position.lots) if position is not None else None


def break_in_words(found: Break) -> str:
    """A span of time in which ticks may have been published that nobody has."""
    begin, end = format_iso(found.before.time_us), format_iso(found.after.time_us)
    what = "nobody was connected to the market; what was published then is not known"
    return f"from {begin} to {end}: {what}"


def left_out_in_words(tick: Tick) -> str:
    """A tick that killed a strategy twice, and is not given to it a third time."""
    quote = f"{tick.symbol} {tick.bid} / {tick.ask} at {format_iso(tick.time_us)}"
    return f"{quote} is left out: this strategy has died on it twice; see `crashes`"

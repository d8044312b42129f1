"""What a strategy's new process believes, and writes down, of what happened before it."""

from mt5crs_shared.market.catch_up import Break
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.messages import Registered
from mt5crs_worker.instance import StrategyInstance
from mt5crs_worker.trading.bot import TradingBot
from mt5crs_worker.trading.journal import Journal


def believe_ledger(bot: TradingBot, journal: Journal, word: Registered) -> None:
    """Believe the ledger about the position, as far as the ticks have been taken."""
    if word.position != bot.position or abs(word.realised - bot.realised) > 1e-6:
        journal.event(
            "reconciled",
            f"position {bot.position} -> {word.position}, "
            f"realised {bot.realised:.2f} -> {word.realised:.2f}",
        )
        bot.position, bot.realised = word.position, word.realised


def tell_recovery(
    journal: Journal, instance: StrategyInstance, cold: bool, ticks_before: int, missed: int
) -> None:
    """Write down where this process began, and how it stands."""
    position = instance.bot.position
    held = f"{position.side} {position.lots:g}" if position is not None else "flat"
    begun = "anew" if cold else "from its checkpoint"
    taken = instance.ticks_processed - ticks_before
    found = f"began {begun}, took {taken} ticks from the tape, {missed} are gone; {held}"
    journal.event("recovered", found)


def tell_break(journal: Journal, found: Break) -> None:
    """Write down a span of time in which ticks may have been published that nobody has."""
    begin, end = format_iso(found.before.time_us), format_iso(found.after.time_us)
    what = "nobody was connected to the market; what was published then is not known"
    journal.event("interrupted", f"from {begin} to {end}: {what}")

"""What processes count, and say of themselves in their heartbeats: strategies, and the account."""

import msgspec

from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Position


class Usage(msgspec.Struct, frozen=True, array_like=True):
    """What a process has used, by its own account.

    Attributes:
        rss: Resident memory in bytes.
        cpu: User and system time in seconds.
    """

    rss: int = 0
    cpu: float = 0.0


class StrategyMetrics(msgspec.Struct, frozen=True):
    """A strategy's counters since its journal began.

    Attributes:
        ticks_received: Frames of its symbol, from the market socket or the tape.
        ticks_processed: Ticks that went through bars and strategy, crossed ones included.
        ticks_bad: Ticks that were counted and skipped.
        ticks_crossed: Processed ticks with ask < bid.
        ticks_duplicate: Live ticks that the tape had delivered already.
        ticks_missed: Ticks that were published but can no longer be had.
        interruptions: Times that nobody of ours was connected to the market; what was published
            then is not known.
        frames_refused: Messages of the market socket that were no ticks.
        refused_frames: Of which kinds they were, how the newest begins, and what is wrong with it.
        bars: Closed bars.
        warm: Closed bars in the window, at most 256.
        bars_needed: Closed bars that must be there before the strategy decides anything.
        bar_seconds: Length of a bar.
        history_bars: Closed bars that it began with, of its `history` file; the others were made of
            ticks.
        signals_generated: Evaluations that came out BUY, SELL or EXIT.
        signals_untraded: Signals that no order was made of: too small, or a stop in the spread.
        orders_sent: Orders that left for the gateway.
        orders_filled: Orders sent that were executed.
        orders_rejected: Orders sent that the gateway refused.
        orders_missed: Orders that never left: too old, or without a lease.
        last_reason: Why a signal led to less than a deal, the last time; empty after a deal.
        last_reason_us: Event time of that signal.
        error_count: Exceptions in the strategy's code.
        errors_in_a_row: Those since the last evaluation without one.
        fill_errors_in_a_row: Deals in a row that the strategy's `on_fill` failed on.
        last_error: The last of them, for people.
        last_error_us: Event time of the tick, or of the deal, that it came of.
        features_from_api: Evaluations on features of the feature API.
        feature_faults: Evaluations for which the feature API gave none.
        feature_faults_in_a_row: Those since the last one that had them.
        last_feature_fault: Why not, the last time.
        last_tick_time_us: Event time of the last processed tick; 0: none yet.
        last_tick_age: Seconds since a tick was processed, by the monotonic clock; -1: none yet.
        last_signal: -1 SELL, 0 HOLD, 1 BUY.
        position_lots: Open volume, negative when short.
        realised: Realised profit less commission and swap, in the account's currency.
    """

    ticks_received: int = 0
    ticks_processed: int = 0
    ticks_bad: int = 0
    ticks_crossed: int = 0
    ticks_duplicate: int = 0
    ticks_missed: int = 0
    interruptions: int = 0
    frames_refused: int = 0
    refused_frames: str = ""
    bars: int = 0
    warm: int = 0
    bars_needed: int = 0
    bar_seconds: int = 0
    history_bars: int = 0
    signals_generated: int = 0
    signals_untraded: int = 0
    orders_sent: int = 0
    orders_filled: int = 0
    orders_rejected: int = 0
    orders_missed: int = 0
    last_reason: str = ""
    last_reason_us: int = 0
    error_count: int = 0
    errors_in_a_row: int = 0
    fill_errors_in_a_row: int = 0
    last_error: str = ""
    last_error_us: int = 0
    features_from_api: int = 0
    feature_faults: int = 0
    feature_faults_in_a_row: int = 0
    last_feature_fault: str = ""
    last_tick_time_us: int = 0
    last_tick_age: float = -1.0
    last_signal: int = 0
    position_lots: float = 0.0
    realised: float = 0.0


DECISION_BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01, 0.1)
ORDER_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5)
"""Upper bounds of the buckets of `Timings`, seconds; the last bucket has none."""


class Durations(msgspec.Struct, frozen=True):
    """How long something took, each time since the process began.

    Attributes:
        counts: How many took so long, by bucket.
        seconds: Their sum.
    """

    counts: tuple[int, ...] = ()
    seconds: float = 0.0


class Timings(msgspec.Struct, frozen=True):
    """What a strategy's process has measured. Nothing is decided by it, and no checkpoint has it.

    Attributes:
        decisions: From when a tick was taken to what was decided on it, without its orders; in
            buckets up to 0.1, 0.25, 0.5, 1, 2.5, 10, 100 ms and above.
        orders: From an order to the gateway's answer, both on the disk; in buckets up to 1, 2.5, 5,
            10, 25, 100, 500 ms and above. Those that never left are not among them.
    """

    decisions: Durations
    orders: Durations


class StrategyMoney(msgspec.Struct, frozen=True):
    """One strategy's money, as the ledger has it, in the account's currency.

    Attributes:
        strategy: Its name.
        realised: Profit of closed deals less commission and swap.
        floating: Profit of the open position at the last quote.
        deals: Deals so far.
        position: The open position.
        price: At which it would be closed at the last quote; 0.0: there is none, or nobody knows.
    """

    strategy: str
    realised: float
    floating: float
    deals: int
    position: Position | None = None
    price: float = 0.0


class AccountReport(msgspec.Struct, frozen=True):
    """The account, as the gateway has it, in the account's currency.

    Attributes:
        currency: The account's currency.
        balance: First balance, realised profit, commission, swap.
        equity: Balance and floating profit.
        margin: Held by open positions.
        free_margin: Equity less margin.
        strategies: One entry for each strategy that ever traded.
        locks: What holds orders back.
        book: Whose money it is: ``paper``; or ``DEMO``, ``REAL`` or ``LIVE`` (the bridge does not
            say which of both), with the account, its server and the bridge.
    """

    currency: str
    balance: float
    equity: float
    margin: float
    free_margin: float
    strategies: tuple[StrategyMoney, ...] = ()
    locks: tuple[TradingLock, ...] = ()
    book: str = "paper"

"""What the processes say to each other: frozen structs, msgpack on ipc sockets.

Four conversations: child and supervisor (beats up; leases and orders to stop down), strategies
and the gateway (orders), readers and the tape (`backlog`), and the command line and the supervisor
(`control`).
"""

from typing import Literal

import msgspec

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.orders import Epoch, Fill, Order, OrderResult, Position, Whole

Kind = Literal["strategy", "gateway", "tape", "feed"]
Phase = Literal["booting", "recovering", "running", "waiting", "holding", "stopping"]


class ChildSpec(msgspec.Struct, frozen=True):
    """What a child process is told at its spawn.

    Attributes:
        name: The child's name: a strategy's, or ``gateway``, ``tape``, ``feed``.
        kind: What it is.
        entry: ``package.module:function`` that runs it.
        epoch: Number of this spawn, higher than that of every earlier one.
        config_path: The YAML file, for messages.
        config_hash: Hash of all that this process depends on.
        var_dir: The ``var`` folder.
        payload: The child's part of the configuration, JSON, decoded by its entry point.
        spawned: Monotonic time of the spawn.
        lease: Its first leave to open positions; None: it opens none.
        identity: How it calls itself on our sockets; see `installation.Installation`.
        installation: Id of the installation; where its folder has another one, it ends.
        poison: Ticks that killed this strategy twice; each is skipped.
    """

    name: str
    kind: Kind
    entry: str
    epoch: int
    config_path: str
    config_hash: str
    var_dir: str
    payload: bytes
    spawned: float
    lease: "Lease | None" = None
    identity: bytes = b""
    installation: str = ""
    poison: tuple[Tick, ...] = ()


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
        warm: Closed bars in the window, of the 256 that features need.
        signals_generated: Evaluations that came out BUY, SELL or EXIT.
        signals_untraded: Signals that no order was made of: too small, or a stop in the spread.
        orders_sent: Orders that left for the gateway.
        orders_filled: Orders sent that were executed.
        orders_rejected: Orders sent that the gateway refused.
        orders_missed: Orders that never left: too old, or without a lease.
        last_reason: Why the last signal led to less than a deal; empty after a deal.
        error_count: Exceptions in the strategy's code.
        errors_in_a_row: Those since the last evaluation without one.
        fill_errors_in_a_row: Deals in a row that the strategy's `on_fill` failed on.
        last_error: The last of them, for people.
        last_tick_time_us: Event time of the last processed tick; 0: none yet.
        last_tick_age: Seconds since a tick was processed, by the monotonic clock; -1: none yet.
        last_signal: -1 SELL, 0 HOLD, 1 BUY.
        position_lots: Open volume, negative when short.
        realised: Realised profit less commission, in the account's currency.
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
    signals_generated: int = 0
    signals_untraded: int = 0
    orders_sent: int = 0
    orders_filled: int = 0
    orders_rejected: int = 0
    orders_missed: int = 0
    last_reason: str = ""
    error_count: int = 0
    errors_in_a_row: int = 0
    fill_errors_in_a_row: int = 0
    last_error: str = ""
    last_tick_time_us: int = 0
    last_tick_age: float = -1.0
    last_signal: int = 0
    position_lots: float = 0.0
    realised: float = 0.0


class StrategyMoney(msgspec.Struct, frozen=True):
    """One strategy's money, as the ledger has it, in the account's currency.

    Attributes:
        strategy: Its name.
        realised: Profit of closed deals less commission.
        floating: Profit of the open position at the last quote.
        deals: Deals so far.
        position: The open position.
    """

    strategy: str
    realised: float
    floating: float
    deals: int
    position: Position | None = None


class AccountReport(msgspec.Struct, frozen=True):
    """The account, as the gateway has it, in the account's currency.

    Attributes:
        currency: The account's currency.
        balance: First balance, realised profit, commission.
        equity: Balance and floating profit.
        margin: Held by open positions.
        free_margin: Equity less margin.
        strategies: One entry for each strategy that ever traded.
    """

    currency: str
    balance: float
    equity: float
    margin: float
    free_margin: float
    strategies: tuple[StrategyMoney, ...] = ()


# Child -> supervisor


class Hello(msgspec.Struct, frozen=True, tag=True):
    """The first word of a child, said again to a supervisor that asks.

    Attributes:
        preloaded: Its modules were there before it was forked.
        model_hash: BLAKE2b-256 of the model that a strategy runs; empty: none, or not loaded yet.
    """

    name: str
    kind: Kind
    pid: int
    epoch: int
    config_hash: str
    preloaded: bool
    model_hash: str = ""


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Boot is over; from now on a missing beat is a fault. `model_hash` as in `Hello`."""

    name: str
    pid: int
    epoch: int
    model_hash: str = ""


class Beat(msgspec.Struct, frozen=True, tag=True, omit_defaults=True):
    """A heartbeat, sent by the work loop itself; short where it says nothing new.

    Attributes:
        name: The child's name.
        pid: Its process.
        epoch: Its spawn.
        loops: Turns of the work loop since the spawn.
        phase: What it is doing.
        degraded: Why it cannot do its work fully; empty: it can.
        usage: Memory and CPU.
        metrics: Of a strategy; None: none yet, or as before (but for `last_tick_age`).
        account: Of the gateway; None: none yet, or as before.
        progress: Ticks published, recorded or watched, by a feed, tape or gateway.
    """

    name: str
    pid: int
    epoch: int
    loops: int
    phase: Phase
    degraded: str = ""
    usage: Usage = Usage()
    metrics: StrategyMetrics | None = None
    account: AccountReport | None = None
    progress: int = 0

    def after(self, before: "Beat | None") -> "Beat":
        """All that it says, of a process whose last beat was `before`."""
        if before is None:
            return self
        metrics, account = self.metrics or before.metrics, self.account or before.account
        return msgspec.structs.replace(self, metrics=metrics, account=account)


class FirstTick(msgspec.Struct, frozen=True, tag=True):
    """The first tick that this spawn processed, with the monotonic time of its end."""

    name: str
    pid: int
    epoch: int
    at: float


class Failed(msgspec.Struct, frozen=True, tag=True):
    """A child's last word before it exits for a reason it knows.

    Attributes:
        reason: One sentence for people.
        permanent: A restart cannot help (bad model, bad class): quarantine at once.
        passing: The machine is to blame, and may be well again at the next try.
        trace: Traceback, where there is one.
    """

    name: str
    pid: int
    epoch: int
    reason: str
    permanent: bool = False
    passing: bool = False
    trace: str = ""


FromChild = Hello | Ready | Beat | FirstTick | Failed


# Supervisor -> child


class Lease(msgspec.Struct, frozen=True, tag=True):
    """Leave to open positions until a monotonic time, for one spawn.

    Attributes:
        epoch: The spawn.
        until: Monotonic time of its end.
        proof: That the supervisor said so; see `installation.Installation.lease`. A
            strategy passes the lease on with each order that opens.
    """

    epoch: Epoch
    until: float
    proof: str = ""


class Stop(msgspec.Struct, frozen=True, tag=True):
    """Finish the tick at hand and exit."""


class Recycle(msgspec.Struct, frozen=True, tag=True):
    """Exit after the next bar; a fresh process will go on."""


class Identify(msgspec.Struct, frozen=True, tag=True):
    """Who are you? A supervisor that came later asks; answered with `Hello`."""


FromSupervisor = Lease | Stop | Recycle | Identify


# Strategies and the gateway


class Register(msgspec.Struct, frozen=True, tag=True):
    """A spawn trades from now on; answered with `Registered`.

    Attributes:
        strategy: Its name.
        epoch: The spawn.
        ticket: Of the position that it holds by its own records; 0: none.
    """

    strategy: str
    epoch: Epoch
    ticket: int = 0


class Registered(msgspec.Struct, frozen=True, tag=True):
    """What the ledger has of a strategy.

    Attributes:
        strategy: Its name.
        position: Its open position.
        realised: Realised profit less commission.
        refused: Why this spawn may not trade; empty: it may.
        closed: The deal that closed the position of the question; None: it is open, or none.
    """

    strategy: str
    position: Position | None
    realised: float
    refused: str = ""
    closed: Fill | None = None


class Submit(msgspec.Struct, frozen=True, tag=True):
    """Execute an order, or give its first result again; answered with `OrderResult`.

    Attributes:
        order: The order.
        lease: Leave of the supervisor, which an order that opens a position needs.
    """

    order: Order
    lease: Lease | None = None


class QueryOrder(msgspec.Struct, frozen=True, tag=True):
    """Ask what became of an order; ``NOT_SEEN`` where it never arrived."""

    strategy: str
    order_id: str


class Touched(msgspec.Struct, frozen=True, tag=True):
    """A strategy saw a tick that ends its position; answered with `PositionClosed`.

    Attributes:
        rate: Price of the quote currency in the account's at that tick; None: not known.
    """

    strategy: str
    epoch: Epoch
    ticket: Whole
    tick: Tick
    rate: float | None = None


class OrderAnswer(msgspec.Struct, frozen=True, tag=True):
    """Answer to `Submit` and `QueryOrder`."""

    result: OrderResult


class PositionClosed(msgspec.Struct, frozen=True, tag=True):
    """A position was closed by the book: by stop, target or stop-out.

    Attributes:
        ticket: The position.
        fill: The closing deal; None: the gateway knows no such position, or holds it open.
        detail: For people, where there is no fill.
    """

    strategy: str
    ticket: int
    fill: Fill | None
    detail: str = ""


class Unregistered(msgspec.Struct, frozen=True, tag=True):
    """Nothing was done: this gateway has begun since, and the spawn has to register first.

    It may have another ledger than the one before, on which the strategy must not trade.
    """

    strategy: str


class Fence(msgspec.Struct, frozen=True, tag=True):
    """The supervisor's word to the gateway: refuse lower epochs of this strategy from now on."""

    strategy: str
    epoch: Epoch


ToGateway = Register | Submit | QueryOrder | Touched | Fence
FromGateway = Registered | OrderAnswer | PositionClosed | Unregistered

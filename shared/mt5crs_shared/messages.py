"""What the processes say to each other: frozen structs, msgpack on ipc sockets.

Five conversations: child and supervisor (beats up; leases and orders to stop down), strategies
and the gateway (orders), the operator's command line and the gateway (`operator_requests`),
readers and the tape (`backlog`), and the command line and the supervisor (`control`).
"""

from typing import Literal

import msgspec

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.metrics import AccountReport, StrategyMetrics, Timings, Usage
from mt5crs_shared.trading.operator_requests import FromOperator, TradingReport
from mt5crs_shared.trading.orders import Epoch, Fill, Order, OrderResult, Position, Whole

Kind = Literal["strategy", "gateway", "tape", "feed", "notifier", "metrics", "page"]
Phase = Literal["booting", "recovering", "running", "waiting", "holding", "stopping"]


class ChildSpec(msgspec.Struct, frozen=True):
    """What a child process is told at its spawn.

    Attributes:
        name: The child's name: a strategy's, or ``gateway``, ``tape``, ``feed``, ``notifier``,
            ``metrics``, ``page``.
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
        by_hand: Somebody wanted it, by a start or a restart: it follows no death. What a strategy's
            code failed on in a row before it counts no more.
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
    by_hand: bool = False


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
        timings: Of a strategy; None: none yet, or as before.
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
    timings: Timings | None = None

    def after(self, before: "Beat | None") -> "Beat":
        """All that it says, of a process whose last beat was `before`."""
        if before is None:
            return self
        return msgspec.structs.replace(
            self,
            metrics=self.metrics or before.metrics,
            account=self.account or before.account,
            timings=self.timings or before.timings,
        )


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
        held: Ticket of the position that it has, as far as it knows; 0: none.
    """

    strategy: str
    epoch: Epoch
    held: Whole = 0


class Registered(msgspec.Struct, frozen=True, tag=True):
    """What the ledger has of a strategy.

    Attributes:
        strategy: Its name.
        position: Its open position.
        realised: Realised profit less commission and swap.
        refused: Why this spawn may not trade; empty: it may.
        deal_us: Event time of its last deal, us since the epoch; 0: it has none.
        deals: How many deals it has.
        closing: The deal by which a broker has closed what it believes to hold; None: none has.
    """

    strategy: str
    position: Position | None
    realised: float
    refused: str = ""
    deal_us: int = 0
    deals: int = 0
    closing: Fill | None = None


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
    """A position was closed by the book: by stop, target, stop-out or by hand.

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
    """This gateway has begun since, and the spawn has to register first; nothing else was done.

    It may have another ledger than the one before, on which the strategy must not trade, or one
    that has ended its position. It is said to who asks, and unasked to who has not registered yet.
    """

    strategy: str


class Charged(msgspec.Struct, frozen=True, tag=True):
    """A broker has charged a strategy something: what it has realised is less than it knows.

    It registers once more when nothing is on its way. On paper this is never said.
    """

    strategy: str


class Fence(msgspec.Struct, frozen=True, tag=True):
    """The supervisor's word to the gateway: refuse lower epochs of this strategy from now on."""

    strategy: str
    epoch: Epoch


FromStrategy = Register | Submit | QueryOrder | Touched | Fence
ToGateway = FromStrategy | FromOperator
FromGateway = Registered | OrderAnswer | PositionClosed | Unregistered | Charged | TradingReport

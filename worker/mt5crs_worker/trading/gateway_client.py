"""The way to the gateway: ask once, ask again, never send the same thing twice as a new thing."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec
import zmq

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import (
    Charged,
    FromGateway,
    Lease,
    OrderAnswer,
    PositionClosed,
    QueryOrder,
    Register,
    Registered,
    Submit,
    ToGateway,
    Touched,
    Unregistered,
)
from mt5crs_shared.metrics import ORDER_BOUNDS
from mt5crs_shared.sockets.opening import MEDIUM, open_socket
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult, Position
from mt5crs_worker.trading.bot import NOT_SENT
from mt5crs_worker.trading.durations import DurationCounter
from mt5crs_worker.trading.journal import Journal
from mt5crs_worker.trading.journal_file import ReplacedError

logger = logging.getLogger(__name__)

T = TypeVar("T")

ASK_AGAIN = 0.25
"""Seconds without an answer after which the gateway is asked what became of a request."""

SEND_AGAIN = 0.01
"""The same at first where the question has not left, since the connection is being made; it is
doubled each time, up to :data:`ASK_AGAIN`."""

UNDECIDED = frozenset({Code.NOT_SEEN, Code.NO_LEASE})
"""Answers after which an order may be sent again: the gateway has kept nothing of it."""

_decode = msgspec.msgpack.Decoder(FromGateway).decode
_encode = msgspec.msgpack.Encoder().encode


class BooksError(Mt5crsError):
    """The ledger is not that of this strategy's past. It stops, until the operator decides."""


class StopRequested(BaseException):
    """The process was asked to end while it waited for the gateway.

    The tick at hand is given up: it is not in the checkpoint, so that the next process takes it
    again, decides the same, and gets the first answer. Not an `Exception`: nothing that a
    strategy does may swallow it.
    """


class GatewayClient:
    """A strategy's connection to the gateway; a `bot.OrderRoute`.

    Calls block until the fate of the request is known; meanwhile `pump` keeps the process alive
    for its supervisor, and ticks wait in their queue.

    Args:
        context: The process's ZMQ context.
        address: The gateway's socket.
        strategy: Name of the strategy.
        epoch: Number of this spawn.
        identity: Proves to the gateway that it is this spawn.
        journal: Where intents and results are recorded.
        pump: Waits for sockets, at most so many seconds, serves the supervisor, and says what
            is ready. Raises StopRequested.
        lease: The supervisor's leave to open positions, while it is valid.
        age: Seconds since a tick was the market's newest, by the feed's clock.
        max_age: Age beyond which a decision is not sent any more.
        introduce: Registers with a gateway that has begun anew, and looks at its ledger.
        monotonic: The monotonic clock, seconds.

    Attributes:
        waiting_since: Monotonic time since which an answer is waited for, seconds; None: none is.
        round_trips: How long orders took that left.
        charged: The broker has charged something that is not in what this strategy has realised.
        called: The gateway has called while an answer was waited for; `hear` has something to do.
    """

    def __init__(
        self,
        context: "zmq.Context[zmq.Socket[bytes]]",
        address: str,
        strategy: str,
        epoch: int,
        identity: bytes,
        journal: Journal,
        pump: Callable[[float], Mapping[object, int]],
        lease: Callable[[], Lease | None],
        age: Callable[[Tick], float],
        max_age: float,
        introduce: Callable[[], Registered],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._strategy = strategy
        self._epoch = epoch
        self._journal = journal
        self._pump = pump
        self._lease = lease
        self._age = age
        self._max_age = max_age
        self._introduce = introduce
        self._monotonic = monotonic
        self._closed: dict[int, PositionClosed] = {}
        self.waiting_since: float | None = None
        self.called = False
        self.charged = False
        self._spent: list[tuple[float, float]] = []
        self.round_trips = DurationCounter(ORDER_BOUNDS)
        self._pause = SEND_AGAIN
        self._announced = False
        self.socket = open_socket(context, zmq.DEALER, MEDIUM)
        self.socket.setsockopt(zmq.IDENTITY, identity)
        # Nothing is queued for a gateway that is away: what was not sent was not sent.
        self.socket.setsockopt(zmq.IMMEDIATE, 1)
        self.socket.setsockopt(zmq.RECONNECT_IVL, 10)
        self.socket.setsockopt(zmq.RECONNECT_IVL_MAX, 200)
        self.socket.connect(address)

    def announce(self, held: Position | None) -> None:
        """Send what `register` sends, if the gateway can be reached; that one takes the answer.

        Args:
            held: See `register`.
        """
        self._announced = self._send(Register(self._strategy, self._epoch, _ticket_of(held)))

    def register(self, held: Position | None) -> Registered:
        """Say which spawn this is, and learn what the ledger has of the strategy.

        Args:
            held: The position that it has, as far as it knows.
        """
        announced, self._announced = self._announced, False
        word = self._wait(ASK_AGAIN, _registers) if announced else None
        request = Register(self._strategy, self._epoch, _ticket_of(held))
        word = word or self._ask(request, _registers)
        if word.closing is not None:
            ticket = word.closing.ticket
            self._closed[ticket] = PositionClosed(self._strategy, ticket, word.closing)
        return word

    def hear(self) -> Registered | None:
        """Take what came unasked; a gateway that has begun anew calls for who trades.

        Returns:
            What the ledger has, where it was asked for.
        """
        called, self.called = self.called, False
        while (message := self.read()) is not None:
            called = called or isinstance(message, Unregistered)
        return self._introduce() if called else None

    def submit(self, order: Order) -> OrderResult:
        """Execute an order, or record it as missed; see `bot.OrderRoute`.

        Raises:
            ReplacedError: A newer process of this strategy trades.
        """
        begun = self._monotonic()
        known = self._journal.intend(order)
        if known is not None and known.status != "UNKNOWN":
            return known
        result = self._send_while_fresh(order)
        if result.code is Code.FENCED:
            raise ReplacedError(f"the gateway listens to a newer epoch than {self._epoch}")
        self._journal.settle(result)
        took = self._monotonic() - begun
        self._spent.append((begun, took))
        if result.code not in NOT_SENT:
            self.round_trips.observe(took)
        return result

    def spent_since(self, moment: float) -> float:
        """Seconds that orders have taken which began after a monotonic time; asked in its order."""
        spent = sum(took for begun, took in self._spent if begun >= moment)
        self._spent.clear()
        return spent

    def query(self, order_id: str) -> OrderResult:
        """What became of an order; REJECTED with NOT_SEEN: it never arrived."""
        request = QueryOrder(self._strategy, order_id)
        return self._ask(request, lambda reply: _answers(reply, order_id)).result

    def closed_by(self, position: Position, tick: Tick, rate: float | None) -> Fill | None:
        """The deal that closed a position; see `bot.OrderRoute`."""
        pushed = self._closed.pop(position.ticket, None)
        if pushed is None:
            request = Touched(self._strategy, self._epoch, position.ticket, tick, rate)
            pushed = self._ask(request, lambda reply: _closes(reply, position.ticket))
            self._closed.pop(position.ticket, None)
        if pushed.fill is None:
            logger.warning("position %d: %s", position.ticket, pushed.detail)
            return None
        self._journal.book_exit(pushed.fill)
        return pushed.fill

    def closed_before(self, position: Position, tick: Tick) -> bool:
        """Whether the book has told us that it closed this position before a tick."""
        pushed = self._closed.get(position.ticket)
        return pushed is not None and pushed.fill is not None and pushed.fill.time_us < tick.time_us

    def read(self) -> FromGateway | None:
        """Take one message; what the book did by itself is kept for `closed_by`."""
        while True:
            try:
                message: FromGateway = _decode(self.socket.recv(zmq.DONTWAIT))
                break
            except zmq.Again:
                return None
            except Exception as error:
                # Whatever it is that cannot be read: it is that message's fault alone.
                logger.warning("a message of the gateway was ignored: %s", error)
        if isinstance(message, PositionClosed) and message.fill is not None:
            self._closed[message.ticket] = message
        self.charged |= isinstance(message, Charged)
        return message

    def close(self) -> None:
        """Give the socket back."""
        self.socket.close(0)

    def _send_while_fresh(self, order: Order) -> OrderResult:
        """Ask what is known of the order; send it while it is fresh and nothing is known."""
        asked_before = False
        result: OrderResult | None
        while True:
            lease = self._lease() if order.action == "OPEN" else None
            if order.action == "OPEN" and not asked_before and lease is None:
                if self._too_old(order):
                    return _missed(order, Code.NO_LEASE, "the supervisor is away")
                self._pump(ASK_AGAIN)
                continue
            if not asked_before and not self._too_old(order):
                answer = self._try(Submit(order, lease), order.order_id)
                result = answer.result if answer is not None else None
            else:
                result = self.query(order.order_id)
            if result is None:
                asked_before = True
            elif result.code not in UNDECIDED:
                return result
            elif self._too_old(order):
                code = Code.STALE if result.code is Code.NOT_SEEN else result.code
                return _missed(order, code, result.detail or f"older than {self._max_age:g} s")
            else:
                asked_before = False
                if result.code is Code.NO_LEASE:
                    # It ran out on the way: the supervisor's next word is due.
                    self._pump(ASK_AGAIN)

    def _too_old(self, order: Order) -> bool:
        return self._age(order.tick) > self._max_age

    def _try(self, request: ToGateway, order_id: str) -> OrderAnswer | None:
        """Send once and wait a while for the answer."""
        return self._send_and_wait(request, lambda reply: _answers(reply, order_id))

    def _ask(self, request: ToGateway, match: Callable[[FromGateway], T | None]) -> T:
        """Send until there is an answer; for requests that may be repeated without harm."""
        while True:
            found = self._send_and_wait(request, match)
            if found is not None:
                return found

    def _send_and_wait(
        self, request: ToGateway, match: Callable[[FromGateway], T | None]
    ) -> T | None:
        if self._send(request):
            seconds, self._pause = ASK_AGAIN, SEND_AGAIN
        else:
            seconds, self._pause = self._pause, min(2.0 * self._pause, ASK_AGAIN)
        return self._wait(seconds, match)

    def _send(self, request: ToGateway) -> bool:
        """Send it; False: the gateway cannot be reached, and nothing was sent."""
        try:
            self.socket.send(_encode(request), zmq.DONTWAIT)
        except zmq.Again:
            logger.debug("the gateway is away; %s was not sent", type(request).__name__)
            return False
        return True

    def _wait(self, seconds: float, match: Callable[[FromGateway], T | None]) -> T | None:
        begun = self._monotonic()
        self.waiting_since = self.waiting_since or begun
        while (left := begun + seconds - self._monotonic()) > 0:
            if self.socket not in self._pump(left):
                continue
            while (message := self.read()) is not None:
                if isinstance(message, Unregistered):
                    # What was asked was not done; it is asked again after this. What the ledger has
                    # is looked at when nothing is on its way: now it may be half of something.
                    self.called = True
                    self._introduce()
                    return None
                found = match(message)
                if found is not None:
                    self.waiting_since = None
                    return found
        return None


def _ticket_of(held: Position | None) -> int:
    return held.ticket if held is not None else 0


def _registers(reply: FromGateway) -> Registered | None:
    return reply if isinstance(reply, Registered) else None


def _answers(reply: FromGateway, order_id: str) -> OrderAnswer | None:
    return reply if isinstance(reply, OrderAnswer) and reply.result.order_id == order_id else None


def _closes(reply: FromGateway, ticket: int) -> PositionClosed | None:
    return reply if isinstance(reply, PositionClosed) and reply.ticket == ticket else None


def _missed(order: Order, code: Code, detail: str) -> OrderResult:
    return OrderResult(order.order_id, "REJECTED", code, detail)

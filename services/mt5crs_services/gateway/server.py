"""The gateway's process: the only way to the broker."""

import logging
import os
import time
from collections import Counter

import msgspec
import zmq

from mt5crs_services.gateway.brokers.bridge.bridge_broker import bridge_maker
from mt5crs_services.gateway.brokers.paper.paper_broker import make_paper_broker
from mt5crs_services.gateway.core import GatewayCore, MakeBroker
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.ledger_file import (
    LedgerGoneError,
    LedgerTakenError,
    WalGoneError,
)
from mt5crs_services.gateway.quotes.market import Market
from mt5crs_services.gateway.requests.permission import Leases
from mt5crs_services.gateway.risk.loading import RuleError
from mt5crs_services.service import BacklogServer, bind_router
from mt5crs_shared.configuration.structs import Config, GlobalConfig, decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.market_socket import new_context
from mt5crs_shared.market.stream import Batch, TickStream
from mt5crs_shared.messages import (
    ChildSpec,
    Fence,
    FromGateway,
    QueryOrder,
    Register,
    Registered,
    Submit,
    ToGateway,
    Touched,
    Unregistered,
)
from mt5crs_shared.process import installation, machine_trouble
from mt5crs_shared.process.installation import Installation, InstallationError, epochs_of
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport
from mt5crs_shared.storage.ledger_schema import PAPER, LedgerError
from mt5crs_shared.trading.locks import OPERATOR
from mt5crs_shared.trading.operator_requests import (
    Adopt,
    AskTrading,
    ClosePositions,
    FromOperator,
    Lock,
    Settle,
    Unlock,
)
from mt5crs_shared.wording import TOLD

logger = logging.getLogger(__name__)

REQUESTS_AT_ONCE = 64
"""Requests answered before the loop looks at the market again."""

SAVE_EVERY = 1.0
"""Seconds between two records of where the streams stand."""

ANNOUNCED_FOR, ANNOUNCE_EVERY = 10.0, 0.2
"""Seconds for which, and between which, a gateway that has begun calls strategies to register."""

AWAY_AFTER = 1.0
"""Seconds without the tape's word after which the gateway says that it misses it."""

_decode = msgspec.msgpack.Decoder(ToGateway).decode
_encode = msgspec.msgpack.Encoder().encode


class ForgedError(Mt5crsError):
    """A message speaks for a process that did not send it. It is counted and left."""


class Gateway:
    """Serves strategies and watches the market, one thing at a time: ticks first, then requests.

    Args:
        spec: What this process was told.
        child: Its side toward the supervisor.
        context: The process's ZMQ context.
        ledger: The account's ledger.
        installation: Who may speak.
    """

    def __init__(
        self,
        spec: ChildSpec,
        child: ChildProcess,
        context: "zmq.Context[zmq.Socket[bytes]]",
        ledger: Ledger,
        installation: Installation,
    ) -> None:
        self._installation = installation
        config = decode_config(spec.payload)
        config = msgspec.structs.replace(config, symbols=ledger.symbols(config.symbols))
        paths = VarPaths.of(spec)
        self._child = child
        self._ledger = ledger
        self._market = Market(config, ledger.streams(), int.from_bytes(os.urandom(6), "big"))
        leases = Leases(installation)
        self._core = GatewayCore(
            config,
            self._market,
            ledger,
            broker_maker(config, context, child.poller),
            leases.fault,
            lambda: max(spec.epoch, epochs_of(time.time())),
        )
        self._identities: dict[str, bytes] = {}
        self._registered: set[tuple[str, int]] = set()
        self._watched = 0
        self._refused = 0
        self._trouble = ""
        self._told_whole = False
        self._save_at = 0.0
        self._names = [strategy.name for strategy in config.enabled]
        self._begun = self._whole_at = time.monotonic()
        self._announce_at = 0.0
        self._stream = TickStream(
            context,
            config.globals.zmq_market_url,
            self._market.start_marks,
            [paths.endpoint("tape")],
            needs=self._market.rates.needs,
            own_feed=config.globals.feed is not None,
            zone=config.globals.market.zone,
            keys=config.globals.market_keys,
        )
        self._router = bind_router(context, paths, "gateway")
        self._backlog = BacklogServer(
            context, paths, "gateway-backlog", self._market.rings, self._stream
        )
        self._stream.register(child.poller)
        for socket in (self._router, self._backlog.socket):
            child.poller.register(socket, zmq.POLLIN)

    def run(self) -> None:
        """Serve until asked to stop.

        Raises:
            LedgerTakenError: Another gateway has the ledger.
            LedgerGoneError: The ledger's file was taken away.
        """
        self._child.ready()
        while not self._child.stopping:
            self._core.broker.simulated = self._stream.simulated
            due = (self._core.execution.next_due(), self._backlog.timeout(), SAVE_EVERY)
            events = self._child.poll(min(self._stream.timeout(), *due))
            for batch in self._stream.read(events):
                self._watch(batch)
            self._backlog.serve(live=self._stream.joined, simulated=self._stream.simulated)
            if self._router in events:
                self._serve()
            self._turn()
            if self._stream.caught_up != self._told_whole:
                self._told_whole = self._stream.caught_up
                self._child.beat_soon()
            self._child.service(self._report)
        self._close()

    def _watch(self, batch: Batch) -> None:
        for symbol, ticks in Counter(tick.symbol for tick in batch.ticks).items():
            self._market.symbols[symbol].align(self._stream.place(symbol), ticks)
        broken = {found.index for found in batch.breaks}
        for number, tick in enumerate(batch.ticks):
            self._core.on_tick(tick, number < batch.history, number in broken)
        self._watched += len(batch.ticks)

    def _serve(self) -> None:
        for _ in range(REQUESTS_AT_ONCE):
            try:
                sender, body = self._router.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            except ValueError:
                logger.warning("a request that is not one frame was ignored")
                continue
            try:
                message = _decode(body)
                self._check_speaker(sender, message)
                caught_up = self._stream.caught_up
                answer = self._unknown(message) or self._core.handle(message, caught_up)
                self._remember(sender, message, answer)
            except (LedgerTakenError, LedgerGoneError):
                raise
            except Exception as error:
                # Whatever it is that cannot be handled: it is that message's fault alone.
                self._refused += 1
                if self._refused in TOLD:
                    logger.warning("request %d that was ignored: %r", self._refused, error)
                continue
            if answer is not None:
                self._send(sender, answer)
            if isinstance(message, FromOperator):
                self._child.beat_soon()

    def _check_speaker(self, sender: bytes, message: ToGateway) -> None:
        """See that a message comes from the spawn that it speaks for, or from the command line.

        Raises:
            ForgedError: It does not.
        """
        speaker = self._installation.speaker(sender)
        match message:
            case QueryOrder():
                return  # It changes nothing.
            case AskTrading() | Lock() | Unlock() | ClosePositions() | Settle() | Adopt():
                # The supervisor closes what a strategy has left that it gave up.
                if isinstance(message, ClosePositions) and speaker == ("supervisor", 0):
                    return
                said, epoch = OPERATOR, speaker.epoch if speaker is not None else 0
            case Fence():
                said, epoch = "supervisor", 0
            case Submit(order=order):
                said, epoch = order.strategy, order.epoch
            case Register() | Touched():
                said, epoch = message.strategy, message.epoch
        if speaker != (said, epoch):
            what = type(message).__name__
            raise ForgedError(f"a {what} of {said}, epoch {epoch}, that did not come from it")

    def _unknown(self, message: ToGateway) -> Unregistered | None:
        """What is said to a spawn that has not looked at this gateway's ledger; None: it has."""
        match message:
            case Submit(order=order):
                strategy, epoch = order.strategy, order.epoch
            case Touched(strategy=strategy, epoch=epoch):
                pass
            case _:
                return None
        # A spawn that was replaced hears that instead.
        replaced = epoch < self._core.orders.newest(strategy)
        known = replaced or (strategy, epoch) in self._registered
        return None if known else Unregistered(strategy)

    def _remember(self, sender: bytes, message: ToGateway, answer: FromGateway | None) -> None:
        """Who has looked at the ledger, and where a strategy's newest process is."""
        if isinstance(message, Register) and isinstance(answer, Registered) and not answer.refused:
            self._registered.add((message.strategy, message.epoch))
        match message:
            case Submit(order=speaker):
                strategy, epoch = speaker.strategy, speaker.epoch
            case Register(strategy=strategy, epoch=epoch) | Touched(strategy=strategy, epoch=epoch):
                pass
            case _:
                return
        if epoch >= self._core.orders.newest(strategy):
            self._identities[strategy] = sender

    def _turn(self) -> None:
        """What is due without being asked; a ledger that cannot be written is tried again."""
        try:
            self._core.execution.turn(self._stream.caught_up)
            now = time.monotonic()
            if now >= self._save_at:
                self._save_at = now + SAVE_EVERY
                self._ledger.check_in_place()
                self._core.save()
                self._trouble = ""
        except (LedgerTakenError, LedgerGoneError, WalGoneError):
            raise
        except LedgerError as error:
            if not self._trouble:
                logger.exception("the ledger cannot be written")
            self._trouble = f"the ledger cannot be written: {error}"
        self._announce(time.monotonic())
        for strategy, message in self._core.execution.take_mail():
            identity = self._identities.get(strategy)
            if identity is not None:
                self._send(identity, message)

    def _announce(self, now: float) -> None:
        """Call those who have not registered: one that wants nothing just now would not ask.

        It may hold a position that has ended since it was told of anything.
        """
        if now < self._announce_at or now > self._begun + ANNOUNCED_FOR:
            return
        self._announce_at = now + ANNOUNCE_EVERY
        for name in self._names:
            epoch = self._core.orders.newest(name)
            if epoch and (name, epoch) not in self._registered:
                self._send(self._installation.identity(name, epoch), Unregistered(name))

    def _send(self, identity: bytes, message: FromGateway) -> None:
        # A client that is gone takes no harm, and does none: a ROUTER drops what is for nobody.
        try:
            self._router.send_multipart([identity, _encode(message)], zmq.DONTWAIT)
        except zmq.ZMQError as error:
            logger.info("an answer to %r was dropped: %s", identity, error)

    def _report(self) -> ChildReport:
        return ChildReport(
            phase="running" if self._stream.caught_up else "recovering",
            degraded=self._degraded(),
            account=self._core.report(),
            progress=self._watched,
        )

    def _degraded(self) -> str:
        now = time.monotonic()
        if self._stream.caught_up:
            self._whole_at = now
        if self._trouble or self._core.trouble:
            return self._trouble or self._core.trouble
        away = now - self._whole_at
        if away > AWAY_AFTER:
            return f"the tape has not said what came before for {away:.0f} s"
        return self._stream.absence

    def _close(self) -> None:
        try:
            self._core.save()
        except LedgerError:
            logger.exception("where the streams stand could not be recorded; it is read again")
        self._core.broker.shut_down()
        self._router.close()
        self._backlog.close()
        self._stream.close()


def broker_maker(
    config: Config, context: "zmq.Context[zmq.Socket[bytes]]", poller: zmq.Poller
) -> MakeBroker:
    """What makes the broker that a configuration names: the paper book, or a bridge."""
    return make_paper_broker if config.globals.paper_trading else bridge_maker(context, poller)


def book_of(settings: GlobalConfig) -> str:
    """Whose deals the ledger has: the paper book's, or those of one account."""
    account = settings.account
    if settings.paper_trading or account is None:
        return PAPER
    return f"account {account.login} at {account.server}"


def run_gateway(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of the gateway's process.

    Raises:
        LedgerError: The ledger cannot be used, or another gateway has it.
    """
    config = decode_config(spec.payload)
    settings = config.globals
    path = VarPaths.of(spec).ledger
    context = new_context()
    child = ChildProcess(spec, settings.supervisor, context, preloaded)
    try:
        known = installation.load_installation(VarPaths.of(spec).installation)
        ledger = Ledger(
            path,
            settings.account_currency,
            settings.default_balance,
            settings.retention,
            known.id,
            book_of(settings),
        )
    except (FileNotFoundError, InstallationError) as error:
        child.failed(f"the installation's file: {error}", permanent=False, error=error)
        child.close()
        raise
    except LedgerError as error:
        reason = str(error) if machine_trouble.passes(error) else f"{error}. {WHAT_TO_DO}"
        child.failed(reason, permanent=True, error=error)
        child.close()
        raise
    try:
        Gateway(spec, child, context, ledger, known).run()
    except LedgerGoneError as error:
        reason = f"{error}. {WHAT_TO_DO}"
        child.failed(reason, permanent=True, error=error)
        raise
    except RuleError as error:
        child.failed(str(error), permanent=True, error=error)
        raise
    except Exception as error:
        child.failed(str(error) or repr(error), permanent=False, error=error)
        raise
    finally:
        ledger.close()
        child.close()
    context.term()


WHAT_TO_DO = (
    "Put the right file or setting back; or, to begin anew, stop the system and move the file away,"
    " with its -wal and -shm, and the strategies' journals in state/. Then start again"
)
"""What a trader can do about a ledger that cannot be used."""

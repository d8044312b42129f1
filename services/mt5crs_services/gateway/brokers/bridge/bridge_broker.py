"""A bridge to MetaTrader as a broker: orders leave for a real account, and come back as deals.

What the bridge says is never taken for more than it is. An order whose answer does not come is
looked up, and not sent again; one whose fate cannot be found out stays UNKNOWN until somebody has
looked in the terminal. Deals carry the own stream's time, so that they are in order with its ticks.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec
import zmq

from mt5crs_services.gateway.broker import (
    Dealt,
    FarBroker,
    HandDeal,
    KeepFarSide,
    NotYetError,
    Outcome,
    Terms,
    Word,
    Worth,
)
from mt5crs_services.gateway.brokers import pricing
from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.gateway.brokers.bridge.account.snapshots import KEY as SNAPSHOT
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot, Snapshots
from mt5crs_services.gateway.brokers.bridge.account.told_deals import ToldDeals
from mt5crs_services.gateway.brokers.bridge.bridge_link import BridgeLink, BridgeMessage
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import Dialect
from mt5crs_services.gateway.brokers.bridge.dialects.known import dialect_named
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker, position_at
from mt5crs_services.gateway.brokers.bridge.orders.foreign_positions import ForeignPositions
from mt5crs_services.gateway.brokers.bridge.orders.hand_fates import HAND_FATE, HandFates
from mt5crs_services.gateway.brokers.bridge.orders.netting_obstacles import NettingObstacles
from mt5crs_services.gateway.brokers.bridge.orders.order_lookup import OrderLookup
from mt5crs_services.gateway.brokers.bridge.orders.order_traffic import OrderTraffic
from mt5crs_services.gateway.brokers.bridge.orders.position_guard import PositionGuard
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import SentOrder
from mt5crs_services.gateway.brokers.bridge.orders.stray_positions import StrayPositions
from mt5crs_services.gateway.brokers.bridge.reconciliation import (
    BridgeState,
    OwnBooks,
    Reconciliation,
)
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.brokers.valuation import Valuation
from mt5crs_services.gateway.ledger.account import Account
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.quotes.market import Market, SymbolMarket
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.configuration.structs import Config, StrategyConfig
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Fill, Order, Position


class BridgeBroker(FarBroker):
    """Executes orders through a bridge.

    Args:
        config: The configuration.
        market: The gateway's own streams.
        held: The open positions, as an earlier process left them.
        state: What that process knew besides.
        books: The ledger's side.
        comments: Names the orders at the broker.
        link: The way to the bridge.
        dialect: What it speaks.
        monotonic: The monotonic clock, seconds.

    Attributes:
        simulated: See `Broker`.
    """

    def __init__(
        self,
        config: Config,
        market: Market,
        held: Sequence[OpenPosition],
        state: BridgeState,
        books: OwnBooks,
        comments: Comments,
        link: BridgeLink,
        dialect: Dialect,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.simulated = False
        self._settings = settings = config.globals.execution
        self._paper = config.globals.paper
        self._account = config.globals.account
        self._market = market
        self._balance = books.balance
        self._link = link
        self._dialect = dialect
        self._monotonic = monotonic
        self._valuation = Valuation(self._paper, market)
        self._holdings = Holdings(held)
        self._deals = DealMaker(market, self._valuation, self._holdings, comments)
        self._snapshots = Snapshots(
            dialect, link, settings.reconcile_every, lambda: self._books.deals_from_us, monotonic
        )
        self._traffic = OrderTraffic(
            settings,
            dialect,
            link,
            self._snapshots,
            self._deals,
            {s.name: s.max_signal_age for s in config.enabled},
            lambda own: self._books.remember(closing=own),
            lambda: self._deals.tickets | set(self._books.state.foreign),
            monotonic,
        )
        owners = _owners(config)
        told = ToldDeals(state.told, comments)
        self._strays = StrayPositions(
            self._holdings, self._traffic, self._deals, comments, owners, books.closed
        )
        self._lookup = OrderLookup(
            self._traffic, self._deals, settings.settle_after, self._strays, told, monotonic
        )
        self._books = Reconciliation(
            self._holdings,
            self._deals,
            self._traffic.orders,
            self._lookup,
            self._strays,
            told,
            books,
            _doubled(config),
            owners.keys(),
            state,
            config.globals,
            monotonic,
        )
        self._hand_fates = HandFates(
            self._traffic,
            self._lookup,
            self._deals,
            dialect,
            link,
            lambda fates: self._books.remember(hand_fates=fates),
            state.hand_fates,
            monotonic,
        )
        self._foreign = ForeignPositions(
            self._holdings,
            self._deals,
            self._traffic.orders,
            lambda: self._snapshots.latest,
            lambda: self._books.state.foreign,
            dialect,
        )
        self._obstacles = NettingObstacles(
            self._holdings, self._snapshots, self._foreign, books.closed, dialect, self._account
        )
        self._guard = PositionGuard(self._holdings, self._deals, self._traffic, dialect.drops_stops)
        self._lookup.take_up(state.closing)

    @property
    def ready(self) -> bool:
        """The account is the right one, and nothing is being waited for."""
        urgent = self._snapshots.urgent(bool(self.in_doubt) or self._books.awaits_booking)
        waits = urgent or self._strays.open or self._hand_fates.due
        return self._link.ready and self._may_trade and not waits

    @property
    def book(self) -> str:
        """Which account it is, as far as the bridge says."""
        return _book(self._snapshots.latest, self._account, self._dialect)

    @property
    def trouble(self) -> str:
        """What is wrong, the worst first."""
        made_up = "the market is a made-up one: nothing is sent" if self.simulated else ""
        said = made_up or self._link.trouble or self._lookup.contradiction or self._books.trouble
        orders, patience = self._traffic.orders, self._settings.unknown_after
        return said or orders.unknown_for(patience, self._monotonic()) or self._snapshots.trouble

    @property
    def in_doubt(self) -> list[SentOrder]:
        """Orders whose fate is not known."""
        return self._traffic.orders.in_doubt

    def positions(self) -> Mapping[str, Position]:
        """Each strategy's open position."""
        return {held.position.strategy: held.position for held in self._holdings.all}

    def terms(self, order: Order, tick: Tick, occurrence: int) -> Terms:
        """What an order would meet; the free margin is the broker's own word, where it says it."""
        market = self._market.symbols[order.symbol]
        held = self._holdings.get(order.strategy)
        rate = self._valuation.order_rate(order, tick, market, held)
        price = pricing.side_quote(order.side, tick)
        latest = self._snapshots.latest
        floating = self._valuation.total_floating(self._holdings.all)
        own_free = self._balance() + floating - self._valuation.margin(self._holdings.all)
        return Terms(
            held=held.position if held is not None else None,
            # It deals at its own quote of now, whatever tick it was decided on.
            before_opening=False,
            rate=rate,
            needed_margin=pricing.margin(self._paper, market.spec, order.lots, price, rate or 0.0),
            free_margin=latest.account.free_margin if latest is not None else own_free,
            balance=latest.account.balance if latest is not None else self._balance(),
            obstacle=self._obstacles.find(order),
        )

    def submit(self, order: Order, tick: Tick, occurrence: int) -> Outcome:
        """Send an order; it fills at the broker's price."""
        return self._traffic.submit(order)

    def query(self, order: Order) -> Outcome:
        """What has become of an order, as far as answers and the account tell."""
        return self._lookup.query(order)

    def poll(self, caught_up: bool) -> Iterator[Word]:
        """Answers of the bridge, and what the broker has closed by itself."""
        yield from list(self._traffic.unbooked.values())
        for message in self._link.turn():
            yield from self._take(message)

    def settle(self, order_id: str, deal: HandDeal | None, who: str) -> Word | str:
        """Take somebody's word for what has become of an order; see `Broker.settle`."""
        found = self._books.settle(order_id, deal, who)
        if found is not None:
            self._snapshots.want()
            return found
        return self._hand_fates.settle(order_id, deal, who)

    def tend(self) -> None:
        """Send what is due, and ask what the account has."""
        self._hand_fates.tell()
        self._traffic.tend()
        if self._dialect.shows_account:
            self._snapshots.ask()

    def on_touched(
        self, strategy: str, ticket: int, tick: Tick, rate: float | None
    ) -> Dealt | str | None:
        """The broker ends positions, at its own prices; it is asked whether it has."""
        return self._guard.on_touched(strategy, ticket)

    def close(self, strategy: str, reason: str) -> Dealt | str | None:
        """Have a position closed; the deal comes by itself."""
        if self._may_trade and not self._link.trouble:
            return self._guard.close(strategy, reason)
        if self.trouble:
            return self.trouble
        raise NotYetError("the account has not been seen yet")

    @property
    def foreign(self) -> list[Position] | None:
        """See `Broker.foreign`."""
        listed = self._foreign.listed
        return [position_at(found) for found in listed.values()] if listed is not None else None

    def adopt(self, ticket: int, strategy: StrategyConfig, who: str) -> Dealt | str:
        """Make such a position a strategy's own; see `Broker.adopt`."""
        if self._dialect.shows_account and not self._books.confirmed:
            return self.trouble or "the account has not been seen yet"
        return self._foreign.adopted(ticket, strategy, who)

    def on_tick(self, market: SymbolMarket, tick: Tick, good: bool) -> None:
        """Guard the positions whose stop the broker does not have."""
        if self._may_trade:
            self._guard.on_tick(market, tick, self._books.state.unguarded)

    def after(self, fill: Fill) -> str:
        """See `Broker.after`."""
        return msgspec.json.encode(self._books.after(fill)).decode()

    def on_booked(self, dealt: Dealt) -> None:
        """A deal has happened."""
        self._holdings.book(dealt)
        self._books.booked(dealt.fill)
        self._traffic.on_booked(dealt.fill.order_id)
        self._snapshots.spoil()

    def worth(self) -> Worth:
        """What the positions are worth at the last good quotes."""
        return self._valuation.worth(self._holdings.all)

    def next_due(self) -> float:
        """Seconds until there is something to do without an answer."""
        due = min(self._link.next_due(), self._traffic.next_due())
        if self._dialect.shows_account:
            due = min(due, max(self._snapshots.next_due(), 0.0 if self._link.ready else 0.05))
        return due

    def shut_down(self) -> None:
        """Give the sockets back; what was not answered is looked up by the next process."""
        self._link.close()

    @property
    def _may_trade(self) -> bool:
        if self.simulated or not self._dialect.shows_account:
            return self._settings.trust_account and not self.simulated
        return self._books.confirmed

    def _take(self, message: BridgeMessage) -> Iterator[Word]:
        if message.key.startswith(HAND_FATE):
            self._hand_fates.take(message)
        elif message.key != SNAPSHOT:
            yield from self._traffic.take(message)
        elif (snapshot := self._snapshots.take(message)) is not None:
            yield from self._books.take(snapshot)


def _owners(config: Config) -> dict[int, str]:
    """The strategy of each magic number."""
    return {strategy.magic_number: strategy.name for strategy in config.strategies}


def _doubled(config: Config) -> list[str]:
    """Symbols that several strategies trade."""
    traded = Counter(strategy.symbol for strategy in config.enabled)
    return [symbol for symbol, traders in traded.items() if traders > 1]


def _book(latest: AccountSnapshot | None, account: AccountConfig | None, dialect: Dialect) -> str:
    demo = latest.account.demo if latest is not None else None
    kind = "LIVE" if demo is None else "DEMO" if demo else "REAL"
    whose = f" account {account.login} at {account.server}" if account is not None else ""
    return f"{kind}{whose}, dialect {dialect.name}"


def _own_books(ledger: Ledger, account: Account, keep: KeepFarSide) -> OwnBooks:
    return OwnBooks(
        lambda: account.balance,
        lambda state, *news: keep(msgspec.json.encode(state).decode(), *news),
        lambda ticket: ledger.closed(ticket) is not None,
        ledger.owner_of,
    )


def bridge_maker(
    context: "zmq.Context[zmq.Socket[bytes]]",
    poller: zmq.Poller,
    monotonic: Callable[[], float] = time.monotonic,
) -> Callable[[Config, Market, Ledger, Account, KeepFarSide], BridgeBroker]:
    """What makes the broker of a configuration whose orders leave for a bridge.

    Args:
        context: The process's ZMQ context.
        poller: Wakes the process's loop for answers.
        monotonic: The monotonic clock, seconds.
    """

    def make(
        config: Config, market: Market, ledger: Ledger, account: Account, keep: KeepFarSide
    ) -> BridgeBroker:
        settings = config.globals
        link = BridgeLink(
            context,
            settings.execution_url,
            settings.execution.timeout,
            poller,
            monotonic,
            settings.execution_keys,
        )
        kept = ledger.far_side()
        return BridgeBroker(
            config,
            market,
            ledger.open_positions(),
            msgspec.json.decode(kept, type=BridgeState) if kept else BridgeState(),
            _own_books(ledger, account, keep),
            Comments(ledger.installation),
            link,
            dialect_named(settings.execution.dialect),
            monotonic,
        )

    return make

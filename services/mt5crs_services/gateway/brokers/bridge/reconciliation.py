"""The broker's account against the books here: what has ended by itself, and what does not fit."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from mt5crs_services.gateway.broker import Dealt, HandDeal, Word
from mt5crs_services.gateway.brokers.bridge.account.balance import CROWD, BalanceState
from mt5crs_services.gateway.brokers.bridge.account.closings import (
    PLAUSIBLE,
)
from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_LOTS
from mt5crs_services.gateway.brokers.bridge.account.listed_positions import (
    ListedPositions,
    compare_listed,
    notes_of,
)
from mt5crs_services.gateway.brokers.bridge.account.missing_positions import MissingPositions
from mt5crs_services.gateway.brokers.bridge.account.snapshots import AccountSnapshot, why_not
from mt5crs_services.gateway.brokers.bridge.account.told_deals import (
    NOTHING_TOLD,
    KeptDeals,
    OrderDeals,
    ToldDeals,
)
from mt5crs_services.gateway.brokers.bridge.account.unexplained_money import (
    NOTHING,
    KeptMoney,
    UnexplainedMoney,
)
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    FarAccount,
    HandFate,
)
from mt5crs_services.gateway.brokers.bridge.ended_positions import EndedPositions
from mt5crs_services.gateway.brokers.bridge.orders.deal_maker import DealMaker
from mt5crs_services.gateway.brokers.bridge.orders.order_lookup import OrderLookup
from mt5crs_services.gateway.brokers.bridge.orders.sent_order import OwnClosing, SentOrders
from mt5crs_services.gateway.brokers.bridge.orders.stray_positions import StrayPositions
from mt5crs_services.gateway.brokers.holdings import Holdings
from mt5crs_services.gateway.ledger.records import AccountNote
from mt5crs_shared.configuration.structs import GlobalConfig
from mt5crs_shared.trading.orders import Charge, Code, Fill

logger = logging.getLogger(__name__)

ACCEPTED = "balance"
"""What `settle` is told of where a balance that was not expected is right."""


class BridgeState(msgspec.Struct, frozen=True):
    """What has to outlive the gateway's process.

    Attributes:
        money: Of its balance.
        foreign: Tickets of positions that are not ours.
        unguarded: Tickets of our positions whose stop or target the broker does not have.
        closing: Orders of the gateway's own that have left, and have no end yet.
        unexplained: What has moved the balance, and is in no book yet.
        told: Deals that may explain it.
        hand_fates: What people have said of orders, and the bridge was not told yet.
    """

    money: BalanceState = BalanceState()
    foreign: tuple[int, ...] = ()
    unguarded: tuple[int, ...] = ()
    closing: tuple[OwnClosing, ...] = ()
    unexplained: KeptMoney = NOTHING
    told: KeptDeals = NOTHING_TOLD
    hand_fates: tuple[HandFate, ...] = ()


class OwnBooks(NamedTuple):
    """What the ledger has, and keeps, for a broker that is far away.

    Attributes:
        balance: Its balance, just now.
        keep: Has a state on the disk, with what people should know of it, and what is charged.
        closed: Whether it has the deal that closed a position.
        owner_of: Whose a position is, or was last; None: no strategy's.
    """

    balance: Callable[[], float]
    keep: Callable[[BridgeState, Sequence[AccountNote], Sequence[Charge]], None]
    closed: Callable[[int], bool]
    owner_of: Callable[[int], str | None]


class _Jump(NamedTuple):
    """A balance that nobody expected, with what is known of it."""

    money: BalanceState
    charges: Sequence[Charge]
    account: FarAccount


class Reconciliation:
    """Compares each snapshot with what is held here.

    Args:
        holdings: The open positions.
        deals: Makes the deals.
        orders: Those on their way.
        lookup: Finds out about those whose fate is not known.
        strays: Closes what was opened too late.
        told: What the broker's deals tell.
        books: The ledger's side.
        doubled: Symbols that several strategies trade.
        magics: The strategies' magic numbers.
        state: As an earlier process left it.
        settings: Which account it has to be, in which currency, and how long a bridge may be late.
        monotonic: The monotonic clock, seconds.

    Attributes:
        state: What outlives the process.
        confirmed: A snapshot has shown that it is the right account, and none since that it is not.
        trouble: Why nothing may be sent, or what does not fit; empty: nothing.
    """

    def __init__(
        self,
        holdings: Holdings,
        deals: DealMaker,
        orders: SentOrders,
        lookup: OrderLookup,
        strays: StrayPositions,
        told: ToldDeals,
        books: OwnBooks,
        doubled: Collection[str],
        magics: Collection[int],
        state: BridgeState,
        settings: GlobalConfig,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.state = state
        self.confirmed = False
        self.trouble = ""
        self._holdings = holdings
        self._deals = deals
        self._orders = orders
        self._lookup = lookup
        self._strays = strays
        self._told = told
        self._own = books
        self._currency = settings.account_currency
        self._account = settings.account
        self._trusted = settings.execution.trust_account
        self._doubled = doubled
        self._magics = magics
        self._monotonic = monotonic
        self._missing = MissingPositions(
            holdings,
            deals.ended,
            orders.closes,
            lookup.look_again,
            settings.execution.settle_after,
            settings.execution.unknown_after,
            monotonic,
        )
        self._unexplained = UnexplainedMoney(
            lambda: orders.openings(monotonic()),
            settings.execution.unknown_after,
            state.unexplained,
        )
        missing, money = self._missing, self._unexplained
        self._ended = EndedPositions(holdings, deals, orders, missing, money, told)
        self._jumped: _Jump | None = None
        self._crowded = False

    def after(self, fill: Fill) -> BridgeState:
        """What is to be remembered once a deal is in the ledger."""
        closing = tuple(c for c in self.state.closing if c.order.order_id != fill.order_id)
        foreign = tuple(t for t in self.state.foreign if fill.entry == "OUT" or t != fill.ticket)
        state = msgspec.structs.replace(self.state, closing=closing, foreign=foreign)
        if fill.entry == "IN":
            return state
        unexplained = self._unexplained.after(fill) if self._seen(fill) else state.unexplained
        return msgspec.structs.replace(state, unexplained=unexplained, told=self._told.after(fill))

    def booked(self, fill: Fill) -> None:
        """A deal is in the ledger, with what `after` says."""
        self.state = self.after(fill)
        if fill.entry == "OUT":
            self._told.booked(fill)
            if self._seen(fill):
                self._unexplained.booked(fill)

    def _seen(self, fill: Fill) -> bool:
        """Whether a snapshot may show its money: what was answered at once left after the last."""
        sent = self._orders.get(fill.order_id)
        return sent is None or sent.doubt_at is not None

    @property
    def awaits_booking(self) -> bool:
        """Something is gone at the broker, and is not booked yet."""
        return self._unexplained.awaits_booking

    @property
    def deals_from_us(self) -> int:
        """From which moment on the broker's deals are asked for, us since the epoch."""
        return self.state.money.asked_from_us(round(time.time() * 1e6), self._crowded)

    def take(self, snapshot: AccountSnapshot) -> Iterator[Word]:
        """What follows from a snapshot: the fate of orders, and deals that nobody here has made."""
        account = snapshot.account
        self._crowded = len(snapshot.deals or ()) >= CROWD
        money, charges = self.state.money.with_deals(
            snapshot.deals, self._own.owner_of, self._magics
        )
        self.trouble = why_not(account, self._account, self._trusted, self._doubled, self._currency)
        if not self.trouble:
            # Another account's deals are nothing here.
            self._told.take(self.state.money.new(snapshot.deals))
            self.trouble = self._leap(_Jump(money, charges, account))
        if self.trouble:
            self.confirmed = False
            return
        if money.offset is None:
            money = money.compared(account, self._own.balance())
        # First of all: what is left of a difference is what positions have made.
        self.remember(charges=charges, money=money, told=self._told.kept)
        ours = {held.position.ticket for held in self._holdings.all}
        strays = self._orders.strays_gone(snapshot.positions)
        gone = self._missing.gone(snapshot) | {t: lots for t, lots in strays.items() if lots}
        told, moved = snapshot.deals is not None and not money.unclaimed, self._difference(account)
        listed = {found.ticket for found in snapshot.positions}
        held = ours | strays.keys()
        self._unexplained.take(moved, held, gone, listed, snapshot.asked_at, told)
        self.remember(unexplained=self._unexplained.kept)
        yield from self._ended.book_told(snapshot)
        known = ours | set(self.state.foreign)
        yield from self._lookup.take(snapshot, known, self._unexplained)
        yield from self._ended.book_missing(snapshot)
        self.trouble = self._ended.trouble
        self.confirmed = not self.trouble
        self._strays.close_all(snapshot)
        settled = not self._orders.in_doubt and not self.awaits_booking
        if settled and not self.trouble:
            self._note(snapshot)

    def _leap(self, jump: "_Jump") -> str:
        """Why a balance cannot be that of this account, whatever is open or on its way there."""
        open_ = [self._deals.ended(held, held.position.lots) for held in self._holdings.all]
        allowed = sum(abs(each.expected) + PLAUSIBLE * each.value for each in open_)
        money, charges, account = jump
        told = self._told.made({each.held.position.ticket for each in open_})
        leap = money.leap(account, self._own.balance(), allowed, charges, told)
        self._jumped = jump if leap else None
        return leap

    def _note(self, snapshot: AccountSnapshot) -> None:
        """What is somebody else's, what is not guarded, and a balance that nobody can explain."""
        on_way, held = bool(self._orders.all) or self._strays.open, list(self._holdings.all)
        money = self._claimed()
        money, told = (money if on_way else money.disowned()).settled(
            snapshot.account, self._own.balance()
        )
        before = ListedPositions(self.state.foreign, self.state.unguarded)
        now = compare_listed(held, snapshot.positions)
        if on_way:
            now = now._replace(foreign=before.foreign)  # One may be its.
        notes = notes_of(before, now, held, snapshot.positions)
        notes += [told] if told is not None else []
        self._told.settled({each.position.ticket for each in held})
        self.remember(
            notes,
            foreign=now.foreign,
            unguarded=now.unguarded,
            money=money,
            unexplained=NOTHING,
            told=self._told.kept,
        )
        self._unexplained.settled()

    def _claimed(self) -> BalanceState:
        """What is known of the balance, with what was charged for orders that were just found."""
        money, charges = self.state.money.with_deals(None, self._own.owner_of, self._magics)
        self.remember(charges=charges, money=money)
        return money

    def remember(
        self,
        notes: Sequence[AccountNote] = (),
        charges: Sequence[Charge] = (),
        **changes: object,
    ) -> None:
        """Have on the disk what outlives the process, with what people should know of it."""
        state = msgspec.structs.replace(self.state, **changes)
        if state != self.state:
            self._own.keep(state, notes, charges)
            self.state = state
        for charge in charges:
            logger.info("%s was charged %s", charge.strategy, _charged(charge))
        for note in notes:
            logger.warning("%s", note.detail)

    def settle(self, what: str, deal: HandDeal | None, who: str) -> Dealt | str | None:
        """Take somebody's word for what does not fit; see `Broker.settle`.

        Args:
            what: The ticket of a position that the broker lists no more, or `ACCEPTED`.
            deal: What was dealt; None: nothing was.
            who: Says so, for people.

        Returns:
            The deal that follows; why there is none, empty: it is done; None: it is about an order.
        """
        if what == ACCEPTED:
            return self._accept(who)
        if not what.isdigit():
            return None
        held = next((h for h in self._holdings.all if h.position.ticket == int(what)), None)
        if held is None:
            return "no such position is open by the ledger"
        missing = self._missing.tickets.get(int(what))
        if deal is None or missing is None:
            return "the broker lists it; `flatten` closes it"
        if far_off := self._deals.far_off(held.position.symbol, deal.price):
            return far_off
        order = self._deals.closing_order(held.position, Code.MANUAL)
        reason = f"{who} has looked in the terminal"
        lots = deal.lots or missing.lots
        if lots > missing.lots + SAME_LOTS:
            return f"{missing.lots:g} lots of it are gone, and not {lots:g}"
        made = OrderDeals(int(what), lots, deal.price)
        return self._deals.closed(order, held, made, Code.MANUAL, reason)

    def _accept(self, who: str) -> str:
        """The broker's balance is right as it is, whatever is expected."""
        if self._jumped is None:
            return "the balance is what was expected"
        money, charges, account = self._jumped
        self._jumped = None
        self.remember(charges=charges, money=money)
        money, note = money.accepted(account, self._own.balance())
        note = msgspec.structs.replace(note, detail=f"{note.detail}; accepted by {who}")
        self.remember([note], money=money, unexplained=NOTHING)
        self._unexplained.settled()
        return ""

    def _difference(self, account: FarAccount) -> float:
        return self.state.money.difference(account, self._own.balance())


def _charged(charge: Charge) -> str:
    swap = f", swap {charge.swap:+,.2f}" if charge.swap else ""
    return f"{charge.commission:,.2f} commission{swap} for deal {charge.deal}"

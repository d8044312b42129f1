"""What an account has at one moment, asked in questions that must fit; and whose it is."""

import enum
import logging
import time
from collections.abc import Callable, Collection

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.evidence import SAME_MONEY
from mt5crs_services.gateway.brokers.bridge.bridge_link import (
    Arrival,
    BridgeLink,
    BridgeMessage,
)
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    Dialect,
    FarAccount,
    FarDeal,
    FarPosition,
    TellsDeals,
)
from mt5crs_shared.configuration.execution_structs import AccountConfig

logger = logging.getLogger(__name__)

KEY = "snapshot"
"""Names these questions."""


class AccountSnapshot(msgspec.Struct, frozen=True):
    """An account at one moment.

    Attributes:
        asked_at: Monotonic time at which the first question left, seconds.
        account: Its money.
        positions: All that is open.
        deals: Those since the moment that was asked for; None: they are not told.
    """

    asked_at: float
    account: FarAccount
    positions: tuple[FarPosition, ...]
    deals: tuple[FarDeal, ...] | None = None


class _Step(enum.Enum):
    NONE = enum.auto()
    ACCOUNT = enum.auto()
    POSITIONS = enum.auto()
    DEALS = enum.auto()
    ACCOUNT_AGAIN = enum.auto()


class Snapshots:
    """Asks for the account, its positions, its deals where the dialect tells them, and once more.

    Where a deal of ours leaves or is booked in between, or the balance is another one at the end,
    they do not fit, and are asked again: so a deal that is told has moved the balance that is told
    with it, and whatever is in the books was there before the account was asked.

    Args:
        dialect: What the bridge speaks.
        link: The way to it.
        every: Seconds between two of them.
        deals_since: From which moment on deals are asked for, us since the epoch.
        monotonic: The monotonic clock, seconds.

    Attributes:
        latest: The newest; None: none yet.
        trouble: Why there is no newer one; empty: nothing.
    """

    def __init__(
        self,
        dialect: Dialect,
        link: BridgeLink,
        every: float,
        deals_since: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.latest: AccountSnapshot | None = None
        self.trouble = ""
        self._dialect = dialect
        self._link = link
        self._every = every
        self._deals_since = deals_since
        self._monotonic = monotonic
        self._step = _Step.NONE
        self._due = monotonic()
        self._asked_at = 0.0
        self._taken_at = self._due
        self._first: FarAccount | None = None
        self._positions: tuple[FarPosition, ...] = ()
        self._deals: tuple[FarDeal, ...] | None = None

    @property
    def wanted(self) -> bool:
        """One is being made, or is due."""
        return self._step is not _Step.NONE or self._monotonic() >= self._due

    def urgent(self, waited_for: bool) -> bool:
        """Whether orders wait for the next one.

        Args:
            waited_for: It would tell something of an order or of a position; others come before
                orders where there has been none for twice as long as there should be.
        """
        overdue = self._monotonic() > self._taken_at + 2.0 * self._every
        return self._dialect.shows_account and (waited_for or overdue) and self.wanted

    def want(self, after: float = 0.0) -> None:
        """Have the next one made in that many seconds, if not earlier."""
        self._due = min(self._due, self._monotonic() + after)

    def spoil(self) -> None:
        """A deal leaves, or is booked: what was asked before does not fit to what comes after."""
        if self._step is not _Step.NONE:
            self._step = _Step.NONE
            self._due = self._monotonic()

    def next_due(self) -> float:
        """Seconds until the next one is to be made."""
        return max(self._due - self._monotonic(), 0.0)

    def ask(self) -> None:
        """Ask the next of the questions, where one is due and the link is ready."""
        if not self.wanted or not self._link.ready:
            return
        if self._step is _Step.NONE:
            self._step, self._asked_at = _Step.ACCOUNT, self._monotonic()
            self._due = self._asked_at + self._every
        if not self._link.send(KEY, self._question(), deals=False):
            self._step = _Step.NONE

    def _question(self) -> bytes:
        if self._step is _Step.DEALS:
            assert isinstance(self._dialect, TellsDeals), "it was asked before"
            return self._dialect.deals(self._deals_since())
        listing = self._step is _Step.POSITIONS
        return self._dialect.positions() if listing else self._dialect.account()

    def take(self, message: BridgeMessage) -> AccountSnapshot | None:
        """Take the answer to one of them; the snapshot, where it was the last and all fit."""
        if self._step is _Step.NONE:
            return None  # Spoiled meanwhile.
        if message.arrival is not Arrival.ANSWERED:
            self._fail("the bridge does not answer")
            return None
        try:
            return self._take(message.body)
        except BadReplyError as error:
            self._fail(str(error))
            return None

    def _take(self, body: bytes) -> AccountSnapshot | None:
        if self._step is _Step.POSITIONS:
            self._positions = tuple(self._dialect.read_positions(body))
            tells = isinstance(self._dialect, TellsDeals)
            self._step = _Step.DEALS if tells else _Step.ACCOUNT_AGAIN
            return None
        if self._step is _Step.DEALS:
            self._deals = self._read_deals(body)
            self._step = _Step.ACCOUNT_AGAIN
            return None
        account = self._dialect.read_account(body)
        if self._step is _Step.ACCOUNT:
            self._first = account
            self._step = _Step.POSITIONS
            return None
        self._step = _Step.NONE
        first, self._first = self._first, None
        if first is None or not _same_account(first, account):
            self._due = self._monotonic()
            return None
        self.trouble = ""
        self._taken_at = self._monotonic()
        self.latest = AccountSnapshot(self._asked_at, account, self._positions, self._deals)
        return self.latest

    def _read_deals(self, body: bytes) -> tuple[FarDeal, ...] | None:
        assert isinstance(self._dialect, TellsDeals), "it was asked before"
        try:
            return tuple(self._dialect.read_deals(body))
        except BadReplyError as error:
            # The account is known without them.
            logger.info("the deals are not told: %s", error)
            return None

    def _fail(self, trouble: str) -> None:
        self._step = _Step.NONE
        self.trouble = trouble
        self.want(1.0)


def _same_account(first: FarAccount, second: FarAccount) -> bool:
    same_money = abs(first.balance - second.balance) < SAME_MONEY
    return same_money and (first.login, first.server) == (second.login, second.server)


def why_not(
    found: FarAccount,
    wanted: AccountConfig | None,
    trusted: bool,
    doubled: Collection[str],
    currency: str,
) -> str:
    """Why an account may not be traded; empty: it may.

    Args:
        found: As the bridge reports it.
        wanted: Which one it has to be.
        trusted: A bridge that does not say which one it is, is believed.
        doubled: Symbols that several strategies trade.
        currency: In which the books here are.
    """
    if found.currency not in ("", currency):
        return (
            f"the account is in {found.currency}, and account_currency says {currency}: nothing is"
            " sent"
        )
    if not found.login and not trusted:
        return (
            "the bridge does not say which account it trades: nothing is sent;"
            " execution.trust_account: true trades it all the same"
        )
    other = wanted is not None and (
        found.login not in (0, wanted.login) or found.server not in ("", wanted.server)
    )
    if other and wanted is not None:
        return (
            f"the terminal is logged into account {found.login} of {found.server}, and"
            f" global.account says {wanted.login} of {wanted.server}: nothing is sent"
        )
    if found.netting and doubled:
        return (
            "the account holds one position a symbol, and several strategies trade"
            f" {', '.join(sorted(doubled))}: nothing is sent; one strategy a symbol, or a hedging"
            " account"
        )
    return ""

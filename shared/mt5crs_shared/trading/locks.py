"""What holds orders back: locks on a strategy or on the account, and what they amount to."""

import enum
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from mt5crs_shared.trading.orders import Order

OPERATOR = "operator"
"""Who owns the locks of `pause`; no strategy may have that name, since the gateway hears him."""

KILL_SWITCH = "kill-switch"
"""Who owns the lock of `kill-switch on`."""

BY_RULE = "risk rule"
"""Who put the lock of a risk rule there, for people."""

ACCOUNT = ""
"""The scope of a lock that holds for every strategy."""


LONGEST_WHY = 300
"""Characters of a reason that are kept, the newest."""


class TradingState(enum.StrEnum):
    """Which orders are executed: ACTIVE all, REDUCING those that close, HALTED none.

    Stops and targets are the broker's, and guard a position in each of them.
    """

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class TradingLock(msgspec.Struct, frozen=True):
    """Something that holds orders back; the ledger keeps it until it is taken off.

    Attributes:
        owner: Which hand put it there: ``operator``, ``kill-switch``, or a risk rule by the name of
            its entry, `RiskRuleConfig.name`.
        scope: A strategy's name; empty: the account.
        state: REDUCING or HALTED.
        who: The user, for people.
        why: For people; empty: no reason was given.
        since: Wall time, seconds since the epoch.
        until: Wall time at which it ends by itself; None: when it is taken off.
    """

    owner: str
    scope: str
    state: TradingState
    who: str
    why: str
    since: float
    until: float | None = None

    def is_over(self, now: float) -> bool:
        """Whether it has ended by itself at a wall time."""
        return self.until is not None and now >= self.until


def is_of_rule(lock: TradingLock) -> bool:
    """Whether a risk rule has put it there."""
    return lock.owner not in (OPERATOR, KILL_SWITCH)


def in_force(locks: Iterable[TradingLock], now: float) -> tuple[TradingLock, ...]:
    """Of locks that were put somewhere, those that hold at a wall time."""
    return tuple(lock for lock in locks if not lock.is_over(now))


def strictest(locks: Iterable[TradingLock], strategy: str) -> TradingLock | None:
    """Of locks that hold, the one that decides for a strategy; None: it is ACTIVE.

    A HALTED one before a REDUCING one, then the oldest.
    """
    own = (lock for lock in locks if lock.scope in (ACCOUNT, strategy))
    return min(own, key=lambda lock: (lock.state != "HALTED", lock.since), default=None)


def trading_state(locks: Iterable[TradingLock], strategy: str) -> TradingState:
    """What the locks that hold on a strategy, and on the account, amount to."""
    lock = strictest(locks, strategy)
    return lock.state if lock is not None else TradingState.ACTIVE


def forbidding(order: Order, locks: Iterable[TradingLock]) -> TradingLock | None:
    """Of locks that hold, the one because of which an order is refused; None: none forbids it."""
    lock = strictest(locks, order.strategy)
    if lock is None or (lock.state is TradingState.REDUCING and order.action == "CLOSE"):
        return None
    return lock


def merged(held: TradingLock, wanted: TradingLock) -> TradingLock:
    """A lock that holds, after the same hand has put another one there.

    The stricter state and the later end count: only taking it off makes it weaker. Both reasons
    stay. Where it adds nothing, it is the lock that holds.
    """
    halted = TradingState.HALTED in (held.state, wanted.state)
    ends = [lock.until for lock in (held, wanted)]
    until = None if None in ends else max(end for end in ends if end is not None)
    new = wanted.why if wanted.why not in held.why else ""
    both = msgspec.structs.replace(
        held,
        state=TradingState.HALTED if halted else held.state,
        until=until,
        why="; ".join(why for why in (held.why, new) if why)[-LONGEST_WHY:],
    )
    return both if both == held else msgspec.structs.replace(both, who=wanted.who)


def in_words(lock: TradingLock) -> str:
    """``HALTED by root since 2026-11-26 03:10:05 UTC (kill-switch): news, until ...``."""
    why = f": {lock.why}" if lock.why else ""
    until = f", until {_moment(lock.until)}" if lock.until is not None else ""
    hand = f" ({lock.owner})" if lock.owner != OPERATOR else ""
    return f"{lock.state} by {lock.who}{hand} since {_moment(lock.since)}{until}{why}"


def _moment(wall: float) -> str:
    return f"{datetime.fromtimestamp(wall, UTC):%Y-%m-%d %H:%M:%S} UTC"

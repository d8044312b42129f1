"""The locks of the ledger at hand: asked before every rule, changed at the operator's word."""

import time
from collections.abc import Callable, Sequence

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.risk.proposal import Refusal
from mt5crs_shared.configuration.structs import RiskRuleConfig
from mt5crs_shared.trading import locks
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_shared.trading.orders import Code, Order


class TradingLocks:
    """What holds orders back. A change is in the ledger, on the disk, before it holds.

    Args:
        ledger: The account's ledger.
        wall: The wall clock, seconds since the epoch: operators lock by their watch.
    """

    def __init__(self, ledger: Ledger, wall: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._wall = wall
        self._locks = tuple(ledger.locks())

    @property
    def in_force(self) -> tuple[TradingLock, ...]:
        """Every lock that holds just now."""
        return locks.in_force(self._locks, self._wall())

    def refusal(self, order: Order) -> Refusal | None:
        """Why an order is held back; None: nothing holds it."""
        if not self._locks:
            return None
        lock = locks.forbidding(order, self.in_force)
        return Refusal(Code.LOCKED, locks.in_words(lock)) if lock is not None else None

    def put(self, wanted: Sequence[TradingLock]) -> None:
        """Lock; what holds already is never made weaker or shorter, see `locks.merged`.

        Raises:
            LedgerError: It could not be recorded; nothing has changed.
        """
        held = {(lock.owner, lock.scope): lock for lock in self.in_force}
        fresh = []
        for lock in wanted:
            if lock.state is TradingState.ACTIVE:
                continue  # It holds nothing back.
            before = held.get((lock.owner, lock.scope))
            after = locks.merged(before, lock) if before is not None else lock
            if after != before:
                fresh.append(after)
        if fresh:
            self._change(fresh, [])

    def of_breach(self, entry: RiskRuleConfig, order: Order, why: str) -> TradingLock:
        """The lock that a broken rule puts there: nothing holds before it is in the ledger.

        Args:
            entry: The rule's; its `on_breach` locks.
            order: What broke it.
            why: The rule's words.
        """
        now = self._wall()
        return TradingLock(
            owner=entry.name,
            scope=locks.ACCOUNT if entry.scope == "account" else order.strategy,
            state=TradingState.HALTED if entry.on_breach == "halt" else TradingState.REDUCING,
            who=locks.BY_RULE,
            why=why[: locks.LONGEST_WHY],
            since=now,
            until=now + entry.lock_for if entry.lock_for is not None else None,
        )

    def read_again(self) -> None:
        """Take what the ledger has, where a lock was put there together with something else."""
        self._locks = tuple(self._ledger.locks())

    def take_off(self, owner: str, scopes: Sequence[str], who: str) -> None:
        """Unlock; what is not locked by that owner stays as it is.

        Raises:
            LedgerError: It could not be recorded; nothing has changed.
        """
        wanted = [lock for lock in self._locks if lock.owner == owner and lock.scope in scopes]
        if wanted:
            self._change([], [(lock, f"{lock.owner}: taken off by {who}") for lock in wanted])

    def expire(self) -> None:
        """Take off what has ended by itself.

        Raises:
            LedgerError: It could not be recorded; it has ended all the same.
        """
        now = self._wall()
        over = [lock for lock in self._locks if lock.is_over(now)]
        if over:
            self._change([], [(lock, f"{lock.owner}: its time is over") for lock in over])

    def _change(self, put: list[TradingLock], taken_off: list[tuple[TradingLock, str]]) -> None:
        self._ledger.change_locks(put, taken_off)
        self.read_again()

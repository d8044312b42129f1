"""The rules of a gateway: those for every order, and those that the configuration names."""

import logging
from collections.abc import Iterable, Sequence

import msgspec

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.ledger.records import RuleStates
from mt5crs_services.gateway.risk import loading
from mt5crs_services.gateway.risk.order_checks import (
    ClosesHeldPosition,
    ConvertibleProfit,
    DealableVolume,
    EnoughMargin,
    NothingToNetAgainst,
    OnePosition,
    PricedQuote,
    SoundStops,
    UncrossedQuote,
)
from mt5crs_services.gateway.risk.proposal import Breach, Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_services.gateway.risk.trading_locks import TradingLocks
from mt5crs_shared.configuration.structs import RiskRuleConfig
from mt5crs_shared.trading.orders import Charge, Code, Fill, Order, is_refusal
from mt5crs_shared.wording import ERROR_LENGTH, one_line, shown

logger = logging.getLogger(__name__)

AT_ONCE: tuple[Rule[NoState], ...] = (DealableVolume(), PricedQuote(), UncrossedQuote())
"""What can be said of any order when it arrives."""

OPENING: tuple[Rule[NoState], ...] = (
    SoundStops(),
    OnePosition(),
    NothingToNetAgainst(),
    ConvertibleProfit(),
    EnoughMargin(),
)
"""What an order that opens a position must pass besides when it is executed."""

CLOSING: tuple[Rule[NoState], ...] = (ClosesHeldPosition(),)
"""What an order that closes one must pass besides."""

_NO_STATE = NoState()
_encode = msgspec.msgpack.Encoder().encode


class _Configured:
    """One entry of the configuration, with its states."""

    def __init__(self, entry: RiskRuleConfig, ledger: Ledger, locks: TradingLocks) -> None:
        self.name = entry.name
        self._entry = entry
        self._ledger = ledger
        self._locks = locks
        self.broken = ""
        self.failing = ""
        self._failures = 0
        self.scope = entry.scope
        self._rule = loading.load_rule(entry)
        self._kind = loading.state_of(type(self._rule))
        self._blank = _encode(self._kind())
        # As the ledger has them: a rule that changes the one it is given changes nothing.
        self.states = ledger.rule_states(self.name)
        for body in self.states.values():
            self._decode_kept(body)
        # It is new, or failed at something: it is told of that.
        changed = self.after(ledger.unheard_by(self.name))
        if changed is not None:
            ledger.keep_rules({self.name: changed})
            self.states |= changed

    def refusal(self, proposal: Proposal) -> Refusal | None:
        """Its refusal; a rule that fails refuses."""
        if self.broken:
            return Refusal(Code.RISK, self.broken)
        try:
            found = self._rule.before(proposal, self._decode(self._body(self._key(proposal.order))))
            refusal = _checked(found) if found is not None else None
        except BaseException as error:  # whatever it is, it must not stop the gateway
            return Refusal(Code.RISK, self._note_failure(error))
        self.failing = ""
        if refusal is None or self._entry.on_breach == "refuse":
            return refusal
        lock = self._locks.of_breach(self._entry, proposal.order, refusal.detail)
        return Breach(refusal.code, refusal.detail, lock)

    def after(self, happened: Iterable[Fill | Charge]) -> dict[str, bytes] | None:
        """The states that they change; None: the rule fails, and opens nothing more."""
        if self.broken:
            return None
        changed: dict[str, bytes] = {}
        for each in happened:
            key = self._key(each)
            before = changed.get(key, self._body(key))
            try:
                body = self._told(each, before)
            except BaseException as error:  # nor undo the deal
                what = "charge" if isinstance(each, Charge) else "deal"
                logger.error("risk rule %s failed at a %s", self.name, what, exc_info=error)
                # It would not know of this one. Once it is mended, it is told of it again.
                self.broken = (
                    f"{self.name} failed at a {what}: {loading.error_of_rule(error)}; nothing is"
                    " opened before it is mended, and the gateway restarted"
                )
                return None
            if body != before:
                changed[key] = body
        return changed

    def _told(self, of: Fill | Charge, before: bytes) -> bytes:
        """The state after a deal or a charge."""
        state = self._decode(before)
        if isinstance(of, Charge):
            name, after = "after_charge", self._rule.after_charge(of, state)
        else:
            name, after = "after", self._rule.after(of, state)
        if not isinstance(after, self._kind):
            wanted = self._kind.__name__
            raise TypeError(f"{name}() returned {shown(after)}; it returns a {wanted}")
        body = _encode(after)
        self._decode(body)  # what cannot be read again would keep the next gateway down
        return body

    def _key(self, of: Order | Fill | Charge) -> str:
        """What is counted together: the account, a strategy, or a symbol."""
        if self.scope == "symbol" and isinstance(of, Charge):
            return self._ledger.symbol_of(of.ticket)
        return "" if self.scope == "account" else str(getattr(of, self.scope))

    def _note_failure(self, error: BaseException) -> str:
        """What is told of it; the log has its traceback when it has doubled."""
        self._failures += 1
        if self._failures & (self._failures - 1) == 0:
            logger.error("risk rule %s failed, time %d", self.name, self._failures, exc_info=error)
        self.failing = f"{self.name} failed: {loading.error_of_rule(error)}; see `logs gateway`"
        return self.failing

    def _body(self, key: str) -> bytes:
        return self.states.get(key, self._blank)

    def _decode(self, body: bytes) -> msgspec.Struct:
        return msgspec.msgpack.decode(body, type=self._kind)

    def _decode_kept(self, body: bytes) -> None:
        try:
            self._decode(body)
        except BaseException as error:
            raise loading.RuleError(
                f"risk rule {self.name}: what the ledger keeps for it does not fit"
                f" {self._kind.__name__} ({loading.error_of_rule(error)}); give new fields a"
                " default, or the rule another name"
            ) from error


class RiskRules:
    """Asked before each order, told of each deal and charge.

    Rules of the configuration are asked about orders that open a position only: one that closes
    must always be possible.

    Args:
        entries: ``global.risk`` of the configuration.
        ledger: Where their states are, and what they have not heard of.
        locks: What is asked before all of them.

    Raises:
        RuleError: One cannot be used.
    """

    def __init__(
        self, entries: Sequence[RiskRuleConfig], ledger: Ledger, locks: TradingLocks
    ) -> None:
        self._locks = locks
        self._configured = [_Configured(entry, ledger, locks) for entry in entries]

    @property
    def trouble(self) -> str:
        """Which rule fails; empty: none does."""
        found = (rule.broken or rule.failing for rule in self._configured)
        return next((trouble for trouble in found if trouble), "")

    def on_arrival(self, proposal: Proposal) -> Refusal | None:
        """What can be said of an order before its time has come."""
        return self._locks.refusal(proposal.order) or first_refusal(AT_ONCE, proposal)

    def on_execution(self, proposal: Proposal) -> Refusal | None:
        """The first refusal at the moment of its execution; None where all agree."""
        locked = self._locks.refusal(proposal.order)
        if locked is not None:
            return locked
        if proposal.order.action == "CLOSE":
            return first_refusal(CLOSING, proposal)
        return first_refusal(OPENING, proposal) or _first(
            rule.refusal(proposal) for rule in self._configured
        )

    def after(self, *happened: Fill | Charge) -> RuleStates:
        """By rule, the states that these change one by one, to be kept with them; see `accept`.

        A rule that is not in it has not heard of them.
        """
        heard = ((rule.name, rule.after(happened)) for rule in self._configured)
        return {name: changed for name, changed in heard if changed is not None}

    def locked(self) -> None:
        """A breach's lock is in the ledger, and holds from now on."""
        self._locks.read_again()

    def accept(self, changed: RuleStates) -> None:
        """They are in the ledger."""
        for rule in self._configured:
            rule.states |= changed.get(rule.name, {})


def first_refusal(rules: Sequence[Rule[NoState]], proposal: Proposal) -> Refusal | None:
    """The first rule's refusal; None where all agree."""
    return _first(rule.before(proposal, _NO_STATE) for rule in rules)


def _checked(found: object) -> Refusal:
    if not isinstance(found, Refusal):
        raise TypeError(f"before() returned {shown(found)}; it returns a Refusal or None")
    if not is_refusal(found.code) or not isinstance(found.detail, str):
        raise TypeError(
            f"before() returned {shown(found)}; its code is one of Code, such as Code.RISK"
        )
    return Refusal(found.code, one_line(found.detail, ERROR_LENGTH))


def _first(refusals: Iterable[Refusal | None]) -> Refusal | None:
    return next((refusal for refusal in refusals if refusal is not None), None)

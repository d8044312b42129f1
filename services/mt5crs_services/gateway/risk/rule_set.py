"""The rules of a gateway: those for every order, and those that the configuration names."""

import difflib
import importlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mt5crs_services.gateway.risk.order_checks import (
    ClosesHeldPosition,
    ConvertibleProfit,
    DealableVolume,
    EnoughMargin,
    OnePosition,
    PricedQuote,
    SoundStops,
    UncrossedQuote,
)
from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.configuration.structs import RiskRuleConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.orders import Code, Fill

logger = logging.getLogger(__name__)

AT_ONCE: tuple[Rule[NoState], ...] = (DealableVolume(), PricedQuote(), UncrossedQuote())
"""What can be said of any order when it arrives."""

OPENING: tuple[Rule[NoState], ...] = (
    SoundStops(),
    OnePosition(),
    ConvertibleProfit(),
    EnoughMargin(),
)
"""What an order that opens a position must pass besides when it is executed."""

CLOSING: tuple[Rule[NoState], ...] = (ClosesHeldPosition(),)
"""What an order that closes one must pass besides."""

BY_NAME: dict[str, type[Rule[Any]]] = {}
"""Rules of ours that a configuration can name without a module."""

_NO_STATE = NoState()
_encode = msgspec.msgpack.Encoder().encode

Kept = Mapping[tuple[str, str], bytes]
"""What the ledger has of rules' states: rule and key of its scope, and the state, msgpack."""


class RuleError(Mt5crsError):
    """A configured rule cannot be used. The gateway does not start: nothing trades without it."""


class _Configured:
    """One entry of the configuration, with its states."""

    def __init__(self, entry: RiskRuleConfig, kept: Kept) -> None:
        self.name = entry.name
        self.broken = ""
        self._scope = entry.scope
        self._rule = load_rule(entry)
        self.states = {
            key: _decoded(self.name, body, self._rule.State)
            for (name, key), body in kept.items()
            if name == self.name
        }

    def key(self, of: Proposal | Fill) -> str:
        """What is counted together: the account, a strategy, or a symbol."""
        order = of.order if isinstance(of, Proposal) else of
        return "" if self._scope == "account" else str(getattr(order, self._scope))

    def refusal(self, proposal: Proposal) -> Refusal | None:
        """Its refusal; a rule that fails refuses."""
        if self.broken:
            return Refusal(Code.RISK, self.broken)
        state = self.states.get(self.key(proposal)) or self._rule.State()
        try:
            found = self._rule.before(proposal, state)
            if found is not None and not isinstance(found, Refusal):
                raise TypeError(f"before() returned {found!r}; it returns a Refusal or None")
        except Exception as error:
            logger.exception("risk rule %s failed", self.name)
            return Refusal(Code.RISK, f"{self.name} failed: {type(error).__name__}: {error}")
        return found

    def following(self, fill: Fill) -> msgspec.Struct | None:
        """Its state after a deal; None: as before. The deal has happened, whatever it says."""
        before = self.states.get(self.key(fill)) or self._rule.State()
        try:
            after = self._rule.after(fill, before)
            if not isinstance(after, self._rule.State):
                raise TypeError(f"after() returned {after!r}; it returns a {self._rule.State}")
        except Exception as error:
            logger.exception("risk rule %s failed at a deal; nothing is opened any more", self.name)
            self.broken = f"{self.name} failed at a deal: {type(error).__name__}: {error}"
            return None
        return after if after != before else None


class RiskRules:
    """Asked before each order, told of each deal.

    Rules of the configuration are asked about orders that open a position only: one that closes
    must always be possible.

    Args:
        entries: ``global.risk`` of the configuration.
        kept: The states that the ledger has.

    Raises:
        RuleError: One cannot be used.
    """

    def __init__(self, entries: Sequence[RiskRuleConfig] = (), kept: Kept | None = None) -> None:
        self._configured = [_Configured(entry, kept or {}) for entry in entries]

    def on_arrival(self, proposal: Proposal) -> Refusal | None:
        """What can be said of an order before its time has come."""
        return first_refusal(AT_ONCE, proposal)

    def on_execution(self, proposal: Proposal) -> Refusal | None:
        """The first refusal at the moment of its execution; None where all agree."""
        if proposal.order.action == "CLOSE":
            return first_refusal(CLOSING, proposal)
        found = first_refusal(OPENING, proposal)
        for rule in self._configured if found is None else ():
            found = found or rule.refusal(proposal)
        return found

    def after(self, fill: Fill) -> dict[tuple[str, str], msgspec.Struct]:
        """The states that a deal changes, to be kept with it; see `accept`."""
        changed = {}
        for rule in self._configured:
            state = rule.following(fill)
            if state is not None:
                changed[rule.name, rule.key(fill)] = state
        return changed

    def accept(self, changed: Mapping[tuple[str, str], msgspec.Struct]) -> None:
        """They are in the ledger."""
        for rule in self._configured:
            for (name, key), state in changed.items():
                if name == rule.name:
                    rule.states[key] = state


def first_refusal(rules: Sequence[Rule[NoState]], proposal: Proposal) -> Refusal | None:
    """The first rule's refusal; None where all agree."""
    for rule in rules:
        refusal = rule.before(proposal, _NO_STATE)
        if refusal is not None:
            return refusal
    return None


def load_rule(entry: RiskRuleConfig) -> Rule[Any]:
    """The rule that an entry names, with its parameters.

    Raises:
        RuleError: It cannot be found, is no `Rule`, or does not take these parameters.
    """
    found = BY_NAME.get(entry.rule) or _imported(entry.rule)
    if not (isinstance(found, type) and issubclass(found, Rule)):
        raise RuleError(f"risk rule {entry.rule} is no subclass of Rule")
    try:
        found.State()
    except TypeError as error:
        raise RuleError(
            f"risk rule {entry.rule}: every field of its State needs a default ({error})"
        ) from error
    unknown = entry.params.keys() - set(found.__struct_fields__)
    if unknown:
        has = ", ".join(found.__struct_fields__) or "none"
        raise RuleError(
            f"risk rule {entry.rule} has no parameter {', '.join(sorted(unknown))}; it has: {has}"
        )
    try:
        return msgspec.convert(entry.params, found)
    except msgspec.ValidationError as error:
        raise RuleError(f"risk rule {entry.rule}: params: {error}") from error


def _imported(name: str) -> object:
    module, _, attribute = name.partition(":")
    if not attribute:
        known = ", ".join(sorted(BY_NAME)) or "none"
        raise RuleError(f"there is no risk rule {name} (known: {known}); or name module:Class")
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise RuleError(f"risk rule {name}: {type(error).__name__}: {error}") from error
    if not hasattr(found, attribute):
        meant = difflib.get_close_matches(attribute, dir(found), n=1)
        hint = f"; did you mean {meant[0]}?" if meant else ""
        raise RuleError(f"risk rule {name}: {module} has no {attribute}{hint}")
    return getattr(found, attribute)


def _decoded(name: str, body: bytes, kind: type[msgspec.Struct]) -> msgspec.Struct:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise RuleError(
            f"risk rule {name}: what the ledger keeps for it does not fit its State ({error});"
            " give new fields a default, or the rule another name"
        ) from error

"""A risk rule: what is asked before an order is executed, and what it remembers of deals."""

from typing import Generic, TypeVar

import msgspec

from mt5crs_services.gateway.risk.proposal import Proposal, Refusal
from mt5crs_shared.trading.orders import Charge, Fill


class NoState(msgspec.Struct, frozen=True):
    """Of a rule that remembers nothing."""


S = TypeVar("S", bound=msgspec.Struct)


class Rule(msgspec.Struct, Generic[S], frozen=True):
    """A rule; its fields are its parameters, from ``params:`` of its entry in the YAML.

    It judges in event time, by what it is given and by its state alone: no clock, no random
    numbers, no network. Then a replay gives the same refusals.

    What it remembers is the struct in the brackets: frozen, every field with a default. It is kept
    in the ledger, in the transaction of the deal or charge that changed it; a rule that is new, or
    failed, is told of all that it has not heard of, by time.
    """

    def before(self, proposal: Proposal, state: S) -> Refusal | None:
        """Why an order is not to be executed; None: nothing speaks against it."""
        return None

    def after(self, fill: Fill, state: S) -> S:
        """The state after a deal."""
        return state

    def after_charge(self, charge: Charge, state: S) -> S:
        """The state after a broker has charged something for a deal; on paper it never does.

        The deal was told of before, mostly seconds ago; a day may have ended in between.
        """
        return state

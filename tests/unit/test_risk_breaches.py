"""A risk rule that locks where it is broken: together with the refusal, until somebody unlocks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.ledger import writing
from mt5crs_services.gateway.risk import NoState, Proposal, Refusal, Rule
from mt5crs_shared.configuration.structs import Config, RiskRuleConfig
from mt5crs_shared.storage import account_log
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.locks import ACCOUNT, OPERATOR, TradingLock, TradingState
from mt5crs_shared.trading.operator_requests import AskTrading, Lock, TradingReport, Unlock
from mt5crs_shared.trading.orders import Code
from tests.unit.gateway_cases import Office, config, order, tick

MOST = {"most": 1}


def with_rule(**fields: Any) -> Config:
    """One position may be open at a time; whoever wants another one breaks the rule."""
    base = config()
    entry = RiskRuleConfig(**({"rule": "max_open_positions", "params": MOST} | fields))
    return msgspec.structs.replace(
        base, globals=msgspec.structs.replace(base.globals, risk=[entry])
    )


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Office]:
    return lambda **fields: Office(tmp_path / "ledger.db", with_rule(**fields))


def locks(office: Office) -> tuple[TradingLock, ...]:
    report = office.core.handle(AskTrading(), True)
    assert isinstance(report, TradingReport)
    return report.locks


def break_rule(office: Office) -> None:
    """`euro` holds a position, and `other` wants one."""
    office.open(tick(0))
    refused = office.submit(order(tick(1), strategy="other"))
    assert (refused.code, refused.status) == (Code.RISK, "REJECTED")


def test_by_default_a_rule_refuses_and_locks_nobody(make: Callable[..., Office]) -> None:
    office = make()
    break_rule(office)
    assert locks(office) == ()


@pytest.mark.parametrize("on_breach", ["reduce", "halt"])
def test_the_account_is_locked_with_the_rules_words(
    make: Callable[..., Office], on_breach: str
) -> None:
    office = make(on_breach=on_breach)
    break_rule(office)
    (lock,) = locks(office)
    state = TradingState.REDUCING if on_breach == "reduce" else TradingState.HALTED
    assert (lock.owner, lock.scope, lock.state) == ("max_open_positions by account", ACCOUNT, state)
    assert lock.why.startswith("max_open_positions: ") and lock.until is None
    ticket = office.position("euro")
    assert ticket is not None
    closing = office.submit(order(tick(2), "SELL", ticket=ticket.ticket))
    assert closing.code is (Code.FILLED if on_breach == "reduce" else Code.LOCKED)
    # What broke the rule is over, and it is locked all the same.
    assert office.submit(order(tick(3), strategy="other")).code is Code.LOCKED


def test_with_another_scope_only_who_broke_it_is_locked(make: Callable[..., Office]) -> None:
    office = make(scope="symbol", on_breach="reduce")
    break_rule(office)
    assert [lock.scope for lock in locks(office)] == ["other"]
    held = office.position("euro")
    assert held is not None
    assert office.submit(order(tick(2), "SELL", ticket=held.ticket)).code is Code.FILLED
    assert office.submit(order(tick(3))).status == "FILLED"
    assert office.submit(order(tick(4), strategy="other")).code is Code.LOCKED


def test_it_outlives_the_gateway_and_is_taken_off_by_name(make: Callable[..., Office]) -> None:
    office = make(on_breach="halt")
    break_rule(office)
    office.restart()
    (lock,) = locks(office)
    for owner in (OPERATOR, "kill-switch", "max_loss by account"):
        office.core.handle(Unlock(owner, (ACCOUNT,), "ann"), True)
    assert locks(office) == (lock,)
    office.core.handle(Unlock(lock.owner, (ACCOUNT,), "ann"), True)
    assert locks(office) == ()
    kinds = [(c.kind, c.name) for c in account_log.read_account_events(office.ledger._db)]
    assert kinds == [("locked", ""), ("unlocked", "")]
    # It is broken still: the next order locks again.
    assert office.submit(order(tick(2), strategy="other")).code is Code.RISK
    assert locks(office) != ()


def test_it_ends_by_itself_where_it_is_said_how_long(make: Callable[..., Office]) -> None:
    office = make(on_breach="reduce", lock_for=600.0)
    office.core.locks._wall = lambda: 1_000.0
    break_rule(office)
    (lock,) = locks(office)
    assert (lock.since, lock.until) == (1_000.0, 1_600.0)
    office.core.locks._wall = lambda: 1_600.0
    assert locks(office) == ()


def test_refusal_and_lock_are_written_together_or_not_at_all(
    make: Callable[..., Office], monkeypatch: pytest.MonkeyPatch
) -> None:
    office = make(on_breach="halt")
    office.open(tick(0))
    request = order(tick(1), strategy="other")

    def refuse(*_arguments: object) -> None:
        raise LedgerError("no space")

    with monkeypatch.context() as broken:
        broken.setattr(writing, "insert_lock", refuse)
        assert office.ask_submit(request) is None
    assert office.ledger.find(request.order_id) is None and locks(office) == ()
    assert office.submit(request).code is Code.RISK
    assert len(locks(office)) == 1
    # The same order again has its first answer, and nothing is locked anew.
    assert office.submit(request).code is Code.RISK
    assert len(account_log.read_account_events(office.ledger._db)) == 1


def test_a_rule_that_fails_refuses_and_locks_nobody(make: Callable[..., Office]) -> None:
    office = make(rule=f"{__name__}:Broken", params={}, on_breach="halt")
    office.feed(tick(0))
    assert office.submit(order(tick(0))).code is Code.RISK
    assert locks(office) == ()


def test_the_operators_lock_stays_when_the_rules_is_taken_off(make: Callable[..., Office]) -> None:
    office = make(on_breach="reduce")
    break_rule(office)
    own = TradingLock(OPERATOR, ACCOUNT, TradingState.REDUCING, "ann", "", 100.0)
    office.core.handle(Lock((own,)), True)
    office.core.handle(Unlock("max_open_positions by account", (ACCOUNT,), "ann"), True)
    assert locks(office) == (own,)


class Broken(Rule[NoState], frozen=True):
    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        raise ZeroDivisionError("by zero")

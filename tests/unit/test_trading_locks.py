"""Locks: what they forbid, what takes them off, and that nothing else does."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from msgspec.structs import replace

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.gateway.risk import TradingLocks
from mt5crs_shared.configuration.structs import RiskRuleConfig
from mt5crs_shared.messages import PositionClosed
from mt5crs_shared.storage import account_log, ledger_queries, ledger_schema
from mt5crs_shared.trading.locks import (
    ACCOUNT,
    KILL_SWITCH,
    OPERATOR,
    TradingLock,
    TradingState,
    trading_state,
)
from mt5crs_shared.trading.operator_requests import (
    AskTrading,
    ClosePositions,
    FromOperator,
    Lock,
    TradingReport,
    Unlock,
)
from mt5crs_shared.trading.orders import Charge, Code
from tests.unit.gateway_cases import Office, config, order, tick

REDUCING, HALTED = TradingState.REDUCING, TradingState.HALTED


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path / "ledger.db")


def lock(
    scope: str = "euro", state: TradingState = REDUCING, owner: str = OPERATOR, **fields: Any
) -> TradingLock:
    return TradingLock(owner, scope, state, "ann", **({"why": "", "since": 100.0} | fields))


def ask(office: Office, message: FromOperator, caught_up: bool = True) -> TradingReport:
    answer = office.core.handle(message, caught_up)
    assert isinstance(answer, TradingReport)
    return answer


def kinds(office: Office) -> list[tuple[str, str]]:
    return [(c.kind, c.name) for c in account_log.read_account_events(office.ledger._db)]


def test_a_strategy_that_is_reducing_closes_and_opens_nothing(office: Office) -> None:
    position = office.open(tick(0))
    ask(office, Lock((lock(why="news"),)))
    closing = office.submit(order(tick(1), "SELL", ticket=position.ticket))
    assert closing.status == "FILLED"
    opening = office.submit(order(tick(2)))
    assert opening.code is Code.LOCKED
    assert opening.detail == "REDUCING by ann since 1970-01-01 00:01:40 UTC: news"
    assert office.submit(order(tick(2), strategy="other")).status == "FILLED"


def test_a_halted_one_does_not_even_close(office: Office) -> None:
    position = office.open(tick(0), stop_loss=1.09)
    ask(office, Lock((lock(state=HALTED),)))
    assert office.submit(order(tick(1), "SELL", ticket=position.ticket)).code is Code.LOCKED
    # Its stop is the broker's.
    fill = office.touch(position, tick(2, 1.08, 1.0801)).fill
    assert fill is not None and fill.code is Code.STOP_LOSS


@pytest.mark.parametrize(
    ("symbol", "strategy", "bid"), [("EURUSD", "euro", 1.1), ("EURGBP", "cross", 0.85)]
)
def test_the_account_locks_everybody_also_a_cross_pair(
    office: Office, symbol: str, strategy: str, bid: float
) -> None:
    office.feed(tick(0, 1.25, 1.2501, "GBPUSD"))
    ask(office, Lock((lock(ACCOUNT, HALTED, KILL_SWITCH),)))
    on = tick(5_000_000, bid, bid + 0.0001, symbol)
    assert office.submit(order(on, strategy=strategy)).code is Code.LOCKED
    ask(office, Unlock(KILL_SWITCH, (ACCOUNT,), "ann"))
    later = tick(6_000_000, bid, bid + 0.0001, symbol)
    result = office.submit(order(later, strategy=strategy))
    assert result.status == "FILLED", result


def test_a_lock_outlives_the_gateway(office: Office) -> None:
    ask(office, Lock((lock(ACCOUNT, HALTED, KILL_SWITCH), lock("other"))))
    office.restart()
    assert office.submit(order(tick(1))).code is Code.LOCKED
    report = ask(office, AskTrading())
    assert {(found.owner, found.scope) for found in report.locks} == {
        (KILL_SWITCH, ACCOUNT),
        (OPERATOR, "other"),
    }
    assert all(trial.opening and trial.closing for trial in report.trials)


def test_an_order_that_waits_for_its_tick_is_held_back_too(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", config(latency_ms=100.0))
    office.feed(tick(0))
    assert office.ask_submit(order(tick(0))) is None
    ask(office, Lock((lock(),)))
    office.feed(tick(200_000))
    assert office.fills() == []
    ((_, answer),) = office.core.execution.take_mail()
    assert "LOCKED" in str(answer)


def test_one_hand_does_not_take_off_what_another_has_put_on(office: Office) -> None:
    ask(office, Lock((lock(ACCOUNT, HALTED, KILL_SWITCH),)))
    ask(office, Unlock(OPERATOR, (ACCOUNT, "euro"), "bob"))
    assert office.submit(order(tick(1))).code is Code.LOCKED


def test_what_is_repeated_happens_once(office: Office) -> None:
    for since in (100.0, 101.0):
        ask(office, Lock((lock(since=since),)))
    assert ask(office, AskTrading()).locks[0].since == 100.0
    for _ in range(2):
        ask(office, Unlock(OPERATOR, ("euro",), "ann"))
    assert kinds(office) == [("locked", "euro"), ("unlocked", "euro")]


@pytest.mark.parametrize(
    ("first", "then", "state", "until", "why"),
    [
        ({"state": HALTED}, {}, HALTED, None, ""),
        ({"until": 9e9}, {"until": 200.0}, REDUCING, 9e9, ""),
        ({}, {"until": 9e9}, REDUCING, None, ""),
        ({"until": 8e9}, {"state": HALTED, "until": 9e9}, HALTED, 9e9, ""),
        ({"why": "news"}, {}, REDUCING, None, "news"),
        ({"why": "news"}, {"why": "panic"}, REDUCING, None, "news; panic"),
    ],
)
def test_a_second_lock_of_the_same_hand_makes_nothing_weaker_or_shorter(
    office: Office,
    first: dict[str, Any],
    then: dict[str, Any],
    state: TradingState,
    until: float | None,
    why: str,
) -> None:
    ask(office, Lock((lock(**first),)))
    (found,) = ask(office, Lock((lock(since=500.0, **then),))).locks
    assert (found.state, found.until, found.why, found.since) == (state, until, why, 100.0)


def test_a_refusal_by_a_lock_stays_after_it(office: Office) -> None:
    ask(office, Lock((lock(),)))
    refused = office.submit(order(tick(1)))
    ask(office, Unlock(OPERATOR, ("euro",), "ann"))
    assert office.submit(order(tick(1))) == refused


def test_a_lock_ends_when_its_time_is_over(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.db", "USD", 10_000.0)
    now = 100.0
    locks = TradingLocks(ledger, lambda: now)
    locks.put([lock(until=200.0)])
    assert locks.refusal(order(tick(0))) is not None
    now = 200.0
    assert locks.refusal(order(tick(0))) is None
    assert locks.in_force == ()
    locks.expire()
    changes = account_log.read_account_events(ledger._db)
    assert [c.detail for c in changes][-1] == "operator: its time is over"
    ledger.close()


# Closing by hand


def test_a_position_is_closed_at_the_last_quote_and_its_strategy_is_told(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0))
    office.feed(tick(9, 1.102, 1.1021))
    report = ask(office, ClosePositions((position.ticket,), "ann"))
    (fill,) = report.closed
    assert (fill.code, fill.price, fill.time_us) == (Code.MANUAL, 1.102, tick(9).time_us)
    assert office.core.execution.take_mail() == [
        ("euro", PositionClosed("euro", position.ticket, fill))
    ]
    again = ask(office, ClosePositions((position.ticket,), "ann"))
    assert again.closed == (fill,)
    assert len(office.fills()) == 2
    late = office.submit(order(tick(9, 1.102, 1.1021), "SELL", ticket=position.ticket))
    assert late.code is Code.NO_POSITION and "MANUAL" in late.detail


def test_nothing_is_closed_before_there_are_quotes_of_now(office: Office) -> None:
    office.feed(tick(0), tick(5))
    position = office.open(tick(5))
    office.feed(tick(9))
    report = ask(office, ClosePositions((position.ticket,), "ann"), caught_up=False)
    assert report.catching_up and "catching up" in report.kept[position.ticket]
    # Read again from far back: these quotes were before the opening.
    office.ledger.save(office.core.broker.unsaved())
    tape = list(office.tape["EURUSD"])
    office.ledger.close()
    office.start()
    office.feed(*tape[:1], known=True)
    report = ask(office, ClosePositions((position.ticket,), "ann"))
    assert report.closed == ()
    assert report.catching_up, "who asks is to ask again"
    office.feed(*tape[1:], known=True)
    (fill,) = ask(office, ClosePositions((position.ticket,), "ann")).closed
    assert fill.time_us == tick(9).time_us


def test_a_stop_that_was_touched_before_comes_first(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0), stop_loss=1.09)
    office.feed(tick(5, 1.08, 1.0801), tick(9, 1.0805, 1.0806))
    (fill,) = ask(office, ClosePositions((position.ticket,), "ann")).closed
    assert (fill.code, fill.time_us) == (Code.STOP_LOSS, tick(5).time_us)


def test_what_cannot_be_closed_is_said(office: Office) -> None:
    position = office.open(tick(0))
    report = ask(office, ClosePositions((position.ticket, 77), "ann"))
    assert report.kept == {
        position.ticket: "no quote of EURUSD has come since it was opened",
        77: "there never was such a position",
    }
    assert report.catching_up
    assert office.position("euro") == position


def test_positions_close_while_everything_is_held_back(office: Office) -> None:
    office.feed(tick(0))
    position = office.open(tick(0))
    ask(office, Lock((lock(ACCOUNT, HALTED, KILL_SWITCH),)))
    assert ask(office, ClosePositions((position.ticket,), "ann")).positions == ()


SCOPES = st.sampled_from([ACCOUNT, "euro", "other"])
OWNERS = st.sampled_from([OPERATOR, KILL_SWITCH])
SPREAD = RiskRuleConfig("max_spread", "strategy", {"points": 20}, on_breach="reduce")
"""A risk rule that locks the strategy by which it is broken."""

LOSS = RiskRuleConfig("max_loss", "strategy", {"most": 4.1}, on_breach="reduce")
"""Another one, which is broken by what a broker charges as by deals."""


class LockMachine(RuleBasedStateMachine):
    """Whatever is locked, unlocked, restarted: an order passes where no lock forbids it, only."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        path = self.folder / "ledger.db"
        path.unlink(missing_ok=True)
        base = config()
        with_rule = replace(base.globals, risk=[SPREAD, LOSS])
        self.office = Office(path, replace(base, globals=with_rule))
        self.expected: dict[tuple[str, str], TradingState] = {}
        self.made = {"euro": 0.0, "other": 0.0}
        self.charged = 0
        self.time = 0

    @rule(scope=SCOPES, owner=OWNERS, state=st.sampled_from([REDUCING, HALTED]))
    def put(self, scope: str, owner: str, state: TradingState) -> None:
        ask(self.office, Lock((lock(scope, state, owner),)))
        before = self.expected.get((owner, scope))
        self.expected[owner, scope] = HALTED if before is HALTED else state

    @rule(scope=SCOPES, owner=st.one_of(OWNERS, st.sampled_from([SPREAD.name, LOSS.name])))
    def take_off(self, scope: str, owner: str) -> None:
        ask(self.office, Unlock(owner, (scope,), "ann"))
        self.expected.pop((owner, scope), None)

    @rule()
    def restart(self) -> None:
        self.office.restart()

    @rule(strategy=st.sampled_from(["euro", "other"]), wide=st.booleans())
    def trade(self, strategy: str, wide: bool) -> None:
        self.time += 10
        on = tick(self.time, ask=1.11 if wide else 1.1001)
        self.office.feed(on)
        state = self.state(strategy)
        held = self.office.position(strategy)
        if held is None:
            result = self.office.submit(order(on, strategy=strategy))
            broken = [SPREAD] if wide else [LOSS] if self.made[strategy] <= -4.1 else []
            allowed = state is TradingState.ACTIVE and not broken
            if state is TradingState.ACTIVE and broken:
                assert result.code is Code.RISK
                self.expected[broken[0].name, strategy] = REDUCING
        else:
            side = "SELL" if held.side == "BUY" else "BUY"
            result = self.office.submit(order(on, side, strategy, ticket=held.ticket))
            allowed = state is not HALTED
        assert (result.status == "FILLED") is allowed, (result, state)

    @rule(strategy=st.sampled_from(["euro", "other"]), cost=st.sampled_from([0.3, 2.25]))
    def charge(self, strategy: str, cost: float) -> None:
        fills = [fill for fill in self.office.fills() if fill.strategy == strategy]
        if fills:
            self.charged += 1
            last = fills[-1]
            self.office.charge(
                Charge(self.charged, strategy, last.ticket, last.time_us, cost, swap=0.0)
            )

    @precondition(lambda self: self.office.core.broker.positions())
    @rule()
    def flatten(self) -> None:
        tickets = tuple(p.ticket for p in self.office.core.broker.positions().values())
        assert ask(self.office, ClosePositions(tickets, "ann")).positions == ()

    @invariant()
    def what_a_strategy_has_made_is_known(self) -> None:
        """By its deals and charges in the ledger, from the beginning, all of one day."""
        with ledger_schema.open_ledger(self.office.path) as db:
            made = {s.strategy: s.realised for s in ledger_queries.balances(db).strategies}
        self.made |= made

    @invariant()
    def the_trial_says_what_would_happen(self) -> None:
        for trial in ask(self.office, AskTrading()).trials:
            state = self.state(trial.strategy)
            assert bool(trial.opening) is (state is not TradingState.ACTIVE)
            assert bool(trial.closing) is (state is HALTED)

    def state(self, strategy: str) -> TradingState:
        found = [lock(scope, state, owner) for (owner, scope), state in self.expected.items()]
        return trading_state(found, strategy)

    def teardown(self) -> None:
        self.office.ledger.close()


def test_no_order_passes_that_a_lock_forbids(memory: Path) -> None:
    machine = type("OfThisFolder", (LockMachine,), {"folder": memory})
    run_state_machine_as_test(machine, settings=settings(max_examples=20, stateful_step_count=25))

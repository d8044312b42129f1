"""What a broker charges, in the rules that look at money: once, by its day, whatever is killed."""

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt5crs_services.gateway.ledger import writing
from mt5crs_services.gateway.risk import NoState, Rule
from mt5crs_services.gateway.risk.losses import Made, MaxLoss, Peak
from mt5crs_shared.configuration.structs import RiskRuleConfig
from mt5crs_shared.messages import Charged
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.orders import Charge, Code, Fill
from tests.unit.gateway_cases import START_US, Office, order, tick
from tests.unit.test_risk_rule_states import DAY_US, configured, lose

MIDNIGHT_US = DAY_US - START_US % DAY_US
"""From the start of all ticks to the next midnight, UTC."""

HERE = __name__

S = TypeVar("S", bound=msgspec.Struct)


class Heard(msgspec.Struct, frozen=True):
    """What a rule has been told of, in that order: deals by event time, charges by number."""

    of: tuple[int, ...] = ()


class Listening(Rule[Heard], frozen=True):
    """Remembers all that it hears; fails at a charge of that number."""

    fails_at: int = 0

    def after(self, fill: Fill, state: Heard) -> Heard:
        return Heard((*state.of, fill.time_us - START_US))

    def after_charge(self, charge: Charge, state: Heard) -> Heard:
        if charge.deal == self.fails_at:
            raise ZeroDivisionError("by zero")
        return Heard((*state.of, -charge.deal))


class Counting(Rule[Heard], frozen=True):
    """A rule from before there were charges."""

    def after(self, fill: Fill, state: Heard) -> Heard:
        return Heard((*state.of, fill.time_us - START_US))


class SameAgain(MaxLoss, frozen=True):
    """The same under another name."""


class Careless(Rule[NoState], frozen=True):
    """Answers a charge with something else than a state."""

    def after_charge(self, charge: Charge, state: NoState) -> NoState:
        return charge  # type: ignore[return-value]


def of_ours(name: str, **params: Any) -> RiskRuleConfig:
    return RiskRuleConfig(f"{HERE}:{name}", "account", params)


def max_loss(most: float, **fields: Any) -> RiskRuleConfig:
    return RiskRuleConfig("max_loss", **({"params": {"most": most}} | fields))


def charge(office: Office, deal: int, at: int, cost: float = 1.0, strategy: str = "euro") -> Charge:
    """A broker's for the strategy's last deal, so many microseconds after the start."""
    ticket = next(f.ticket for f in reversed(office.fills()) if f.strategy == strategy)
    return Charge(deal, strategy, ticket, START_US + at, cost, 0.0)


def state(office: Office, kind: type[S], key: str = "") -> S:
    """What the only rule remembers, as the ledger has it."""
    kept = office.ledger.rule_states(office.config.globals.risk[0].name)
    return msgspec.msgpack.decode(kept[key], type=kind) if key in kept else kind()


def heard(office: Office) -> tuple[int, ...]:
    return state(office, Heard).of


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Office]:
    return lambda *rules: Office(tmp_path / "ledger.db", configured(*rules))


@pytest.mark.parametrize(
    ("scope", "key", "spared"),
    [("account", "", ""), ("strategy", "euro", "other"), ("symbol", "EURUSD", "yen")],
)
def test_a_charge_takes_a_loss_over_the_limit(
    make: Callable[..., Office], scope: str, key: str, spared: str
) -> None:
    office = make(max_loss(11.5, scope=scope))
    lose(office, 0)
    office.charge(charge(office, 1, 1, 0.25), charge(office, 2, 2, 0.25))
    refused = office.submit(order(tick(10)))
    assert (refused.code, refused.detail) == (
        Code.RISK,
        "max_loss: -11.50 in 2023-11-14 (UTC), at most -11.50 a day",
    )
    assert state(office, Made, key).net == pytest.approx(-11.5)
    office.restart()
    assert state(office, Made, key).net == pytest.approx(-11.5)
    assert office.submit(order(tick(11))).code is Code.RISK
    if spared:
        symbol = "USDJPY" if spared == "yen" else "EURUSD"
        there = tick(12, 150.0, 150.01, symbol) if spared == "yen" else tick(12)
        assert office.submit(order(there, strategy=spared)).status == "FILLED"


@pytest.mark.parametrize("per", ["day", "week"])
def test_a_deal_of_the_day_before_takes_nothing_back_of_what_this_one_has_lost(
    make: Callable[..., Office], per: Literal["day", "week"]
) -> None:
    begin = MIDNIGHT_US if per == "day" else MIDNIGHT_US + 5 * DAY_US
    office = make(max_loss(20.0, params={"most": 20.0, "per": per}))
    quiet = tick(begin - 50, 150.0, 150.01, "USDJPY")
    held = office.open(quiet, strategy="yen")
    lose(office, begin)
    # Its last quote is from before midnight: 0.67 for the spread.
    assert office.submit(order(quiet, "SELL", "yen", ticket=held.ticket)).status == "FILLED"
    net = state(office, Made).net
    assert -12.0 < net < -11.5
    lose(office, begin + 10)
    assert state(office, Made).net == pytest.approx(net - 11.0)
    for late in (tick(begin + 20), tick(begin - 40, 150.0, 150.01, "USDJPY")):
        strategy = "yen" if late.symbol == "USDJPY" else "euro"
        assert office.submit(order(late, strategy=strategy)).code is Code.RISK


def test_a_swap_that_is_paid_gives_room(make: Callable[..., Office]) -> None:
    office = make(max_loss(11.0))
    lose(office, 0)
    paid = msgspec.structs.replace(charge(office, 1, 1, 0.0), swap=0.5)
    office.charge(paid)
    assert office.submit(order(tick(10))).status == "FILLED"


@pytest.mark.parametrize("per", ["day", "week"])
def test_a_charge_counts_in_the_period_of_its_deal(
    make: Callable[..., Office], per: Literal["day", "week"]
) -> None:
    end = MIDNIGHT_US if per == "day" else MIDNIGHT_US + 5 * DAY_US
    office = make(max_loss(12.5, params={"most": 12.5, "per": per}))
    lose(office, end - 100)
    lose(office, end + 100)
    # Of the deals before the end: their charge comes when the next period has lost already.
    office.charge(charge(office, 1, end - 1, 5.0))
    assert state(office, Made).net == pytest.approx(-11.0)
    office.charge(charge(office, 2, end + 101, 1.5))
    assert state(office, Made).net == pytest.approx(-12.5)
    assert office.submit(order(tick(end + 200))).code is Code.RISK
    # One that comes first in a period begins it.
    office.charge(charge(office, 3, end + 8 * DAY_US, 12.5))
    assert state(office, Made).net == pytest.approx(-12.5)
    assert office.submit(order(tick(end + 8 * DAY_US))).code is Code.RISK


def test_the_highest_balance_is_lost_by_charges_too(make: Callable[..., Office]) -> None:
    office = make(RiskRuleConfig("max_drawdown", params={"most": 13.0}))
    lose(office, 0)
    office.charge(msgspec.structs.replace(charge(office, 1, 1, 0.0), swap=12.0))
    assert state(office, Peak) == Peak(pytest.approx(1.0), pytest.approx(1.0))  # type: ignore[arg-type]
    office.charge(charge(office, 2, 2, 12.9))
    assert office.submit(order(tick(5))).status == "FILLED"
    office.charge(charge(office, 3, 3, 0.2))
    refused = office.submit(order(tick(6), strategy="other"))
    assert refused.detail == "max_drawdown: 13.10 below the highest, at most 13.00"


def test_a_charge_is_no_losing_deal(make: Callable[..., Office]) -> None:
    office = make(RiskRuleConfig("losing_streak", params={"losses": 2}))
    lose(office, 0)
    office.charge(charge(office, 1, 1), charge(office, 2, 2))
    assert office.submit(order(tick(10))).status == "FILLED"


def test_a_breach_by_a_charge_locks_and_the_lock_outlives_the_gateway(
    make: Callable[..., Office],
) -> None:
    office = make(max_loss(11.5, scope="strategy", on_breach="reduce"))
    lose(office, 0)
    office.charge(charge(office, 1, 1))
    assert office.submit(order(tick(10))).code is Code.RISK
    office.restart()
    assert office.submit(order(tick(11))).code is Code.LOCKED
    assert office.submit(order(tick(12), strategy="other")).status == "FILLED"


def test_a_rule_that_is_new_hears_of_charges_among_the_deals_by_time(
    make: Callable[..., Office],
) -> None:
    office = make()
    lose(office, 0)
    lose(office, 10)
    # The second deal's charge is seen first, the others together and late.
    office.charge(charge(office, 7, 1))
    office.charge(charge(office, 8, 11), charge(office, 5, 0))
    office.config = configured(of_ours("Listening"))
    office.restart()
    assert heard(office) == (0, -5, 1, -7, 10, 11, -8)
    lose(office, 20)
    office.charge(charge(office, 9, 21))
    office.restart()
    assert heard(office) == (0, -5, 1, -7, 10, 11, -8, 20, 21, -9)


def test_a_limit_that_is_new_finds_what_was_charged_before(make: Callable[..., Office]) -> None:
    office = make()
    lose(office, 0)
    office.charge(charge(office, 1, 1))
    office.config = configured(max_loss(11.5))
    office.restart()
    assert office.submit(order(tick(10))).code is Code.RISK


def test_a_rule_that_fails_at_a_charge_hears_of_it_again_when_it_is_mended(
    make: Callable[..., Office],
) -> None:
    broken = of_ours("Listening", fails_at=2)
    office = make(broken)
    lose(office, 0)
    office.charge(charge(office, 1, 0), charge(office, 2, 1))
    # The charges are booked, and of both it has heard nothing.
    assert office.core.account.realised("euro") == pytest.approx(-13.0)
    assert heard(office) == (0, 1)
    refused = office.submit(order(tick(10)))
    assert "failed at a charge: ZeroDivisionError: by zero" in refused.detail
    assert office.core.trouble == refused.detail
    office.charge(charge(office, 3, 2))
    for _ in range(2):
        office.restart()
        assert heard(office) == (0, 1)
        assert office.submit(order(tick(11))).code is Code.RISK
    mended = msgspec.structs.replace(broken, params={"fails_at": 9})
    office.config = configured(mended)
    office.restart()
    assert heard(office) == (0, 1, -1, -2, -3)
    assert (office.core.trouble, office.submit(order(tick(12))).status) == ("", "FILLED")


def test_a_rule_without_a_word_for_charges_goes_on_as_before(make: Callable[..., Office]) -> None:
    office = make(of_ours("Counting"))
    lose(office, 0)
    office.charge(charge(office, 1, 1))
    assert heard(office) == (0, 1)
    office.restart()
    assert (heard(office), office.core.trouble) == ((0, 1), "")


def test_an_answer_that_is_no_state_is_told(make: Callable[..., Office]) -> None:
    office = make(of_ours("Careless"))
    lose(office, 0)
    office.charge(charge(office, 1, 1))
    assert "TypeError: after_charge() returned Charge(" in office.core.trouble


def test_who_is_charged_is_told_once_a_look(make: Callable[..., Office]) -> None:
    office = make()
    lose(office, 0)
    lose(office, 10, "other")
    office.charge(charge(office, 1, 1), charge(office, 2, 11, strategy="other"))
    office.charge(charge(office, 3, 2), charge(office, 4, 3))
    told = [("euro", Charged("euro")), ("other", Charged("other")), ("euro", Charged("euro"))]
    assert office.core.execution.take_mail() == told


class Killed(BaseException):
    """As a `kill -9` at that place."""


@pytest.mark.parametrize(
    ("place", "error"),
    [
        ("insert_charge", Killed),
        ("keep_rules", Killed),
        ("insert_event", Killed),
        ("accept", Killed),
        ("insert_charge", LedgerError),
        ("keep_rules", LedgerError),
        ("insert_event", LedgerError),
    ],
)
def test_killed_or_failed_between_it_is_counted_once(
    make: Callable[..., Office],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    error: type[BaseException],
) -> None:
    office = make(of_ours("Listening"))
    lose(office, 0)
    charged = charge(office, 1, 1)

    def fails(*_: object) -> None:
        raise error("just now")

    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(office.core._rules if place == "accept" else writing, place, fails)
        office.charge(charged)
    if error is Killed:
        office.restart()
    if place != "accept":
        assert (heard(office), office.core.account.balance) == ((0, 1), 9_989.0)
        # Its number is not known, and the broker tells it again.
        office.charge(charged)
    for _ in range(2):
        assert (heard(office), office.core.account.balance) == ((0, 1, -1), 9_988.0)
        office.restart()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(["deal", "next day", "charge", "restart"]), st.integers(0, 9)),
        max_size=12,
    )
)
def test_told_anew_a_limit_knows_what_it_knew(memory: Path, steps: list[tuple[str, int]]) -> None:
    """However late charges come, and whatever was restarted in between."""
    path = memory / "ledger.db"
    path.unlink(missing_ok=True)
    rule = max_loss(1e6, scope="strategy")
    office = Office(path, configured(rule))
    days, now, at = [0.0], 0, 0
    owed: list[Charge] = []
    for step, number in steps:
        match step:
            case "deal":
                lose(office, now + at)
                days[-1] -= 11.0
                at += 10
                for deal in (1, 2):
                    cost = 0.25 * (number + deal)
                    owed.append(charge(office, len(days) * 100 + at + deal, now + at - 5, cost))
            case "next day":
                days.append(0.0)
                now = MIDNIGHT_US + (len(days) - 2) * DAY_US
                at = 0
            case "charge" if owed:
                charged = owed.pop(number % len(owed))
                office.charge(charged)
                day = charged.deal // 100 - 1
                days[day] -= charged.commission
            case "restart":
                office.restart()
    expected = next((made for made in reversed(days) if made), 0.0)
    assert state(office, Made, "euro").net == pytest.approx(expected)
    office.config = configured(msgspec.structs.replace(rule, rule=f"{HERE}:SameAgain"))
    office.restart()
    assert state(office, Made, "euro").net == pytest.approx(expected)
    office.ledger.close()


def test_charges_of_the_version_before_are_heard_of_now(make: Callable[..., Office]) -> None:
    """Its ledger had charges, and its rules had heard of deals alone."""
    office = make(max_loss(11.5))
    lose(office, 0)
    path, rows = office.path, [charge(office, 9, 1, 0.25), charge(office, 4, 2, 0.25)]
    office.ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.executescript(
            f"DROP TABLE charges; {ledger_schema._CHARGES} ALTER TABLE rules DROP COLUMN charge;"
            f"PRAGMA user_version = {ledger_schema.SCHEMA.steps.index(ledger_schema._CHARGES) + 1}"
        )
        for number, row in enumerate(rows):
            values = (*msgspec.structs.astuple(row), float(number))
            db.execute("INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?)", values)
        db.execute("UPDATE totals SET made = made - 500000")
    office.start()
    for _ in range(2):
        with ledger_schema.open_ledger(path) as db:
            assert ledger_queries.charges(db) == sorted(rows, key=lambda each: each.deal)
        assert office.core.account.balance == 9_988.5
        assert state(office, Made).net == pytest.approx(-11.5)
        assert office.submit(order(tick(10))).code is Code.RISK
        office.restart()

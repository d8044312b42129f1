"""Risk rules of a configuration: parameters of the YAML, state in the ledger, and their faults."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.risk import NoState, Proposal, Refusal, Rule
from mt5crs_services.gateway.risk.loading import RuleError, load_rule
from mt5crs_shared.configuration.structs import Config, RiskRuleConfig
from mt5crs_shared.trading.orders import Charge, Code, Fill, OrderResult
from tests.unit.gateway_cases import Office, config, order, tick

DAY_US = 86_400_000_000


class Lost(msgspec.Struct, frozen=True):
    """What a day has cost so far."""

    day: int = 0
    amount: float = 0.0


class DailyLoss(Rule[Lost], frozen=True):
    """Opens nothing more on a day that has cost `most`."""

    most: float

    def before(self, proposal: Proposal, state: Lost) -> Refusal | None:
        today = proposal.tick.time_us // DAY_US
        if state.day == today and state.amount >= self.most:
            return Refusal(
                Code.RISK, f"{state.amount:.2f} were lost today; the most is {self.most}"
            )
        return None

    def after(self, fill: Fill, state: Lost) -> Lost:
        today = fill.time_us // DAY_US
        before = state.amount if state.day == today else 0.0
        return Lost(today, before - fill.profit)


class Faulty(Rule[NoState], frozen=True):
    where: str

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        match self.where:
            case "before":
                raise ZeroDivisionError("by zero")
            case "exit":
                raise SystemExit(3)
            case "answer":
                return "no"  # type: ignore[return-value]
            case "code":
                return Refusal("SPREAD", "too wide")  # type: ignore[arg-type]
            case "detail":
                return Refusal(Code.RISK, 5)  # type: ignore[arg-type]
            case "cancelled":
                raise asyncio.CancelledError
            case "long":
                return Refusal(Code.RISK, "a line\n\ud800" * 100_000)
            case "filled":
                return Refusal(Code.FILLED, "no")
        return None

    def after(self, fill: Fill, state: NoState) -> NoState:
        if self.where == "after":
            raise ZeroDivisionError("by zero")
        if self.where == "cancelled at a deal":
            raise asyncio.CancelledError
        return state


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Endless(Rule[NoState], frozen=True):
    """Raises what has too many words, or none at all."""

    words: bool

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        raise ValueError("a line of it\n" * 500) if self.words else UnspeakableError


class Notes(msgspec.Struct):
    """Not frozen, and without a deal it is false."""

    deals: list[int] = []
    anything: object = None

    def __len__(self) -> int:
        return len(self.deals)


class Changing(Rule[Notes], frozen=True):
    """Changes the state that it is given; keeps something that cannot be kept where it is told."""

    most: int
    with_what: str = "a text"

    def before(self, proposal: Proposal, state: Notes) -> Refusal | None:
        seen = len(state.deals)
        state.deals.append(-1)
        return Refusal(Code.RISK, f"{seen} deals") if seen >= self.most else None

    def after(self, fill: Fill, state: Notes) -> Notes:
        state.deals.append(fill.ticket)
        state.anything = {"a text": "ok", "object": object(), "number": 2**70}[self.with_what]
        return state


class Day(msgspec.Struct, frozen=True):
    day: int


class Hot(msgspec.Struct, frozen=True):
    def __post_init__(self) -> None:
        raise ValueError("too hot")


class Heated(Rule[Hot], frozen=True):
    def after(self, fill: Fill, state: Hot) -> Hot:
        return state


class Strict(Rule[NoState], frozen=True):
    def __post_init__(self) -> None:
        raise SystemExit("not with me")

    def before(self, proposal: Proposal, state: NoState) -> Refusal | None:
        return None


class Needy(Rule[Day], frozen=True):
    def after(self, fill: Fill, state: Day) -> Day:
        return state


class Idle(Rule[NoState], frozen=True):
    def judge(self, proposal: Proposal, state: NoState) -> Refusal | None:
        return None


class Misspelt(Rule[Lost], frozen=True):
    def before(self, proposal: Proposal, state: Lost) -> Refusal | None:
        return None

    def atfer(self, fill: Fill, state: Lost) -> Lost:
        return state


class MisspeltCharge(Rule[Lost], frozen=True):
    def after(self, fill: Fill, state: Lost) -> Lost:
        return state

    def after_charges(self, charge: Charge, state: Lost) -> Lost:
        return state


class ShortCharge(Rule[Lost], frozen=True):
    def after_charge(self, charge: Charge) -> Lost:  # type: ignore[override]
        return Lost()


class CountingCharges(Rule[Lost], frozen=True):
    """Knows of charges alone."""

    def after_charge(self, charge: Charge, state: Lost) -> Lost:
        return Lost(state.day, state.amount - charge.made)


class Forgetful(Rule[Lost], frozen=True):
    def before(self, proposal: Proposal, state: Lost) -> Refusal | None:
        return None


class Hasty(Rule[NoState], frozen=True):
    async def before(self, proposal: Proposal, state: NoState) -> None:  # type: ignore[override]
        return None


class Plain(Rule[dict], frozen=True):  # type: ignore[type-arg, type-var]
    def after(self, fill: Fill, state: dict) -> dict:  # type: ignore[type-arg]
        return state


class Short(Rule[NoState], frozen=True):
    def before(self, proposal: Proposal) -> Refusal | None:  # type: ignore[override]
        return None


HERE = __name__


def entry(name: str, scope: str = "account", **params: Any) -> RiskRuleConfig:
    return RiskRuleConfig(f"{HERE}:{name}", scope, params)  # type: ignore[arg-type]


def configured(*entries: RiskRuleConfig) -> Config:
    made = config()
    globals_ = msgspec.structs.replace(made.globals, risk=list(entries))
    return msgspec.structs.replace(made, globals=globals_)


def lose(office: Office, at: int, strategy: str = "euro") -> OrderResult:
    """Buy, and sell 10 points lower: 10.00 for a lot of 0.1, and the spread of 1.00."""
    bought = office.submit(order(tick(at), "BUY", strategy))
    if bought.fill is None:
        return bought
    low = tick(at + 1, 1.099, 1.0991)
    return office.submit(order(low, "SELL", strategy, ticket=bought.fill.ticket))


def test_a_rule_remembers_over_a_restart_and_forgets_with_the_day(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("DailyLoss", most=20.0)))
    assert lose(office, 0).status == "FILLED"
    assert lose(office, 10).status == "FILLED"
    refused = lose(office, 20)
    assert (refused.code, refused.detail) == (
        Code.RISK,
        "22.00 were lost today; the most is 20.0",
    )
    office.restart()
    assert lose(office, 30, "other").code is Code.RISK
    assert lose(office, DAY_US).status == "FILLED"


def test_what_a_deal_changes_is_kept_with_the_deal(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("DailyLoss", most=20.0)))
    lose(office, 0)
    name = office.config.globals.risk[0].name
    ((key, body),) = office.ledger.rule_states(name).items()
    kept = msgspec.msgpack.decode(body, type=Lost)
    assert (key, round(kept.amount, 6)) == ("", 11.0)
    assert list(office.ledger.unheard_by(name)) == []


def test_each_strategy_has_its_own(tmp_path: Path) -> None:
    rules = configured(entry("DailyLoss", "strategy", most=10.0))
    office = Office(tmp_path / "ledger.db", rules)
    assert lose(office, 0).status == "FILLED"
    assert lose(office, 10).code is Code.RISK
    assert lose(office, 20, "other").status == "FILLED"


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("before", "failed: ZeroDivisionError: by zero (test_risk_rule_states.py:"),
        ("answer", "failed: TypeError: before() returned 'no'; it returns a Refusal or None"),
        ("exit", "failed: SystemExit: 3"),
        ("cancelled", "failed: CancelledError"),
        ("long", "a line a line a line"),
        ("code", "its code is one of Code, such as Code.RISK"),
        ("detail", "its code is one of Code, such as Code.RISK"),
        ("filled", "its code is one of Code, such as Code.RISK"),
    ],
)
def test_a_rule_that_fails_refuses(tmp_path: Path, where: str, said: str) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("Faulty", where=where)))
    result = office.submit(order(tick(0)))
    assert result.code is Code.RISK
    assert said in result.detail
    assert len(result.detail) < 1_000
    assert result.detail.isprintable()


@pytest.mark.parametrize(
    ("where", "error"),
    [("after", "ZeroDivisionError: by zero"), ("cancelled at a deal", "CancelledError")],
)
def test_a_rule_that_fails_at_a_deal_undoes_nothing_and_opens_nothing_more(
    tmp_path: Path, where: str, error: str
) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("Faulty", where=where)))
    bought = office.submit(order(tick(0)))
    assert bought.fill is not None
    # What is held can always be closed.
    assert office.submit(order(tick(1), "SELL", ticket=bought.fill.ticket)).status == "FILLED"
    refused = office.submit(order(tick(2)))
    assert refused.code is Code.RISK
    assert f"failed at a deal: {error}" in refused.detail
    assert office.core.trouble == refused.detail
    # A restart alone mends nothing: it is told of that deal again.
    office.restart()
    assert office.submit(order(tick(3))).code is Code.RISK
    office.config = configured(entry("Faulty", where="nowhere"))
    office.restart()
    assert (office.core.trouble, office.submit(order(tick(4))).code) == ("", Code.FILLED)


def test_a_rule_that_is_new_hears_of_what_was_before(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db")
    lose(office, 0)
    lose(office, 10)
    office.config = configured(entry("DailyLoss", most=20.0))
    office.restart()
    assert lose(office, 20).detail == "22.00 were lost today; the most is 20.0"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (RiskRuleConfig("daily_los"), "there is no risk rule daily_los"),
        (RiskRuleConfig("nowhere.at_all:Rule"), "No module named 'nowhere'"),
        (RiskRuleConfig(f"{HERE}:Missing"), "has no Missing"),
        (RiskRuleConfig(f"{HERE}:Lost"), "is no subclass of Rule"),
        (entry("DailyLoss"), "missing required field `most`"),
        (entry("DailyLoss", most="much"), "Expected `float`, got `str`"),
        (RiskRuleConfig(f"{HERE}.DailyLoss"), f"or name {HERE}:DailyLoss"),
        (entry("DailyLoss", most=1.0, mots=2), "has no parameter mots; it has: most; did you mean"),
        (entry("Needy"), "every field of its state needs a default"),
        (
            entry("Heated"),
            "its state cannot be kept: ValueError: too hot (test_risk_rule_",
        ),
        (entry("Strict"), "params: SystemExit: not with me (test_risk_rule_states.py:"),
        (entry("Idle"), "has neither before() nor after()"),
        (entry("Misspelt"), "nothing calls its method atfer; did you mean after?"),
        (
            entry("MisspeltCharge"),
            "nothing calls its method after_charges; did you mean after_charge?",
        ),
        (entry("ShortCharge"), "after_charge takes (self, charge, state)"),
        (entry("Forgetful"), "has no after(self, fill, state): it would never know more"),
        (entry("Hasty"), "before has to answer at once"),
        (entry("Plain"), "remembers a dict; it has to be a msgspec.Struct"),
        (entry("Short"), "before takes (self, proposal, state)"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(bad: RiskRuleConfig, said: str) -> None:
    with pytest.raises(RuleError) as caught:
        load_rule(bad)
    assert said in str(caught.value)


def test_a_rule_may_know_of_charges_alone() -> None:
    assert isinstance(load_rule(entry("CountingCharges")), CountingCharges)


def test_a_state_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    rules = configured(entry("DailyLoss", most=20.0))
    office = Office(tmp_path / "ledger.db", rules)
    with office.ledger._file.writing("FULL"):
        values = (rules.globals.risk[0].name, "", msgspec.msgpack.encode({"day": "monday"}))
        office.ledger._db.execute("INSERT INTO rule_states VALUES (?, ?, ?)", values)
    with pytest.raises(RuleError, match="what the ledger keeps for it does not fit Lost"):
        office.restart()


@pytest.mark.parametrize("words", [True, False])
def test_a_failure_of_any_words_is_a_short_refusal(tmp_path: Path, words: bool) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("Endless", words=words)))
    result = office.submit(order(tick(0)))
    assert result.code is Code.RISK
    assert "\n" not in result.detail
    assert len(result.detail) < 1_000


def test_a_state_that_is_changed_in_place_is_kept(tmp_path: Path) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("Changing", most=4)))
    assert [lose(office, at).status for at in (0, 10)] == ["FILLED", "FILLED"]
    assert lose(office, 20).detail == "4 deals"
    office.restart()
    assert lose(office, 30).detail == "4 deals"


@pytest.mark.parametrize("what", ["object", "number"])
def test_a_state_that_cannot_be_kept_undoes_no_deal(tmp_path: Path, what: str) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("Changing", most=9, with_what=what)))
    bought = office.submit(order(tick(0)))
    assert bought.fill is not None
    assert office.submit(order(tick(1), "SELL", ticket=bought.fill.ticket)).status == "FILLED"
    assert "failed at a deal:" in office.submit(order(tick(2))).detail


def test_a_rule_that_always_fails_is_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office(tmp_path / "ledger.db", configured(entry("Faulty", where="before")))
    for at in range(9):
        assert office.submit(order(tick(at))).code is Code.RISK
    assert "failed: ZeroDivisionError: by zero" in office.core.trouble
    tracebacks = [record for record in caplog.records if record.exc_info]
    assert len(tracebacks) == 4  # the first, the second, the fourth, the eighth

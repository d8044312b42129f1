"""The risk rules that come along: what each refuses, and when it lets go again."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_services.gateway.risk import Proposal, Rule
from mt5crs_services.gateway.risk.loading import BY_NAME, RuleError, load_rule, state_of
from mt5crs_shared.configuration.structs import GlobalConfig, RiskRuleConfig
from mt5crs_shared.market.wire import parse_iso
from mt5crs_shared.trading.orders import Code, Fill
from scripts.risk_table import PAGE, renew
from tests.unit.gateway_cases import START_US, SYMBOLS, Office, config, order, tick

MINUTE = 60_000_000


class Asked:
    """A rule with its state, as the gateway keeps it."""

    def __init__(self, name: str, **params: Any) -> None:
        self.rule: Rule[Any] = load_rule(RiskRuleConfig(name, params=params))
        self.state = state_of(type(self.rule))()
        self.tickets = 0

    def refuses(self, at: str = "2026-11-26T10:00:00Z", **given: Any) -> str:
        """Why an order at a moment is refused; empty: it is not."""
        on = tick(parse_iso(at) - START_US, given.pop("bid", 1.1), given.pop("ask", 1.1001))
        symbol = SYMBOLS[given.pop("symbol", "EURUSD")]
        found = self.rule.before(Proposal(order(on, **given), on, symbol), self.state)
        assert found is None or found.code is Code.RISK
        return found.detail if found is not None else ""

    def deal(
        self, entry: Any, at: str, net: float = 0.0, lots: float = 0.1, ticket: int = 1
    ) -> None:
        fill = Fill(
            f"o{at}{entry}",
            "euro",
            "EURUSD",
            ticket,
            entry,
            "BUY",
            lots,
            1.1,
            parse_iso(at),
            Code.FILLED,
            profit=net,
        )
        self.state = self.rule.after(fill, self.state)


def test_every_rule_is_on_the_page() -> None:
    page = PAGE.read_text()
    assert all(f"### {name}" in page for name in BY_NAME)
    assert renew(page) == page, "run: .venv/bin/python -m scripts.risk_table"


def test_a_wide_spread() -> None:
    rule = Asked("max_spread", points=10)
    assert rule.refuses(ask=1.1001) == ""  # 10 points, as binary numbers have them
    assert rule.refuses(ask=1.10011) == "max_spread: the spread is 11.0 points, at most 10"


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-26T06:59:59Z", False),
        ("2026-11-26T07:00:00Z", True),
        ("2026-11-26T19:59:59Z", True),
        ("2026-11-26T20:00:00Z", False),
        ("2026-11-28T10:00:00Z", False),  # a Saturday
    ],
)
def test_hours_of_the_day(at: str, open_: bool) -> None:
    assert (Asked("trading_hours", begin="07:00", end="20:00").refuses(at) == "") is open_


@pytest.mark.parametrize(
    ("at", "open_"),
    [
        ("2026-11-27T21:59:00Z", False),
        ("2026-11-27T22:00:00Z", True),  # Friday evening ...
        ("2026-11-28T05:59:00Z", True),  # ... belongs to Friday until Saturday morning
        ("2026-11-28T06:00:00Z", False),
        ("2026-11-28T23:00:00Z", False),
        ("2026-11-23T05:00:00Z", False),  # Monday morning belongs to Sunday
    ],
)
def test_hours_over_midnight(at: str, open_: bool) -> None:
    assert (Asked("trading_hours", begin="22:00", end="06:00").refuses(at) == "") is open_


def test_hours_of_another_zone() -> None:
    rule = Asked("trading_hours", begin="09:00", end="17:00", time_zone="Europe/Athens")
    assert rule.refuses("2026-07-01T06:30:00Z") == ""  # 09:30 in summer
    assert "Wed 08:30" in rule.refuses("2026-11-25T06:30:00Z")  # 08:30 in winter


def test_news(tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_text(
        "begin,end,what,currencies\n"
        "2026-11-26T13:30:00Z,2026-11-26T13:45:00Z,payrolls,USD\n"
        "2026-11-27T10:00:00+01:00,2026-11-27T10:30:00+01:00,everything,\n"
    )
    rule = Asked("news", file=str(file), before_minutes=5, after_minutes=5)
    assert rule.refuses("2026-11-26T13:24:59Z") == ""
    assert rule.refuses("2026-11-26T13:25:00Z") == "news: payrolls"
    assert rule.refuses("2026-11-26T13:49:59Z") == "news: payrolls"
    assert rule.refuses("2026-11-26T13:30:00Z", symbol="EURGBP") == ""
    assert rule.refuses("2026-11-27T09:10:00Z", symbol="EURGBP") == "news: everything"


def test_open_positions() -> None:
    rule = Asked("max_open_positions", most=2)
    rule.deal("IN", "2026-11-26T10:00:00Z", ticket=1)
    assert rule.refuses() == ""
    rule.deal("IN", "2026-11-26T10:00:01Z", ticket=2)
    assert rule.refuses() == "max_open_positions: 2 are open, at most 2"
    rule.deal("OUT", "2026-11-26T10:00:02Z", lots=0.04, ticket=2)  # a part of it
    assert rule.refuses()
    rule.deal("OUT", "2026-11-26T10:00:03Z", lots=0.06, ticket=2)
    assert rule.refuses() == ""


def test_open_lots() -> None:
    rule = Asked("max_open_lots", most=0.3)
    rule.deal("IN", "2026-11-26T10:00:00Z", lots=0.1, ticket=1)
    rule.deal("IN", "2026-11-26T10:00:00Z", lots=0.1, ticket=2)
    assert rule.refuses(lots=0.1) == ""
    assert "0.2 are open and 0.2 would come, at most 0.3" in rule.refuses(lots=0.2)


def test_openings_within_a_span() -> None:
    rule = Asked("max_openings", most=2, seconds=60)
    rule.deal("IN", "2026-11-26T10:00:00Z", ticket=1)
    rule.deal("OUT", "2026-11-26T10:00:10Z", ticket=1)
    rule.deal("IN", "2026-11-26T10:00:20Z", ticket=2)
    assert "2 in the last 60 s" in rule.refuses("2026-11-26T10:00:59Z")
    assert rule.refuses("2026-11-26T10:01:00Z") == ""


def test_the_loss_of_a_day_and_of_a_week() -> None:
    day, week = Asked("max_loss", most=100), Asked("max_loss", most=100, per="week")
    for rule in (day, week):
        rule.deal("OUT", "2026-11-24T23:59:59Z", net=-60.0)
        rule.deal("OUT", "2026-11-25T00:00:01Z", net=-50.0)
    assert day.refuses("2026-11-25T10:00:00Z") == ""
    assert "max_loss: -110.00 in 2026-W48" in week.refuses("2026-11-25T10:00:00Z")
    day.deal("OUT", "2026-11-25T12:00:00Z", net=-50.0)
    assert "max_loss: -100.00 in 2026-11-25 (UTC)" in day.refuses("2026-11-25T23:59:59Z")
    assert day.refuses("2026-11-26T00:00:00Z") == ""
    assert week.refuses("2026-11-30T00:00:00Z") == ""
    day.deal("OUT", "2026-11-25T13:00:00Z", net=1.0)
    assert day.refuses("2026-11-25T23:59:59Z") == ""


def test_a_day_begins_where_the_trader_is() -> None:
    rule = Asked("max_loss", most=100, time_zone="Europe/Athens")
    rule.deal("OUT", "2026-11-25T22:30:00Z", net=-100.0)  # 00:30 on the 26th there
    assert "2026-11-26 (Europe/Athens)" in rule.refuses("2026-11-26T20:00:00Z")
    assert rule.refuses("2026-11-26T22:00:00Z") == ""


def test_a_drawdown_from_the_highest_balance() -> None:
    rule = Asked("max_drawdown", most=100)
    rule.deal("OUT", "2026-11-24T10:00:00Z", net=-99.0)  # the first balance is the highest
    assert rule.refuses() == ""
    rule.deal("OUT", "2026-11-24T10:00:00Z", net=150.0)
    rule.deal("OUT", "2026-11-24T10:00:00Z", net=-100.0)
    assert rule.refuses() == "max_drawdown: 100.00 below the highest, at most 100.00"
    rule.deal("OUT", "2026-11-24T10:00:00Z", net=0.5)
    assert rule.refuses() == ""


def test_a_losing_streak_waits_and_counts_anew() -> None:
    rule = Asked("losing_streak", losses=2, pause=600)
    rule.deal("OUT", "2026-11-26T10:00:00Z", net=-1.0)
    rule.deal("OUT", "2026-11-26T10:01:00Z", net=5.0)
    rule.deal("OUT", "2026-11-26T10:02:00Z", net=-1.0)
    assert rule.refuses("2026-11-26T10:02:00Z") == ""
    rule.deal("OUT", "2026-11-26T10:03:00Z", net=-1.0)
    assert rule.refuses("2026-11-26T10:08:00Z") == (
        "losing_streak: 2 losses in a row; 300 s to wait"
    )
    assert rule.refuses("2026-11-26T10:13:00Z") == ""
    rule.deal("OUT", "2026-11-26T10:20:00Z", net=-1.0)
    assert rule.refuses("2026-11-26T10:20:01Z") == ""
    rule.deal("OUT", "2026-11-26T10:21:00Z", net=-1.0)
    assert rule.refuses("2026-11-26T10:21:01Z")


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("max_los", {}, "there is no risk rule max_los (known: losing_streak, max_drawdown"),
        ("max_loss", {}, "missing required field `most`"),
        ("max_loss", {"most": -1.0}, "Expected `float` > 0.0"),
        ("max_loss", {"most": 1.0, "per": "month"}, "Invalid enum value 'month'"),
        ("max_loss", {"most": 1.0, "time_zone": "Athens"}, "'Athens' is no time zone"),
        ("max_loss", {"least": 1.0}, "has no parameter least; it has: most, unit, per, time_zone"),
        ("trading_hours", {"begin": "7", "end": "20:00"}, "begin: '7' is no time of day"),
        ("news", {"file": "/nowhere.csv"}, "/nowhere.csv cannot be read"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_words(
    name: str, params: dict[str, Any], words: str
) -> None:
    with pytest.raises(RuleError) as refused:
        load_rule(RiskRuleConfig(name, params=params))
    assert words in str(refused.value)


def test_a_bad_line_of_news_is_named(tmp_path: Path) -> None:
    file = tmp_path / "news.csv"
    file.write_text("begin,end,what,currencies\n2026-11-26,2026-11-27,good,\nsoon,later,bad,\n")
    with pytest.raises(RuleError) as refused:
        load_rule(RiskRuleConfig("news", params={"file": str(file)}))
    assert "news.csv:3: expected begin,end,what,currencies" in str(refused.value)


@pytest.mark.parametrize(("scope", "other"), [("account", Code.RISK), ("strategy", Code.FILLED)])
def test_the_gateway_asks_them_also_after_a_restart(
    tmp_path: Path, scope: Any, other: Code
) -> None:
    rule = RiskRuleConfig("max_loss", scope, {"most": 5.0})
    settings: GlobalConfig = msgspec.structs.replace(config().globals, risk=[rule])
    office = Office(tmp_path / "ledger.db", msgspec.structs.replace(config(), globals=settings))
    position = office.open(tick(0))
    office.submit(order(tick(1, 1.09, 1.0901), "SELL", ticket=position.ticket))
    office.restart()
    refused = office.submit(order(tick(2)))
    assert refused.code is Code.RISK and refused.detail.startswith("max_loss: -")
    assert office.submit(order(tick(3), strategy="other")).code is other
    tomorrow = 86_400_000_000
    assert office.submit(order(tick(tomorrow))).code is Code.FILLED

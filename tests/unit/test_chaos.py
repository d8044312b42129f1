"""Campaigns are repeatable, and a verdict misses no difference."""

from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.configuration import loading
from mt5crs_shared.market import rates
from mt5crs_shared.storage.ledger_queries import OrderRecord
from mt5crs_shared.trading.orders import Code
from mt5crs_supervisor.chaos import campaign, verdict
from mt5crs_supervisor.chaos.campaign import MEANINGS, Fault, Kind
from mt5crs_supervisor.chaos.faults import ACTS, FaultResult
from mt5crs_supervisor.chaos.replay_run import ReplayRun
from mt5crs_supervisor.chaos.run_logs import Line, RunLogs, order_lines
from mt5crs_supervisor.commands.chaos import with_cross_pair

ROOT = Path(__file__).parents[2]
LINES: list[Line] = [(1, "a"), (2, "b"), (3, "c")]


def logs(lines: list[Line], ticks: int = 10, agree: bool = True) -> RunLogs:
    return RunLogs({"s": lines}, {"s": lines}, {"s": lines}, {"s": ticks}, 100.0, agree)


def outcome(found: RunLogs, faults: int = 2, others: tuple[str, ...] = ()) -> ReplayRun:
    results = [
        FaultResult(Fault(1.0 * n, Kind.WORKER, "s"), 1.0 * n, 0.0, ("s",), others, 0.1 * (n + 1))
        for n in range(faults)
    ]
    return ReplayRun(tuple(results), found, 0, ())


def judge(struck: ReplayRun) -> verdict.CampaignVerdict:
    untouched = outcome(logs(LINES), faults=0)
    return verdict.judge(untouched, struck, {"EURUSD": 10}, {"s": "EURUSD"}, planned=2)


def order(order_id: str, time_us: int) -> OrderRecord:
    how = ("CLOSE", "BUY", 0.1, time_us, "", "FILLED", Code.FILLED, "", 7, 0.0, 1.1)
    return OrderRecord(order_id, "s", 1, "EURUSD", *how)


def test_orders_are_compared_by_their_ticks_and_not_as_they_reached_the_gateway() -> None:
    close, open_, stop = order("s:10:0:CLOSE", 10), order("s:10:0:OPEN", 10), order("1:stop", 12)
    paced, fast = [close, open_, stop], [stop, close, open_]
    assert order_lines(paced) == order_lines(fast)
    assert [line[0] for line in order_lines(fast)] == [o.order_id for o in paced]


def test_a_campaign_is_a_function_of_its_arguments() -> None:
    kinds, names = list(Kind), ["a", "b"]
    first = campaign.plan(7, 100, 2.0, kinds, names)
    assert first == campaign.plan(7, 100, 2.0, kinds, names)
    assert first != campaign.plan(8, 100, 2.0, kinds, names)
    assert [f.at for f in first] == sorted(f.at for f in first)
    assert {f.kind for f in first} == set(Kind)
    assert {f.strategy for f in first} == {"a", "b"}


def test_every_kind_is_done_and_explained() -> None:
    assert set(ACTS) == set(MEANINGS) == set(Kind)
    page = (ROOT / "docs" / "cli.md").read_text()
    for kind, meaning in MEANINGS.items():
        assert f"| `{kind}` | {meaning} |" in page


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "CHF", "JPY"])
def test_the_command_has_a_cross_pair_in_any_account(currency: str) -> None:
    shipped = loading.load_config(ROOT / "config" / "strategies.yaml")
    account = msgspec.structs.replace(shipped.globals, account_currency=currency)
    config = msgspec.structs.replace(shipped, globals=account, strategies=())
    found = with_cross_pair(config)
    (own,) = found.enabled
    traded = found.symbols[own.symbol]
    converter = rates.converter(traded, currency, found.symbols)
    assert converter is not None
    assert {converter.base_currency, converter.quote_currency} == {traded.quote_currency, currency}
    assert with_cross_pair(found) is found


def test_an_equal_run_holds() -> None:
    result = judge(outcome(logs(LINES)))
    assert result.holds
    assert result.identical == 9
    (recovery,) = result.recoveries
    assert (recovery.kind, recovery.faults, recovery.longest) == ("worker", 2, 200.0)


@pytest.mark.parametrize(
    ("struck", "broken"),
    [
        (outcome(logs(LINES[:2])), {"differing": 3, "orders_lost": 1}),
        (outcome(logs([*LINES, LINES[2]])), {"differing": 3, "orders_twice": 1}),
        (outcome(logs([LINES[1], LINES[0], LINES[2]])), {"differing": 3}),
        (outcome(logs(LINES, ticks=9)), {"ticks_lost": 1}),
        (outcome(logs(LINES, ticks=12)), {"ticks_twice": 2}),
        (outcome(logs(LINES, agree=False)), {"books": 1}),
        (outcome(logs(LINES), others=("t",)), {"others": 2}),
        (outcome(logs(LINES), faults=1), {"detected": 1}),
    ],
)
def test_whatever_is_wrong_breaks_the_verdict(struck: ReplayRun, broken: dict[str, int]) -> None:
    result = judge(struck)
    assert not result.holds
    assert {name: getattr(result, name) for name in broken} == broken
    assert verdict.lines(result)[-1] == "A BOUND IS BROKEN"


def test_the_first_differing_lines_are_shown() -> None:
    result = judge(outcome(logs([LINES[0], (2, "x"), LINES[2]])))
    shown = result.differences[0]
    assert shown.splitlines()[:2] == ["decisions of s, line 1:", "  untouched (2, 'b')"]
    assert "  this run  (2, 'x')" in shown

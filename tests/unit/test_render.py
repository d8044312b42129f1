import re

import click
import msgspec
import pytest

from mt5crs_shared import wording
from mt5crs_shared.control import notes
from mt5crs_shared.control.status_report import (
    ChildStatus,
    EventLine,
    StatusReport,
    StrategyStatus,
    Totals,
)
from mt5crs_shared.metrics import AccountReport, StrategyMetrics
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_supervisor.display import render
from mt5crs_supervisor.display.table import Cell, Column, cells_of, clip, table


def child(name: str = "eurusd_trend_v1", **changes: object) -> ChildStatus:
    status = ChildStatus(
        name=name,
        kind="strategy",
        state="RUNNING",
        phase="running",
        degraded="",
        queued=None,
        standby=None,
        no_standby="",
        pid=4242,
        epoch=1001,
        uptime=125.0,
        restarts=0,
        retry_in=None,
        beat_age=0.2,
        recovery_ms=None,
        preloaded=True,
        memory=61_000_000,
        cpu=2.4,
        last_error="",
        died_of="",
        progress=0,
    )
    return msgspec.structs.replace(status, **changes)


def strategy(
    process: ChildStatus | None = None,
    metrics: StrategyMetrics | None = None,
    **changes: object,
) -> StrategyStatus:
    status = StrategyStatus(
        process=process or child(),
        symbol="EURUSD",
        trading=TradingState.ACTIVE,
        ticks_per_second=4.0,
        last_tick_age=0.1,
        metrics=metrics or StrategyMetrics(signals_generated=7, orders_sent=3),
        position_lots=-0.1,
        realised=12.5,
        floating=-2.5,
        deals=4,
    )
    return msgspec.structs.replace(status, **changes)


def report(*strategies: StrategyStatus, **changes: object) -> StatusReport:
    status = StatusReport(
        schema=1,
        pid=99,
        uptime=3725.0,
        stopping=False,
        reloading="",
        config="/somewhere/strategies.yaml",
        config_changed=None,
        config_differences=None,
        config_problem="",
        config_watcher=None,
        folder="/somewhere",
        var_dir="/somewhere/var",
        market_url="tcp://localhost:5556",
        forkserver_pid=100,
        account=AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5),
        strategies=strategies or (strategy(),),
        former=(),
        services=(child("gateway", kind="gateway"), child("tape", kind="tape", progress=144_164)),
        totals=Totals(1, 1, 0, 0, 0, 0, 4.0, 7, 3, 12.5, -2.5, 200_000_000),
        events=(),
    )
    return msgspec.structs.replace(status, **changes)


def shown(status: StatusReport, width: int = 200) -> str:
    return click.unstyle("\n".join(render.status_lines(status, width)))


def test_shows_each_figure_of_a_strategy() -> None:
    row = next(line for line in shown(report()).splitlines() if line.startswith("eurusd"))
    assert row.split() == [
        *("eurusd_trend_v1", "EURUSD", "RUNNING", "4242", "2m05s", "0", "0.2s", "0.1s", "4.0"),
        *("7", "3", "-0.10", "+10.00", "-2.50", "61M", "2%"),
    ]


def test_says_what_the_file_has_beyond_what_runs() -> None:
    file = "/somewhere/strategies.yaml has changed at "
    changed = report(config_changed="2026-11-26T10:41:00.000Z")
    assert file not in shown(report(config_differences=2, config_problem="cannot be used"))
    assert "`reload` takes it up" in shown(changed)
    for count, said in ((0, ", and says what runs"), (1, ": 1 difference (`reload --dry-run`")):
        status = msgspec.structs.replace(changed, config_differences=count)
        assert said in shown(status)
    bad = msgspec.structs.replace(changed, config_problem="cannot be used: a.yaml:3:5 x: bad " * 9)
    lines = shown(bad, 80).splitlines()
    assert lines[-3].startswith(file) and lines[-1].endswith("…")


@pytest.mark.parametrize("width", [50, 60, 80, 100, 120, 160, 250])
def test_no_row_is_wider_than_the_window(width: int) -> None:
    long = child("a" * 64, degraded="the feed is silent " * 20, last_error="boom " * 100)
    text = shown(report(strategy(long), strategy(child(state="QUARANTINED"))), width)
    assert max(map(cells_of, text.splitlines())) <= width


def test_a_narrow_window_keeps_the_whole_name_and_the_money() -> None:
    heading = next(line for line in shown(report(), 80).splitlines() if line.startswith("NAME"))
    assert "eurusd_trend_v1 " in shown(report(), 80)
    assert {"STATE", "POS", "P&L"} <= set(heading.split())
    assert not {"MEM", "CPU"} & set(heading.split())


def test_a_hundred_columns_show_what_a_trader_looks_for() -> None:
    rows = (strategy(child("gbpusd_pairtrading_v1")), strategy(child("eurusd_trend_v1")))
    heading = shown(report(*rows), 100).splitlines()[2]
    wanted = {"NAME", "SYMBOL", "STATE", "PID", "UP", "RST", "TICK", "TICKS/S", "SIG", "ORD"}
    assert wanted | {"POS", "P&L"} <= set(heading.split())


def test_a_former_strategy_keeps_its_row() -> None:
    gone = child("old_one", state="REMOVED", pid=None, uptime=None, beat_age=None, memory=0)
    row = msgspec.structs.replace(strategy(gone, floating=-4.5), metrics=None, last_tick_age=None)
    text = shown(report(former=(row,)))
    line = next(line for line in text.splitlines() if line.startswith("old_one"))
    assert line.split()[:3] == ["old_one", "EURUSD", "REMOVED"]
    assert {"-0.10", "+8.00", "-4.50"} <= set(line.split())


def test_degraded_is_shown_with_its_reason() -> None:
    text = shown(report(strategy(child(degraded="the gateway is away"))))
    assert "DEGRADED" in text
    assert "eurusd_trend_v1: the gateway is away" in text


def test_one_that_recovers_says_what_it_waits_for() -> None:
    waits = child("yen", state="RECOVERING", degraded="the gateway has not answered for 2 s")
    text = shown(report(strategy(waits)))
    assert "RECOVERING" in text
    assert "DEGRADED" not in text
    assert "yen: the gateway has not answered for 2 s" in text


def test_backoff_and_quarantine_say_why_and_what_next() -> None:
    waiting = child("one", state="BACKOFF", last_error="exit code 3", retry_in=2.0, pid=None)
    given_up = child("two", state="QUARANTINED", last_error="bad model", pid=None)
    text = shown(report(strategy(waiting), strategy(given_up)))
    assert "one: exit code 3; next try in 2.0s" in text
    assert "two: given up after: bad model; see `crashes two`, mend it, then `reload`" in text


@pytest.mark.parametrize(
    ("state", "colour"), [("RUNNING", "green"), ("BACKOFF", "yellow"), ("QUARANTINED", "red")]
)
def test_a_state_has_its_colour(state: str, colour: str) -> None:
    lines = "\n".join(render.status_lines(report(strategy(child(state=state))), 120))
    assert click.style(state, fg=colour) in lines


def test_missed_ticks_are_shown_in_red_and_only_then() -> None:
    lossy = strategy(metrics=StrategyMetrics(ticks_missed=17))
    styled = "\n".join(render.status_lines(report(lossy), 100))
    assert click.style("17", fg="red") in styled
    assert "MISSED" not in shown(report())


def test_refused_and_unsent_orders_have_columns_of_their_own() -> None:
    row = strategy(metrics=StrategyMetrics(orders_sent=3, orders_rejected=2, orders_missed=11))
    text = shown(report(row, strategy(child("other"))))
    assert "REFUSED  NOT SENT" in text
    assert [line.split()[-2:] for line in text.splitlines()[3:5]] == [["2", "11"], ["0", "0"]]
    assert "REFUSED" not in shown(report())


def test_for_a_minute_it_is_told_what_one_has_died_of_that_runs_again() -> None:
    said = "my.py:12, on_bar: no heartbeat for 3.0 s"
    for uptime, told in ((12.0, True), (61.0, False)):
        text = shown(report(strategy(child(uptime=uptime, died_of=said))), 200)
        assert (f"eurusd_trend_v1: back for 12s, after: {said}" in text) == told


def test_in_a_narrow_window_trouble_leaves_what_a_kill_needs() -> None:
    counts = StrategyMetrics(orders_rejected=2, orders_missed=11, error_count=3)
    narrow = shown(report(strategy(metrics=counts)), 80)
    heading = next(line for line in narrow.splitlines() if line.startswith("NAME"))
    assert "PID" in heading and "RST" in heading


def test_signals_that_lead_to_nothing_say_why() -> None:
    reason = "no trade: 0.0009 lots is less than the smallest volume, 0.01"
    counts = StrategyMetrics(signals_generated=31, signals_untraded=31, last_reason=reason)
    text = shown(report(strategy(metrics=counts)))
    assert f"eurusd_trend_v1: {reason} (31 of 31 signals led to no order)" in text
    silent = strategy(child(degraded="the feed is silent"), metrics=counts)
    assert reason not in shown(report(silent))


def test_before_the_first_beat_there_are_no_figures() -> None:
    fresh = child(state="STARTING", pid=None, uptime=None, beat_age=None, memory=0)
    status = msgspec.structs.replace(strategy(fresh), metrics=None, last_tick_age=None)
    text = shown(report(status, account=None))
    assert "no word of the gateway yet" in text
    assert "None" not in text


def test_account_and_totals() -> None:
    text = shown(report())
    assert "balance 10,010.00  equity 10,007.50  margin 110.00  free 9,897.50 USD" in text
    assert "1 of 1 strategy running  P&L +10.00  4.0 ticks/s" in text


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_what_is_held_back_is_shown_with_whoever_did_it(state: TradingState) -> None:
    lock = TradingLock("operator", "eurusd_trend_v1", state, "ann", "news at 14:30", 0.0)
    account = AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5, locks=(lock,))
    counts = StrategyMetrics(last_reason="order refused: LOCKED", orders_rejected=3)
    text = shown(report(strategy(trading=state, metrics=counts), account=account), 80)
    row = next(line for line in text.splitlines() if line.startswith("eurusd_trend_v1 "))
    assert state in row and "RUNNING" not in row
    assert f"eurusd_trend_v1: {state} by ann since 1970-01-01 00:00:00 UTC: news at 14:30" in text
    assert "order refused" not in text


def test_of_what_holds_back_the_kill_switch_is_told_first() -> None:
    halted = TradingState.HALTED
    held = (
        TradingLock("max_loss", "eurusd_trend_v1", halted, "risk rule", "", 0.0),
        TradingLock("operator", "", halted, "ann", "", 1.0),
        TradingLock("kill-switch", "", halted, "ann", "", 2.0),
    )
    account = AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5, locks=held)
    told = [note.text for note in notes.notes(report(account=account)) if "HALTED" in note.text]
    ends = [text.rpartition("; ")[2] for text in told]
    # Where the limit is broken still, the next order locks again.
    unlock = "`unlock eurusd_trend_v1`, which lasts once the rule allows it"
    assert ends == ["`kill-switch off`", "`resume --all`", unlock]


def test_what_was_refused_long_ago_does_not_read_like_the_present() -> None:
    counts = StrategyMetrics(
        last_reason="order refused: LOCKED", last_reason_us=1_000_000, last_tick_time_us=60_000_000
    )
    assert ": order refused: LOCKED" in shown(report(strategy(metrics=counts)), 100)
    later = msgspec.structs.replace(counts, last_tick_time_us=3_601_000_000)
    assert ": at 00:00:01 UTC: order refused: LOCKED" in shown(report(strategy(metrics=later)), 100)


def test_no_strategy_at_all() -> None:
    assert "NAME" in shown(msgspec.structs.replace(report(), strategies=()))


def test_an_error_cannot_command_the_terminal() -> None:
    text = "\n".join(render.status_lines(report(strategy(child(last_error="\x1b[2Jgone\n"))), 200))
    assert "\x1b[2J" not in text
    assert "gone" in text


def test_events_are_aligned_and_cut() -> None:
    events = (
        EventLine("2026-01-01T10:00:00.000Z", "a", "died", "killed\nby SIGKILL"),
        EventLine("2026-01-01T10:00:01.000Z", "gateway", "recovered", "x" * 200),
    )
    lines = render.event_lines(events, 60)
    assert all(len(line) <= 60 for line in lines)
    assert "a        died         killed by SIGKILL" in lines[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-0.1, "0.0s"),
        (9.94, "9.9s"),
        (42.9, "42s"),
        (185, "3m05s"),
        (7_620, "2h07m"),
        (356_400, "4d03h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


def test_clip_counts_wide_characters() -> None:
    assert clip("模型坏了吗", 5) == "模型…"
    assert cells_of("模型…") == 5
    assert re.fullmatch(r"a\ufffdb", clip("a\nb", 5))


def test_a_table_shortens_what_may_be_shortened_only_when_the_rest_is_gone() -> None:
    name = Column("NAME", [Cell("n" * 30)], right=False, least=12)
    extra = Column("EXTRA", [Cell("1")], rank=1)
    assert "EXTRA" in table([name, extra], 40)[0]
    assert table([name, extra], 32)[1] == "n" * 30
    assert table([name, extra], 20)[1] == "n" * 19 + "…"


def test_who_waits_for_a_process_has_a_place_in_the_queue() -> None:
    next_one = strategy(child("next", state="STARTING", pid=None, queued=0))
    later = strategy(child("later", state="STARTING", pid=None, queued=12))
    totals = msgspec.structs.replace(report().totals, queued=2)
    text = shown(report(next_one, later, totals=totals))
    assert re.search(r"next +EURUSD +STARTING ", text)
    assert re.search(r"later +EURUSD +QUEUED 12 ", text)
    assert "  2 queued  " in text

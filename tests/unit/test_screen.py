"""A window that is too small for everything keeps what is wrong, and the account."""

import click
import msgspec
import pytest

from mt5crs_shared.control.status_report import EventLine, StatusReport, StrategyStatus
from mt5crs_shared.metrics import AccountReport, StrategyMetrics
from mt5crs_shared.trading.locks import ACCOUNT, KILL_SWITCH, TradingLock, TradingState
from mt5crs_supervisor.display.screen import screen_lines
from mt5crs_supervisor.display.table import cells_of
from tests.unit.test_render import child, report, strategy

GIVEN_UP = child("last_one", state="QUARANTINED", pid=None, last_error="boom", degraded="")


def well(count: int) -> list[StrategyStatus]:
    return [strategy(child(f"good_{n:02}"), position_lots=0.0) for n in range(count)]


def screen(status: StatusReport, columns: int = 80, rows: int = 24) -> list[str]:
    return [click.unstyle(line) for line in screen_lines(status, columns, rows)]


def test_22_strategies_on_80_by_24_show_what_is_wrong_and_the_account() -> None:
    ill = strategy(child("ill", degraded="the market is silent"))
    rows = [*well(10), ill, *well(10), strategy(GIVEN_UP)]
    lines = screen(report(*rows))
    text = "\n".join(lines)
    assert len(lines) < 24
    assert "account   balance 10,010.00" in text
    assert "total " in text
    assert "ill: the market is silent" in text
    assert "last_one: given up after: boom; see `crashes last_one`, mend it" in text
    named = [line.split()[0] for line in lines if "EURUSD" in line]
    assert {"ill", "last_one"} <= set(named)
    order = [row.process.name for row in rows]
    assert named == sorted(named, key=order.index)
    left_out = len(rows) - len(named)
    assert f"and {left_out} more: {left_out} RUNNING" in lines
    assert {"gateway", "tape"} <= {line.split()[0] for line in lines if line}


def test_everything_is_shown_where_there_is_room_and_the_newest_events_below() -> None:
    events = tuple(EventLine("2026-01-01T10:00:00.000Z", f"e{n}", "died", "x") for n in range(9))
    lines = screen(report(*well(3), events=events), rows=24)
    assert sum("EURUSD" in line for line in lines) == 3
    assert not any(line.startswith("and ") for line in lines)
    shown = [line.split()[1] for line in lines if " died " in line]
    assert shown == ["e3", "e4", "e5", "e6", "e7", "e8"]
    assert len(lines) < 24


def test_open_positions_come_before_what_is_flat_and_after_what_is_wrong() -> None:
    holding = [strategy(child(f"open_{n:02}")) for n in range(12)]
    lines = screen(report(*well(12), *holding, strategy(GIVEN_UP)), rows=20)
    named = [line.split()[0] for line in lines if "EURUSD" in line]
    assert named[-1] == "last_one"
    assert len(named) > 1
    assert all(name.startswith("open") for name in named[:-1])


@pytest.mark.parametrize("rows", range(2, 60))
@pytest.mark.parametrize("wrong", [0, 1, 4, 22])
def test_no_window_is_left_by_what_matters(rows: int, wrong: int) -> None:
    ill = [strategy(child(f"ill_{n:02}", degraded="silent " * 40)) for n in range(wrong)]
    held = TradingLock(KILL_SWITCH, ACCOUNT, TradingState.HALTED, "ann", "storm", 0.0)
    account = AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5, locks=(held,))
    lines = screen(report(*well(22 - wrong), *ill, account=account), rows=rows)
    assert len(lines) < rows
    assert max(map(cells_of, lines)) <= 80
    text = "\n".join(lines)
    if rows >= 7:
        assert "account   balance" in text
        assert "account: HALTED by ann" in text or "more; `status` tells all of them" in text
    if rows >= 24:
        assert "account: HALTED by ann" in text
    told = sum(line.startswith("ill_") and "silent" in line for line in lines)
    more = [line for line in lines if "more; `status` tells" in line]
    assert told == wrong or more or rows < 8


def test_the_services_are_told_before_the_strategies_that_need_them() -> None:
    gone = child("gateway", kind="gateway", state="QUARANTINED", pid=None, last_error="full disk")
    ill = [strategy(child(f"ill_{n:02}", degraded="the gateway is away")) for n in range(22)]
    lines = screen(report(*ill, services=(gone,)))
    assert any(line.startswith("gateway: given up after: full disk") for line in lines)
    (more,) = [line for line in lines if line.endswith("more; `status` tells all of them")]
    assert lines[-1] == more


def test_why_signals_came_to_nothing_leaves_before_what_is_wrong() -> None:
    idle = StrategyMetrics(last_reason="no trade: too small")
    rows = [msgspec.structs.replace(row, metrics=idle) for row in well(22)]
    text = "\n".join(screen(report(*rows, strategy(GIVEN_UP))))
    assert "last_one: given up" in text
    assert "no trade" not in text
    assert "no trade: too small" in "\n".join(screen(report(*rows), rows=80))


def test_who_is_left_out_is_counted_by_state() -> None:
    off = [strategy(child(f"off_{n}", state="DISABLED", pid=None)) for n in range(3)]
    flat = [msgspec.structs.replace(row, position_lots=0.0) for row in off]
    lines = screen(report(*well(20), former=tuple(flat)), rows=16)
    (more,) = [line for line in lines if line.startswith("and ")]
    assert more.endswith(" RUNNING, 3 DISABLED")

"""The interactive view without a terminal: keys and reports in, lines and wanted actions out."""

import click
import msgspec
import pytest

from mt5crs_shared.control.status_report import EventLine, StatusReport, StrategyStatus
from mt5crs_shared.metrics import AccountReport
from mt5crs_shared.trading.locks import ACCOUNT, KILL_SWITCH, OPERATOR, TradingLock, TradingState
from mt5crs_supervisor.display.table import cells_of
from mt5crs_supervisor.display.top import keys
from mt5crs_supervisor.display.top.actions import Action, KeyOutcome
from mt5crs_supervisor.display.top.equity import BLOCKS, EVERY, SAMPLES, EquityRing, sparkline
from mt5crs_supervisor.display.top.model import TopModel
from tests.unit.test_render import child, report, strategy

WINDOWS = [(80, 24), (60, 12), (200, 60)]
EVENTS = tuple(EventLine("2026-01-01T10:00:00.000Z", f"e{n}", "died", "x" * 90) for n in range(50))


def named(*names: str, **changes: object) -> list[StrategyStatus]:
    return [strategy(child(name), **changes) for name in names]


def model(*rows: StrategyStatus, **changes: object) -> TopModel:
    made = TopModel("desk")
    made.hear(report(*rows, **changes), 0.0)
    return made


def account(*locks: tuple[str, str]) -> AccountReport:
    held = tuple(
        TradingLock(owner, scope, TradingState.HALTED, "ann", "storm", 0.0)
        for owner, scope in locks
    )
    return AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5, locks=held)


def screen(top: TopModel, columns: int = 80, rows: int = 24, now: float = 0.0) -> list[str]:
    return [click.unstyle(line) for line in top.lines(columns, rows, now)]


def press(top: TopModel, *pressed: str) -> Action | None:
    """The last key's wish; the keys before it may wish nothing."""
    for key in pressed[:-1]:
        assert top.press(key, 0.0) is None
    return top.press(pressed[-1], 0.0)


def listed(lines: list[str]) -> list[str]:
    """Names in the table, from the top."""
    begin = next(n for n, line in enumerate(lines) if line.split()[:1] == ["NAME"])
    end = next(n for n, line in enumerate(lines) if line.startswith("services"))
    return [line[3:].split()[0] for line in lines[begin + 1 : end] if "EURUSD" in line]


def test_the_worst_stand_first_then_the_alphabet() -> None:
    rows = [
        *named("well_b", "well_a"),
        strategy(child("gone", state="DISABLED", pid=None), position_lots=0.0),
        strategy(child("left", state="STOPPED", pid=None)),
        *named("held", trading=TradingState.REDUCING),
        strategy(child("later", state="BACKOFF", pid=None)),
        strategy(child("ill", degraded="the market is silent")),
        strategy(child("dead", state="QUARANTINED", pid=None)),
        strategy(child("queued", state="STARTING", pid=None, queued=3)),
    ]
    order = ["dead", "ill", "later", "held", "left", "queued", "well_a", "well_b", "gone"]
    assert listed(screen(model(*rows), 120)) == order


def test_80_by_24_shows_all_that_was_asked_for() -> None:
    given_up = child("last", state="QUARANTINED", pid=None, last_error="boom")
    rows = [*named(*(f"good_{n:02}" for n in range(20))), strategy(given_up)]
    lines = screen(model(*rows, account=account((KILL_SWITCH, ACCOUNT)), events=EVENTS))
    assert len(lines) == 24
    text = "\n".join(lines)
    assert lines[0].startswith("supervisor")
    assert lines[1].startswith("account   balance 10,010.00")
    assert "`kill-switch off`" in text and "`restart last`" in text.replace("\n  ", " ")
    assert text.index("`restart last`") < text.index("NAME")
    heading = next(line for line in lines if "NAME" in line).split()
    assert {"STATE", "POS", "P&L", "TICKS/S", "EQUITY"} <= set(heading)
    assert "services  gateway RUNNING  tape RUNNING" in lines
    assert sum(" died " in line for line in lines) >= 3 and "e49" in lines[-2]
    assert lines[-1].startswith("? help") and "c death" in lines[-1]


@pytest.mark.parametrize(("columns", "rows"), [*WINDOWS, (20, 5), (1, 1), (80, 2)])
@pytest.mark.parametrize("count", [0, 1, 4, 500])
def test_no_line_is_longer_than_the_window(columns: int, rows: int, count: int) -> None:
    ill = strategy(child("東京_" * 9, degraded="静かな市場 " * 40), symbol="ドル円")
    everybody = [*named(*(f"good_{n:03}" for n in range(count))), ill]
    top = model(*everybody, events=EVENTS, account=account((KILL_SWITCH, ACCOUNT)))
    crash = Action("crashes", "good_000")
    states = [(), ("f",), (keys.ESCAPE, "K", "東", "京", "x"), (keys.ESCAPE, "l"), ("?",)]
    for pressed in states:
        for key in pressed:
            top.press(key, 0.0)
        found = screen(top, columns, rows, 3.0)
        assert len(found) == rows
        assert max(map(cells_of, found)) <= columns
        assert not any("\n" in line for line in found)
    top.finish(KeyOutcome(crash, ("a" * 300, "\x1b[31m" + "静" * 200, "tab\there")))
    top.finish(KeyOutcome(Action("flatten", "x"), ("静かな市場 " * 90,), failed=True))
    top.miss("no supervisor is running " * 20)
    for key in ("x", "q"):
        found = screen(top, columns, rows, 3.0)
        assert len(found) == rows and max(map(cells_of, found)) <= columns
        top.press(key, 0.0)


@pytest.mark.parametrize(("columns", "rows"), WINDOWS)
def test_500_strategies_are_scrolled_and_the_selected_one_is_always_there(
    columns: int, rows: int
) -> None:
    names = [f"s_{n:03}" for n in range(500)]
    top = model(*named(*names))

    def there() -> list[str]:
        lines = screen(top, columns, rows)
        marked = [line.split()[1] for line in lines if line.startswith("> ")]
        assert marked == [top.selected]
        return [line[3:].split()[0] for line in lines if line[3:].startswith("s_")]

    page = len(there())
    assert page >= 3 and top.selected == "s_000"
    press(top, keys.UP)
    assert top.selected == "s_000"
    press(top, keys.PAGE_DOWN)
    assert top.selected == f"s_{page:03}" and there()[-1] == top.selected
    press(top, keys.DOWN, "j", keys.UP, "k", keys.PAGE_UP)
    assert top.selected == "s_000" and there()[0] == "s_000"
    press(top, keys.END)
    assert top.selected == "s_499" and there() == names[-page:]
    press(top, keys.DOWN)
    assert top.selected == "s_499"
    press(top, keys.UP)
    assert there() == names[-page:]
    press(top, keys.HOME)
    assert there() == names[:page]


def test_the_selection_is_a_name_and_follows_it() -> None:
    top = model(*named("a", "b", "c"))
    press(top, keys.DOWN)
    ill = strategy(child("c", degraded="silent"))
    top.hear(report(*named("a", "b"), ill), 1.0)
    assert top.selected == "b" and listed(screen(top, 120)) == ["c", "a", "b"]
    top.hear(report(*named("a"), ill), 2.0)
    assert top.selected == "a"


@pytest.mark.parametrize(("key", "verb"), [("r", "restart"), ("p", "pause"), ("f", "flatten")])
def test_what_acts_asks_once(key: str, verb: str) -> None:
    for no in ("n", "x", keys.ESCAPE, keys.DOWN, keys.ENTER, "Y", "q"):
        top = model(*named("a", "b"))
        assert press(top, "j", key) is None
        assert screen(top)[-1] == f"{verb} b? y/n"
        assert press(top, no) is None
        assert screen(top)[-1].startswith("? help")
        assert press(top, "y") is None and top.selected == "b"
    assert press(model(*named("a", "b")), "j", key, "y") == Action(verb, "b")  # type: ignore[arg-type]


def test_it_asks_about_the_one_that_was_selected_whatever_comes_between() -> None:
    top = model(*named("a", "b"))
    press(top, "f")
    top.hear(report(*named("b")), 1.0)
    assert screen(top)[-1] == "flatten a? y/n"
    assert press(top, "y") == Action("flatten", "a")


def test_what_is_under_way_and_what_came_of_it_stand_at_the_bottom() -> None:
    top = model(*named("a"))
    action = press(top, "f", "y")
    assert action is not None
    assert screen(top, now=14.2)[-1] == "flatten a is under way, 14s"
    assert press(top, "f", "y") is None, "it is under way already"
    top.finish(KeyOutcome(action, ("a: BUY 0.1 EURUSD is closed", "a: goes on")))
    assert screen(top)[-1] == "a: BUY 0.1 EURUSD is closed; a: goes on"
    press(top, "j")
    assert "is closed" in screen(top)[-1]
    press(top, keys.ESCAPE)
    assert screen(top)[-1].startswith("? help")
    top.finish(KeyOutcome(action, ("not closed: position 7: no quote",), failed=True))
    assert screen(top)[-1] == "flatten a: not closed: position 7: no quote"
    assert press(top, "f", "y") == action


def test_one_outcome_does_not_hide_another_one() -> None:
    top = model(*named("a"))
    pause, switch = press(top, "p", "y"), press(top, "K", "y")
    assert pause is not None and switch is not None
    assert [line.split(" is ")[0] for line in screen(top)[-2:]] == ["pause a", "kill-switch on"]
    top.finish(KeyOutcome(switch, ("kill switch ON",)))
    top.finish(KeyOutcome(pause, ("a: opens no position any more",)))
    assert screen(top)[-2:] == ["kill switch ON", "a: opens no position any more"]
    press(top, "f")
    assert screen(top)[-2:-1] != ["kill switch ON"] and screen(top)[-1] == "flatten a? y/n"


def test_pause_is_resume_for_whom_an_operator_has_paused() -> None:
    top = model(*named("a", "b"), account=account((OPERATOR, "a"), ("max_loss", "b")))
    assert press(top, "p", "y") == Action("resume", "a")
    assert press(top, "j", "p", "y") == Action("pause", "b")


def test_the_kill_switch_goes_on_by_y_and_off_by_the_name_alone() -> None:
    assert press(model(), "K", "y") == Action("kill-switch on")
    top = model(account=account((KILL_SWITCH, ACCOUNT)))
    assert press(top, "K", "y", keys.BACKSPACE, *"dask", keys.BACKSPACE) is None
    assert screen(top)[-1] == "kill-switch off? type the installation's name, desk: das"
    wish = press(top, keys.ENTER)
    assert wish == Action("kill-switch off", "das") and wish.text == "kill-switch off"
    assert press(top, "K", "d", keys.ESCAPE, keys.ENTER) is None
    assert press(top, "K", *"desk", keys.ENTER) == Action("kill-switch off", "desk")


def test_a_pane_is_scrolled_and_left() -> None:
    top = model(*named("a"))
    assert press(top, "c") == Action("crashes", "a")
    assert "crashes a is under way" in screen(top)[-1]
    top.finish(KeyOutcome(Action("crashes", "a"), tuple(f"line {n}" for n in range(100))))
    assert screen(top)[:2] == ["crashes a  1 to 22 of 100  (Esc goes back)", "line 0"]
    press(top, keys.PAGE_DOWN)
    assert screen(top)[1] == "line 22"
    press(top, "j", "j", "k")
    assert screen(top)[1] == "line 23"
    press(top, keys.END)
    assert screen(top)[22] == "line 99"
    press(top, "k")
    assert screen(top)[22] == "line 98"
    press(top, keys.HOME, keys.UP)
    assert screen(top)[1] == "line 0"
    assert press(top, "q") is None, "it leaves the pane alone"
    assert screen(top)[0].startswith("supervisor")
    assert press(top, "q") == Action("quit")


def test_a_log_is_shown_from_its_end_and_an_error_at_the_bottom() -> None:
    top = model(*named("a"))
    press(top, "l")
    top.finish(KeyOutcome(Action("logs", "a"), tuple(f"line {n}\n  more" for n in range(100))))
    assert screen(top)[21:23] == ["line 99", "  more"]
    press(top, keys.ESCAPE)
    press(top, "e")
    top.finish(KeyOutcome(Action("explain", "a"), ("no supervisor is running",), failed=True))
    assert screen(top)[-1] == "explain a: no supervisor is running"


def test_who_quits_while_something_is_under_way_is_asked() -> None:
    top = model(*named("a"))
    press(top, "r", "y")
    assert press(top, "q") is None
    assert screen(top)[-1] == "an action is under way; quit? y/n"
    assert press(top, "n") is None
    assert press(top, "q", "y") == Action("quit")


def test_a_supervisor_that_is_away_is_told_and_the_last_report_stays() -> None:
    top = model(*named("a"))
    assert "no word" not in "\n".join(screen(top, now=2.0))
    assert screen(top, now=4.0)[1] == "no word for 4.0s, asked again each second"
    top.miss("no supervisor is running on var")
    lines = screen(top, now=7.0)
    assert lines[1].startswith("no word for 7.0s, asked again each second: no supervisor is")
    assert listed(screen(top, 120)) == ["a"]
    assert press(top, "f", "y") == Action("flatten", "a"), "the gateway may live"
    top.hear(report(*named("a")), 8.0)
    assert "no word" not in "\n".join(screen(top))


def test_without_a_strategy_nothing_is_asked() -> None:
    top = TopModel("desk")
    assert screen(top)[0] == "asking the supervisor ..."
    top.hear(msgspec.structs.replace(report(), strategies=()), 0.0)
    for key in ("r", "p", "f", "l", "c", "e", "j", keys.END, "y"):
        assert press(top, key) is None
    assert screen(top)[-1].startswith("? help")


def test_a_sparkline_goes_from_the_lowest_to_the_highest_that_is_shown() -> None:
    assert sparkline((0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0), 60) == BLOCKS
    assert sparkline((900.0, 3.0, 3.0, -1.0, 1.0), 4) == "██▁▅"
    assert sparkline((5.0, 5.001), 60) == "▁▁"
    assert sparkline((), 60) == sparkline((1.0,), 0) == ""


def equity(realised: float, floating: float) -> StatusReport:
    return report(*named("a", realised=realised, floating=floating))


def test_sixty_samples_are_kept_one_every_few_seconds() -> None:
    ring = EquityRing()
    for second in range(round(EVERY) * 100):
        ring.sample(equity(second, -0.5), float(second))
    kept = ring.of("a")
    assert len(kept) == SAMPLES
    assert kept[-1] == 495 - 0.5 and kept[-1] - kept[-2] == EVERY
    ring.sample(equity(1.0, 0.0), 10_000.0)
    ring.sample(equity(2.0, 0.0), 10_001.0)
    assert ring.of("a")[-1] == 1.0, "after a gap it begins anew, not with all that was missed"
    silent = msgspec.structs.replace(equity(0.0, 0.0), account=None)
    ring.sample(silent, 15_000.0)
    assert ring.of("a")[-1] == 1.0, "before the gateway's first word nothing is known"
    ring.sample(report(*named("b")), 20_000.0)
    assert ring.of("a") == ()


def test_the_sparkline_of_each_stands_in_its_row() -> None:
    top = TopModel("desk")
    for turn in range(8):
        top.hear(report(*named("a", realised=float(turn), floating=0.0)), turn * EVERY)
    row = next(line for line in screen(top) if line.startswith(">  a "))
    assert row.rstrip().endswith(BLOCKS)

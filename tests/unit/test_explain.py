"""What a strategy waits for, in words; and what it has decided."""

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.trading.locks import TradingState
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.records import explain
from mt5crs_supervisor.display import render
from mt5crs_worker.trading.journal import Journal
from tests.unit.test_journal import checkpoint
from tests.unit.test_render import child, strategy

ENTRY = StrategyConfig("eurusd_trend_v1", "EURUSD", threshold=0.55)
LAST = Decision(1_700_000_000_000_000, 0, 1.1, 1.1001, 0, 0, 0.52, "NONE", 0.0, "", "", "quiet")


def said(**metrics: object) -> str:
    counts = msgspec.structs.replace(StrategyMetrics(), **metrics)
    return "\n".join(explain.explained(strategy(metrics=counts), ENTRY, LAST))


def test_one_that_is_warming_up_says_how_long_it_takes() -> None:
    text = said(warm=180, bars_needed=256, bar_seconds=60)
    assert "warming up: 180 of 256 closed bars of 1m00s; 1h16m of open market to go" in text
    warm = said(warm=256, bars_needed=256, bar_seconds=60, history_bars=250)
    assert "has the 256 closed bars of 1m00s that it needs; it began with 250 of `history`" in warm


def test_its_state_is_the_one_that_status_shows() -> None:
    halted = strategy(trading=TradingState.HALTED)
    (first, *_) = explain.explained(halted, ENTRY, LAST)
    assert render.strategy_state(halted).text == "HALTED"
    assert first.endswith("HALTED (its process: RUNNING for 2m05s, pid 4242)")


def test_a_decision_is_told_with_what_would_have_made_it_another() -> None:
    text = said()
    assert "HOLD at 2023-11-14 22:13:20 UTC of the market: p = 0.520" in text
    assert "BUY needs more than 0.55, SELL less than 0.45; quiet" in text
    assert "decision  none yet" in "\n".join(explain.explained(strategy(), ENTRY, None))


def test_a_signal_without_a_deal_is_told_with_its_reason() -> None:
    text = said(signals_generated=3, orders_rejected=1, last_reason="0.0009 lots < 0.01")
    assert "signals 3, refused 1; why the last made no deal: 0.0009 lots < 0.01" in text


def test_exceptions_now_and_then_are_told() -> None:
    assert "errors" not in said()
    text = said(error_count=33, last_error="ValueError: no (mine.py:51)")
    told = "33 exceptions in its code, the last: ValueError: no (mine.py:51); see `logs "
    assert told in text.replace("\n", " ")
    # What was an hour ago may be mended since.
    old = {"last_error_us": 1_700_000_000_000_000, "last_tick_time_us": 1_700_003_600_000_000}
    assert "the last: at 22:13:20 UTC: ValueError: no" in said(
        error_count=33, last_error="ValueError: no (mine.py:51)", **old
    )


def test_what_a_feature_api_gave_is_told_where_one_is_asked() -> None:
    assert "features" not in said()
    text = said(features_from_api=1_200, feature_faults=2, last_feature_fault="http://a: refused")
    assert (
        "features  of the API for 1,200 bars; none for 2, the last time: http://a: refused" in text
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "STARTING", "queued": 12, "pid": None}, "12 are made before it"),
        ({"state": "STARTING", "pid": None}, "its process boots"),
        ({"state": "RECOVERING"}, "takes the ticks that came while it was away"),
        (
            {"state": "BACKOFF", "pid": None, "last_error": "killed", "retry_in": 1.5},
            "killed; comes back in 1.5s",
        ),
        ({"state": "QUARANTINED", "last_error": "no model"}, "`restart eurusd_trend_v1`"),
        ({"state": "DISABLED"}, "has no process"),
        ({"state": "DISABLED", "pid": None}, "guarded by the gateway; `flatten eurusd_trend_v1`"),
        ({"state": "REMOVED"}, "in no configuration any more"),
        ({"degraded": "the feed is silent"}, "trouble   the feed is silent"),
        ({}, "RUNNING for 2m05s, pid 4242"),
    ],
)
def test_each_state_has_its_words(changes: dict[str, object], words: str) -> None:
    assert words in "\n".join(explain.explained(strategy(child(**changes)), ENTRY, LAST))


def test_nobody_heard_of_it_yet() -> None:
    quiet = msgspec.structs.replace(strategy(), metrics=None, last_tick_age=None)
    assert explain.explained(quiet, None, None)[1:] == [
        "  decision  none yet",
        "  position  -0.1 lots, floating -2.50; realised +12.50 in 4 deals",
    ]
    silent = msgspec.structs.replace(strategy(), last_tick_age=None)
    assert "no tick of EURUSD has come yet" in "\n".join(explain.explained(silent, None, None))


def test_the_status_shows_who_is_warming_up() -> None:
    cold = strategy(metrics=StrategyMetrics(warm=180, bars_needed=256))
    assert render.strategy_state(cold).text == "WARMING 180/256"
    warm = strategy(metrics=StrategyMetrics(warm=256, bars_needed=256))
    assert render.strategy_state(warm).text == "RUNNING"
    dead = strategy(child(state="BACKOFF"), metrics=StrategyMetrics(warm=1, bars_needed=256))
    assert render.strategy_state(dead).text == "BACKOFF"


def run(var: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--var-dir", str(var), *arguments])


def test_decisions_are_those_of_the_journal(tmp_path: Path) -> None:
    paths = VarPaths(tmp_path / "var")
    paths.create()
    journal = Journal(paths.journal("euro"), 1)
    made = [
        Decision(second * 1_000_000, 0, 1.1, 1.1001, 0, 1, 0.61, "OPEN", 0.1, "euro:1", "", "x")
        for second in range(60)
    ]
    journal.save(checkpoint(), made)
    found = json.loads(run(paths.var, "decisions", "euro", "--json").output)
    assert len(found) == 50
    assert found[-1] == msgspec.to_builtins(made[-1]) | {"order_ids": "euro:1"}
    lines = run(paths.var, "decisions", "euro", "-n", "2").output.splitlines()
    assert lines[0].split()[:3] == ["TICK", "(UTC)", "SIGNAL"]
    assert lines[2].split()[2:5] == ["BUY", "0.610", "OPEN"]
    unknown = run(paths.var, "decisions", "euri")
    assert unknown.exit_code == 2
    assert "Did you mean euro?" in unknown.output
    journal.close()


def test_explain_needs_a_running_system(tmp_path: Path) -> None:
    assert run(tmp_path / "none", "explain", "euro").exit_code == 3
    assert run(tmp_path / "none", "decisions", "euro").exit_code == 1

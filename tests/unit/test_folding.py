"""Sentences are broken between words, and no command in two."""

import click
import pytest

from mt5crs_shared.configuration.structs import Config, GlobalConfig, StrategyConfig
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.trading.locks import KILL_SWITCH, OPERATOR, TradingLock, TradingState
from mt5crs_supervisor.commands.records import explain
from mt5crs_supervisor.commands.trading import _columns
from mt5crs_supervisor.display.folding import folded_words, within
from mt5crs_supervisor.display.table import table
from mt5crs_worker.process.trouble import trouble_of

SAID = "account: HALTED by root (kill-switch) since 2026-11-26 18:30:35 UTC; `kill-switch off`"


@pytest.mark.parametrize("width", range(30, 100))
def test_no_command_is_on_two_lines(width: int) -> None:
    lines = folded_words(SAID, width, "  ")
    assert any("`kill-switch off`" in line for line in lines)
    assert max(map(len, lines)) <= width
    assert " ".join(line.strip() for line in lines) == SAID


def test_a_command_that_is_wider_than_the_window_is_broken_all_the_same() -> None:
    assert max(map(len, folded_words(f"see `{'x' * 50} y`", 20))) <= 20


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        ("error: it fits", ["error: it fits"]),
        ("error: three more words", ["error: three more", "  words"]),
        ("    what is indented", ["    what is", "      indented"]),
        ("ok   disk  much is free", ["ok   disk  much is", "     free"]),
        (
            f"{click.style('ok', fg='red')}   disk  much is free",
            [f"{click.style('ok', fg='red')}   disk  much is", "     free"],
        ),
        (click.style("three more words here", bold=True), ["three more words", "  here"]),
    ],
)
def test_a_line_that_is_too_wide_is_broken_between_words(line: str, parts: list[str]) -> None:
    assert within(line, 18) == parts


@pytest.mark.parametrize("topic", ["decision", "held back", "orders"])
def test_words_of_an_explanation_stand_below_one_another(topic: str) -> None:
    line = f"  {topic:<9} {SAID}"
    first, *rest = explain.on_lines(line, 60)
    assert first.startswith(f"  {topic}") and rest
    assert all(part.startswith(" " * explain.TOPIC) for part in rest)
    assert " ".join(" ".join([first, *rest]).split()) == " ".join(line.split())


def test_of_locks_what_none_of_them_has_takes_no_room() -> None:
    halted = TradingState.HALTED
    locks = [TradingLock(KILL_SWITCH, "", halted, "ann", "", 0.0)]
    bare = "\n".join(table(_columns(locks), 80))
    assert "SINCE (UTC)" in bare and "BY" in bare and "ann" in bare
    assert "WHY" not in bare and "UNTIL" not in bare
    locks.append(TradingLock(OPERATOR, "euro", halted, "bob", "news", 0.0, 60.0))
    both = "\n".join(table(_columns(locks), 160))
    assert "news" in both and "UNTIL (UTC)" in both


@pytest.mark.parametrize("kind", ["errors_in_a_row", "fill_errors_in_a_row"])
def test_code_that_fails_is_told_with_what_mends_it(kind: str) -> None:
    config = Config("", (StrategyConfig("euro", "EURUSD"),), GlobalConfig(), {})
    counts = StrategyMetrics(**{kind: 3}, last_error="ValueError: a bug")  # type: ignore[arg-type]
    told = trouble_of(config, counts)
    ends = "mend it, then `reload` where it is the YAML file's, else `restart euro`"
    assert told.startswith("ValueError: a bug: ")
    assert told.endswith(f"; see `logs euro`, {ends}")

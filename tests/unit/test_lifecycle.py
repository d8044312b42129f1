"""The table of a child's life is complete, and so is what the docs say of it."""

from pathlib import Path

import pytest

from mt5crs_shared.control.states import State
from mt5crs_supervisor.children.lifecycle import ALIVE, TABLE, LifecycleEvent, following

ROOT = Path(__file__).resolve().parents[2]


def test_every_event_in_every_state_has_an_answer() -> None:
    assert set(TABLE) == {(state, event) for state in State for event in LifecycleEvent}


def test_every_state_can_be_reached_and_left() -> None:
    reached = {target for target in TABLE.values() if target is not None}
    left = {state for (state, _), target in TABLE.items() if target is not None}
    assert reached == set(State)
    assert left == set(State)


def test_only_the_operator_or_a_retry_brings_a_child_back_from_quarantine() -> None:
    ways = {e for e in LifecycleEvent if following(State.QUARANTINED, e) in ALIVE}
    assert ways == {LifecycleEvent.START, LifecycleEvent.RETRY}


def test_a_child_that_was_asked_to_stop_is_never_respawned() -> None:
    for event in LifecycleEvent:
        assert following(State.STOPPING, event) in (State.STOPPING, State.STOPPED)


@pytest.mark.parametrize("state", list(State))
def test_the_docs_show_the_same_table(state: State) -> None:
    rows = (ROOT / "docs" / "lifecycle.md").read_text().splitlines()
    row = next(
        r for r in rows if r.startswith(f"| {state} |") and r.count("|") == len(LifecycleEvent) + 2
    )
    shown = [cell.strip() for cell in row.strip("|").split("|")][1:]
    wanted = [str(TABLE[state, event] or "-") for event in LifecycleEvent]
    assert shown == wanted

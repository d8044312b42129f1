"""A strip of a strategy's life: in which state it was, from when to when."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from mt5crs_shared.control.states import State
from mt5crs_shared.events import Degraded, StateChanged, Well
from mt5crs_shared.storage.event_files import NumberedEvent


class Stretch(msgspec.Struct, frozen=True):
    """A time in one state.

    Attributes:
        state: See ``docs/lifecycle.md``; DEGRADED is RUNNING with a reason.
        begin: Wall time, Unix seconds.
        end: Likewise; of the last one: now.
        why: What led to it; empty: nothing that is worth a word.
    """

    state: str
    begin: float
    end: float
    why: str = ""


def life_of(events: Iterable[NumberedEvent], name: str, now: float) -> list[Stretch]:
    """The states that one child was in, oldest first.

    Args:
        events: In their order, of everybody.
        name: The child.
        now: Wall time, Unix seconds.
    """
    found: list[Stretch] = []
    for numbered in events:
        event = numbered.event
        if event.name != name:
            continue
        match event:
            case StateChanged(after=after):
                state, why = after, ""
            case Degraded(why=why):
                state = "DEGRADED"
            case Well():
                state, why = State.RUNNING, ""
            case _:
                continue
        moment = datetime.fromisoformat(numbered.time).timestamp()
        if found:
            found[-1] = msgspec.structs.replace(found[-1], end=moment)
        found.append(Stretch(state, moment, moment, why))
    if found:
        found[-1] = msgspec.structs.replace(found[-1], end=now)
    return found

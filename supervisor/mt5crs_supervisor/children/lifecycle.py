"""A child's life as data: its states, what may happen, and where that leads."""

import enum


class State(enum.StrEnum):
    """Where a child is in its life; the table in ``docs/lifecycle.md`` explains each."""

    STARTING = "STARTING"
    RECOVERING = "RECOVERING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    QUARANTINED = "QUARANTINED"
    KILLING = "KILLING"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"


class Event(enum.StrEnum):
    """What can happen to a child.

    READY, RECOVERED: it said so. SENTENCED: it hangs, boots too long, or is far too large. SPARED:
    it was heard of in the last moment. DIED: its process is gone and may be respawned. GAVE_UP:
    gone, and its budget is spent. RETRY: its delay is over. START, STOP: the operator, or the
    supervisor's own start and end.
    """

    READY = "READY"
    RECOVERED = "RECOVERED"
    SENTENCED = "SENTENCED"
    SPARED = "SPARED"
    DIED = "DIED"
    GAVE_UP = "GAVE_UP"
    RETRY = "RETRY"
    START = "START"
    STOP = "STOP"


TABLE: dict[tuple[State, Event], State | None] = {
    (State.STARTING, Event.READY): State.RECOVERING,
    # The words of a process may be read late, together: RECOVERED may overtake READY.
    (State.STARTING, Event.RECOVERED): State.RUNNING,
    (State.STARTING, Event.SENTENCED): State.KILLING,
    (State.STARTING, Event.SPARED): None,
    (State.STARTING, Event.DIED): State.BACKOFF,
    (State.STARTING, Event.GAVE_UP): State.QUARANTINED,
    (State.STARTING, Event.RETRY): None,
    (State.STARTING, Event.START): None,
    (State.STARTING, Event.STOP): State.STOPPING,
    (State.RECOVERING, Event.READY): None,
    (State.RECOVERING, Event.RECOVERED): State.RUNNING,
    (State.RECOVERING, Event.SENTENCED): State.KILLING,
    (State.RECOVERING, Event.SPARED): None,
    (State.RECOVERING, Event.DIED): State.BACKOFF,
    (State.RECOVERING, Event.GAVE_UP): State.QUARANTINED,
    (State.RECOVERING, Event.RETRY): None,
    (State.RECOVERING, Event.START): None,
    (State.RECOVERING, Event.STOP): State.STOPPING,
    (State.RUNNING, Event.READY): None,
    (State.RUNNING, Event.RECOVERED): None,
    (State.RUNNING, Event.SENTENCED): State.KILLING,
    (State.RUNNING, Event.SPARED): None,
    (State.RUNNING, Event.DIED): State.BACKOFF,
    (State.RUNNING, Event.GAVE_UP): State.QUARANTINED,
    (State.RUNNING, Event.RETRY): None,
    (State.RUNNING, Event.START): None,
    (State.RUNNING, Event.STOP): State.STOPPING,
    (State.BACKOFF, Event.READY): None,
    (State.BACKOFF, Event.RECOVERED): None,
    (State.BACKOFF, Event.SENTENCED): None,
    (State.BACKOFF, Event.SPARED): None,
    (State.BACKOFF, Event.DIED): None,
    (State.BACKOFF, Event.GAVE_UP): None,
    (State.BACKOFF, Event.RETRY): State.STARTING,
    (State.BACKOFF, Event.START): State.STARTING,
    (State.BACKOFF, Event.STOP): State.STOPPED,
    (State.QUARANTINED, Event.READY): None,
    (State.QUARANTINED, Event.RECOVERED): None,
    (State.QUARANTINED, Event.SENTENCED): None,
    (State.QUARANTINED, Event.SPARED): None,
    (State.QUARANTINED, Event.DIED): None,
    (State.QUARANTINED, Event.GAVE_UP): None,
    (State.QUARANTINED, Event.RETRY): State.STARTING,
    (State.QUARANTINED, Event.START): State.STARTING,
    (State.QUARANTINED, Event.STOP): State.STOPPED,
    (State.KILLING, Event.READY): None,
    (State.KILLING, Event.RECOVERED): None,
    (State.KILLING, Event.SENTENCED): None,
    # It may have been running or not; its next beat says so.
    (State.KILLING, Event.SPARED): State.RECOVERING,
    (State.KILLING, Event.DIED): State.BACKOFF,
    (State.KILLING, Event.GAVE_UP): State.QUARANTINED,
    (State.KILLING, Event.RETRY): None,
    (State.KILLING, Event.START): None,
    (State.KILLING, Event.STOP): State.STOPPING,
    (State.STOPPING, Event.READY): None,
    (State.STOPPING, Event.RECOVERED): None,
    (State.STOPPING, Event.SENTENCED): None,
    (State.STOPPING, Event.SPARED): None,
    (State.STOPPING, Event.DIED): State.STOPPED,
    (State.STOPPING, Event.GAVE_UP): State.STOPPED,
    (State.STOPPING, Event.RETRY): None,
    # Wanted again while it is still going down: it is started when it is gone.
    (State.STOPPING, Event.START): None,
    (State.STOPPING, Event.STOP): None,
    (State.STOPPED, Event.READY): None,
    (State.STOPPED, Event.RECOVERED): None,
    (State.STOPPED, Event.SENTENCED): None,
    (State.STOPPED, Event.SPARED): None,
    (State.STOPPED, Event.DIED): None,
    (State.STOPPED, Event.GAVE_UP): None,
    (State.STOPPED, Event.RETRY): None,
    (State.STOPPED, Event.START): State.STARTING,
    (State.STOPPED, Event.STOP): None,
}
"""Where each event leads; None: it changes nothing."""

ALIVE = frozenset({State.STARTING, State.RECOVERING, State.RUNNING, State.KILLING, State.STOPPING})
"""States in which there is a process."""


def following(state: State, event: Event) -> State:
    """The state after an event."""
    return TABLE[state, event] or state

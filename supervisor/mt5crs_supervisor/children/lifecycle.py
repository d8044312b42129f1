"""A child's life as data: its states, what may happen, and where that leads."""

import enum

from mt5crs_shared.control.states import State


class LifecycleEvent(enum.StrEnum):
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


TABLE: dict[tuple[State, LifecycleEvent], State | None] = {
    (State.STARTING, LifecycleEvent.READY): State.RECOVERING,
    # The words of a process may be read late, together: RECOVERED may overtake READY.
    (State.STARTING, LifecycleEvent.RECOVERED): State.RUNNING,
    (State.STARTING, LifecycleEvent.SENTENCED): State.KILLING,
    (State.STARTING, LifecycleEvent.SPARED): None,
    (State.STARTING, LifecycleEvent.DIED): State.BACKOFF,
    (State.STARTING, LifecycleEvent.GAVE_UP): State.QUARANTINED,
    (State.STARTING, LifecycleEvent.RETRY): None,
    (State.STARTING, LifecycleEvent.START): None,
    (State.STARTING, LifecycleEvent.STOP): State.STOPPING,
    (State.RECOVERING, LifecycleEvent.READY): None,
    (State.RECOVERING, LifecycleEvent.RECOVERED): State.RUNNING,
    (State.RECOVERING, LifecycleEvent.SENTENCED): State.KILLING,
    (State.RECOVERING, LifecycleEvent.SPARED): None,
    (State.RECOVERING, LifecycleEvent.DIED): State.BACKOFF,
    (State.RECOVERING, LifecycleEvent.GAVE_UP): State.QUARANTINED,
    (State.RECOVERING, LifecycleEvent.RETRY): None,
    (State.RECOVERING, LifecycleEvent.START): None,
    (State.RECOVERING, LifecycleEvent.STOP): State.STOPPING,
    (State.RUNNING, LifecycleEvent.READY): None,
    (State.RUNNING, LifecycleEvent.RECOVERED): None,
    (State.RUNNING, LifecycleEvent.SENTENCED): State.KILLING,
    (State.RUNNING, LifecycleEvent.SPARED): None,
    (State.RUNNING, LifecycleEvent.DIED): State.BACKOFF,
    (State.RUNNING, LifecycleEvent.GAVE_UP): State.QUARANTINED,
    (State.RUNNING, LifecycleEvent.RETRY): None,
    (State.RUNNING, LifecycleEvent.START): None,
    (State.RUNNING, LifecycleEvent.STOP): State.STOPPING,
    (State.BACKOFF, LifecycleEvent.READY): None,
    (State.BACKOFF, LifecycleEvent.RECOVERED): None,
    (State.BACKOFF, LifecycleEvent.SENTENCED): None,
    (State.BACKOFF, LifecycleEvent.SPARED): None,
    (State.BACKOFF, LifecycleEvent.DIED): None,
    (State.BACKOFF, LifecycleEvent.GAVE_UP): None,
    (State.BACKOFF, LifecycleEvent.RETRY): State.STARTING,
    (State.BACKOFF, LifecycleEvent.START): State.STARTING,
    (State.BACKOFF, LifecycleEvent.STOP): State.STOPPED,
    (State.QUARANTINED, LifecycleEvent.READY): None,
    (State.QUARANTINED, LifecycleEvent.RECOVERED): None,
    (State.QUARANTINED, LifecycleEvent.SENTENCED): None,
    (State.QUARANTINED, LifecycleEvent.SPARED): None,
    (State.QUARANTINED, LifecycleEvent.DIED): None,
    (State.QUARANTINED, LifecycleEvent.GAVE_UP): None,
    (State.QUARANTINED, LifecycleEvent.RETRY): State.STARTING,
    (State.QUARANTINED, LifecycleEvent.START): State.STARTING,
    (State.QUARANTINED, LifecycleEvent.STOP): State.STOPPED,
    (State.KILLING, LifecycleEvent.READY): None,
    (State.KILLING, LifecycleEvent.RECOVERED): None,
    (State.KILLING, LifecycleEvent.SENTENCED): None,
    # It may have been running or not; its next beat says so.
    (State.KILLING, LifecycleEvent.SPARED): State.RECOVERING,
    (State.KILLING, LifecycleEvent.DIED): State.BACKOFF,
    (State.KILLING, LifecycleEvent.GAVE_UP): State.QUARANTINED,
    (State.KILLING, LifecycleEvent.RETRY): None,
    (State.KILLING, LifecycleEvent.START): None,
    (State.KILLING, LifecycleEvent.STOP): State.STOPPING,
    (State.STOPPING, LifecycleEvent.READY): None,
    (State.STOPPING, LifecycleEvent.RECOVERED): None,
    (State.STOPPING, LifecycleEvent.SENTENCED): None,
    (State.STOPPING, LifecycleEvent.SPARED): None,
    (State.STOPPING, LifecycleEvent.DIED): State.STOPPED,
    (State.STOPPING, LifecycleEvent.GAVE_UP): State.STOPPED,
    (State.STOPPING, LifecycleEvent.RETRY): None,
    # Wanted again while it is still going down: it is started when it is gone.
    (State.STOPPING, LifecycleEvent.START): None,
    (State.STOPPING, LifecycleEvent.STOP): None,
    (State.STOPPED, LifecycleEvent.READY): None,
    (State.STOPPED, LifecycleEvent.RECOVERED): None,
    (State.STOPPED, LifecycleEvent.SENTENCED): None,
    (State.STOPPED, LifecycleEvent.SPARED): None,
    (State.STOPPED, LifecycleEvent.DIED): None,
    (State.STOPPED, LifecycleEvent.GAVE_UP): None,
    (State.STOPPED, LifecycleEvent.RETRY): None,
    (State.STOPPED, LifecycleEvent.START): State.STARTING,
    (State.STOPPED, LifecycleEvent.STOP): None,
}
"""Where each event leads; None: it changes nothing."""

ALIVE = frozenset({State.STARTING, State.RECOVERING, State.RUNNING, State.KILLING, State.STOPPING})
"""States in which there is a process."""


def following(state: State, event: LifecycleEvent) -> State:
    """The state after an event."""
    return TABLE[state, event] or state

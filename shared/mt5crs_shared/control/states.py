"""Where a child is in its life, as `status` says it."""

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

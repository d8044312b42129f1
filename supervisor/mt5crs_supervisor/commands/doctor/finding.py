"""What one look has found."""

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "error"]


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Attributes:
        topic: What: configuration, disk, market ...
        level: ``error``: a system cannot run so, or not safely; ``warning``: it can, and somebody
            should look.
        text: What was found, and where.
        advice: What to do; empty: nothing.
    """

    topic: str
    level: Level
    text: str
    advice: str = ""


def fine(topic: str, text: str) -> Finding:
    """Nothing has to be done."""
    return Finding(topic, "ok", text)


def warning(topic: str, text: str, advice: str) -> Finding:
    """Somebody should look."""
    return Finding(topic, "warning", text, advice)


def fault(topic: str, text: str, advice: str) -> Finding:
    """It cannot stay so."""
    return Finding(topic, "error", text, advice)

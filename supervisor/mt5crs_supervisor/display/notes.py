"""What is wrong, on so many lines of a terminal."""

from collections.abc import Iterable

from mt5crs_shared.control.notes import Note
from mt5crs_supervisor.display.folding import folded_words

NOTE_LINES = 3
"""Lines that a note takes at most."""


def note_lines(found: Iterable[Note], width: int, most: int = NOTE_LINES) -> list[str]:
    """Notes, each on a few lines at most; what helps is the last to be left out, with when."""
    return [line for note in found for line in _wrapped(note.text, width, most)]


def _wrapped(text: str, width: int, most: int) -> list[str]:
    lines = folded_words(text, width, "  ")
    if len(lines) <= most:
        return lines
    command = max(text.rfind("`", 0, max(text.rfind("`"), 0)), 0)
    advice = text.rfind("; ", 0, command) + len("; ")
    # The first word is whose note it is: without another one the whole advice is too long.
    for kept, least in ((advice, 2), (command, 1)):
        words = text[:kept].split()
        while len(words) >= least:
            shorter = f"{' '.join(words)} … {text[kept:]}"
            lines = folded_words(shorter, width, "  ")
            if len(lines) <= most:
                return lines
            words.pop()
    return folded_words(text, width, "  ", most)

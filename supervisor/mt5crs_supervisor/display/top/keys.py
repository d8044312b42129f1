"""Bytes of a terminal as keys; pure."""

import codecs
import re

UP, DOWN = "up", "down"
PAGE_UP, PAGE_DOWN = "page up", "page down"
HOME, END = "home", "end"
ESCAPE, ENTER, BACKSPACE = "escape", "enter", "backspace"
UNKNOWN = "unknown"

_SEQUENCES = {
    "A": UP,
    "B": DOWN,
    "H": HOME,
    "F": END,
    "1~": HOME,
    "7~": HOME,
    "4~": END,
    "8~": END,
    "5~": PAGE_UP,
    "6~": PAGE_DOWN,
}
_CONTROLS = {"\r": ENTER, "\n": ENTER, "\x7f": BACKSPACE, "\b": BACKSPACE}
_WHOLE = re.compile("\x1b(?:\\[([0-?]*[ -/]*[@-~])|O(.))", re.DOTALL)
_BEGUN = re.compile("\x1b(?:\\[[0-?]*[ -/]*|O)?")


class KeyReader:
    """Keys out of bytes, also where a sequence comes in pieces."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._text = ""

    @property
    def waiting(self) -> bool:
        """Something has come that may be the beginning of a key."""
        return bool(self._text)

    def keys(self, data: bytes) -> list[str]:
        """The keys that are complete; a character that can be shown is its own name."""
        self._text += self._decode(data)
        found = []
        while self._text:
            if self._text[0] != "\x1b":
                found.append(_plain_key(self._text[0]))
                self._text = self._text[1:]
            elif whole := _WHOLE.match(self._text):
                found.append(_SEQUENCES.get(whole[1] or whole[2], UNKNOWN))
                self._text = self._text[whole.end() :]
            elif _BEGUN.fullmatch(self._text):
                break
            else:
                found.append(ESCAPE)
                self._text = self._text[1:]
        return found

    def rest(self) -> list[str]:
        """What was begun and not gone on with: Escape by itself."""
        text, self._text = self._text, ""
        return [ESCAPE] if text == "\x1b" else [UNKNOWN] if text else []


def _plain_key(character: str) -> str:
    return _CONTROLS.get(character, character if character.isprintable() else UNKNOWN)

"""Writes the tables of docs/wire.md from the table of formats.

Run it after changing `mt5crs_shared.market.wire_formats`; a test holds the page equal to the code.
"""

from pathlib import Path

from mt5crs_shared.market import wire
from mt5crs_shared.market.wire_formats import FORMATS, Example

PAGE = Path(__file__).resolve().parents[1] / "docs" / "wire.md"
SYMBOL = "EURUSD"


def frames() -> str:
    """A line for each message that publishers send."""
    examples = sorted((e for known in FORMATS for e in known.examples), key=_number)
    lines = ["| | message | its parts |", "|---|---|---|"]
    lines += [f"| {e.name} | {e.what} | {parts(e)} |" for e in examples]
    return "\n".join(lines) + "\n"


def parts(example: Example) -> str:
    """A message as Markdown: the bar would end a cell."""
    return ", ".join(f"`{frame.decode()}`" for frame in example.frames).replace("|", "\\|")


def prefixes() -> str:
    """What a reader subscribes to: for its symbol, and until that has come."""
    own = "\n".join(prefix.decode() for prefix in wire.subscriptions(SYMBOL))
    wider = "\n".join(prefix.decode() for prefix in wire.WIDER)
    between = "and, until each symbol has come by one of its own, to all that begins with"
    return f"```\n{own}\n```\n\n{between}\n\n```\n{wider}\n```\n"


def renew(page: str) -> str:
    """A page with its tables made anew."""
    for name, text in (("formats", frames()), ("subscriptions", prefixes())):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        head, _, rest = page.partition(begin)
        _, _, tail = rest.partition(end)
        page = f"{head}{begin}{text}{end}{tail}"
    return page


def _number(example: Example) -> int:
    return int(example.name[1:])


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text()))

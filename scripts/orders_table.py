"""Writes the table of codes in docs/orders.md from `orders.Code` and `orders.MEANINGS`.

Run it after changing one of them; a test holds the page equal to the code.
"""

from pathlib import Path

from mt5crs_shared.trading.orders import MEANINGS, Code

PAGE = Path(__file__).resolve().parents[1] / "docs" / "orders.md"
BEGIN, END = "<!-- codes -->\n", "<!-- end of codes -->\n"


def table() -> str:
    """The table."""
    lines = ["| code | meaning |", "|---|---|"]
    lines += [f"| {code.value} | {MEANINGS[code]} |" for code in Code]
    return "\n".join(lines) + "\n"


def renew(page: str) -> str:
    """A page with its table made anew."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}{table()}{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(renew(PAGE.read_text()))

from mt5crs_shared.trading.orders import MEANINGS, Code
from scripts.orders_table import PAGE, renew, table


def test_every_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(Code)
    assert all(meaning.endswith(".") for meaning in MEANINGS.values())


def test_the_page_has_the_table_of_the_code() -> None:
    page = PAGE.read_text()
    assert table() in page
    assert renew(page) == page, "run: .venv/bin/python scripts/orders_table.py"

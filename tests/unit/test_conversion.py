"""At which rate a deal's profit becomes the account's money, whatever the gateway has read yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.gateway_cases import Office, order, tick


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    opened = Office(tmp_path / "ledger.db")
    yield opened
    opened.ledger.close()


def test_a_touch_keeps_the_rate_of_its_tick_whatever_a_new_gateway_knows(office: Office) -> None:
    office.feed(tick(0, 1.25, 1.25, "GBPUSD"))
    opening = tick(2_000_000, 0.86, 0.8601, "EURGBP")
    office.feed(opening)
    position = office.open(opening, strategy="cross", stop_loss=0.85)
    office.feed(tick(3_000_000, 1.26, 1.26, "GBPUSD"))
    office.feed(tick(5_000_000, 0.849, 0.8491, "EURGBP"))
    office.core.save()
    office.ledger.close()
    office.start()  # It has read nothing of its stream again, and the strategy stays silent.
    office.settle()
    fill = office.fills()[-1]
    assert fill.profit == round((0.849 - position.open_price) * 10_000 * 1.26, 6)


def test_a_strategys_rate_counts_only_where_the_own_stream_has_not_come(office: Office) -> None:
    office.feed(tick(0, 1.25, 1.25, "GBPUSD"))
    opening = tick(2_000_000, 0.86, 0.8601, "EURGBP")
    office.feed(opening)
    said = 1.3
    position = office.open(opening, strategy="cross", rate=said)
    known = tick(4_000_000, 0.87, 0.8701, "EURGBP")
    office.feed(known)
    closing = order(known, "SELL", "cross", ticket=position.ticket, rate=said)
    fill = office.submit(closing).fill
    assert fill is not None
    assert fill.profit == round((0.87 - 0.8601) * 10_000 * 1.25, 6)

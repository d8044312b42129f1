"""What a process believes of the ledger while it runs: never half of something."""

from types import SimpleNamespace
from typing import Any

import pytest

from mt5crs_shared.market.sanity import TickSanity
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import Registered
from mt5crs_shared.trading.orders import Position
from mt5crs_worker.process.recovery import Takeover

HELD = Position(7, "euro", "EURUSD", 7, "BUY", 0.2, 1.1, 0)
REST = Position(7, "euro", "EURUSD", 7, "BUY", 0.1, 1.1, 0)


def takeover(position: Position | None, over: bool = True) -> tuple[Takeover, Any]:
    """One whose strategy has made 10, by what its process knows; and its bot."""
    bot = SimpleNamespace(position=position, realised=10.0, deals=None)
    unused: Any = None
    sanity = TickSanity()
    sanity.judge(Tick("EURUSD", 100, 1.1, 1.1001))
    instance: Any = SimpleNamespace(
        bot=bot, ticks_processed=0, last_tick_time_us=100, sanity=sanity
    )
    journal: Any = SimpleNamespace(unsettled=list, event=lambda kind, detail: None)
    stream: Any = SimpleNamespace(give_up=10.0, missed=0)
    made = Takeover(journal, unused, instance, stream, cold=False)
    made.over = over
    return made, bot


@pytest.mark.parametrize("position", [None, HELD])
def test_what_was_charged_is_taken_between_two_ticks(position: Position | None) -> None:
    made, bot = takeover(position)
    assert made.count(Registered("euro", position, 9.3))
    assert (bot.realised, bot.position) == (9.3, position)
    assert made.count(Registered("euro", position, 9.3 + 1e-9))
    assert bot.realised == 9.3, "the same, added up otherwise"


def test_a_gateway_that_calls_again_may_have_charged_something_before() -> None:
    made, bot = takeover(HELD)
    assert not made.adopt(Registered("euro", HELD, 9.3))
    assert bot.realised == 9.3


@pytest.mark.parametrize(
    ("here", "ledger", "over"),
    [
        (HELD, None, True),  # It was closed, and this process has not come to that.
        (HELD, REST, True),  # A part of it was.
        (None, HELD, True),  # It was adopted.
        (HELD, HELD, False),  # The process catches up with the ticks of the one before.
    ],
)
def test_before_its_time_nothing_is_taken(
    here: Position | None, ledger: Position | None, over: bool
) -> None:
    made, bot = takeover(here, over)
    assert not made.count(Registered("euro", ledger, 9.3))
    assert bot.realised == 10.0


@pytest.mark.parametrize(
    ("here", "ledger", "ends"),
    [
        (4, 4, True),  # The last deal is known here: no tick of that time is waited for.
        (4, 6, False),
        (None, 4, False),  # An older version has not counted them.
    ],
)
def test_a_ledger_that_has_no_deal_more_is_not_ahead_whatever_the_time_of_its_last(
    here: int | None, ledger: int, ends: bool
) -> None:
    """The publisher's clock was ahead when that deal was made, and has gone back since."""
    made, bot = takeover(HELD, over=False)
    bot.deals = here
    word = Registered("euro", HELD, 10.0, deal_us=10_000, deals=ledger)
    made.begin(word)
    assert made.ends_here(lambda: word) is ends
    assert made.over is ends
    assert bot.deals == (ledger if ends else here)


def test_a_tick_from_the_future_does_not_pass_by_the_one_that_was_traded_on() -> None:
    """What was decided on it is decided again, once it comes."""
    made, bot = takeover(None, over=False)
    word = Registered("euro", HELD, 10.0, deal_us=10_000, deals=6)
    made.begin(word)
    early = Tick("EURUSD", 4 * 86_400_000_000, 1.1, 1.1001)
    assert not made.ends_before(early, lambda: word)
    assert bot.position is None
    assert made.ends_before(Tick("EURUSD", 20_000, 1.1, 1.1001), lambda: word)
    assert bot.position == HELD

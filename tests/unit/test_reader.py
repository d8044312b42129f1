"""Where one symbol of a stream stands: whom it asks, and how long it waits for whom."""

from mt5crs_shared.market.reader import ANSWER_WITHIN, ASK_UNCONNECTED, Reader
from mt5crs_shared.market.stream import GIVE_UP

YEN = "USDJPY"


def test_who_asks_before_the_connection_is_made_asks_again_at_once_and_then_less_often() -> None:
    reader = Reader(YEN, None)
    waits = []
    for _ in range(6):
        reader.on_asked(0, 100.0)
        waits.append(round(reader.ask_at - 100.0, 6))
    assert waits == [0.002, 0.004, 0.008, 0.016, 0.03, 0.03]

    reader.on_asked(1, 100.0)
    assert reader.ask_at == 100.0 + ANSWER_WITHIN
    reader.on_asked(0, 200.0)
    assert reader.ask_at == 200.0 + ASK_UNCONNECTED


def test_a_standstill_after_the_first_question_is_no_silence_of_the_others() -> None:
    reader = Reader(YEN, None)
    reader.on_asked(1, 100.0)
    reader.wait_longer(2.0 * GIVE_UP)  # a large model is loaded, say
    assert not reader.is_silent(100.0 + 2.9 * GIVE_UP, GIVE_UP, None)
    assert reader.is_silent(100.0 + 3.1 * GIVE_UP, GIVE_UP, None)

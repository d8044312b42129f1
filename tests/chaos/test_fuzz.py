"""Anything on any socket and in any file: nobody else dies. The long form: `benchmarks/fuzz.py`."""

from pathlib import Path

import pytest

from benchmarks.fuzz import Tally, live
from benchmarks.fuzzing.scene import Market
from benchmarks.fuzzing.steps import Act

STEPS: dict[Market, list[Act]] = {
    "feed": ["messages", "messages", "connections", "file"],
    "publisher": ["messages", "messages", "messages", "file"],
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("market", STEPS)
def test_nobody_else_dies(tmp_path: Path, market: Market) -> None:
    tally = Tally()
    live(
        tmp_path / market,
        market,
        [(f"{market}:{n}", a) for n, a in enumerate(STEPS[market])],
        tally,
    )
    assert tally.violations == []
    assert tally.steps == len(STEPS[market])

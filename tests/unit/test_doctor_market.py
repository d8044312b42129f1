"""What `doctor` makes of the symbols that it has heard."""

from collections import Counter

import pytest
from msgspec.structs import replace

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_supervisor.commands.doctor.market import Heard, judged
from tests.unit.gateway_cases import config


@pytest.mark.parametrize(("enabled", "missed"), [(True, ["GBPUSD"]), (False, [])])
def test_a_symbol_that_nobody_trades_need_not_be_heard(enabled: bool, missed: list[str]) -> None:
    strategies = (
        StrategyConfig("euro", "EURUSD"),
        StrategyConfig("cable", "GBPUSD", enabled=enabled),
    )
    heard = Heard(Counter(EURUSD=9), Counter(), {"tick": ""}, [0.0])
    found = list(judged(replace(config(), strategies=strategies), heard, 5.0))
    told = [one for one in found if "was not heard" in one.text]
    assert [one.text.split()[0] for one in told] == missed


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        (["EURAUD", "XAUUSD"], ""),
        (["EURAUD", "EURUSD.pro", "EURUSD.micro"], "did you mean EURUSD.pro?"),
        (["mEURUSD"], "did you mean mEURUSD?"),
    ],
)
def test_no_other_instrument_is_proposed(heard: list[str], meant: str) -> None:
    desk = replace(config(), strategies=(StrategyConfig("euro", "EURUSD"),))
    listened = Heard(Counter(heard), Counter(), {"tick": ""}, [0.0])
    (told,) = (one for one in judged(desk, listened, 5.0) if "was not heard" in one.text)
    assert told.advice.startswith(meant or "ask for it in the terminal")


def test_what_converts_a_profit_is_needed_too() -> None:
    desk = replace(config(), strategies=(StrategyConfig("cross", "EURGBP"),))
    heard = Heard(Counter(EURGBP=9), Counter(), {"tick": ""}, [0.0])
    assert any("GBPUSD was not heard" in one.text for one in judged(desk, heard, 5.0))

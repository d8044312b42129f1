"""Strategies that answer nonsense, in real processes: nothing is ordered, and people are told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.storage import crash_report
from mt5crs_worker.bars import BarWindow
from mt5crs_worker.strategy import Signal, Strategy
from tests.system import BARS, Pulse, System, running, wait_for

ANSWERS: dict[str, Any] = {
    "text": "BUY",
    "three": 3,
    "nan": float("nan"),
    "none": None,
    "float": np.sign(0.5),
    "numpy": np.int64(1),
}


class Answers(Strategy):
    """Answers what ``params["answer"]`` names, on every tick."""

    warmup = 15

    def on_bar(self, bars: BarWindow) -> Signal:
        answer: Signal = ANSWERS[self.params["answer"]]
        return answer


class Broken(Answers):
    """Cannot be made."""

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        raise RuntimeError("it does not even start")


def entry(answer: str) -> dict[str, Any]:
    return {
        "name": answer,
        "symbol": "EURUSD",
        "timeframe": "S1",
        "history": BARS,
        "strategy": f"{__name__}:Answers",
        "params": {"answer": answer},
        # Bars of a second move little: a stop of two ATR could lie within the spread.
        "risk_config": {"stop_loss_atr_multiple": 20.0},
    }


@pytest.fixture
def system(tmp_path: Path) -> Any:
    with running(tmp_path, [entry(name) for name in ANSWERS]) as made:
        pulse = Pulse(made.port, ["EURUSD"])
        try:
            pulse.wait_heard(len(ANSWERS) + 2)
            pulse.start()
            yield made
        finally:
            pulse.stop()


def test_nonsense_is_not_traded(system: System) -> None:
    pids = system.pids()
    wait_for(lambda: system.strategy("numpy").deals, "the deal of the sane one")
    for name in sorted(set(ANSWERS) - {"numpy"}):

        def failed(name: str = name) -> bool:
            metrics = system.strategy(name).metrics
            return metrics is not None and metrics.error_count >= 2

        wait_for(failed, f"errors of {name}")
        metrics = system.strategy(name).metrics
        assert metrics is not None
        assert (metrics.orders_sent, metrics.signals_generated) == (0, 0)
        assert "Answers.on_bar (test_answers_of_strategies.py:" in metrics.last_error
        assert system.strategy(name).deals == 0
    assert system.pids() == pids
    reason = wait_for(lambda: system.strategy("none").process.degraded, "that it is DEGRADED")
    error, told, _ = reason.partition(" in a row in its code, nothing is decided; see ")
    assert told and "answered None" in error
    assert not system.strategy("numpy").process.degraded
    logged = (system.var / "log" / "none.log").read_text()
    assert logged.count('"exception"') == 1


def test_the_last_words_of_a_boot_are_never_lost(tmp_path: Path) -> None:
    names = [f"unbootable_{n}" for n in range(12)]
    broken = [{**entry("none"), "name": name, "strategy": f"{__name__}:Broken"} for name in names]
    with running(tmp_path, broken, wait=False) as system:
        for name in names:
            system.wait_state(name, "QUARANTINED")
            assert "it does not even start" in system.strategy(name).process.last_error
            (box,) = crash_report.load_reports(system.var / "crash", name)
            assert "in __init__" in box.trace

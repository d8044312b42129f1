"""An outside publisher with its own troubles, while our processes die: every tick is told."""

from pathlib import Path

import pytest

from benchmarks.outside import run, stream
from benchmarks.outside.run import Scene
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_supervisor.chaos import campaign, scenario
from mt5crs_supervisor.chaos.campaign import Kind
from tests.system import shipped_symbols

SECONDS = 16.0
SPEED = 60.0
KINDS = (Kind.WORKER, Kind.TAPE, Kind.GATEWAY, Kind.ALL, Kind.SUPERVISOR, Kind.WORKER_AND_TAPE)


@pytest.mark.timeout(180)
def test_every_tick_is_processed_or_named(tmp_path: Path) -> None:
    symbols = shipped_symbols({"EURUSD", "EURJPY", "USDJPY"})
    specs = [SymbolSpec(**entry) for entry in symbols]
    days = scenario.make_up(tmp_path, specs, round(SECONDS * SPEED), seed=5)
    scene = Scene(days, SPEED, SECONDS, stream.troubles(5, SECONDS, every=1.5))
    names = [entry["name"] for entry in scene.strategies]
    plan = campaign.plan(5, len(KINDS), 0.8, KINDS, names)
    outcome = run.run(tmp_path / "struck", scene, plan)
    assert len(outcome.results) == len(plan)
    assert outcome.leftovers == ()
    assert outcome.logs.books_agree
    for name, account in outcome.accounts.items():
        assert account.published > SECONDS * SPEED / 2.0
        assert (account.lost, account.twice, account.unknown) == (0, 0, 0), (name, account)
        assert account.missed >= account.unsent

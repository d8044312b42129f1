"""An outside publisher with its own troubles, while our processes die: every tick is told."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from benchmarks.outside import oracle, run, stream
from benchmarks.outside.publisher import read_log
from benchmarks.outside.run import OutsideRun, Scene
from mt5crs_shared.configuration.loading import load_config
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths
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
    for name, again in outcome.redecided.items():
        assert again.parting == "", (name, again)
        assert again.decided == again.expected == again.equal > 0, (name, again)
    one_that_decided_otherwise_is_found(tmp_path / "struck", list(days), outcome)


def one_that_decided_otherwise_is_found(
    folder: Path, symbols: list[str], outcome: OutsideRun
) -> None:
    paths, decided = VarPaths(folder / "var"), outcome.redecided["euro"].decided
    with contextlib.closing(sqlite3.connect(paths.journal("euro"))) as db, db:
        db.execute("UPDATE decisions SET signal = 2 WHERE id = (SELECT max(id) FROM decisions)")
    config = load_config(folder / "strategies.yaml")
    published = read_log(folder / "published", symbols)
    again = oracle.redecide(config, paths, published, outcome.accounts)["euro"]
    assert again.equal == decided - 1
    assert again.parting

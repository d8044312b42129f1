"""A strategy that asks an API for its features, in a whole system: the API and the strategy die."""

import os
import random
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_worker.adapter import LiveStrategyAdapter
from tests import feature_api
from tests.feature_api import ScriptedApi, numbers, says, shape_a
from tests.feature_desk import MODEL, desk
from tests.system import System, wait_for


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as made:
        yield made


def a_day(folder: Path, api: ScriptedApi, kills: bool) -> tuple[list[Decision], list[Any]]:
    """The API is there, goes away for two bars and comes back; perhaps the strategy dies."""
    with desk(folder, api.url, {"timeout": 1.0, "on_failure": "hold"}) as at_work:

        def perhaps_dies() -> None:
            if kills:
                at_work.kill()

        at_work.decide(6)
        newest = at_work.publish()
        perhaps_dies()
        at_work.wait_decided(newest)
        api.stop()
        newest = at_work.publish()
        perhaps_dies()
        at_work.wait_decided(newest)
        at_work.decide()
        api.start()
        newest = at_work.publish()
        perhaps_dies()
        at_work.wait_decided(newest)
        at_work.decide(6)
        return at_work.decisions(), at_work.deals()


def test_a_strategy_that_dies_decides_what_one_decides_that_did_not(
    tmp_path: Path, api: ScriptedApi
) -> None:
    peaceful, deals = a_day(tmp_path / "peaceful", api, kills=False)
    killed, same_deals = a_day(tmp_path / "killed", api, kills=True)
    assert killed == peaceful
    assert same_deals == deals
    assert len(deals) > 3
    assert {decision.signal for decision in peaceful} == {-1, 0, 1}
    notes = [decision.note.partition(":")[0] for decision in peaceful]
    held = ["held, without features"] * 2
    assert notes == ["features of the API"] * 7 + held + ["features of the API"] * 7


def kept_bars(system: System) -> int:
    """Bars whose features are in the journal."""
    with closing(sqlite3.connect(system.paths.journal("asks"))) as db:
        count: int = db.execute("SELECT count(*) FROM features").fetchone()[0]
    return count


def test_what_was_answered_holds_also_when_the_api_says_something_else_now(
    tmp_path: Path, api: ScriptedApi
) -> None:
    """Killed between the answer and the order: the next process decides on that answer."""
    # The strategy waits for a gateway that stands still, longer than the default allows.
    with desk(tmp_path, api.url, {"timeout": 1.0}, hang_after=60.0) as at_work:
        at_work.decide(3)
        gateway = at_work.system.pid("gateway")
        os.kill(gateway, signal.SIGSTOP)
        answered = kept_bars(at_work.system)
        newest = at_work.publish()
        wait_for(lambda: kept_bars(at_work.system) > answered, "the answer in the journal")
        api.act = says(lambda asked: shape_a({**asked, "timestamp": "something else"}))
        at_work.kill()
        os.kill(gateway, signal.SIGCONT)
        decision = at_work.wait_decided(newest)
        asked = [
            said["timestamp"] for _, said in api.heard if said["timestamp"] == format_iso(newest)
        ]
        assert len(asked) == 1
        adapter = LiveStrategyAdapter(MODEL, 0.5, RiskConfig())
        told = np.array(list(numbers("EURUSD", format_iso(newest)).values()))
        assert decision.probability == adapter.probability(told)
        at_work.decide()
        assert at_work.decisions()[-1].probability != decision.probability


def test_an_api_that_never_ends_delays_no_beat_and_is_told(
    tmp_path: Path, api: ScriptedApi
) -> None:
    settings = {"timeout": 1.5, "on_failure": "local"}
    # The API holds the strategy for longer than it may be silent: by default it could not.
    times = {"heartbeat": 0.1, "hang_after": 0.8, "lease": 5.0, "degraded_after_errors": 2}
    with desk(tmp_path, api.url, settings, **times) as at_work:
        at_work.decide()
        epoch = at_work.system.strategy("asks").process.epoch
        api.act = feature_api.drips
        begun = time.monotonic()
        at_work.decide(2)
        assert time.monotonic() - begun > 3.0, "both had their whole time"

        def degraded() -> str:
            return at_work.system.strategy("asks").process.degraded

        told = wait_for(degraded, "the word of it")
        assert told == (
            "no features of the API for the last 2 bars, they are computed here:"
            f" {api.url}/features/latest: no whole reply in time"
        )
        assert at_work.system.strategy("asks").process.epoch == epoch, "it was taken for hung"
        api.act = says(shape_a)
        at_work.decide()
        wait_for(lambda: not degraded(), "that it is over")
        metrics = at_work.system.strategy("asks").metrics
        assert metrics is not None
        counted = (metrics.features_from_api, metrics.feature_faults)
        assert counted == (2, 2)
        assert [d.note.partition(":")[0] for d in at_work.decisions()] == [
            "features of the API",
            "features computed here",
            "features computed here",
            "features of the API",
        ]


def a_bad_day(folder: Path, api: ScriptedApi, dice: random.Random | None) -> list[Decision]:
    """Of five bars two have no features; with dice, the strategy dies in the midst of many."""
    # Dozens of deaths within a minute, which the default takes for one that cannot live.
    restart = {"backoff": 0.02, "backoff_max": 0.1, "max_deaths": 200, "healthy_after": 0.5}
    with desk(folder, api.url, {"timeout": 1.0}, restart=restart) as at_work:
        for _ in range(60):
            newest = at_work.publish()
            if dice is not None and dice.random() < 0.3:
                time.sleep(dice.uniform(0.0, 0.08))  # somewhere in the question or after it
                at_work.kill()
            at_work.wait_decided(newest)
        return at_work.decisions()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_dying_again_and_again_in_the_midst_of_questions_changes_nothing(
    tmp_path: Path, api: ScriptedApi
) -> None:
    answers, refuses = says(shape_a), says(lambda _: {"message": "no data of that bar"}, 500)

    def by_the_bar(handler: Any, asked: dict[str, Any]) -> None:
        time.sleep(0.04)  # a server takes its time
        second = int(asked["timestamp"][17:19])
        (refuses if second % 5 in (3, 4) else answers)(handler, asked)

    api.act = by_the_bar
    peaceful = a_bad_day(tmp_path / "peaceful", api, None)
    heard = len(api.heard)
    assert a_bad_day(tmp_path / "killed", api, random.Random(7)) == peaceful
    assert len(peaceful) == 60
    assert sum("no data of that bar" in decision.note for decision in peaceful) == 24
    assert heard <= len(api.heard) - heard <= heard + 60

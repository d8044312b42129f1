"""A model is prepared once; who finds it prepared never loads XGBoost, and answers the same."""

import fcntl
import json
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.queues import Queue
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import xgboost

from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_worker import adapter as adapters
from mt5crs_worker import prepared_models
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.features import FEATURES
from mt5crs_worker.prepared_models import PreparedModels

ROWS: npt.NDArray[np.float64] = np.random.default_rng(3).normal(size=(50, len(FEATURES)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where models are kept."""
    kept = tmp_path / "models"
    kept.mkdir()
    monkeypatch.setattr(prepared_models, "_in_use", PreparedModels(kept))
    return kept


@pytest.fixture
def model(tmp_path: Path) -> Path:
    random = np.random.default_rng(1)
    rows = random.normal(size=(500, len(FEATURES)))
    data = xgboost.DMatrix(rows, rows[:, 0] + random.normal(size=500) > 0.0)
    path = tmp_path / "model.json"
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 20).save_model(path)
    return path


@pytest.fixture
def no_xgboost(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Makes every later use of XGBoost an error."""

    def forbid() -> None:
        def used(*_: object, **__: object) -> None:
            raise AssertionError("XGBoost was asked")

        monkeypatch.setattr(xgboost, "Booster", used)

    yield forbid


def answers(model: Path) -> list[float]:
    adapter = LiveStrategyAdapter(model, 0.55, RiskConfig())
    return [adapter.probability(row) for row in ROWS]


def right(model: Path) -> list[float]:
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(model)
    return [float(answer) for answer in booster.inplace_predict(ROWS)]


def test_the_second_process_needs_no_xgboost(
    folder: Path, model: Path, no_xgboost: Callable[[], None]
) -> None:
    expected = right(model)
    first = LiveStrategyAdapter(model, 0.55, RiskConfig())
    no_xgboost()
    second = LiveStrategyAdapter(model, 0.55, RiskConfig())
    assert first.get_metadata() == second.get_metadata()
    assert [first.probability(row) for row in ROWS] == expected
    assert [second.probability(row) for row in ROWS] == expected
    assert sorted(path.suffix for path in folder.iterdir()) == [".lock", ".prepared"]


def test_where_nothing_is_kept_the_answers_are_the_same(model: Path) -> None:
    assert answers(model) == right(model)


def test_a_model_with_other_contents_is_another_one(folder: Path, model: Path) -> None:
    answers(model)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(model)
    booster[:7].save_model(model)
    assert answers(model) == right(model)
    assert len(list(folder.glob("*.prepared"))) == 2


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _changed(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[-3] ^= 1
    path.write_bytes(body)


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


def _other_version(path: Path) -> None:
    found = prepared_models._decode(path.read_bytes()[32:])
    body = prepared_models._encode(msgspec.structs.replace(found, made_by="another"))
    path.write_bytes(prepared_models._digest(body) + body)


def test_no_damage_stops_a_strategy(folder: Path, model: Path) -> None:
    expected = answers(model)
    (kept,) = folder.glob("*.prepared")
    whole = kept.read_bytes()
    for at in range(0, 400, 7):
        kept.write_bytes(whole[:at] + bytes([whole[at] ^ 0x80]) + whole[at + 1 :])
        assert prepared_models.in_use().find(kept.stem) is None
    assert answers(model) == expected


@pytest.mark.parametrize("damage", [_cut, _changed, _empty, _fifo, _link, _other_version])
def test_what_cannot_be_used_is_made_again(
    folder: Path, model: Path, damage: Callable[[Path], None], no_xgboost: Callable[[], None]
) -> None:
    expected = answers(model)
    (kept,) = folder.glob("*.prepared")
    damage(kept)
    assert answers(model) == expected
    no_xgboost()
    assert answers(model) == expected


@pytest.mark.parametrize("what", ["a file", "nothing"])
def test_a_folder_that_cannot_be_used_stops_nobody(
    folder: Path, model: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder.rmdir()
    if what == "a file":
        folder.write_text("")
    assert answers(model) == right(model)
    assert "a prepared model cannot be kept" in caplog.text


def test_a_model_without_tables_says_why(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(adapters, "MOST_BYTES", 1_000)
    caplog.set_level(logging.INFO, adapters.__name__)
    assert answers(model) == right(model)
    assert answers(model) == right(model)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2
    assert all("asked each time: its file has more than 1,000 bytes" in line for line in said)


def named(folder: Path, *models: Path) -> str:
    return json.dumps([str(folder), *map(str, models)])


def test_it_is_known_beforehand_whether_a_process_will_need_xgboost(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unprepared = prepared_models.unprepared
    blake2 = prepared_models.model_digest(model.read_bytes())
    assert unprepared(named(folder, model, model)) == {blake2: str(model)}
    answers(model)
    assert unprepared(named(folder, model)) == {}
    (kept,) = folder.glob("*.prepared")
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])
    linked = tmp_path / "linked.json"
    linked.symlink_to(model)
    assert unprepared(named(folder, linked)) == {blake2: str(linked)}
    kept.write_bytes(whole)
    assert unprepared(named(folder, model, tmp_path / "none.json")) is None
    assert unprepared("") is None
    monkeypatch.setattr(adapters, "MOST_BYTES", 1_000)
    changed = tmp_path / "changed.json"
    changed.write_text(model.read_text() + "\n")
    assert answers(changed) == right(changed)
    assert unprepared(named(folder, model, changed)) is None
    (kept,) = folder.glob("*.untabled")
    assert kept.stem.startswith(prepared_models.model_digest(changed.read_bytes()))


def test_every_process_has_xgboost_where_a_model_may_have_no_tables(
    folder: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = model.read_text()
    named_booster = '"name":"gbtree"'
    assert document.count(named_booster) == 1
    dart = tmp_path / "dart.json"
    dart.write_text(document.replace(named_booster, '"name":"dart"'))
    newer = tmp_path / "dart_of_3.4.json"
    booster_model = '"gradient_booster":{"model":{'
    assert document.count(booster_model) == 1
    newer.write_text(document.replace(booster_model, booster_model + '"weight_drop":[0.5],'))
    by_category = tmp_path / "category.json"
    by_number = '"split_type":[0,'
    assert by_number in document
    by_category.write_text(document.replace(by_number, '"split_type":[1,', 1))
    torn = tmp_path / "torn.json"
    torn.write_text(document[:-10])
    ubj = tmp_path / "model.ubj"
    booster = xgboost.Booster()
    booster.load_model(model)
    booster.save_model(ubj)
    for other in (dart, newer, by_category, torn, ubj):
        assert prepared_models.unprepared(named(folder, model, other)) is None
    assert prepared_models.unprepared(named(folder, model)) is not None
    with monkeypatch.context() as small:
        small.setattr(prepared_models, "MOST_NODES", 100)
        assert prepared_models.unprepared(named(folder, model)) is None
    monkeypatch.setattr(prepared_models, "MOST_BYTES", len(document) - 1)
    assert prepared_models.unprepared(named(folder, model)) is None


def test_more_than_a_few_are_prepared_by_those_who_need_them(
    folder: Path, model: Path, tmp_path: Path
) -> None:
    others = [tmp_path / f"{number}.json" for number in range(prepared_models.MOST_BESIDE + 1)]
    for number, other in enumerate(others):
        other.write_text(model.read_text() + " " * number)
    assert prepared_models.unprepared(named(folder, *others)) is None
    assert len(prepared_models.unprepared(named(folder, *others[1:])) or ()) == len(others) - 1


def test_who_has_taken_many_to_prepare_waits_for_none_of_them(folder: Path, model: Path) -> None:
    kept = prepared_models.in_use()
    blake2 = prepared_models.model_digest(model.read_bytes())
    with kept.preparing(blake2):
        begun = time.monotonic()
        assert answers(model) == right(model)
        assert time.monotonic() - begun < prepared_models.WAITED / 2
    assert kept.find(blake2) is not None


def test_what_no_process_has_asked_for_in_a_month_goes(folder: Path, model: Path) -> None:
    (folder / "old.prepared").mkdir()  # nobody's, and in the way of nothing
    days_old = {"older.prepared": 31, "older.lock": 31, "new.prepared": 29, "mine.json": 90}
    for name, days in days_old.items():
        (folder / name).write_bytes(b"")
        at = time.time() - days * 86_400.0
        os.utime(folder / name, (at, at))
    answers(model)
    assert not list(folder.glob("older.*"))
    assert (folder / "new.prepared").exists()
    assert (folder / "mine.json").exists()


def _prepare(folder: Path, model: Path, ready: "Queue[str]") -> None:
    prepared_models.use(folder)
    prepare = LiveStrategyAdapter._prepare

    def told(*arguments: object) -> object:
        ready.put("prepared")
        return prepare(*arguments)  # type: ignore[arg-type]

    LiveStrategyAdapter._prepare = told  # type: ignore[method-assign, assignment]
    answers(model)
    ready.put("done")


def test_of_many_processes_one_prepares_it(folder: Path, model: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    processes = [context.Process(target=_prepare, args=(folder, model, ready)) for _ in range(4)]
    for process in processes:
        process.start()
    said = [ready.get(timeout=60.0) for _ in range(5)]
    for process in processes:
        process.join(60.0)
    assert sorted(said) == ["done"] * 4 + ["prepared"]


def test_who_hangs_while_preparing_is_not_waited_for(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_models, "WAITED", 0.05)
    answers(model)
    (kept,) = folder.glob("*.prepared")
    kept.unlink()
    (lock,) = folder.glob("*.lock")
    with lock.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert answers(model) == right(model)
    assert kept.exists()


def test_a_claimed_model_is_waited_for_until_it_is_made_or_whoever_claimed_it_has_ended(
    folder: Path,
) -> None:
    kept = PreparedModels(folder)
    claimed = kept.claim("one")
    assert claimed is not None
    assert PreparedModels(folder).claim("one") is None, "somebody is at it"
    child = os.fork()
    if child == 0:
        time.sleep(60.0)  # it is killed
        os._exit(0)
    os.close(claimed)
    assert PreparedModels(folder).claim("one") is None, "the forked one is"
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)

    again = kept.claim("one")
    assert again is not None
    with kept.preparing("one", again):
        assert PreparedModels(folder).claim("one") is None
    last = PreparedModels(folder).claim("one")
    assert last is not None
    os.close(last)


def test_nothing_can_be_claimed_where_no_file_can_be_made(tmp_path: Path) -> None:
    assert PreparedModels(tmp_path / "none").claim("one") is None

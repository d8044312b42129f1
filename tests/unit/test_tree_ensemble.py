"""A model's tables answer what XGBoost answers, to the bit, or are not used."""

import functools
import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from mt5crs_worker import tree_ensemble
from mt5crs_worker.features import FEATURES
from mt5crs_worker.tree_ensemble import TreeEnsemble, UnsupportedModelError, tables_of

COUNT = len(FEATURES)
Rows = npt.NDArray[np.float64]

KINDS: dict[str, dict[str, Any]] = {
    "shallow": {"max_depth": 2},
    "deep": {"max_depth": 9},
    "by leaves": {"tree_method": "hist", "grow_policy": "lossguide", "max_leaves": 40},
    "exact": {"tree_method": "exact", "max_depth": 5},
    "pruned": {"tree_method": "exact", "max_depth": 6, "gamma": 3.0},
    "leaves only": {"max_depth": 3, "gamma": 1e9},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5, "max_depth": 3},
    "one-sided": {"base_score": 0.001, "scale_pos_weight": 1e4},
    "certain": {"eta": 50.0, "lambda": 0.0, "max_depth": 4},
    "regression": {"objective": "reg:logistic", "max_depth": 3},
}


@functools.cache
def booster(kind: str, rounds: int = 25) -> xgboost.Booster:
    random = np.random.default_rng(1)
    rows = random.normal(size=(800, COUNT))
    labels = rows[:, 0] + random.normal(size=800) > 0.0
    settings = {"objective": "binary:logistic", "nthread": 1, **KINDS[kind]}
    return xgboost.train(settings, xgboost.DMatrix(rows, labels), rounds)


def asked(model: xgboost.Booster, row: Rows, rounds: int) -> float:
    (answer,) = model.inplace_predict(row.reshape(1, -1), iteration_range=(0, rounds))
    return float(answer)


@pytest.mark.parametrize("rounds", [1, 7, 25])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_answers_as_xgboost_does(kind: str, rounds: int) -> None:
    model = booster(kind)
    tables = TreeEnsemble(tables_of(model, rounds))
    rows = np.random.default_rng(2).normal(0.0, 2.0, (500, COUNT))
    theirs = model.inplace_predict(rows, iteration_range=(0, rounds))
    assert [tables.probability(row) for row in rows] == theirs.tolist()


@given(
    st.sampled_from(sorted(KINDS)),
    arrays.arrays(np.float64, COUNT, elements=st.floats(allow_nan=False, allow_infinity=False)),
)
def test_any_finite_row_is_answered_as_xgboost_does(kind: str, row: Rows) -> None:
    assert ensemble(kind).probability(row) == asked(booster(kind), row, 25)


@functools.cache
def ensemble(kind: str) -> TreeEnsemble:
    return TreeEnsemble(tables_of(booster(kind), 25))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"booster": "dart", "rate_drop": 0.5}, "its booster is dart"),
        ({"booster": "gblinear"}, "its booster is gblinear"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_no_sum_of_trees_has_no_tables(settings: dict[str, Any], why: str) -> None:
    rows = np.random.default_rng(1).normal(size=(50, COUNT))
    data = xgboost.DMatrix(rows, rows[:, 0] > 0.0)
    model = xgboost.train({"objective": "binary:logistic", "nthread": 1, **settings}, data, 3)
    with pytest.raises(UnsupportedModelError, match=why):
        tables_of(model, 3)


def test_trees_that_are_too_many_have_no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_ensemble, "MOST_NODES", 100)
    with pytest.raises(UnsupportedModelError, match="more than 100 nodes"):
        tables_of(booster("deep"), 25)


class Altered:
    """A model that says of its trees what it does not do."""

    def __init__(self, model: xgboost.Booster, **changed: Any) -> None:
        self._model = model
        self._changed = changed

    def save_raw(self, raw_format: str) -> bytes:
        learner = json.loads(self._model.save_raw(raw_format))
        learner["learner"]["gradient_booster"]["model"]["trees"][3] |= self._changed
        return json.dumps(learner).encode()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"split_conditions": [0.1] * 7}, "it answers .* where XGBoost says"),
        ({"split_conditions": [0.1] * 5}, "its layout is not known: ValueError"),
        ({"left_children": [1, 0, 0, -1, -1, -1, -1]}, "more than 64 levels"),
        ({"left_children": [9999, -1, -1, -1, -1, -1, -1]}, "its layout is not known: IndexError"),
        ({"left_children": None}, "its layout is not known: TypeError"),
        ({"split_indices": [40] * 7}, "its layout is not known: IndexError"),
        ({"split_type": [0, 1, 0, 0, 0, 0, 0]}, "by categories"),
    ],
)
def test_tables_that_do_not_agree_are_not_used(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedModelError, match=why):
        tables_of(Altered(booster("shallow"), **changed), 25)  # type: ignore[arg-type]


def test_numpy_may_be_strict() -> None:
    row = np.full(COUNT, 1e-46)
    with np.errstate(all="raise"):
        assert ensemble("deep").probability(row) == asked(booster("deep"), row, 25)

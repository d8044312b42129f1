"""The trees of an XGBoost model, all at once: the same probability in a tenth of the time.

`Booster.inplace_predict` is made for many rows; for one row most of its time goes into what
surrounds the trees. Here all trees go from their roots to a leaf together, one level at a time,
each a few array operations. The arithmetic is XGBoost's own, in the same order and precision, so
that the answer is the same to the bit: float32 features, a float32 sum that begins with the base
margin and takes one tree after the other, and its sigmoid (``src/common/math.h``) with the C
library's ``expf``.
"""

import ctypes
import math
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.wording import describe_error

if TYPE_CHECKING:
    import xgboost

MOST_NODES: Final = 100_000
"""With more, making the tables would keep a strategy from its ticks for too long."""

MOST_LEVELS: Final = 64

SAMPLE: Final = 1_000
"""Rows on which both are compared before the tables are used."""

Indices = npt.NDArray[np.intp]
Rows = npt.NDArray[np.float64]

_libm = ctypes.CDLL(None)  # what this process has loaded already, XGBoost too
_expf, _logf = _libm.expf, _libm.logf
for _function in (_expf, _logf):
    _function.argtypes, _function.restype = (ctypes.c_float,), ctypes.c_float


class UnsupportedModelError(Mt5crsError):
    """A model that has no tables. XGBoost itself is asked each time; the message says why."""


class Tables(msgspec.Struct, frozen=True):
    """Every node of every tree, one tree after the other.

    Attributes:
        base: What the sum begins with.
        depth: Levels until every way has ended in a leaf.
        roots: int32: the first node of each tree.
        left: int32: the node that follows if the feature is less than the threshold. A leaf leads
            to itself, whatever the features are.
        right: int32: the one that follows if it is not.
        features: int32: the feature that decides.
        thresholds: float32.
        leaves: float32: what a leaf adds; NaN: it is none.
    """

    base: float
    depth: Annotated[int, msgspec.Meta(ge=0, le=MOST_LEVELS)]
    roots: bytes
    left: bytes
    right: bytes
    features: bytes
    thresholds: bytes
    leaves: bytes


class TreeEnsemble:
    """Predicts one row of finite features with the trees of a logistic model.

    Args:
        tables: See `tables_of`.
    """

    def __init__(self, tables: Tables) -> None:
        children = np.stack((_indices(tables.left), _indices(tables.right)), axis=1)
        self._depth = tables.depth
        # Node n is at 2 n, so that its left child is found there, and its right one beside it.
        self._roots = 2 * _indices(tables.roots)
        self._children = 2 * children.ravel()
        self._features = _indices(tables.features).repeat(2)
        self._thresholds = np.frombuffer(tables.thresholds, "<f4").repeat(2)
        self._leaves = np.frombuffer(tables.leaves, "<f4").repeat(2)
        # The sum's terms: one answer is calculated at a time.
        self._sums = np.empty(len(self._roots) + 1, np.float32)
        self._sums[0] = tables.base

    def probability(self, row: Rows) -> float:
        """The model's answer.

        Args:
            row: Finite features, shape (features,).
        """
        with np.errstate(all="ignore"):  # too large for a float32 is infinite, too small is zero
            values = row.astype(np.float32)
        at = self._roots
        for _ in range(self._depth):
            is_right = values.take(self._features.take(at)) >= self._thresholds.take(at)
            at = self._children.take(at + is_right)
        self._sums[1:] = self._leaves.take(at)
        return _sigmoid(np.add.accumulate(self._sums)[-1])


def tables_of(booster: "xgboost.Booster", rounds: int) -> Tables:
    """A model's tables, which answer as it does.

    Args:
        booster: The model, whose objective is logistic.
        rounds: Boosting rounds that are used, from the first.

    Raises:
        UnsupportedModelError: It has something that is not known here, or does not agree with
            `Booster.inplace_predict` to the bit.
    """
    try:
        learner = msgspec.json.decode(booster.save_raw("json"))["learner"]
        base = _base_margin(learner["learner_model_param"])
        tables = _joined(_trees(learner["gradient_booster"], rounds), base)
        _check(tables, booster, rounds)
    except (LookupError, TypeError, ValueError) as error:  # XGBoostError is a ValueError
        raise UnsupportedModelError(f"its layout is not known: {describe_error(error)}") from error
    return tables


def _check(tables: Tables, booster: "xgboost.Booster", rounds: int) -> None:
    rows = _sample(tables, booster.num_features())
    theirs = booster.inplace_predict(rows, iteration_range=(0, rounds))
    ensemble = TreeEnsemble(tables)
    for row, right in zip(rows, theirs, strict=True):
        if (found := ensemble.probability(row)) != right:
            raise UnsupportedModelError(f"it answers {found} where XGBoost says {right}")


def _sample(tables: Tables, count: int) -> Rows:
    """Rows around the thresholds of each feature, on them, and far outside."""
    random = np.random.default_rng(0)
    rows = random.normal(0.0, 100.0, (SAMPLE, count))
    features, thresholds = _indices(tables.features), np.frombuffer(tables.thresholds, "<f4")
    for feature in range(count):
        found = thresholds[(features == feature) & np.isfinite(thresholds)]
        if len(found):
            drawn = random.choice(found, SAMPLE)
            side = random.choice([-math.inf, 0.0, math.inf], SAMPLE).astype(np.float32)
            rows[:, feature] = np.where(side == 0.0, drawn, np.nextafter(drawn, side))
    return rows


def _trees(booster: dict[str, Any], rounds: int) -> list[dict[str, Any]]:
    if booster["name"] != "gbtree":
        raise UnsupportedModelError(f"its booster is {booster['name']}")
    model = booster["model"]
    if model.get("weight_drop"):  # as XGBoost from 3.4 on writes it
        raise UnsupportedModelError("its booster is dart")
    trees: list[dict[str, Any]] = model["trees"][: model["iteration_indptr"][rounds]]
    if not trees:
        raise UnsupportedModelError("it has no trees")
    if any(any(tree["split_type"]) for tree in trees):
        raise UnsupportedModelError("it splits by categories")
    if sum(len(tree["left_children"]) for tree in trees) > MOST_NODES:
        raise UnsupportedModelError(f"it has more than {MOST_NODES:,} nodes")
    return trees


def _depth(roots: Indices, left: Indices, right: Indices, is_leaf: npt.NDArray[np.bool_]) -> int:
    """Levels until every way has ended in a leaf."""
    level = roots
    for depth in range(MOST_LEVELS):
        if is_leaf[level].all():
            return depth
        level = np.unique(np.concatenate((left[level], right[level])))
    raise UnsupportedModelError(f"it has more than {MOST_LEVELS} levels")


def _joined(trees: list[dict[str, Any]], base: float) -> Tables:
    def all_of(key: str, kind: type[Any]) -> npt.NDArray[Any]:
        return np.concatenate([np.asarray(tree[key], kind) for tree in trees])

    sizes = [len(tree["left_children"]) for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]], dtype=np.intp)
    nodes = np.arange(sum(sizes), dtype=np.intp)
    first = np.repeat(roots, sizes)
    is_leaf = all_of("left_children", np.intp) == -1
    conditions = all_of("split_conditions", np.float32)
    left = np.where(is_leaf, nodes, all_of("left_children", np.intp) + first)
    right = np.where(is_leaf, nodes, all_of("right_children", np.intp) + first)
    return Tables(
        base=base,
        depth=_depth(roots, left, right, is_leaf),
        roots=roots.astype("<i4").tobytes(),
        left=left.astype("<i4").tobytes(),
        right=right.astype("<i4").tobytes(),
        features=np.where(is_leaf, 0, all_of("split_indices", np.intp)).astype("<i4").tobytes(),
        thresholds=np.where(is_leaf, np.float32(math.inf), conditions).astype("<f4").tobytes(),
        leaves=np.where(is_leaf, conditions, np.float32(math.nan)).astype("<f4").tobytes(),
    )


def _indices(body: bytes) -> Indices:
    return np.frombuffer(body, "<i4").astype(np.intp)


def _base_margin(parameters: dict[str, Any]) -> float:
    """What `base_score`, a probability, is before the sigmoid."""
    scores = np.asarray(msgspec.json.decode(parameters["base_score"]), np.float32).reshape(-1)
    if len(scores) != 1:
        raise UnsupportedModelError(f"it has {len(scores)} base scores")
    return float(-_logf(np.float32(1.0) / scores[0] - np.float32(1.0)))


def _sigmoid(margin: np.float32) -> float:
    return float(
        np.float32(1.0) / (np.float32(_expf(min(-margin, np.float32(88.7)))) + np.float32(1.0))
    )

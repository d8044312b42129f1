"""A model, its threshold and its risk settings: features to signal, signal to lots."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.files import read_named
from mt5crs_worker import prepared_models
from mt5crs_worker.answers import BUY, HOLD, SELL, Signal
from mt5crs_worker.features import FEATURES, FeatureError
from mt5crs_worker.prepared_models import MOST_BYTES, PreparedModel, model_digest
from mt5crs_worker.trading.sizing import PositionSize, position_size
from mt5crs_worker.tree_ensemble import TreeEnsemble, UnsupportedModelError, tables_of

if TYPE_CHECKING:
    import xgboost

logger = logging.getLogger(__name__)

_OBJECTIVES = ("binary:logistic", "reg:logistic")
_SHAPE = (len(FEATURES),)


class ModelError(Mt5crsError):
    """A model that cannot be used. Its strategy stops until the operator replaces the file."""


class ModelMetadata(msgspec.Struct, frozen=True):
    """What a strategy decides with.

    Attributes:
        model_path: The file, as it was given.
        blake2: BLAKE2b-256 of the file's bytes, hexadecimal.
        features: Names of the features, in the model's order.
        kind: Objective the model was trained for, e.g. ``binary:logistic``.
        threshold: The strategy's threshold.
        trees: Boosting rounds that a prediction uses.
    """

    model_path: str
    blake2: str
    features: tuple[str, ...]
    kind: str
    threshold: float
    trees: int


class LiveStrategyAdapter:
    """Decides for one strategy: the model's probability, the signal, the size.

    The model is an XGBoost classifier of two classes over the 18 features, saved as JSON or UBJ
    by `Booster.save_model` or `XGBClassifier.save_model`. It is loaded here, unless another process
    has prepared it, and must not be loaded before a fork: a Booster's threads do not survive one,
    and its child hangs.

    Args:
        model_path: The model.
        threshold: In (0, 1): BUY if p > threshold, SELL if 1 - p > threshold, else HOLD.
        risk_config: Sizing.

    Raises:
        ModelError: The file cannot be read, is damaged, or holds another kind of model.
    """

    def __init__(self, model_path: str | Path, threshold: float, risk_config: RiskConfig) -> None:
        self._path = Path(model_path)
        self._threshold = threshold
        self._risk = risk_config
        data = self._read()
        blake2 = model_digest(data)
        model = self._prepared(data, blake2)
        self._rounds = model.rounds
        # At least one of them is there.
        self._ensemble = TreeEnsemble(model.tables) if model.tables is not None else None
        self._booster: xgboost.Booster | None = None
        if model.tables is None:
            logger.info("model %s: XGBoost itself is asked each time: %s", model_path, model.why)
            self._booster = self._load(data)[0]
        self._metadata = ModelMetadata(
            model_path=str(model_path),
            blake2=blake2,
            features=FEATURES,
            kind=model.objective,
            threshold=threshold,
            trees=model.rounds,
        )
        self.probability(np.zeros(_SHAPE))

    def get_metadata(self) -> ModelMetadata:
        """The model's file, hash and kind."""
        return self._metadata

    def probability(self, features: npt.NDArray[np.float64]) -> float:
        """The model's probability of an upward move, in [0, 1].

        Args:
            features: Shape (18,), in the order of `FEATURES`.

        Raises:
            FeatureError: Of another shape, or not all finite (XGBoost would take a NaN for a
                missing value and answer).
            ModelError: The model's answer is no probability.
        """
        if features.shape != _SHAPE or not np.isfinite(features).all():
            raise FeatureError(f"a model needs {len(FEATURES)} finite features: {features!r}")
        ensemble = self._ensemble
        answer = self._ask_booster(features) if ensemble is None else ensemble.probability(features)
        if not 0.0 <= answer <= 1.0:
            raise self._error(f"answered {answer}, which is no probability")
        return answer

    def _ask_booster(self, features: npt.NDArray[np.float64]) -> float:
        assert self._booster is not None, "what has no tables has its booster"
        try:
            answer: npt.NDArray[np.float32] = self._booster.inplace_predict(
                features.reshape(1, -1), iteration_range=(0, self._rounds)
            )
        except ValueError as error:  # XGBoostError is one
            raise self._error(f"cannot predict one row: {_first_line(error)}") from error
        if answer.shape != (1,):
            raise self._error(f"answered {answer.tolist()}, which is no probability")
        return float(answer[0])

    def generate_signal(self, features: npt.NDArray[np.float64]) -> Signal:
        """BUY (1), SELL (-1) or HOLD (0) for one row of features.

        With a threshold below 0.5 both sides may pass it; the more probable one is taken, and
        neither at exactly one half.

        Raises:
            FeatureError: See `probability`.
            ModelError: See `probability`.
        """
        return self.signal_of(self.probability(features))

    def signal_of(self, probability: float) -> Signal:
        """The signal that a probability of an upward move gives; see `generate_signal`."""
        down = 1.0 - probability
        if max(probability, down) <= self._threshold or probability == down:
            return HOLD
        return BUY if probability > down else SELL

    def calculate_position_size(
        self, equity: float, atr: float, symbol: SymbolSpec, quote_to_account: float
    ) -> PositionSize:
        """Size a position so that its stop, if hit, costs `risk_per_trade` of the equity.

        See `sizing.position_size`, which this hands its own `risk_config`.
        """
        return position_size(self._risk, equity, atr, symbol, quote_to_account)

    def _read(self) -> bytes:
        try:
            data = read_named(self._path)
        except OSError as error:
            raise self._error(f"cannot be read ({error.strerror}); check model_path") from error
        # XGBoost answers an empty buffer by aborting the process.
        if not data.startswith(b"{") or len(data) < 2:
            raise self._error("is neither JSON nor UBJ; save it with save_model")
        return data

    def _load(self, data: bytes) -> "tuple[xgboost.Booster, str, int]":
        # Most models are prepared, and its import takes longer than all else at a boot.
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        try:
            booster.load_model(bytearray(data))
            learner: dict[str, Any] = json.loads(booster.save_config())["learner"]
            objective: str = learner["objective"]["name"]
            if learner["gradient_booster"]["name"] == "gblinear":
                raise self._error("is linear, which XGBoost cannot ask for one row; use trees")
            self._check(objective, booster.num_features(), booster.feature_names)
            return booster, objective, _rounds_in_use(booster)
        # XGBoostError is one; another: the damaged bytes are in its message, then no UTF-8.
        except ValueError as error:
            raise self._error(
                f"is damaged or no XGBoost model ({_first_line(error)}); save it again"
            ) from error

    def _prepared(self, data: bytes, blake2: str) -> PreparedModel:
        """What is kept of the model, or what is made of it here and kept."""
        kept = prepared_models.in_use()
        found = kept.find(blake2)
        if found is None:
            with kept.preparing(blake2):
                found = kept.find(blake2)
                if found is None:
                    found = self._prepare(data, blake2)
                    kept.keep(found)
        return found

    def _prepare(self, data: bytes, blake2: str) -> PreparedModel:
        booster, objective, rounds = self._load(data)
        try:
            if len(data) > MOST_BYTES:
                raise UnsupportedModelError(f"its file has more than {MOST_BYTES:,} bytes")
            model = PreparedModel(blake2, objective, rounds, tables=tables_of(booster, rounds))
        except UnsupportedModelError as error:
            return PreparedModel(blake2, objective, rounds, why=str(error))
        logger.info("model %s: prepared; it answers from tables, the same to the bit", self._path)
        return model

    def _check(self, objective: str, count: int, names: Sequence[str] | None) -> None:
        if objective not in _OBJECTIVES:
            raise self._error(
                f"was trained for {objective}; train a classifier of two classes "
                f"with {' or '.join(_OBJECTIVES)}"
            )
        if count != len(FEATURES):
            raise self._error(f"takes {count} features, not {len(FEATURES)}: train it on FEATURES")
        for place, (name, right) in enumerate(zip(names or FEATURES, FEATURES, strict=True), 1):
            if name != right:
                raise self._error(
                    f"has {name!r} as feature {place}, where {right!r} belongs: "
                    "train it on FEATURES, in this order"
                )

    def _error(self, fault: str) -> ModelError:
        return ModelError(f"model {self._path} {fault}")


def _rounds_in_use(booster: "xgboost.Booster") -> int:
    """Early stopping notes its best round in the model; later rounds are overfitted."""
    best = booster.attr("best_iteration")
    return booster.num_boosted_rounds() if best is None else int(best) + 1


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]

import functools
import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_worker import adapter as adapters
from mt5crs_worker.adapter import LiveStrategyAdapter, ModelError
from mt5crs_worker.features import FEATURES, FeatureError

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
RISK = RiskConfig(risk_per_trade=0.02, max_position_size=0.10, stop_loss_atr_multiple=2.0)
UNCAPPED = RiskConfig(risk_per_trade=0.02, max_position_size=1e9, stop_loss_atr_multiple=2.0)

Array = npt.NDArray[np.float64]


def train(
    path: Path,
    names: tuple[str, ...] | None = FEATURES,
    count: int = 18,
    rounds: int = 20,
    **parameters: object,
) -> xgboost.Booster:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(500, count))
    labels = rows[:, 0] + rng.normal(size=500) > 0.0
    data = xgboost.DMatrix(rows, labels, feature_names=list(names) if names else None)
    settings = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, **parameters}
    booster = xgboost.train(settings, data, rounds)
    booster.save_model(path)
    return booster


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.json"
    train(path)
    return path


def adapter_saying(
    model: Path, probability: float, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> LiveStrategyAdapter:
    adapter = LiveStrategyAdapter(model, threshold, RISK)
    monkeypatch.setattr(adapter, "probability", lambda features: probability)
    return adapter


@pytest.mark.parametrize("suffix", [".json", ".ubj", ".model"])
@pytest.mark.parametrize("names", [FEATURES, None])
@pytest.mark.filterwarnings("ignore:.*Saving model in the UBJSON format")
def test_probability_is_the_boosters(
    tmp_path: Path, suffix: str, names: tuple[str, ...] | None
) -> None:
    path = tmp_path / f"model{suffix}"
    booster = train(path, names)
    adapter = LiveStrategyAdapter(str(path), 0.55, RISK)
    rows = np.random.default_rng(2).normal(size=(20, 18))
    expected = booster.predict(xgboost.DMatrix(rows, feature_names=booster.feature_names))
    for row, answer in zip(rows, expected, strict=True):
        assert adapter.probability(row) == pytest.approx(answer, abs=1e-7)
        assert adapter.probability(row.astype(np.float32)) == pytest.approx(answer, abs=1e-7)


def test_metadata_says_what_is_decided_with(model: Path) -> None:
    metadata = LiveStrategyAdapter(model, 0.55, RISK).get_metadata()
    assert metadata.model_path == str(model)
    assert metadata.blake2 == hashlib.blake2b(model.read_bytes(), digest_size=32).hexdigest()
    assert metadata.features == FEATURES
    assert metadata.kind == "binary:logistic"
    assert metadata.threshold == 0.55
    assert metadata.trees == 20


def test_a_classifiers_early_stopping_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    booster = train(path)
    # What XGBClassifier.save_model leaves in the file beside the trees.
    booster.set_attr(best_iteration="4", scikit_learn=json.dumps({"_estimator_type": "classifier"}))
    booster.save_model(path)
    adapter = LiveStrategyAdapter(path, 0.5, RISK)
    row = np.random.default_rng(3).normal(size=(1, 18))
    expected = booster.inplace_predict(row, iteration_range=(0, 5))[0]
    assert adapter.get_metadata().trees == 5
    assert adapter.probability(row[0]) == pytest.approx(expected, abs=1e-7)
    assert adapter.probability(row[0]) != pytest.approx(booster.inplace_predict(row)[0], abs=1e-4)


@pytest.mark.parametrize(
    ("probability", "threshold", "signal"),
    [
        (0.60, 0.55, 1),
        (0.55, 0.55, 0),
        (0.50, 0.55, 0),
        (0.45, 0.55, 0),
        (0.40, 0.55, -1),
        (0.51, 0.50, 1),
        (0.49, 0.50, -1),
        (0.50, 0.50, 0),
        (0.52, 0.40, 1),
        (0.48, 0.40, -1),
        (0.50, 0.40, 0),
        (1.00, 0.99, 1),
        (0.00, 0.99, -1),
    ],
)
def test_signal(
    model: Path,
    probability: float,
    threshold: float,
    signal: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    adapter = adapter_saying(model, probability, threshold, monkeypatch)
    assert adapter.generate_signal(np.zeros(18)) == signal


@pytest.mark.parametrize("features", [np.zeros(17), np.zeros((1, 18)), np.full(18, math.nan)])
def test_bad_features_are_refused(model: Path, features: Array) -> None:
    adapter = LiveStrategyAdapter(model, 0.55, RISK)
    with pytest.raises(FeatureError, match="18 finite features"):
        adapter.generate_signal(features)


def cut(path: Path) -> None:
    whole = train(path).save_raw("ubj")
    path.write_bytes(whole[: len(whole) // 2])


def spoil_a_key(path: Path) -> None:
    whole = train(path).save_raw("json")
    path.write_bytes(whole.replace(b"base_score", b"base\xffscore"))


def spoil_the_best_round(path: Path) -> None:
    booster = train(path)
    booster.set_attr(best_iteration="the last")
    booster.save_model(path)


MISORDERED = (*FEATURES[:3], FEATURES[4], FEATURES[3], *FEATURES[5:])
BAD_MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, r"cannot be read \(No such file.*check model_path"),
    "folder": (lambda path: path.mkdir(), r"cannot be read \(it is no regular file\)"),
    "FIFO": (os.mkfifo, r"cannot be read \(it is no regular file\)"),
    "empty": (lambda path: path.write_bytes(b""), "is neither JSON nor UBJ"),
    "text": (lambda path: path.write_text("a model"), "is neither JSON nor UBJ"),
    "brace": (lambda path: path.write_text("{"), "is neither JSON nor UBJ"),
    "other JSON": (lambda path: path.write_text('{"a": 1}'), "is damaged or no XGBoost model"),
    "cut": (cut, "is damaged or no XGBoost model"),
    "not UTF-8": (spoil_a_key, "is damaged or no XGBoost model"),
    "best round": (spoil_the_best_round, "is damaged or no XGBoost model"),
    "regression": (
        lambda path: train(path, objective="reg:squarederror"),
        "was trained for reg:squarederror; train a classifier of two classes",
    ),
    "three classes": (
        lambda path: train(path, objective="multi:softprob", num_class=3),
        "was trained for multi:softprob",
    ),
    "17 features": (lambda path: train(path, FEATURES[:17], 17), "takes 17 features, not 18"),
    "misordered": (
        lambda path: train(path, MISORDERED),
        "has 'macd_line' as feature 4, where 'rsi_14' belongs",
    ),
    "linear": (lambda path: train(path, booster="gblinear"), "is linear"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_models_are_refused_by_name(tmp_path: Path, case: str) -> None:
    path = tmp_path / "model.ubj"
    make, said = BAD_MODELS[case]
    make(path)
    with pytest.raises(ModelError, match=said) as caught:
        LiveStrategyAdapter(path, 0.55, RISK)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("answer", [[math.nan], [math.inf], [-0.1], [0.5, 0.5]])
def test_an_answer_that_is_no_probability_is_refused(
    model: Path, answer: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters, "MOST_BYTES", 0)  # so that XGBoost itself is asked
    adapter = LiveStrategyAdapter(model, 0.55, RISK)
    monkeypatch.setattr(
        xgboost.Booster, "inplace_predict", lambda *args, **kwargs: np.array(answer)
    )
    with pytest.raises(ModelError, match="no probability"):
        adapter.probability(np.zeros(18))


def test_a_worker_has_one_thread_and_neither_sklearn_nor_pandas(model: Path) -> None:
    script = f"""
import sys, psutil
import numpy as np
from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_worker.adapter import LiveStrategyAdapter
adapter = LiveStrategyAdapter({str(model)!r}, 0.55, RiskConfig())
adapter.probability(np.ones(18))
assert psutil.Process().num_threads() == 1
assert not {{"sklearn", "pandas"}} & sys.modules.keys()
"""
    # As the supervisor starts its tree; loading a model would start OpenMP's threads otherwise.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=environment)


adapter_of = functools.cache(LiveStrategyAdapter)


def size(
    model: Path,
    risk: RiskConfig = RISK,
    equity: float = 10_000.0,
    atr: float = 0.0015,
    symbol: SymbolSpec = EURUSD,
    rate: float = 1.0,
) -> tuple[float, float, str | None]:
    answer = adapter_of(model, 0.55, risk).calculate_position_size(equity, atr, symbol, rate)
    return answer.lots, answer.stop_distance, answer.reason


def test_size_of_the_documented_example(model: Path) -> None:
    assert size(model, RISK) == (0.10, 0.003, None)
    assert size(model, UNCAPPED) == (0.66, 0.003, None)


def test_size_converts_the_quote_currency(model: Path) -> None:
    usdjpy = SymbolSpec("USDJPY", 100_000.0, 3, 0.01, 0.01, 100.0, "JPY", "USD")
    lots, distance, reason = size(model, UNCAPPED, atr=0.15, symbol=usdjpy, rate=1 / 150)
    assert (lots, distance, reason) == (1.0, 0.3, None)


def test_size_is_capped_by_the_symbols_largest_volume(model: Path) -> None:
    assert size(model, UNCAPPED, equity=1e9)[0] == 100.0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"equity": 100.0}, "0.006667 lots is less than the smallest volume, 0.01"),
        ({"equity": 0.0}, "equity is 0, not a positive number"),
        ({"equity": -5.0}, "equity is -5, not a positive number"),
        ({"atr": 0.0}, "ATR is 0, not a positive number"),
        ({"atr": math.nan}, "ATR is nan, not a positive number"),
        ({"rate": math.inf}, "rate to the account's currency is inf, not a positive number"),
        ({"atr": 1e-7}, "stop distance 2e-07 is less than one point"),
    ],
)
def test_no_trade_has_a_reason(model: Path, change: dict[str, float], reason: str) -> None:
    lots, _, said = size(model, UNCAPPED, **change)  # type: ignore[arg-type]
    assert lots == 0.0
    assert said == reason


@given(
    steps=st.integers(1, 100_000), step=st.sampled_from([0.01, 0.1, 0.05, 0.25, 1.0, 0.001, 0.03])
)
def test_a_whole_number_of_steps_is_never_lost_to_floats(
    model: Path, steps: int, step: float
) -> None:
    symbol = SymbolSpec("X", 1.0, 0, step, step, 1e9, "USD", "USD")
    exact = steps * Decimal(str(step))
    risk = RiskConfig(risk_per_trade=1.0, max_position_size=1e9, stop_loss_atr_multiple=1.0)
    assert size(model, risk, equity=steps * step, atr=1.0, symbol=symbol)[0] == float(exact)


@given(
    equity=st.floats(1.0, 1e8),
    atr=st.floats(1e-4, 100.0),
    step=st.sampled_from([0.01, 0.1, 0.05, 1.0]),
)
def test_size_never_risks_more_than_asked(
    model: Path, equity: float, atr: float, step: float
) -> None:
    symbol = SymbolSpec("X", 100.0, 5, step, step, 50.0, "USD", "USD")
    lots, distance, reason = size(model, RISK, equity=equity, atr=atr, symbol=symbol)
    assert lots <= RISK.max_position_size
    assert lots * distance * 100.0 <= RISK.risk_per_trade * equity * (1 + 1e-9) + 1e-9
    assert (lots == 0.0) == (reason is not None)
    assert Decimal(str(lots)) % Decimal(str(step)) == 0

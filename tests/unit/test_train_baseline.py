import hashlib
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from mt5crs_services.feed.synthetic import MINUTE_US, SyntheticMarket
from mt5crs_shared.config import RiskConfig, SymbolSpec
from mt5crs_shared.wire import format_iso
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.bars import Bar
from mt5crs_worker.features import FEATURES, WINDOW
from scripts.train_baseline import Rows, area_under_curve, main, make_rows, score

ROOT = Path(__file__).parents[2]
COUNT = 400


def train(out: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    return result


def read_meta(model: Path) -> dict[str, Any]:
    meta: dict[str, Any] = msgspec.json.decode(model.with_suffix(".meta.json").read_bytes())
    return meta


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("models") / "new" / "model.json"
    return out, train(out, "--bars", str(COUNT))


def test_the_figures_are_printed_and_kept(trained: tuple[Path, Result]) -> None:
    out, result = trained
    meta = read_meta(out)
    figures = meta["out_of_sample"]
    assert list(figures) == ["EURUSD", "GBPUSD", "XAUUSD", "pooled"]
    assert figures["pooled"]["bars"] == sum(figures[name]["bars"] for name in list(figures)[:3])
    assert figures["EURUSD"]["bars"] == math.ceil(0.3 * (COUNT - WINDOW))
    for name, values in figures.items():
        assert name in result.stdout
        assert f"{values['auc']:g}" in result.stdout
    assert meta["data"]["bars"] == dict.fromkeys(("EURUSD", "GBPUSD", "XAUUSD"), COUNT)


def test_training_twice_gives_the_same_files(trained: tuple[Path, Result], tmp_path: Path) -> None:
    out, _ = trained
    again, other = tmp_path / "model.json", tmp_path / "other.json"
    train(again, "--bars", str(COUNT))
    train(other, "--bars", str(COUNT), "--seed", "43")
    assert again.read_bytes() == out.read_bytes() != other.read_bytes()
    assert read_meta(again) == read_meta(out) != read_meta(other)


def test_recorded_ticks_can_be_trained_on(tmp_path: Path) -> None:
    spec = SymbolSpec("NZDUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "NZD")
    market = SyntheticMarket([spec], 1, 0.2, 0.0, 0)
    ticks = [tick for minute in range(COUNT) for tick in market.minute(minute)]
    file = tmp_path / "NZDUSD_1970.csv"
    rows = [f"{format_iso(tick.time_us)},{tick.bid},{tick.ask}\n" for tick in ticks]
    file.write_text("timestamp,bid,ask\n" + "".join(rows))
    train(tmp_path / "model.json", str(file))
    meta = read_meta(tmp_path / "model.json")
    closed = len({tick.time_us // MINUTE_US for tick in ticks}) - 1
    assert meta["data"]["bars"] == {"NZDUSD": closed}
    assert meta["data"]["source"] == ["NZDUSD_1970.csv"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("timestamp,bid,ask\n1970-01-01T00:00:00Z,1,x\n", "EURUSD.csv:2: could not convert"),
        ("timestamp,bid,ask\n1970-01-01T00:00:00Z,1,1\n", "306 bars a symbol are needed; EURUSD"),
    ],
)
def test_bad_or_short_files_are_refused(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "EURUSD.csv"
    file.write_text(text)
    out = tmp_path / "model.json"
    result = CliRunner().invoke(main, [str(file), "--out", str(out)])
    assert result.exit_code == 1
    assert said in result.output
    assert not out.exists()


def bars(count: int, seed: int = 5) -> list[Bar]:
    closes = 1.0 + 0.001 * np.random.default_rng(seed).random(count)
    return [Bar(number, *(close.item(),) * 4, 1) for number, close in enumerate(closes)]


def test_a_row_has_the_direction_of_the_next_bar() -> None:
    made = bars(WINDOW + 30)
    rows = make_rows(made)
    closes = [bar.close for bar in made[WINDOW - 1 :]]
    assert rows.features.shape == (30, len(FEATURES))
    assert rows.ups.tolist() == [b > a for a, b in pairwise(closes)]
    returns = rows.features[:, FEATURES.index("returns_1d")]
    assert (returns[1:] > 0).tolist() == rows.ups[:-1].tolist()


def test_nothing_of_the_tested_bars_reaches_the_training() -> None:
    made = bars(WINDOW + 100)
    first_tested = WINDOW - 1 + 70
    changed = made[:first_tested] + bars(WINDOW + 100, seed=6)[first_tested:]
    (former, later), (former_again, later_again) = (make_rows(b).split() for b in (made, changed))
    assert (len(former.ups), len(later.ups)) == (69, 30)
    assert np.array_equal(former.features, former_again.features)
    assert np.array_equal(former.ups, former_again.ups)
    assert not np.isclose(later.features, later_again.features).all(axis=1).any()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30))
def test_area_under_curve_is_the_chance_of_the_right_order(pairs: list[tuple[bool, int]]) -> None:
    rises = [p for up, p in pairs if up]
    falls = [p for up, p in pairs if not up]
    wins = sum((a > b) + (a == b) / 2 for a in rises for b in falls)
    answer = area_under_curve(
        np.array([up for up, _ in pairs]), np.array([p / 5 for _, p in pairs])
    )
    if rises and falls:
        assert answer == pytest.approx(wins / len(rises) / len(falls))
    else:
        assert math.isnan(answer)


def test_score_by_hand() -> None:
    rows = Rows(np.zeros((4, 18)), np.array([True, True, False, False]))
    assert score(rows, np.array([0.9, 0.4, 0.3, 0.52])) == {
        "bars": 4,
        "base_rate": 0.5,
        "accuracy": 0.5,
        "auc": 0.75,
        "log_loss": round(-sum(map(math.log, (0.9, 0.4, 0.7, 0.48))) / 4, 4),
        "confident_share": 0.75,
        "confident_accuracy": round(2 / 3, 4),
    }


def test_the_repositorys_model_is_the_one_its_meta_file_describes() -> None:
    model = ROOT / "models" / "baseline_v1.json"
    meta = read_meta(model)
    metadata = LiveStrategyAdapter(model, 0.55, RiskConfig()).get_metadata()
    assert metadata.blake2 == meta["blake2"]
    assert metadata.blake2 == hashlib.blake2b(model.read_bytes(), digest_size=32).hexdigest()
    assert list(metadata.features) == meta["features"] == list(FEATURES)
    assert (metadata.trees, metadata.kind) == (meta["trees"], meta["kind"])
    assert model.stat().st_size < 150_000
    assert 0.53 < meta["out_of_sample"]["pooled"]["auc"] < 0.70

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
from model_figures import area_under_curve, score

from mt5crs_services.feed.synthetic import MINUTE_US, SyntheticMarket
from mt5crs_shared.configuration.structs import RiskConfig
from mt5crs_shared.market.bars import Bar
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.wire import format_iso
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.features import FEATURES, WINDOW
from scripts.train_baseline import Quoted, cut_of, main, make_rows

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
    counts = [figures[name]["bars"]["value"] for name in figures]
    assert counts[-1] == sum(counts[:3])
    assert counts[-1] == pytest.approx(0.3 * 3 * (COUNT - WINDOW), abs=40)
    for name, values in figures.items():
        assert name in result.stdout
        assert f"{values['auc']['value']:g} ± {values['auc']['error']:g}" in result.stdout
    assert all(0.0 <= ties < 0.5 for ties in meta["data"]["ties"].values())
    assert "net_points" in figures["EURUSD"]
    assert "net_points" not in figures["pooled"]
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


MINUTE = MINUTE_US
POINT = 1e-5


def quoted(closes: list[float], gap_after: int | None = None) -> Quoted:
    """Bars of a minute with these closes; after one of them comes a weekend."""
    made = [
        Bar((n + (2_880 if gap_after is not None and n > gap_after else 0)) * MINUTE, c, c, c, c, 1)
        for n, c in enumerate(closes)
    ]
    return Quoted(made, [2 * POINT] * len(made))


def walk(count: int, seed: int = 5) -> list[float]:
    closes: list[float] = (1.0 + 0.001 * np.random.default_rng(seed).random(count)).tolist()
    return closes


def test_a_row_has_the_move_of_the_next_bar_and_the_spread() -> None:
    closes = walk(WINDOW + 30)
    rows, ties = make_rows(quoted(closes), "M1", POINT)
    assert (rows.features.shape, ties) == ((30, len(FEATURES)), 0.0)
    moves = [(b - a) / POINT for a, b in pairwise(closes[WINDOW - 1 :])]
    assert rows.moves == pytest.approx(moves)
    assert rows.costs == pytest.approx(np.full(30, 2.0))
    returns = rows.features[:, FEATURES.index("returns_1d")]
    assert (returns[1:] > 0).tolist() == rows.ups[:-1].tolist()
    assert rows.ends.tolist() == [begin + 2 * MINUTE for begin in rows.begins]


def test_ties_and_labels_over_a_gap_are_left_out() -> None:
    closes = walk(WINDOW + 30)
    closes[WINDOW + 5] = closes[WINDOW + 4]
    rows, ties = make_rows(quoted(closes, gap_after=WINDOW + 10), "M1", POINT)
    assert len(rows) == 28
    assert ties == pytest.approx(1 / 29)
    assert np.all(rows.moves != 0.0)
    assert (WINDOW + 4) * MINUTE not in rows.begins
    assert (WINDOW + 10) * MINUTE not in rows.begins


def test_nothing_of_the_tested_time_reaches_the_training_of_any_symbol() -> None:
    first, _ = make_rows(quoted(walk(WINDOW + 100)), "M1", POINT)
    late = quoted(walk(WINDOW + 100, seed=6))
    late.bars = [msgspec.structs.replace(b, start_us=b.start_us + 50 * MINUTE) for b in late.bars]
    second, _ = make_rows(late, "M1", POINT)
    cut_us = cut_of([first, second])
    parts = [rows.split(cut_us) for rows in (first, second)]
    for former, later in parts:
        assert max(former.ends) <= cut_us <= min(later.begins)
    tested = sum(len(later) for _, later in parts)
    assert tested == pytest.approx(60, abs=2)
    # The one that began later is tested for longer: the moment is the same for both.
    assert len(parts[0][1]) < len(parts[1][1])


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
    moves, costs = np.array([4.0, 2.0, -1.0, -3.0]), np.array([1.0, 1.0, 1.0, 1.0])
    figures = score(moves, costs, np.array([0.9, 0.4, 0.3, 0.52]), 0.5, one_symbol=True)
    values = {name: figure["value"] for name, figure in figures.items()}
    logs = list(map(math.log, (0.9, 0.4, 0.7, 0.48)))
    assert values == {
        "bars": 4,
        "rose": 0.5,
        "majority": 0.5,
        "accuracy": 0.5,
        "auc": 0.75,
        "base_log_loss": round(math.log(2), 4),
        "log_loss": round(-sum(logs) / 4, 4),
        "buys": 1,
        "sells": 2,
        # BUY at +4, SELL at +2, SELL at -1, each less a spread of one point.
        "net_points": round((3.0 - 3.0 + 0.0) / 3, 4),
    }
    assert figures["accuracy"]["error"] == round(0.5 / math.sqrt(3), 4)
    assert figures["log_loss"]["error"] == round(float(np.std(logs, ddof=1)) / 2, 4)
    assert figures["majority"]["error"] is None


def test_the_repositorys_model_is_the_one_its_meta_file_describes() -> None:
    model = ROOT / "models" / "baseline_v1.json"
    meta = read_meta(model)
    metadata = LiveStrategyAdapter(model, 0.55, RiskConfig()).get_metadata()
    assert metadata.blake2 == meta["blake2"]
    assert metadata.blake2 == hashlib.blake2b(model.read_bytes(), digest_size=32).hexdigest()
    assert list(metadata.features) == meta["features"] == list(FEATURES)
    assert (metadata.trees, metadata.kind) == (meta["trees"], meta["kind"])
    assert model.stat().st_size < 150_000
    assert 0.53 < meta["out_of_sample"]["pooled"]["auc"]["value"] < 0.70

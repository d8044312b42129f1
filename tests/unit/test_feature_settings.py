"""`features: api` in the YAML: what is refused, where, and what a change of it replaces."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from mt5crs_shared.configuration.feature_checks import url_problem
from mt5crs_shared.configuration.loading import config_hash, load_config
from mt5crs_shared.configuration.structs import Config, FeatureApiConfig, GlobalConfig
from mt5crs_shared.errors import ConfigError
from tests.unit.config_cases import SYMBOLS, YAML

ENTRY = "    threshold: 0.55\n"


def load(folder: Path, *lines: str, url: str = "") -> Config:
    """The shipped file with these lines in its first strategy, and another address."""
    (folder / "models").mkdir(exist_ok=True)
    (folder / "models" / "baseline_v1.json").touch()
    (folder / "symbols.yaml").write_text(SYMBOLS)
    text = YAML.replace(ENTRY, ENTRY + "".join(f"    {line}\n" for line in lines), 1)
    text = text.replace("http://localhost:8000", url or "http://localhost:8000")
    (folder / "strategies.yaml").write_text(text)
    return load_config(folder / "strategies.yaml", cwd=folder)


def refusal(folder: Path, *lines: str, url: str = "") -> str:
    with pytest.raises(ConfigError) as refused:
        load(folder, *lines, url=url)
    return str(refused.value)


def test_nobody_asks_an_api_unless_he_says_so(tmp_path: Path) -> None:
    config = load(tmp_path, url="what nobody uses is not looked at")
    assert {strategy.features for strategy in config.strategies} == {"local"}


def test_one_strategy_asks_and_the_others_do_not(tmp_path: Path) -> None:
    lines = ("features: api", "feature_api: {timeout: 0.3, on_failure: local}")
    first, *others = load(tmp_path, *lines).strategies
    assert (first.features, first.feature_api) == ("api", FeatureApiConfig(0.3, "local"))
    assert {strategy.features for strategy in others} == {"local"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["features: remote"],
            "strategies[eurusd_trend_v1].features: 'remote' (text); expected one of api, local",
        ),
        (["features: api", "feature_api: {time_out: 1}"], "feature_api.time_out: unknown key; did"),
        (
            ["features: api", "feature_api: {timeout: 0}"],
            "feature_api.timeout: 0; expected a number",
        ),
        (["features: api", "feature_api: {on_failure: buy}"], "expected one of hold, local"),
        (["features: api", "evaluate: tick"], "features of closed bars; expected local, or"),
        (
            ["features: api", "feature_api: {timeout: 2.0}"],
            "strategies[eurusd_trend_v1].feature_api.timeout: 2 s: what is decided then is older"
            " than max_signal_age, 2 s; expected less than 2",
        ),
        (
            ["features: api", "max_signal_age: 0.5"],
            "strategies[eurusd_trend_v1].feature_api.timeout: 1 s: what is decided then is older",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_its_place(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    assert message in refusal(tmp_path, *lines)


def test_features_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "symbols.yaml").write_text(SYMBOLS)
    entry = "strategies:\n  - {name: a, symbol: EURUSD, strategy: 'm:C', features: api}\n"
    (tmp_path / "strategies.yaml").write_text(entry)
    with pytest.raises(ConfigError, match=r"features: api, and no model .*; expected a model_path"):
        load_config(tmp_path / "strategies.yaml", cwd=tmp_path)


GOOD = ["http://localhost:8000", "https://features.example/api/v1", "http://[::1]:8000/"]
BAD = [
    "localhost:8000",
    "ftp://localhost",
    "http://",
    "http://host:99999",
    "http://host:0",
    "http://host:port",
    "http://a b",
    "http://host/a b",
    "http://host/?key=1",
    "http://host/#top",
    "http://[::1",
    "",
]


@pytest.mark.parametrize("url", GOOD)
def test_addresses_that_are_taken(url: str) -> None:
    assert url_problem(url) == ""


@pytest.mark.parametrize("url", BAD)
def test_addresses_that_are_not(url: str) -> None:
    assert url_problem(url).startswith("http://host:port or https://host:port")


def test_an_address_is_looked_at_where_somebody_uses_it(tmp_path: Path) -> None:
    said = refusal(tmp_path, "features: api", url="tcp://localhost:8000")
    assert "global.feature_api_url: 'tcp://localhost:8000'; expected http://host:port" in said


def test_a_password_belongs_elsewhere(tmp_path: Path) -> None:
    said = refusal(tmp_path, "features: api", url="http://me:secret@localhost:8000")
    assert "no place for secrets" in said
    assert "secret@" not in said


def test_another_address_replaces_those_alone_who_ask_there(tmp_path: Path) -> None:
    asks, computes = load(tmp_path, "features: api").strategies[:2]
    here, there = GlobalConfig(), replace(GlobalConfig(), feature_api_url="http://elsewhere")
    assert config_hash(asks, here) != config_hash(asks, there)
    assert config_hash(computes, here) == config_hash(computes, there)

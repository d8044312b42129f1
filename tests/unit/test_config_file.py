import os
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt5crs_shared.configuration.loading import config_hash, load_config
from mt5crs_shared.configuration.structs import (
    Config,
    GlobalConfig,
    PaperConfig,
    RestartConfig,
    SupervisorConfig,
    TapeConfig,
)
from mt5crs_shared.errors import ConfigError, Problem
from tests.unit.config_cases import (
    BAD_DOCUMENTS,
    BAD_FIELDS,
    BAD_GLOBALS,
    BAD_SYMBOLS,
    SYMBOLS,
    YAML,
)

FIRST_RISK = "    risk_config:\n      risk_per_trade: 0.02\n"
SECOND_RISK = "    risk_config:\n      risk_per_trade: 0.01\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder that holds what the shipped file needs."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "baseline_v1.json").write_text("{}")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "symbols.yaml").write_text(SYMBOLS)
    return tmp_path


def load_text(house: Path, text: str | bytes) -> Config:
    raw = text.encode() if isinstance(text, str) else text
    (house / "config" / "strategies.yaml").write_bytes(raw)
    return load_config(Path("config/strategies.yaml"), cwd=house)


def problems_of(house: Path, text: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(ConfigError) as caught:
        load_text(house, text)
    return caught.value.problems


def swap(old: str, new: str) -> str:
    """The shipped file with the first `old` replaced."""
    assert old in YAML
    return YAML.replace(old, new, 1)


def with_globals(line: str) -> str:
    return f"{YAML}\n  {line}\n"


def test_the_shipped_file_loads_as_it_stands(house: Path) -> None:
    config = load_text(house, YAML)
    first = config.strategies[0]
    assert [s.name for s in config.strategies] == [
        "eurusd_trend_v1",
        "gbpusd_pairtrading_v1",
        "xauusd_scalping_v1",
    ]
    assert [s.enabled for s in config.strategies] == [True, True, False]
    assert (first.threshold, first.risk_config.max_position_size) == (0.55, 0.10)
    assert first.model_path == str(house / "models" / "baseline_v1.json")
    assert config.path == str(house / "config" / "strategies.yaml")
    assert set(config.symbols) == {"EURUSD", "GBPUSD", "XAUUSD"}
    assert config.globals.supervisor == SupervisorConfig()


@pytest.mark.parametrize(("old", "new", "message"), BAD_FIELDS)
def test_a_bad_field_is_named_with_its_place(house: Path, old: str, new: str, message: str) -> None:
    problems = problems_of(house, swap(old, new))
    assert message in str(problems[0])
    assert str(problems[0]).startswith("config/strategies.yaml:")
    assert len(problems) == 1


@pytest.mark.parametrize(("line", "message"), BAD_GLOBALS)
def test_a_bad_global_is_named_with_its_place(house: Path, line: str, message: str) -> None:
    problems = problems_of(house, with_globals(line))
    assert message in str(problems[0])
    assert len(problems) == 1


def test_a_secret_is_not_repeated(house: Path) -> None:
    for field in ("alive_url: https://hc/TOKEN", "to: [{name: a, address: tgram://1:TOKEN/c}]"):
        line = f"notify: {{to: [{{name: a, address: env:A}}], {field}}}"
        assert "TOKEN" not in str(problems_of(house, with_globals(line)))


@pytest.mark.parametrize(("text", "message"), BAD_DOCUMENTS)
def test_a_bad_document_is_refused(house: Path, text: str | bytes, message: str) -> None:
    assert any(message in str(problem) for problem in problems_of(house, text))


def test_an_alias_bomb_is_refused_at_once(house: Path) -> None:
    text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in range(1, 12):
        text += f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n"
    began = time.process_time()
    assert "more than 20,000 values" in str(problems_of(house, text)[0])
    assert time.process_time() - began < 5.0


def test_a_number_in_quotes_is_answered_with_the_number(house: Path) -> None:
    problem = problems_of(house, swap("threshold: 0.55", 'threshold: "0.55"'))[0]
    assert problem.hint == "0.55 without quotes"


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file(house: Path) -> None:
    text = swap("symbol: EURUSD", "symbol: EURUSX").replace("threshold: 0.50", "threshold: 2")
    text = text.replace("max_position_size: 0.05", "max_positions_size: 0.05")
    problems = problems_of(house, text.replace("paper_trading: true", "paper_trading: false"))
    assert [p.path for p in problems] == [
        "strategies[0].symbol",
        "strategies[1].threshold",
        "strategies[2].risk_config.max_positions_size",
        "global.paper_trading",
    ]
    assert [p.line for p in problems] == sorted(p.line for p in problems)


def test_a_mistake_in_a_list_that_is_merged_in_has_a_place(house: Path) -> None:
    more = "x: &x\n  strategies: [{name: 0777}, 2, 3, 4, 5, {name: 0777}]\n<<: *x\n"
    problems = problems_of(house, more + YAML)
    told = [str(problem).partition(": ")[0].rpartition(" ")[2] for problem in problems]
    assert {"strategies[0].name", "strategies[5].name"} <= set(told), "they are none of its own"


def test_a_name_of_digits_is_not_taken_for_a_place(house: Path) -> None:
    text = YAML.replace("name: eurusd_trend_v1", 'name: "5"').replace("threshold: 0.55", "zzz: 1")
    assert "strategies[0].zzz: unknown key" in str(problems_of(house, text)[0])


def test_a_live_account_needs_no_shadow_mode_it_has_one(house: Path) -> None:
    live = (
        "paper_trading: false\n  account: {login: 7, server: Demo}\n"
        "  execution: {dialect: open_close, shadow: true}\n"
        "  risk: [{rule: max_loss, params: {most: 3, unit: per_cent}}]"
    )
    (found,) = problems_of(house, swap("paper_trading: true", live))
    assert found.path == "global.execution.shadow"
    assert "orders leave for a real account (paper_trading: false)" in str(found)
    assert "a live account keeps its paper shadow always, see `compare`" in str(found)
    load_text(house, swap("paper_trading: true", live.replace(", shadow: true", "")))
    paper = "paper_trading: true\n  execution: {shadow: true}"
    assert load_text(house, swap("paper_trading: true", paper)).globals.execution.shadow


def test_a_first_order_is_a_small_one(house: Path) -> None:
    (found,) = problems_of(house, swap("paper_trading: true", "execution: {max_first_lots: 100}"))
    assert found.path == "global.execution.max_first_lots"
    assert "100 lots" in str(found) and "a mistake in it costs little" in str(found)
    load_text(house, swap("paper_trading: true", "execution: {max_first_lots: 1}"))


@pytest.mark.parametrize("dialect", ["open_close", "expert_advisor"])
def test_two_on_one_symbol_need_a_word_where_the_bridge_says_none(
    house: Path, dialect: str
) -> None:
    live = (
        "paper_trading: false\n  account: {login: 7, server: Demo}\n"
        f"  execution: {{dialect: {dialect}, trust_account: true}}\n"
        "  risk: [{rule: max_loss, params: {most: 3, unit: per_cent}}]"
    )
    text = swap("paper_trading: true", live)
    load_text(house, text)
    other = "  - {name: twin, symbol: EURUSD, strategy: 'a:B'}\n  - name: "
    twin = text.replace("  - name: ", other, 1)
    (found,) = problems_of(house, twin)
    assert "EURUSD, which twin trades too" in str(found)
    assert "hedging: true in global.account" in str(found)
    load_text(house, twin.replace("server: Demo", "server: Demo, hedging: true"))
    load_text(house, twin.replace(dialect, "windows_gateway"))


def test_a_shared_magic_number_is_refused_also_against_a_derived_one(house: Path) -> None:
    derived = load_text(house, YAML).strategies[0].magic_number
    text = swap("threshold: 0.50", f"magic: {derived}")
    found = str(problems_of(house, text)[0])
    taken = f"{derived} is already the magic number of eurusd_trend_v1"
    assert f"strategies[gbpusd_pairtrading_v1].magic: {taken}" in found


@pytest.mark.parametrize(
    ("new", "check"),
    [
        ("enabled: yes", lambda s: s.enabled is True),
        ("enabled: off", lambda s: s.enabled is False),
        ("threshold: 5e-1", lambda s: s.threshold == 0.5),
        ("max_signal_age: 3", lambda s: s.max_signal_age == 3.0),
        ("magic: 1_000", lambda s: s.magic == 1000),
        ("magic: null", lambda s: s.magic is None),
        ("params: {a: [1, {b: x}]}", lambda s: s.params == {"a": [1, {"b": "x"}]}),
        ("restart: {max_deaths: 3}", lambda s: s.restart == RestartConfig(max_deaths=3)),
        ("restart: {max_deaths: 1, retry_after: 60}", lambda s: s.restart.retry_after == 60.0),
    ],
)
def test_what_a_trader_means_is_taken(
    house: Path, new: str, check: Callable[[object], bool]
) -> None:
    key = new.split(":")[0]
    old = next((line.strip() for line in YAML.splitlines() if f" {key}:" in line), None)
    text = swap(old, new) if old else swap("symbol: EURUSD", f"symbol: EURUSD\n    {new}")
    assert check(load_text(house, text).strategies[0])


def test_a_strategy_of_ones_own_needs_no_model(house: Path) -> None:
    text = swap("    model_path: models/baseline_v1.json\n", "    strategy: mine.trend:Trend\n")
    assert load_text(house, text).strategies[0].model_path is None


def test_anchors_and_merges_work(house: Path) -> None:
    text = swap(FIRST_RISK, FIRST_RISK.replace("config:", "config: &risk"))
    text = text.replace(SECOND_RISK, SECOND_RISK.replace(":\n", ":\n      <<: *risk\n", 1))
    text = text.replace("      take_profit_risk_reward: 2.5\n", "")
    risk = load_text(house, text).strategies[1].risk_config
    assert (risk.risk_per_trade, risk.take_profit_risk_reward) == (0.01, 2.0)


def test_an_unquoted_time_is_text(house: Path) -> None:
    feed = load_text(house, with_globals("feed: {start: 2026-01-05T08:00:00Z}")).globals.feed
    assert feed is not None
    assert feed.start == "2026-01-05T08:00:00Z"


@pytest.mark.parametrize("place", ["models/m.json", "config/models/m.json", "work/models/m.json"])
def test_files_are_found_from_the_working_folder_the_yaml_and_its_parent(
    house: Path, place: str
) -> None:
    model = house / place
    model.parent.mkdir(parents=True, exist_ok=True)
    model.write_text("{}")
    (house / "work").mkdir(exist_ok=True)
    (house / "config" / "strategies.yaml").write_text(YAML.replace("baseline_v1.json", "m.json"))
    config = load_config(house / "config" / "strategies.yaml", cwd=house / "work")
    assert config.strategies[0].model_path == str(model)


def test_a_missing_model_says_where_it_was_looked_for(house: Path) -> None:
    problem = problems_of(house, swap("baseline_v1.json", "baseline_v2.json"))[0]
    assert str(house / "models" / "baseline_v2.json") in problem.expected
    assert str(house / "config" / "models" / "baseline_v2.json") in problem.expected
    assert problem.hint == str(house / "models" / "baseline_v1.json")


def test_a_link_to_a_model_stays_a_link(house: Path) -> None:
    (house / "models" / "current.json").symlink_to("baseline_v1.json")
    config = load_text(house, YAML.replace("baseline_v1.json", "current.json"))
    assert config.strategies[0].model_path == str(house / "models" / "current.json")


def test_a_profit_in_another_currency_brings_the_symbol_that_converts_it(house: Path) -> None:
    config = load_text(house, swap("symbol: EURUSD", "symbol: EURJPY"))
    assert "USDJPY" in config.symbols
    problem = problems_of(house, with_globals("account_currency: PLN"))[0]
    assert "EURUSD pays in USD, which cannot be converted to PLN" in str(problem)
    assert "a symbol of USD and PLN in symbols.yaml" in str(problem)


def test_a_file_that_cannot_be_read_is_a_problem_of_the_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, found in [
        ("none.yaml", "none.yaml: no such file"),
        (".", "not a regular file"),
        ("pipe.yaml", "not a regular file"),
        ("x" * 5000, "cannot be read: File name too long"),
        ("a\0b", "cannot be read"),
    ]:
        with pytest.raises(ConfigError) as caught:
            load_config(Path(name), cwd=tmp_path)
        assert found in str(caught.value)


@pytest.mark.parametrize(("old", "new", "message"), BAD_SYMBOLS)
def test_a_bad_symbols_file_is_reported_as_well(
    house: Path, old: str, new: str, message: str
) -> None:
    (house / "config" / "symbols.yaml").write_text(SYMBOLS.replace(old, new, 1))
    found = [str(problem) for problem in problems_of(house, YAML)]
    assert any(line.startswith("config/symbols.yaml:") and message in line for line in found)


def test_a_missing_symbols_file_is_a_problem(house: Path) -> None:
    (house / "config" / "symbols.yaml").unlink()
    problems = problems_of(house, YAML)
    assert str(problems[0]).startswith("config/symbols.yaml: no such file")
    assert len(problems) == 1


@pytest.mark.parametrize("place", ["mine", "mine/config", "config", "work/config"])
def test_the_symbols_file_is_found_beside_the_yaml_or_in_a_config_folder(
    house: Path, place: str
) -> None:
    (house / "config" / "symbols.yaml").unlink()
    for folder in ("mine", place):
        (house / folder).mkdir(parents=True, exist_ok=True)
    (house / place / "symbols.yaml").write_text(SYMBOLS)
    (house / "mine" / "s.yaml").write_text(YAML)
    (house / "work").mkdir(exist_ok=True)
    assert "EURUSD" in load_config(house / "mine" / "s.yaml", cwd=house / "work").symbols


def test_all_shipped_symbols_have_a_spread_and_three_digits_of_gold(house: Path) -> None:
    names = SYMBOLS.count("- name:")
    assert names == SYMBOLS.count("spread_points:") == 11
    assert load_text(house, YAML).symbols["XAUUSD"].digits == 3


def test_the_hash_follows_what_a_process_depends_on(house: Path) -> None:
    config = load_text(house, YAML)
    strategy, shared = config.strategies[0], config.globals
    before = config_hash(strategy, shared, config.symbols)

    def changed(**fields: object) -> bool:
        return config_hash(msgspec.structs.replace(strategy, **fields), shared) != config_hash(
            strategy, shared
        )

    def shared_changed(**fields: object) -> bool:
        other = msgspec.structs.replace(shared, **fields)
        return config_hash(strategy, other) != config_hash(strategy, shared)

    assert config_hash(strategy, shared, load_text(house, YAML).symbols) == before
    assert changed(threshold=0.6)
    assert changed(params={"a": 1})
    assert not changed(restart=RestartConfig(max_deaths=3))
    assert not changed(enabled=False)
    assert shared_changed(zmq_market_url="tcp://localhost:1")
    assert shared_changed(paper=PaperConfig(latency_ms=5.0))
    assert shared_changed(supervisor=SupervisorConfig(heartbeat=0.1))
    assert not shared_changed(supervisor=SupervisorConfig(stop_timeout=1.0))
    assert not shared_changed(tape=TapeConfig(file_ticks=20_000))
    spec = msgspec.structs.replace(config.symbols["EURUSD"], lot_step=0.1)
    assert config_hash(strategy, shared, {"EURUSD": spec}) != before


def test_the_hash_does_not_depend_on_the_order_of_params(house: Path) -> None:
    strategy = load_text(house, YAML).strategies[0]
    there = msgspec.structs.replace(strategy, params={"a": 1, "b": 2})
    back = msgspec.structs.replace(strategy, params={"b": 2, "a": 1})
    assert config_hash(there, GlobalConfig()) == config_hash(back, GlobalConfig())


def test_the_error_reads_as_one_line_a_problem(house: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_text(house, swap("0.55", "5").replace("0.50", "6"))
    assert str(caught.value).splitlines() == [str(p) for p in caught.value.problems]


FRAGMENTS = st.sampled_from(
    ["\t", ":", " ", "\n", "- ", "{", "}", "[", "'", '"', "&a ", "*a", "<<: ", "!!int ", "!x ", "|",
     ">", "#", "%", "---\n", "null", "1e400", "0x", "-", "~", "? ", "@", "\\", "\0", "\ufeff", "="]
)  # fmt: skip


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_any_small_mutation_loads_or_is_refused(house: Path, data: st.DataObject) -> None:
    text = YAML
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        until = min(len(text), at + data.draw(st.integers(0, 12)))
        new = data.draw(st.one_of(FRAGMENTS, st.text(max_size=4), st.just("")))
        text = text[:at] + new + text[until:]
    raw = text.encode("utf-8", "surrogatepass")
    try:
        config = load_text(house, raw)
    except ConfigError as error:
        assert error.problems
        assert str(error)
    else:
        for strategy in config.strategies:
            assert config_hash(strategy, config.globals, config.symbols)

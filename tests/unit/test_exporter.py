"""What Prometheus reads: names, units, escaping, counters that never go back."""

import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from mt5crs_shared.control.asking import ControlTimeout
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.events import Died, Recovered
from mt5crs_shared.metrics import AccountReport, Durations, StrategyMetrics, Timings
from mt5crs_shared.storage import event_files
from mt5crs_shared.storage.event_files import EventWriter
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_supervisor.operator.exporter import recoveries
from mt5crs_supervisor.operator.exporter.collecting import StatusCollector
from mt5crs_supervisor.operator.exporter.counters import COUNTED, SteadyCounters
from mt5crs_supervisor.operator.exporter.families import families
from mt5crs_supervisor.operator.exporter.recoveries import BOUNDS, RecoveryTimes
from scripts import metrics_table
from tests.unit.test_render import child, report, strategy

HOSTILE = 'a "b" \\ c\nmt5crs_up 7\n'

Ask = Callable[[], StatusReport]


class Desk:
    """A folder with events, and what a scrape of it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events = EventWriter(folder / "events")
        self.now = 0.0

    def recoveries(self) -> RecoveryTimes:
        return RecoveryTimes(self.folder / "events", self.folder / "recoveries.json")

    def collector(self, ask: Ask, name: str = "desk") -> StatusCollector:
        return StatusCollector(ask, self.recoveries(), name, lambda: self.now)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def registry_of(collector: StatusCollector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


def read(collector: StatusCollector) -> list[Metric]:
    """What is served as OpenMetrics, as the strict parser has it."""
    return list(parse_openmetrics(openmetrics.generate_latest(registry_of(collector)).decode()))


def values(found: Iterable[Metric], name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name, by the values of their labels in the order of the labels' names."""
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for metric in found
        for sample in metric.samples
        if sample.name == name
    }


def counted(**counts: int) -> StrategyMetrics:
    return StrategyMetrics(**counts)


def full() -> StatusReport:
    """A status with something in every family."""
    lock = TradingLock("kill-switch", "", TradingState.HALTED, "root", HOSTILE, 1.0)
    own = TradingLock("max_loss", "euro", TradingState.REDUCING, "risk rule", "", 2.0)
    process = child("euro", recovery_ms=210.0, restarts=2)
    timings = Timings(Durations((1,) * 8, 0.5), Durations((1,) * 8, 0.5))
    euro = strategy(process, trading=TradingState.REDUCING, timings=timings)
    gone = strategy(child("gone", state="REMOVED", pid=None), metrics=None)
    account = AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5, locks=(lock, own))
    return report(euro, former=(gone,), account=account)


def test_every_figure_has_words_and_a_name_that_says_its_unit(desk: Desk) -> None:
    desk.events.write(Recovered("euro", 0.2))
    found = read(desk.collector(full))
    assert len(found) > 50
    for metric in found:
        assert re.fullmatch(r"mt5crs_[a-z]+(_[a-z]+)*", metric.name), metric.name
        assert metric.documentation.endswith("."), metric.name
        assert metric.samples, f"nothing has {metric.name}"
        if metric.type == "counter":
            assert all(s.name == f"{metric.name}_total" for s in metric.samples)
        else:
            assert not any(s.name.endswith("_total") for s in metric.samples), metric.name
        unit = metric.name.rpartition("_")[2]
        assert metric.unit == (unit if unit in ("seconds", "bytes", "ratio") else "")
        assert not re.search(r"_(ms|percent|mb|minutes)\b", metric.name)


def test_both_formats_say_the_same(desk: Desk) -> None:
    registry = registry_of(desk.collector(full))
    plain = {s for m in parse_plain(generate_latest(registry).decode()) for s in samples(m)}
    strict = openmetrics.generate_latest(registry).decode()
    assert plain == {s for m in parse_openmetrics(strict) for s in samples(m)}


def samples(metric: Metric) -> list[tuple[str, tuple[tuple[str, str], ...], float]]:
    return [(s.name, tuple(sorted(s.labels.items())), s.value) for s in metric.samples]


def test_what_a_trader_writes_cannot_write_figures(desk: Desk) -> None:
    name = child(HOSTILE)
    lock = TradingLock(HOSTILE, HOSTILE, TradingState.HALTED, HOSTILE, HOSTILE, 1.0)
    account = AccountReport(HOSTILE, 1.0, 1.0, 0.0, 1.0, locks=(lock,))
    status = report(strategy(name, symbol=HOSTILE), services=(name,), account=account)
    desk.events.write(Recovered(HOSTILE, 0.2))
    found = read(desk.collector(lambda: status, HOSTILE))
    assert values(found, "mt5crs_up") == {(): 1.0}
    assert values(found, "mt5crs_strategy_up") == {(HOSTILE,): 1.0}
    assert values(found, "mt5crs_strategy_info") == {(HOSTILE, HOSTILE): 1.0}
    assert values(found, "mt5crs_lock") == {("HALTED", HOSTILE, HOSTILE): 1.0}
    plain = generate_latest(registry_of(desk.collector(lambda: status, HOSTILE))).decode()
    assert [line for line in plain.splitlines() if line.startswith("mt5crs_up")] == [
        "mt5crs_up 1.0"
    ]


def test_a_strategy_s_figures(desk: Desk) -> None:
    metrics = counted(ticks_processed=90, orders_sent=5, orders_filled=3, orders_rejected=2)
    euro = strategy(child("euro", state="BACKOFF", restarts=3), metrics, last_tick_age=None)
    found = read(desk.collector(lambda: report(euro)))
    assert values(found, "mt5crs_strategy_up") == {("euro",): 0.0}
    states = values(found, "mt5crs_strategy_state")
    assert {labels for labels, value in states.items() if value} == {("BACKOFF", "euro")}
    assert len(states) == 8
    assert values(found, "mt5crs_strategy_restarts_total") == {("euro",): 3.0}
    assert values(found, "mt5crs_strategy_heartbeat_age_seconds") == {("euro",): 0.2}
    assert values(found, "mt5crs_strategy_tick_age_seconds") == {}
    assert values(found, "mt5crs_strategy_ticks_processed_total") == {("euro",): 90.0}
    assert values(found, "mt5crs_strategy_orders_sent_total") == {("euro",): 5.0}
    assert values(found, "mt5crs_strategy_orders_total") == {
        ("filled", "euro"): 3.0,
        ("rejected", "euro"): 2.0,
        ("missed", "euro"): 0.0,
    }
    assert values(found, "mt5crs_strategy_realised_profit") == {("euro",): 12.5}
    assert values(found, "mt5crs_service_ticks_total") == {("gateway",): 0.0, ("tape",): 144_164.0}


def test_how_long_ticks_and_orders_took(desk: Desk) -> None:
    timings = Timings(Durations((0, 3, 1, 0, 0, 0, 0, 1), 1.5), Durations((0,) * 8))
    euro = strategy(child("euro"), timings=timings)
    found = read(desk.collector(lambda: report(euro)))
    ticks = values(found, "mt5crs_strategy_decision_seconds_bucket")
    assert len(ticks) == 8
    assert (ticks["0.0001", "euro"], ticks["0.00025", "euro"]) == (0.0, 3.0)
    assert (ticks["0.1", "euro"], ticks["+Inf", "euro"]) == (4.0, 5.0)
    assert values(found, "mt5crs_strategy_decision_seconds_sum") == {("euro",): 1.5}
    assert values(found, "mt5crs_strategy_order_seconds_count") == {("euro",): 0.0}


def test_money_of_a_strategy_that_is_gone_is_still_there(desk: Desk) -> None:
    found = read(desk.collector(full))
    assert set(values(found, "mt5crs_strategy_open_lots")) == {("euro",), ("gone",)}
    assert set(values(found, "mt5crs_strategy_up")) == {("euro",)}


def test_before_the_first_beat_nothing_is_made_up(desk: Desk) -> None:
    young = msgspec.structs.replace(strategy(child(uptime=None, beat_age=None)), metrics=None)
    found = read(desk.collector(lambda: report(young, account=None)))
    for name in ("ticks_processed_total", "orders_total", "uptime_seconds", "bars_missing"):
        assert values(found, f"mt5crs_strategy_{name}") == {}
    assert values(found, "mt5crs_account_equity") == {}


def test_without_an_answer_no_figure_is_left(desk: Desk) -> None:
    answers = [full()]

    def ask() -> StatusReport:
        if not answers:
            raise ControlTimeout("no answer")
        return answers.pop()

    collector = desk.collector(ask)
    assert values(read(collector), "mt5crs_up") == {(): 1.0}
    desk.now += 1.0
    names = {s.name for m in read(collector) for s in m.samples}
    assert names == {"mt5crs_up", "mt5crs_installation_info"}
    assert values(read(collector), "mt5crs_up") == {(): 0.0}


def test_ten_who_scrape_ask_as_often_as_one(desk: Desk) -> None:
    asked = []

    def ask() -> StatusReport:
        asked.append(desk.now)
        return full()

    registry = registry_of(desk.collector(ask))
    asked.clear()
    desk.now = 5.0
    scrapers = [threading.Thread(target=generate_latest, args=(registry,)) for _ in range(10)]
    for scraper in scrapers:
        scraper.start()
    for scraper in scrapers:
        scraper.join()
    assert asked == [5.0]
    desk.now = 6.0
    generate_latest(registry)
    assert asked == [5.0, 6.0]


def test_counters_never_go_back_while_a_process_takes_over() -> None:
    counters = SteadyCounters()
    running = strategy(metrics=counted(ticks_processed=1_000, orders_sent=4))
    assert counters.of(running)["ticks_processed"] == 1_000
    away = msgspec.structs.replace(strategy(child(state="BACKOFF", pid=None)), metrics=None)
    assert counters.of(away)["ticks_processed"] == 1_000
    behind = strategy(metrics=counted(ticks_processed=950, orders_sent=3))
    assert counters.of(behind)["ticks_processed"] == 1_000
    assert counters.of(behind)["orders_sent"] == 4
    ahead = strategy(metrics=counted(ticks_processed=1_010, orders_sent=4))
    assert counters.of(ahead)["ticks_processed"] == 1_010


def test_a_journal_that_was_put_in_place_of_another_is_believed() -> None:
    counters = SteadyCounters()
    counters.of(strategy(metrics=counted(ticks_processed=1_000)))
    stopped = strategy(child(state="STOPPED", pid=None), counted(ticks_processed=1_000))
    assert counters.of(stopped)["ticks_processed"] == 1_000
    assert counters.of(strategy(metrics=counted(ticks_processed=3)))["ticks_processed"] == 3


def test_each_counter_is_a_field_that_counts() -> None:
    kinds = {field.name: field.type for field in msgspec.structs.fields(StrategyMetrics)}
    assert {kinds[name] for name in COUNTED} == {int}
    names = {metric.name for metric in families(full(), SteadyCounters(), "desk")}
    assert len(names) == len(list(families(full(), SteadyCounters(), "desk")))


def buckets(desk: Desk) -> dict[tuple[str, ...], float]:
    return values(read(desk.collector(full)), "mt5crs_strategy_recovery_seconds_bucket")


def test_each_death_is_observed_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.events.write(Died("euro", "killed by SIGKILL"))
    desk.events.write(Recovered("euro", 0.2))
    desk.events.write(Recovered("euro", 0.25))
    desk.events.write(Recovered("euro", 90.0))
    seen = buckets(desk)
    assert seen["0.1", "euro"] == 0.0
    assert seen["0.2", "euro"] == 1.0
    assert seen["0.3", "euro"] == 2.0
    assert seen["30.0", "euro"] == 2.0
    assert seen["+Inf", "euro"] == 3.0
    desk.events.write(Recovered("euro", 0.01))
    assert buckets(desk)["+Inf", "euro"] == 4.0, "another exporter goes on from the file"
    monkeypatch.setattr(event_files, "SEGMENT", 1)
    for number in range(event_files.KEPT_SEGMENTS + 2):
        desk.events.write(Died("cable", f"{number}"))
    assert buckets(desk)["+Inf", "euro"] == 4.0, "its events are gone, what was counted is not"
    sums = values(read(desk.collector(full)), "mt5crs_strategy_recovery_seconds_sum")
    assert sums == {("euro",): pytest.approx(90.46)}


SHORT = msgspec.json.encode({"bounds": BOUNDS, "strategies": {"euro": {"counts": [7]}}})


@pytest.mark.parametrize("damage", [b"{", b'{"number": 9}' * 2, b"\xff", SHORT])
def test_recoveries_are_counted_anew_where_the_file_is_of_no_use(
    desk: Desk, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.events.write(Recovered("euro", 0.2))
    assert buckets(desk)["+Inf", "euro"] == 1.0
    (desk.folder / "recoveries.json").write_bytes(damage)
    assert buckets(desk)["+Inf", "euro"] == 1.0
    monkeypatch.setattr(recoveries, "BOUNDS", (*BOUNDS, 60.0))
    assert desk.recoveries().read()["euro"].counts[2] == 1


def test_a_disk_that_is_full_costs_no_figure(desk: Desk) -> None:
    (desk.folder / "recoveries.json.new").mkdir()
    desk.events.write(Recovered("euro", 0.2))
    assert buckets(desk)["+Inf", "euro"] == 1.0


def test_the_table_of_figures_is_that_of_the_code() -> None:
    page = metrics_table.PAGE.read_text()
    assert metrics_table.renew(page) == page, "run: .venv/bin/python -m scripts.metrics_table"
    ours = {metric.name for metric in families(full(), SteadyCounters(), "desk")}
    assert ours < {metric.name for metric in metrics_table.every_family()}

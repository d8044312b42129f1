"""What Prometheus would scrape from a running system, by HTTP."""

import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.integration.test_cli_process import STRATEGIES, CommandLine
from tests.system import BARS, Pulse, free_port, wait_for

RESTLESS = """
from mt5crs_worker.strategy import BUY, HOLD, SELL, Strategy

class Restless(Strategy):
    warmup = 15

    def on_bar(self, bars):
        return HOLD

    def on_tick(self, tick, bars):
        self.state["ticks"] = self.state.get("ticks", 0) + 1
        return BUY if self.state["ticks"] % 40 < 20 else SELL
"""
"""It turns its position with every twentieth tick."""

DESK = [
    STRATEGIES[0],
    {
        "name": "cable",
        "symbol": "GBPUSD",
        "strategy": "restless:Restless",
        "timeframe": "S1",
        "history": BARS,
        "evaluate": "tick",
        "risk_config": {"stop_loss_atr_multiple": 40.0},
    },
]
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


class Prometheus:
    """Scrapes one address."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"

    def scrape(self) -> dict[str, float]:
        """Every sample by its name and the values of its labels; none where nobody listens."""
        request = urllib.request.Request(
            f"http://{self.address}/metrics", headers={"Accept": OPENMETRICS}
        )
        try:
            with urllib.request.urlopen(request, timeout=10.0) as answer:
                text = answer.read().decode()
        except (urllib.error.URLError, ConnectionError):
            return {}
        return {
            " ".join((sample.name, *(value for _, value in sorted(sample.labels.items())))): (
                sample.value
            )
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        }

    def wait_for(self, name: str, value: float) -> dict[str, float]:
        """Scrape until a sample has at least a value."""

        def found() -> dict[str, float] | None:
            samples = self.scrape()
            return samples if samples.get(name, value - 1.0) >= value else None

        return wait_for(found, f"{name} {value}")


@pytest.fixture
def prometheus() -> Prometheus:
    return Prometheus(free_port())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[CommandLine]:
    (tmp_path / "restless.py").write_text(RESTLESS)
    system = CommandLine(tmp_path, DESK)
    pulse = Pulse(system.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    yield system
    pulse.stop()
    system.call("stop")
    system.end_leftovers()


def test_it_dies_and_comes_back_and_nobody_else_notices(
    desk: CommandLine, prometheus: Prometheus
) -> None:
    desk.said("start", "--detach", "--metrics", prometheus.address)
    assert desk.service("metrics").state == "RUNNING"
    first = prometheus.wait_for("mt5crs_strategy_ticks_processed_total euro", 20.0)
    assert first["mt5crs_up"] == 1.0
    assert first["mt5crs_strategy_state RUNNING euro"] == 1.0
    assert first["mt5crs_account_equity"] > 0.0
    assert first["mt5crs_strategy_tick_age_seconds euro"] < 10.0

    timed = prometheus.wait_for("mt5crs_strategy_order_seconds_count cable", 1.0)
    # A beat may come in the middle of a turn: its orders are counted when both are done.
    sent = timed["mt5crs_strategy_orders_sent_total cable"]
    assert timed["mt5crs_strategy_order_seconds_count cable"] <= sent + 2.0
    assert timed["mt5crs_strategy_decision_seconds_count cable"] >= 1.0
    assert 0.0 < timed["mt5crs_strategy_decision_seconds_sum cable"] < 1.0

    before = desk.pids()
    os.kill(desk.pid("metrics"), signal.SIGKILL)
    desk.wait_back("metrics", before["metrics"] or 0)
    prometheus.wait_for("mt5crs_service_restarts_total metrics", 1.0)
    after = desk.pids()
    assert {name for name in before if before[name] != after[name]} == {"metrics"}
    assert desk.json("crashes", "euro") == []

    os.kill(desk.pid("euro"), signal.SIGKILL)
    back = prometheus.wait_for("mt5crs_strategy_recovery_seconds_count euro", 1.0)
    ticks = "mt5crs_strategy_ticks_processed_total euro"
    assert back[ticks] >= first[ticks]
    assert back["mt5crs_strategy_last_recovery_seconds euro"] == pytest.approx(
        back["mt5crs_strategy_recovery_seconds_sum euro"], abs=0.001
    )


def test_without_a_supervisor_no_figure_is_told_until_there_is_one_again(
    desk: CommandLine, prometheus: Prometheus
) -> None:
    desk.said("start", "--detach", "--metrics", prometheus.address)
    prometheus.wait_for("mt5crs_up", 1.0)
    supervisor, exporter = psutil.Process(desk.status().pid), desk.pid("metrics")

    supervisor.suspend()
    try:
        silent = wait_for(
            lambda: found if (found := prometheus.scrape())["mt5crs_up"] == 0.0 else None,
            "silence",
        )
        assert not [name for name in silent if name.startswith(("mt5crs_account", "mt5crs_serv"))]
    finally:
        supervisor.resume()
    prometheus.wait_for("mt5crs_up", 1.0)

    supervisor.kill()
    wait_for(lambda: prometheus.scrape().get("mt5crs_up") == 0.0, "the supervisor is gone")
    desk.said("start", "--detach", "--metrics", prometheus.address)
    prometheus.wait_for("mt5crs_up", 1.0)
    assert desk.pid("metrics") == exporter, "it was adopted"


def test_a_reload_brings_it_and_moves_it_and_the_command_line_wins(
    desk: CommandLine, prometheus: Prometheus
) -> None:
    desk.said("start", "--detach")
    others = desk.pids()
    desk.write_config(DESK, {"metrics": prometheus.address})
    assert "metrics" in desk.said("reload")
    prometheus.wait_for("mt5crs_up", 1.0)
    elsewhere = Prometheus(free_port())
    desk.write_config(DESK, {"metrics": elsewhere.address})
    desk.said("reload")
    elsewhere.wait_for("mt5crs_up", 1.0)
    assert prometheus.scrape() == {}
    assert others.items() <= desk.pids().items()
    desk.said("stop")

    desk.said("start", "--detach", "--metrics", prometheus.address)
    prometheus.wait_for("mt5crs_up", 1.0)
    desk.write_config(DESK, {})
    assert desk.said("reload").startswith("Nothing differs from what runs. ")
    assert prometheus.scrape()["mt5crs_up"] == 1.0
    assert elsewhere.scrape() == {}


def test_a_port_that_is_taken_is_told_and_waited_for(
    desk: CommandLine, prometheus: Prometheus
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(prometheus.address.rpartition(":")[2])))
        taken.listen()
        desk.said("start", "--detach", "--metrics", prometheus.address)
        wait_for(lambda: "cannot listen on" in desk.service("metrics").degraded, "words")
        assert desk.service("metrics").restarts == 0
    prometheus.wait_for("mt5crs_up", 1.0)
    wait_for(lambda: desk.service("metrics").degraded == "", "well again")


@pytest.mark.parametrize("address", ["9464", "127.0.0.1:0", "127.0.0.1:70000", "a b:1", ":1"])
def test_an_address_that_is_none_is_refused(desk: CommandLine, address: str) -> None:
    refused = desk.call("start", "--metrics", address)
    assert refused.returncode == 2
    assert "expected" in refused.stderr
    assert not desk.paths.pid_file.exists()

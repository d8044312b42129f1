"""`doctor` names the fault of each broken set-up, and says what to do."""

import json
import os
import socket
import threading
import time
import zoneinfo
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zmq
from click.testing import CliRunner, Result

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.notify_structs import DestinationConfig, NotifyConfig
from mt5crs_shared.configuration.structs import Config, GlobalConfig
from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import Submit
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.doctor import feature_api, files, machine, market
from mt5crs_supervisor.commands.doctor.finding import Finding
from mt5crs_supervisor.commands.doctor.market import Heard
from mt5crs_supervisor.operator import orphans
from mt5crs_supervisor.processes import descriptors
from mt5crs_supervisor.processes.registry import Entry
from mt5crs_worker.trading.journal import Journal
from tests.feature_api import ScriptedApi, says, shape_a, shape_b, shape_c, spoilt
from tests.system import ROOT, free_port
from tests.unit.gateway_cases import Office, order, tick

YAML = """
strategies:
- name: euro
  symbol: EURUSD
  strategy: mt5crs_worker.examples.ma_cross:MovingAverageCross
global:
  zmq_market_url: tcp://127.0.0.1:{port}
  default_balance: 10000.0
"""


class Desk:
    """A folder with a configuration, on which `doctor` is run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.paths = VarPaths(folder / "var")
        self.write(YAML)
        (folder / "symbols.yaml").write_text((ROOT / "config" / "symbols.yaml").read_text())

    def write(self, text: str) -> None:
        (self.folder / "strategies.yaml").write_text(text.replace("{port}", str(self.port)))

    @property
    def config(self) -> Config:
        return loading.load_config(self.folder / "strategies.yaml")

    def run(self, *arguments: str) -> Result:
        options = ["--config", str(self.folder / "strategies.yaml")]
        options += ["--var-dir", str(self.paths.var), "doctor", "--listen", "0.5"]
        return CliRunner().invoke(cli, [*options, *arguments])

    def ledger(self) -> None:
        """One with an open position of euro."""
        self.paths.create()
        office = Office(self.paths.ledger)
        office.feed(tick(0))
        office.ask(Submit(order(tick(0))))
        office.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


Publish = Callable[..., None]


@pytest.fixture
def publish(desk: Desk) -> Iterator[Publish]:
    """Publishes frames on the desk's market until the end of the test."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def begin(*frames: Callable[[], bytes]) -> None:
        def run() -> None:
            with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
                publisher.setsockopt(zmq.LINGER, 0)
                publisher.bind(f"tcp://127.0.0.1:{desk.port}")
                while not stop.wait(0.02):
                    for frame in frames:
                        publisher.send(frame())

        threads.append(threading.Thread(target=run))
        threads[-1].start()

    yield begin
    stop.set()
    for thread in threads:
        thread.join()


def quote(symbol: str = "EURUSD", ahead: float = 0.0) -> Callable[[], bytes]:
    def frame() -> bytes:
        at = time.time_ns() // 1000 + round(ahead * 1e6)
        return wire.encode(Tick(symbol, at, 1.1, 1.1001))

    return frame


def found(findings: Iterator[Finding], level: str) -> str:
    chosen = [f for f in findings if f.level == level]
    return " / ".join(f"{f.topic}: {f.text} -> {f.advice}" for f in chosen)


def test_a_sound_desk_is_fit(desk: Desk, publish: Publish) -> None:
    publish(quote())
    result = desk.run()
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[-1] == "fit to run"
    assert "EURUSD" in result.output


def test_json_is_a_list_of_findings(desk: Desk) -> None:
    result = desk.run("--json")
    assert result.exit_code == 1
    listed = json.loads(result.output)
    assert set(listed[0]) == {"topic", "level", "text", "advice"}
    assert [f["topic"] for f in listed if f["level"] == "error"] == ["market"]


# The configuration


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (YAML.replace("EURUSD", "EURUSF"), "did you mean EURUSD?"),
        (YAML.replace("symbol:", "symbl:"), "did you mean symbol?"),
        (YAML.replace("AverageCross", "AverageCros"), "did you mean MovingAverageCross"),
        (YAML + "  lease: [", "strategies.yaml:"),
        (YAML.replace("strategy: mt5crs", "model_path: nowhere.json #"), "nowhere.json"),
    ],
)
def test_a_mistake_in_the_configuration(desk: Desk, text: str, words: str) -> None:
    desk.write(text)
    result = desk.run()
    assert result.exit_code == 1
    assert words in result.output


def test_a_configuration_that_is_not_there(desk: Desk) -> None:
    (desk.folder / "strategies.yaml").unlink()
    result = desk.run()
    assert result.exit_code == 1
    assert "strategies.yaml" in result.output


def test_nothing_is_enabled(desk: Desk) -> None:
    desk.write(YAML.replace("  symbol:", "  enabled: false\n  symbol:"))
    assert "no strategy is enabled" in desk.run().output


# The machine


def test_an_old_python_and_a_missing_package() -> None:
    assert "use 3.11 or newer" in found(machine.look_at_python((3, 9, 1)), "error")
    missing = machine._packages(["nowhere>=1", "x; extra == 'y'"])
    assert "nowhere is missing" in found(missing, "error")


def test_too_few_files_and_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "raise_limit", lambda: 100)
    assert "ulimit -n" in found(machine.look_at_limits(50), "error")
    assert "ulimit -u" in found(machine.look_at_limits(50, (300.0, 200)), "error")
    assert "ulimit -u" not in found(machine.look_at_limits(50, (1_000.0, 200)), "error")


def test_too_little_memory() -> None:
    assert "run fewer strategies" in found(machine.look_at_memory(500, 1_000_000_000), "error")


def test_a_clock_that_is_wrong_and_zones_that_are_not_known() -> None:
    def unknown(name: str) -> object:
        raise zoneinfo.ZoneInfoNotFoundError(name)

    begin = datetime(1970, 1, 1, tzinfo=UTC)
    assert "it says 1970-01-01" in found(machine.look_at_clock(begin), "error")
    assert "pip install tzdata" in found(machine.look_at_clock(None, unknown), "warning")


# The files


def test_a_folder_that_cannot_be_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.paths.var.write_text("a file")
    assert "is no folder" in found(files.look_at_folder(desk.paths.var), "error")
    desk.paths.var.unlink()
    desk.paths.create()
    desk.paths.var.chmod(0o777)
    assert "chmod go-w" in found(files.look_at_folder(desk.paths.var), "warning")
    owner = desk.paths.var.stat().st_uid
    monkeypatch.setattr("os.getuid", lambda: owner + 1)
    assert "belongs to user" in found(files.look_at_folder(desk.paths.var), "error")


def test_a_folder_that_may_not_be_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    assert "may not be written" in found(files.look_at_folder(desk.paths.var), "error")
    desk.paths.create()
    assert "chmod u+rwx" in found(files.look_at_folder(desk.paths.var), "error")


def test_processes_without_a_supervisor(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.paths.create()
    monkeypatch.setattr(orphans, "living_orphans", lambda _: {"euro": Entry(1, 42)})
    assert "euro (pid 42)" in found(files.look_at_folder(desk.paths.var), "warning")


@pytest.mark.parametrize(
    ("free", "seconds", "level", "words"),
    [
        (10**6, 0.001, "error", "make room"),
        (10**9, 0.001, "warning", "make room"),
        (10**11, 3.0, "error", "each order waits for that"),
        (10**11, 0.2, "warning", "each order waits for that"),
    ],
)
def test_a_disk_that_is_full_or_slow(
    desk: Desk, free: int, seconds: float, level: str, words: str
) -> None:
    looked = files.look_at_disk(desk.paths.var, lambda _: free, lambda _: seconds)
    assert words in found(looked, level)


def test_a_ledger_that_is_damaged(desk: Desk) -> None:
    desk.ledger()
    desk.paths.ledger.write_bytes(b"no database" * 500)
    looked = files.look_at_ledger(desk.paths.var, desk.config)
    assert "put a sound copy back" in found(looked, "error")


def test_a_ledger_of_another_balance(desk: Desk) -> None:
    desk.ledger()
    desk.write(YAML.replace("10000.0", "500.0"))
    looked = files.look_at_ledger(desk.paths.var, desk.config)
    assert "it began with 10,000.00 USD" in found(looked, "error")


def test_a_position_of_a_strategy_that_is_disabled(desk: Desk) -> None:
    desk.ledger()
    desk.write(YAML.replace("- name: euro", "- name: gold"))
    looked = files.look_at_ledger(desk.paths.var, desk.config)
    assert "euro holds BUY" in found(looked, "warning")


def test_a_journal_that_is_damaged(desk: Desk) -> None:
    desk.paths.create()
    Journal(desk.paths.journal("sound"), 1).close()
    desk.paths.journal("euro").write_bytes(b"no database" * 500)
    looked = list(files.look_at_journals(desk.paths.var, ["euro", "sound", "none"]))
    assert "its next process sets it aside" in found(iter(looked), "warning")
    assert looked[-1].text == "1 sound"


def test_a_journal_that_is_a_fifo_is_not_waited_for(desk: Desk) -> None:
    desk.paths.create()
    os.mkfifo(desk.paths.journal("euro"))
    (looked,) = files.look_at_journals(desk.paths.var, ["euro"])
    assert (looked.level, "is no regular file" in looked.text) == ("warning", True)


# The market


def test_nobody_publishes(desk: Desk) -> None:
    result = desk.run()
    assert result.exit_code == 1
    assert f"nobody listens on tcp://127.0.0.1:{desk.port}" in result.output


def test_somebody_is_where_our_feed_would_be(desk: Desk) -> None:
    desk.write(YAML + "  feed: {kind: synthetic}\n")
    with socket.create_server(("127.0.0.1", desk.port)):
        assert "where the feed of global.feed would" in desk.run().output
    assert desk.run().exit_code == 0


def with_api(desk: Desk, url: str, on_failure: str = "hold") -> Config:
    """A strategy that asks for its features."""
    entry = f"""
strategies:
- name: asks
  symbol: EURUSD
  model_path: {ROOT}/models/baseline_v1.json
  features: api
  feature_api: {{timeout: 0.5, on_failure: {on_failure}}}
global:
  feature_api_url: {url}
"""
    desk.write(entry)
    return desk.config


@pytest.mark.parametrize(("shape", "letter"), [(shape_a, "a"), (shape_b, "b"), (shape_c, "c")])
def test_a_feature_api_is_asked_in_which_shape_it_speaks(
    desk: Desk, shape: Callable[[dict[str, Any]], Any], letter: str
) -> None:
    with ScriptedApi(says(shape)) as api:
        findings = list(feature_api.look_at_feature_api(with_api(desk, api.url)))
    (text,) = [finding.text for finding in findings]
    assert text.startswith(f"{api.url}, EURUSD M1: 18 features in shape {letter} in ")


def test_a_feature_api_that_gives_nothing(desk: Desk) -> None:
    with ScriptedApi(says(spoilt(rsi_14=None))) as api:
        held = found(feature_api.look_at_feature_api(with_api(desk, api.url)), "error")
        here = with_api(desk, api.url, "local")
        computed = found(feature_api.look_at_feature_api(here), "warning")
    assert "features.rsi_14 is null, where a number belongs; asks would decide nothing" in held
    assert "where a number belongs; they are computed here -> start it" in computed
    gone = found(feature_api.look_at_feature_api(with_api(desk, api.url)), "error")
    assert "nobody listens there (connection refused)" in gone


def test_nobody_who_asks_no_feature_api_is_told_of_one(desk: Desk) -> None:
    assert list(feature_api.look_at_feature_api(desk.config)) == []


def test_a_publisher_that_is_silent(desk: Desk, publish: Publish) -> None:
    publish()
    result = desk.run()
    assert result.exit_code == 0
    assert "outside of market hours that is right" in result.output


def test_a_symbol_that_is_called_otherwise(desk: Desk, publish: Publish) -> None:
    publish(quote("EURUSD.s"))
    result = desk.run()
    assert "EURUSD was not heard" in result.output
    assert "did you mean EURUSD.s?" in result.output


def test_frames_of_another_shape(desk: Desk, publish: Publish) -> None:
    publish(lambda: b"EURUSD {1.1 and 1.2}")
    result = desk.run()
    assert result.exit_code == 1
    assert "none is a tick" in result.output
    assert "docs/wire.md" in result.output


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (3 * 3600.0, "set global.market.time_zone"),
        (-3600.0, "ticks are stamped -1 h from this clock"),
        (90.0, "set both clocks"),
    ],
)
def test_another_clock(desk: Desk, publish: Publish, ahead: float, words: str) -> None:
    publish(quote(ahead=ahead))
    result = desk.run()
    assert result.exit_code == 1
    assert words in result.output


def test_frames_without_a_time(desk: Desk) -> None:
    heard = Heard(Counter({"EURUSD": 3}), Counter(), {"tick": "EURUSD 1.1 1.2"}, [])
    assert "frames carry no time" in found(market.judged(desk.config, heard, 5.0), "warning")


def test_an_address_that_is_not_there_or_open_to_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = desk.folder / "mail"
    secret.write_text("mailto://a:b@example.com")
    secret.chmod(0o644)
    monkeypatch.setenv("PHONE", "tgram://1/2")
    to = [
        DestinationConfig("phone", "env:PHONE"),
        DestinationConfig("chat", "env:NOBODY"),
        DestinationConfig("mail", f"file:{secret}"),
    ]
    config = Config("", (), GlobalConfig(notify=NotifyConfig(to)), {})
    said = found(files.look_at_secrets(config), "warning")
    assert "chat: there is no NOBODY in the environment" in said
    assert f"mail: {secret} may be read by others: chmod 600" in said
    assert "phone: there is an address in env:PHONE" in found(files.look_at_secrets(config), "ok")
    assert list(files.look_at_secrets(Config("", (), GlobalConfig(), {}))) == []

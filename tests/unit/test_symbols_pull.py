"""`symbols pull`: the difference is told, and written in the places that differ."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from mt5crs_services.mt5_gateway.client import symbol_spec
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Login, Mt5Terminal
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.symbols_file import load_symbols
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.editing import symbols_pull
from tests.mt5_standin.broker import Broker
from tests.mt5_standin.instruments import Instrument
from tests.mt5_standin.package import StandIn
from tests.system import ROOT

SHIPPED = (ROOT / "config" / "symbols.yaml").read_text()
EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR", 1.0, 8.0)
STRATEGIES = """\
strategies:
  - {name: one, symbol: EURUSD, strategy: "mt5crs_worker.examples.ma_cross:MovingAverageCross"}
global:
  zmq_execution_host: windows
  zmq_execution_port: 6666
  execution: {server_key: keys/gateway.key}
"""


class Gateway:
    """What a Windows gateway would answer."""

    def __init__(self) -> None:
        self.specs: dict[str, SymbolSpec] = {"EURUSD": EURUSD}
        self.keys: KeyPlaces | None = None
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def pull(
        self, address: str, names: tuple[str, ...], keys: KeyPlaces | None
    ) -> tuple[str, list[SymbolSpec], list[str]]:
        self.keys = keys
        self.asked.append((address, tuple(names)))
        missing = [f"{n}: the broker has no such symbol" for n in names if n not in self.specs]
        return (
            "5001 at Broker-Demo (DEMO)",
            [self.specs[n] for n in names if n in self.specs],
            missing,
        )


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    found = Gateway()
    monkeypatch.setattr(symbols_pull.pkgutil, "resolve_name", lambda _: found.pull)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "strategies.yaml").write_text(STRATEGIES)
    (tmp_path / "config" / "symbols.yaml").write_text(SHIPPED)
    return tmp_path


def pulled(*options: str) -> Result:
    return CliRunner().invoke(cli, ["symbols", "pull", *options])


def lines_that_differ(folder: Path) -> list[tuple[str, str]]:
    after = (folder / "config" / "symbols.yaml").read_text().splitlines()
    return [pair for pair in zip(SHIPPED.splitlines(), after, strict=True) if pair[0] != pair[1]]


def specs(folder: Path) -> dict[str, SymbolSpec]:
    report = ProblemReport("symbols.yaml")
    found = load_symbols(folder / "config" / "symbols.yaml", report)
    assert found is not None and report.problems == []
    return found.specs


def test_only_what_differs_is_changed_and_told(folder: Path, gateway: Gateway) -> None:
    gateway.specs["EURUSD"] = replace(EURUSD, lot_max=50.0, lot_step=0.1, spread_points=3.0)
    result = pulled("EURUSD")
    assert result.exit_code == 0, result.output
    assert lines_that_differ(folder) == [
        ("    lot_step: 0.01", "    lot_step: 0.1"),
        ("    lot_max: 100.0", "    lot_max: 50"),
    ]
    assert "EURUSD  lot_max: 100 -> 50" in result.output
    assert "5001 at Broker-Demo (DEMO)" in result.output
    assert (folder / "config" / "symbols.yaml.bak").read_text() == SHIPPED
    assert gateway.asked == [("tcp://windows:6666", ("EURUSD",))]


def test_nothing_is_written_where_nothing_differs(folder: Path, gateway: Gateway) -> None:
    result = pulled("EURUSD")
    assert result.exit_code == 0 and "same      1 of 1" in result.output
    assert not (folder / "config" / "symbols.yaml.bak").exists()


def test_a_dry_run_writes_nothing(folder: Path, gateway: Gateway) -> None:
    gateway.specs["EURUSD"] = replace(EURUSD, digits=4)
    assert "digits: 5 -> 4" in pulled("EURUSD", "--dry-run").output
    assert (folder / "config" / "symbols.yaml").read_text() == SHIPPED


def test_a_new_symbol_comes_behind_the_last_one(folder: Path, gateway: Gateway) -> None:
    gateway.specs["BTCUSD"] = SymbolSpec("BTCUSD", 1.0, 2, 0.01, 0.01, 5.0, "USD", "BTC", 1.5, 900)
    result = pulled("BTCUSD", "EURUSD")
    assert result.exit_code == 0, result.output
    after = (folder / "config" / "symbols.yaml").read_text()
    assert after.startswith(SHIPPED.rstrip("\n"))
    assert specs(folder)["BTCUSD"] == gateway.specs["BTCUSD"]
    assert "new       BTCUSD" in result.output


def test_a_field_that_is_missing_is_put_in(folder: Path, gateway: Gateway) -> None:
    gateway.specs["EURUSD"] = replace(EURUSD, margin_rate=0.5)
    assert pulled("EURUSD").exit_code == 0
    assert specs(folder)["EURUSD"] == gateway.specs["EURUSD"]
    assert "margin_rate: 0.5\n    base_currency" in (folder / "config" / "symbols.yaml").read_text()


def test_without_names_it_asks_for_all_that_there_are(folder: Path, gateway: Gateway) -> None:
    result = pulled("--from", "tcp://10.0.0.2:5555")
    ((address, names),) = gateway.asked
    assert address == "tcp://10.0.0.2:5555" and len(names) == 11
    assert result.exit_code == 0, result.output
    assert "GBPJPY: the broker has no such symbol" in result.output


def test_a_symbol_that_is_traded_and_not_there_is_an_error(folder: Path, gateway: Gateway) -> None:
    gateway.specs.clear()
    result = pulled()
    assert result.exit_code == 1
    assert "not to be had: EURUSD" in result.output and "suffix" in result.output
    assert (folder / "config" / "symbols.yaml").read_text() == SHIPPED


def test_a_file_that_is_not_there_is_made(folder: Path, gateway: Gateway) -> None:
    (folder / "config" / "symbols.yaml").unlink()
    result = pulled()
    assert result.exit_code == 0, result.output
    assert specs(folder) == {"EURUSD": EURUSD}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        (
            "symbols: [{name: EURUSD, base_currency: EUR, quote_currency: USD, contract_size:"
            " 100000, digits: 5, lot_min: 0.01, lot_step: 0.01, lot_max: 100, spread_points: 8}]\n",
            {"lot_max": 7.5, "margin_rate": 2.0},
        ),
        (
            'symbols:\n- digits: 5   # points\n  "name": "EURUSD"\n  base_currency: EUR\n'
            "  quote_currency: USD\n  contract_size: 1e5\n  lot_min: 0.01\n  lot_step: 0.01\n"
            "  lot_max: 100   # of an order\n  spread_points: 8\n# the end\n",
            {"digits": 4, "lot_max": 50.0, "contract_size": 10.0, "margin_rate": 0.25},
        ),
    ],
)
def test_however_it_is_written(
    folder: Path, gateway: Gateway, text: str, changed: dict[str, Any]
) -> None:
    (folder / "config" / "symbols.yaml").write_text(text)
    gateway.specs["EURUSD"] = replace(EURUSD, **changed)
    result = pulled("EURUSD")
    assert result.exit_code == 0, result.output
    assert specs(folder) == {"EURUSD": gateway.specs["EURUSD"]}
    after = (folder / "config" / "symbols.yaml").read_text()
    assert [part for part in ("# points", "# of an order", "# the end") if part in text] == [
        part for part in ("# points", "# of an order", "# the end") if part in after
    ]


def test_a_mistake_in_the_file_is_told_and_nothing_changed(folder: Path, gateway: Gateway) -> None:
    broken = SHIPPED.replace("digits: 5", "digits: five", 1)
    (folder / "config" / "symbols.yaml").write_text(broken)
    gateway.specs["EURUSD"] = replace(EURUSD, lot_max=50.0)
    result = pulled("EURUSD")
    assert result.exit_code == 4
    assert "config/symbols.yaml:9" in result.output
    assert (folder / "config" / "symbols.yaml").read_text() == broken


@pytest.mark.parametrize(
    ("base", "profit", "bid", "rate"),
    [("EUR", "USD", 1.1, 1.0), ("USD", "JPY", 150.0, 1.0), ("EUR", "GBP", 0.85, 1.0)],
)
def test_the_brokers_terms_become_ours(base: str, profit: str, bid: float, rate: float) -> None:
    broker = Broker()
    broker.instruments["X"] = Instrument("X", base=base, profit=profit, bid=bid, ask=bid)
    terminal = Mt5Terminal(StandIn(broker), Login())
    terminal.attach()
    record = TerminalView(terminal, ServerClock("+02:00")).symbol("X")
    spec = symbol_spec(record, "USD", broker.leverage)
    assert (spec.base_currency, spec.quote_currency, spec.margin_rate) == (base, profit, rate)
    assert (spec.lot_min, spec.lot_max, spec.contract_size) == (0.01, 50.0, 100_000.0)
    if base != "EUR" or profit == "USD":
        dearer = replace(record, margin=record.margin * 3.0)
        assert symbol_spec(dearer, "USD", broker.leverage).margin_rate == 3.0


def test_another_machine_is_asked_with_keys_or_where_that_was_written(
    folder: Path, gateway: Gateway
) -> None:
    (folder / "keys").mkdir()
    for name in ("supervisor.key_secret", "gateway.key"):
        (folder / "keys" / name).write_text("where a key would be")
    assert pulled("EURUSD").exit_code == 0
    keys = folder / "keys"
    assert gateway.keys == KeyPlaces(str(keys / "supervisor.key_secret"), str(keys / "gateway.key"))
    file = folder / "config" / "strategies.yaml"
    plain = STRATEGIES.replace("  execution: {server_key: keys/gateway.key}\n", "")
    file.write_text(plain)
    refused = pulled("EURUSD")
    assert (refused.exit_code, "windows:6666 is another machine" in refused.output) == (1, True)
    file.write_text(f"{plain}  execution: {{insecure: true}}\n")
    assert pulled("EURUSD").exit_code == 0
    assert gateway.keys is None

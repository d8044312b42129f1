"""The Windows gateway as a process, on the stand-in: real sockets, real files, real kills."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from click.testing import CliRunner

from mt5crs_services.mt5_gateway.answers import (
    AccountAnswer,
    BarsReport,
    DealsReport,
    GatewayFailure,
    OrderReport,
    OrdersReport,
    PositionsReport,
    SymbolsReport,
    TerminalReport,
    TicksReport,
)
from mt5crs_services.mt5_gateway.client import WindowsGatewayClient, WindowsGatewayError, pull_bars
from mt5crs_services.mt5_gateway.protocol import MAX_REQUEST, encode_message
from mt5crs_services.mt5_gateway.requests import (
    AskAccount,
    AskBars,
    AskDeals,
    AskOrder,
    AskOrders,
    AskPositions,
    AskSymbols,
    AskTerminal,
    AskTicks,
    SendOrder,
)
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.symbols_file import load_symbols
from mt5crs_shared.market import wire
from mt5crs_shared.market.ticks import Tick
from mt5crs_supervisor.cli import cli
from tests.mt5_standin.module import as_package
from tests.system import free_port

CODE = "from mt5crs_services.mt5_gateway.command import gateway as g; g(prog_name='mt5crs-gateway')"
PATIENCE = 30.0


def wait_for(what: Callable[[], Any], within: float = PATIENCE) -> Any:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(0.02)  # between two looks
    raise AssertionError("it did not come in time")


class Windows:
    """A machine with a terminal and the gateway."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.orders, self.ticks = free_port(), free_port()
        self.address = f"tcp://127.0.0.1:{self.orders}"
        lines = {
            "login": 5001,
            "server": "StandIn-Demo",
            "symbols": "[EURUSD, GBPUSD]",
            "orders_port": self.orders,
            "ticks_port": self.ticks,
        } | settings
        self.config = folder / "gateway.yaml"
        self.config.write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))
        self.environment = os.environ | as_package(folder)
        self.process: subprocess.Popen[str] | None = None
        self.client = WindowsGatewayClient(self.address, 20.0)

    def command(self, *options: str) -> list[str]:
        return [sys.executable, "-c", CODE, "--config", str(self.config), *options]

    def run(self, *options: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*options),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def start(self) -> TerminalReport:
        self.process = subprocess.Popen(
            self.command(), env=self.environment, stdout=subprocess.PIPE, text=True
        )
        return self.hello()

    def hello(self) -> TerminalReport:
        def attached() -> TerminalReport | None:
            report = self.client.ask(AskTerminal(), TerminalReport)
            return report if report.account else None

        return wait_for(attached)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def order(self, order_id: str, journal: str, **fields: Any) -> SendOrder:
        given = {"symbol": "EURUSD", "side": "BUY", "lots": 0.1, "magic": 7, "action": "OPEN"}
        return SendOrder(order_id=order_id, journal=journal, login=5001, **(given | fields))

    def faults(self, *faults: dict[str, Any]) -> None:
        (self.folder / "faults.json").write_text(json.dumps(faults))

    def happens(self, what: str, words: object) -> None:
        """See `tests.mt5_standin.module`: money is ``paid``, or a position is ``closed``."""
        begun = self.folder / f"{what}.new"
        begun.write_text(json.dumps(words))
        begun.rename(self.folder / what)

    def book(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "book.json").read_text()))


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[Windows]:
    machine = Windows(tmp_path)
    try:
        yield machine
    finally:
        machine.client.close()
        if machine.process is not None:
            machine.end(signal.SIGKILL)


def test_it_answers_every_question(windows: Windows) -> None:
    hello = windows.start()
    assert hello.account is not None
    assert (hello.account.login, hello.account.trade_mode) == (5001, "DEMO")
    assert (hello.connected, hello.trade_allowed, hello.build) == (True, True, 5000)
    ask = windows.client.ask
    report = ask(windows.order("a:1", hello.journal, stop_loss=1.0), OrderReport)
    assert (report.status, report.stops) == ("FILLED", "SET")
    (held,) = ask(AskPositions(), PositionsReport).positions
    assert (held.ticket, held.magic, held.stop_loss) == (report.ticket, 7, 1.0)
    assert ask(AskOrders(), OrdersReport).orders == ()
    assert ask(AskAccount(), AccountAnswer).account.balance == 10_000.0 - 0.35
    symbols = ask(AskSymbols(("EURUSD", "GBPUSD", "NONE")), SymbolsReport)
    assert [symbol.filling for symbol in symbols.symbols] == [("FOK", "IOC"), ("IOC",)]
    assert symbols.unknown == ("NONE",)
    assert {s.name for s in ask(AskSymbols(), SymbolsReport).symbols} == {"EURUSD", "GBPUSD"}
    zone = wait_for(lambda: ask(AskTerminal(), TerminalReport).server_zone)
    assert (zone, hello.unsettled) == ("+05:30", ())
    (deal,) = ask(AskDeals(), DealsReport).deals
    assert (deal.deal, deal.entry, deal.reason) == (report.deal, "IN", "EXPERT")
    assert abs(deal.time_us / 1e6 - time.time()) < 20.0
    assert ask(AskDeals(position=report.ticket), DealsReport).deals == (deal,)
    ticks = ask(AskTicks("GBPUSD", round((time.time() - 3.0) * 1e6)), TicksReport).ticks
    assert len(ticks) > 10 and all(abs(t.time_us / 1e6 - time.time()) < 6.0 for t in ticks)
    assert ask(AskBars("EURUSD", "M5", 10), BarsReport).bars == ()
    wanted = [("EURUSD", "M5", 10), ("EURUSD", "S5", 10), ("NONE", "M5", 10)]
    none, short, unknown = pull_bars(windows.address, wanted, None)
    assert none == [] and "no bars of S5" in short and "NONE" in unknown
    assert windows.end() == 0


def test_its_ticks_are_read_by_every_reader_of_ours(windows: Windows) -> None:
    windows.start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    subscriber = context.socket(zmq.SUB)
    for symbol in ("EURUSD", "GBPUSD"):
        for beginning in wire.subscriptions(symbol):
            subscriber.subscribe(beginning)
    subscriber.connect(f"tcp://127.0.0.1:{windows.ticks}")
    times: dict[str, list[int]] = {"EURUSD": [], "GBPUSD": []}
    try:
        # The first ones are those that waited until the zone was known.
        while min(map(len, times.values())) < 20 or time.time() - times["GBPUSD"][-1] / 1e6 > 1:
            assert subscriber.poll(round(PATIENCE * 1000))
            tick = wire.decode(subscriber.recv_multipart(), 0)
            assert isinstance(tick, Tick) and tick.timed
            times[tick.symbol].append(tick.time_us)
    finally:
        context.destroy(linger=0)
    for taken in times.values():
        assert taken == sorted(set(taken))
        assert taken[-1] / 1e6 < time.time() + 0.1


@pytest.mark.parametrize("comment", [None, ""])
def test_killed_while_the_broker_executes_it_knows_the_order_again(
    windows: Windows, comment: str | None
) -> None:
    hello = windows.start()
    wait_for(lambda: windows.client.ask(AskTerminal(), TerminalReport).server_zone)
    order = windows.order("a:1", hello.journal)
    windows.faults({"answer": "crash", "comment": comment})
    windows.client._socket.send(encode_message("lost", order))
    assert windows.process is not None
    assert windows.process.wait(PATIENCE) == -signal.SIGKILL
    assert windows.process.stdout is not None
    windows.process.stdout.close()
    again = windows.start()
    assert again.journal == hello.journal
    report = wait_for(lambda: settled(windows, "a:1"))
    (deal,) = windows.book()["deals"]
    assert (report.status, report.found, report.deal) == ("FILLED", True, deal["ticket"])
    assert windows.client.ask(order, OrderReport) == report
    assert len(windows.book()["deals"]) == 1


def settled(windows: Windows, order_id: str) -> OrderReport | None:
    report = windows.client.ask(AskOrder(order_id), OrderReport)
    return report if report.status in ("FILLED", "PARTIAL", "REJECTED") else None


def test_a_terminal_that_goes_away_comes_back(windows: Windows) -> None:
    hello = windows.start()
    (windows.folder / "down").touch()
    wait_for(lambda: windows.client.ask(AskTerminal(), TerminalReport).account is None)
    failure = windows.client.answer_to(windows.order("a:1", hello.journal))
    assert isinstance(failure, GatewayFailure)
    assert (failure.code, bool(failure.todo)) == ("NOT_CONNECTED", True)
    (windows.folder / "down").unlink()
    windows.hello()
    assert windows.client.ask(windows.order("a:1", hello.journal), OrderReport).status == "FILLED"


def test_what_is_no_request_harms_nobody(windows: Windows) -> None:
    hello = windows.start()
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with contextlib.closing(socket.create_connection(("127.0.0.1", windows.orders))) as slow:
        slow.send(b"\xff")
        for frames in (
            [b""],
            [b"", b""],
            [b"\x81" * 1000],
            [b"a", b"b", b"c"],
            [b"GET / HTTP/1.1\r\n\r\n"],
            [encode_message("1", AskTerminal())[:-1]],
            [b"x" * (MAX_REQUEST + 1)],
            [b"x" * 64_000_000],
        ):
            dealer = context.socket(zmq.DEALER)
            dealer.connect(windows.address)
            dealer.send_multipart(frames)
            dealer.poll(200)
            dealer.close(0)
        assert windows.hello().journal == hello.journal
    request = context.socket(zmq.REQ)
    request.connect(windows.address)
    request.send(encode_message("from REQ", AskTerminal()))
    assert request.poll(10_000) and b"from REQ" in request.recv()
    context.destroy(linger=0)
    assert windows.client.ask(windows.order("a:1", hello.journal), OrderReport).status == "FILLED"
    assert windows.end() == 0


def test_a_second_one_is_refused_and_disturbs_nothing(windows: Windows) -> None:
    hello = windows.start()
    second = windows.run()
    assert second.returncode == 1
    assert "another gateway" in second.stderr
    assert windows.client.ask(windows.order("a:1", hello.journal), OrderReport).status == "FILLED"


def test_it_listens_beyond_the_machine_only_when_told(tmp_path: Path) -> None:
    machine = Windows(tmp_path, bind="0.0.0.0")
    refused = machine.run()
    machine.client.close()
    assert refused.returncode == 1
    assert "trades on this account" in refused.stderr and "Traceback" not in refused.stderr
    assert not (tmp_path / "mt5crs-gateway").exists()


def test_check_says_what_is_there(windows: Windows) -> None:
    found = windows.run("--check")
    assert found.returncode == 0, found.stderr
    assert "5001 at StandIn-Demo" in found.stdout
    assert "GBPUSD: FULL, MARKET execution, IOC" in found.stdout
    (windows.folder / "offline").touch()
    assert windows.run("--check").returncode == 1
    (windows.folder / "down").touch()
    gone = windows.run("--check")
    assert gone.returncode == 1 and "see that the terminal is installed" in gone.stderr


def test_without_the_package_it_says_what_to_install(windows: Windows) -> None:
    del windows.environment["PYTHONPATH"]
    found = windows.run()
    assert found.returncode == 1
    assert "mt5crs-supervisor[mt5]" in found.stderr and "Traceback" not in found.stderr


def test_the_password_is_seen_nowhere(tmp_path: Path) -> None:
    machine = Windows(tmp_path, password="env:MT5_TEST_PASSWORD")
    machine.environment["MT5_TEST_PASSWORD"] = "s3cret-word"
    machine.start()
    assert machine.process is not None
    shown = Path(f"/proc/{machine.process.pid}/cmdline").read_bytes()
    machine.end()
    machine.client.close()
    written = [p.read_bytes() for p in (tmp_path / "mt5crs-gateway").rglob("*") if p.is_file()]
    assert len(written) >= 2
    assert b"s3cret-word" not in b"".join([shown, *written])


def test_symbols_are_pulled_from_it(windows: Windows, monkeypatch: pytest.MonkeyPatch) -> None:
    windows.start()
    monkeypatch.chdir(windows.folder)
    (windows.folder / "config").mkdir()
    command = ["symbols", "pull", "EURUSD", "GBPUSD", "--from", windows.address]
    found = CliRunner().invoke(cli, command)
    assert found.exit_code == 0, found.output
    assert "5001 at StandIn-Demo (DEMO, Stand-in Ltd)" in found.output
    report = ProblemReport("symbols.yaml")
    symbols = load_symbols(windows.folder / "config" / "symbols.yaml", report)
    assert symbols is not None and report.problems == []
    assert symbols.specs["GBPUSD"].lot_max == 50.0


def test_without_an_answer_the_client_says_so() -> None:
    client = WindowsGatewayClient(f"tcp://127.0.0.1:{free_port()}", 0.2)
    with pytest.raises(WindowsGatewayError, match="does not answer"):
        client.ask(AskTerminal(), TerminalReport)
    client.close()


NOT_ON_WINDOWS = ("fcntl", "grp", "pwd", "resource", "termios")


def test_it_needs_nothing_that_windows_lacks() -> None:
    code = (
        "import os, signal, sys\n"
        f"for name in {NOT_ON_WINDOWS!r}: sys.modules[name] = None\n"
        "for name in ('getuid', 'geteuid', 'fork', 'mkfifo', 'O_NONBLOCK', 'O_NOFOLLOW'):\n"
        "    delattr(os, name)\n"
        "del signal.SIGHUP, signal.SIGKILL, signal.SIGCHLD\n"
        "import mt5crs_services.mt5_gateway.command\n"
        "assert 'MetaTrader5' not in sys.modules\n"
        "assert not {'xgboost', 'talib'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)

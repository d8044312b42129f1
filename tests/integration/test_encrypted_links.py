"""CURVE over TCP, on real sockets: who has the keys is heard, and nobody else."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import zmq
from click.testing import CliRunner

from mt5crs_services.gateway.brokers.bridge.bridge_link import Arrival, BridgeLink
from mt5crs_services.gateway.brokers.bridge.dialects.probe import probe_bridge
from mt5crs_services.mt5_gateway.answers import TerminalReport
from mt5crs_services.mt5_gateway.client import (
    WindowsGatewayClient,
    WindowsGatewayError,
    pull_symbols,
)
from mt5crs_services.mt5_gateway.requests import AskTerminal
from mt5crs_shared.configuration.execution_structs import (
    AccountConfig,
    ExecutionConfig,
    MarketConfig,
)
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market.market_socket import MarketSocket
from mt5crs_shared.sockets import connection
from mt5crs_shared.sockets.client_list import DOMAIN, ClientList, read_known
from mt5crs_shared.sockets.curve import KeyPlaces, serve_curve
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.doctor import market as doctor_market
from tests.integration.test_mt5_gateway_process import Windows
from tests.system import free_port, wait_for
from tests.unit.gateway_cases import config

TICK = b'EURUSD {"type":"tick","symbol":"EURUSD","timestamp":%d,"bid":1.1,"ask":1.2}'

Context = zmq.Context[zmq.Socket[bytes]]


def made(folder: Path, gateway: str = "gateway") -> KeyPlaces:
    """Keys of a desk and of its gateway, as `keys` makes them."""
    result = CliRunner().invoke(cli, ["keys", str(folder), "--for", gateway])
    assert result.exit_code == 0, result.output
    return KeyPlaces(str(folder / "supervisor.key_secret"), str(folder / f"{gateway}.key"))


@pytest.fixture
def keys(tmp_path: Path) -> KeyPlaces:
    return made(tmp_path / "keys")


@pytest.fixture
def strange(tmp_path: Path, keys: KeyPlaces) -> KeyPlaces:
    """The right gateway, and a client that it does not know."""
    return KeyPlaces(made(tmp_path / "strange").secret, keys.server)


@pytest.fixture
def misled(tmp_path: Path, keys: KeyPlaces) -> KeyPlaces:
    """A client that is let in, and that has another server's key."""
    return KeyPlaces(keys.secret, made(tmp_path / "other").server)


class Listener:
    """A socket that listens, with keys or without; it can be given others."""

    def __init__(self, kind: int, folder: Path | None) -> None:
        self.kind = kind
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.open(folder)

    def open(self, folder: Path | None) -> None:
        self.context: Context = zmq.Context()
        self.clients: ClientList | None = None
        self.socket = self.context.socket(self.kind)
        if folder is not None:
            known = read_known(folder)
            self.clients = ClientList(self.context, folder, known)
            serve_curve(self.socket, known.own, DOMAIN)
        self.socket.bind(self.url)

    def close(self) -> None:
        self.socket.close(0)
        if self.clients is not None:
            self.clients.close()
        self.context.destroy(linger=0)


@pytest.fixture
def publisher(tmp_path: Path, keys: KeyPlaces) -> Iterator[Listener]:
    made_ = Listener(zmq.PUB, tmp_path / "keys" / "for-gateway")
    yield made_
    made_.close()


class Reader:
    """A market socket, and what it has heard."""

    def __init__(self, url: str, keys: KeyPlaces | None) -> None:
        self.context: Context = zmq.Context()
        self.market = MarketSocket(self.context, url, ["EURUSD"], keys=keys)
        self.ticks = 0
        self.interruptions = 0

    def hears(self, publisher: Listener) -> bool:
        publisher.socket.send(TICK % time.time())
        return self.read() > 0

    def read(self) -> int:
        before = self.ticks
        time.sleep(0.02)  # between two looks
        received = self.market.read()
        self.market.connection.mend()
        self.ticks += len(received.ticks)
        self.interruptions += received.interrupted
        return self.ticks - before

    @property
    def refusal(self) -> str:
        self.read()
        return self.market.connection.refusal

    def close(self) -> None:
        self.market.close()
        self.context.destroy(linger=0)


def reading(url: str, keys: KeyPlaces | None) -> "contextlib.closing[Reader]":
    return contextlib.closing(Reader(url, keys))


def test_ticks_come_to_those_who_have_the_keys(
    publisher: Listener, keys: KeyPlaces, strange: KeyPlaces, misled: KeyPlaces
) -> None:
    with (
        reading(publisher.url, keys) as friend,
        reading(publisher.url, strange) as stranger,
        reading(publisher.url, misled) as other,
        reading(publisher.url, None) as plain,
    ):
        wait_for(lambda: friend.hears(publisher), "a tick")
        assert friend.market.connection.absence == ""
        for reader, said in (
            (stranger, connection.NOT_LET_IN),
            (other, connection.NOT_THAT_KEY),
            (plain, connection.WANTS_KEYS),
        ):
            wait_for(lambda r=reader, s=said: r.refusal == s, said)
            assert not reader.market.connection.connected
            assert said in reader.market.connection.absence
            assert reader.hears(publisher) is False


def test_keys_beside_a_publisher_without_any_are_told_and_mended(
    keys: KeyPlaces, tmp_path: Path
) -> None:
    """Also where the other side is mended: libzmq alone would never connect again."""
    publisher = Listener(zmq.PUB, None)
    try:
        with reading(publisher.url, keys) as reader:
            wait_for(lambda: reader.refusal == connection.NO_CURVE, "the reason")
            publisher.close()
            wait_for(lambda: reader.refusal == "", "nobody is there who would refuse")
            assert reader.market.connection.absence == f"not connected to {publisher.url}"
            publisher.open(tmp_path / "keys" / "for-gateway")
            wait_for(lambda: reader.hears(publisher), "a tick")
            assert reader.market.connection.absence == ""
    finally:
        publisher.close()


def test_a_publisher_that_is_restarted_is_one_interruption(
    publisher: Listener, keys: KeyPlaces, tmp_path: Path
) -> None:
    with reading(publisher.url, keys) as reader:
        wait_for(lambda: reader.hears(publisher), "a tick")
        publisher.close()
        wait_for(lambda: reader.read() or reader.interruptions, "the interruption")
        publisher.open(tmp_path / "keys" / "for-gateway")
        wait_for(lambda: reader.hears(publisher), "a tick")
        assert reader.interruptions == 1


def test_where_nobody_can_say_who_is_known_nobody_is_let_in(
    publisher: Listener, keys: KeyPlaces
) -> None:
    assert publisher.clients is not None
    publisher.clients.close()
    with reading(publisher.url, keys) as reader:
        wait_for(lambda: reader.refusal, "a refusal")
        assert reader.hears(publisher) is False


@pytest.fixture
def windows(tmp_path: Path, keys: KeyPlaces) -> Iterator[Windows]:
    """Our program beside the terminal, on every address of its machine, with keys."""
    folder = tmp_path / "windows"
    folder.mkdir()
    (tmp_path / "keys" / "for-gateway").rename(folder / "keys")
    found = Windows(folder, bind="0.0.0.0", keys="keys")
    found.client.close()
    found.client = WindowsGatewayClient(found.address, 20.0, keys)
    found.start()
    yield found
    found.client.close()
    if found.process is not None:
        found.end()


def live(windows: Windows, secret: str, server: str | None) -> Config:
    settings = config()
    changed = msgspec.structs.replace(
        settings.globals,
        paper_trading=False,
        secret_key=secret,
        zmq_market_url=f"tcp://127.0.0.1:{windows.ticks}",
        market=MarketConfig(server_key=server),
        zmq_execution_host="127.0.0.1",
        zmq_execution_port=windows.orders,
        account=AccountConfig(5001, "StandIn-Demo"),
        execution=ExecutionConfig("windows_gateway", timeout=2.0, server_key=server),
    )
    return msgspec.structs.replace(settings, globals=changed)


def test_the_gateway_beside_the_terminal_lets_in_the_known_alone(
    windows: Windows, keys: KeyPlaces, strange: KeyPlaces, misled: KeyPlaces
) -> None:
    assert windows.client.ask(AskTerminal(), TerminalReport).account is not None
    who, specs, _ = pull_symbols(windows.address, ["EURUSD"], keys)
    assert (who.split()[0], specs[0].name) == ("5001", "EURUSD")
    for places, said in (
        (strange, connection.NOT_LET_IN),
        (misled, connection.NOT_THAT_KEY),
    ):
        client = WindowsGatewayClient(windows.address, 20.0, places)
        with contextlib.closing(client), pytest.raises(WindowsGatewayError, match=said[:30]):
            client.ask(AskTerminal(), TerminalReport)
    plain = WindowsGatewayClient(windows.address, 20.0)
    with contextlib.closing(plain), pytest.raises(WindowsGatewayError, match="server_key"):
        plain.ask(AskTerminal(), TerminalReport)
    late = WindowsGatewayClient(windows.address, 20.0)
    with contextlib.closing(late), pytest.raises(WindowsGatewayError, match="server_key"):
        # The handshake has failed before the question leaves: libzmq never takes it then. On a busy
        # machine the end may come each time before what was said ahead of it, and libzmq tries on.
        asking, tried = late._socket, time.monotonic() + 10.0
        wait_for(
            lambda: not asking.poll(0, zmq.POLLOUT) or time.monotonic() > tried,
            "the refusal, which nobody has read yet",
        )
        late.ask(AskTerminal(), TerminalReport)
    assert windows.client.ask(AskTerminal(), TerminalReport).account is not None


def test_doctor_says_what_is_wrong_with_the_keys(
    windows: Windows, keys: KeyPlaces, strange: KeyPlaces, misled: KeyPlaces
) -> None:
    found = probe_bridge(live(windows, *msgspec.structs.astuple(keys)))
    assert (found.fault, "DEMO account" in found.said) == ("", True), found
    for places, said in ((strange, connection.NOT_LET_IN), (misled, connection.NOT_THAT_KEY)):
        settings = live(windows, places.secret, places.server)
        found = probe_bridge(settings)
        assert found.fault == said
        assert "docs/windows.md" in found.advice
        (heard,) = doctor_market.look_at_market(settings, 2.0, running=False)
        assert (heard.level, said in heard.text) == ("error", True), heard
    plain = live(windows, keys.secret, None)
    # On a busy machine the end comes before what was said ahead of it.
    assert probe_bridge(plain).fault in (connection.WANTS_KEYS, connection.ENDS_EARLY)
    (heard,) = doctor_market.look_at_market(plain, 2.0, running=False)
    assert "server_key" in heard.text
    missing = live(windows, keys.secret + "x", keys.server)
    assert "is no file" in probe_bridge(missing).fault
    (heard,) = doctor_market.look_at_market(missing, 2.0, running=False)
    assert "is no file" in heard.text


def test_a_gateway_with_keys_says_whom_it_lets_in(windows: Windows) -> None:
    windows.end()
    checked = windows.run("--check")
    assert "clients    supervisor by key, encrypted" in checked.stdout, checked.stderr
    (windows.folder / "keys" / "supervisor.key").unlink()
    checked = windows.run()
    assert checked.returncode == 1
    assert "nobody would be let in" in checked.stderr


def test_orders_leave_encrypted_and_a_refused_link_is_told(
    windows: Windows, keys: KeyPlaces, strange: KeyPlaces
) -> None:
    with contextlib.closing(Wire(windows.address, keys)) as wire:
        wire.until(lambda: wire.link.ready)
    with contextlib.closing(Wire(windows.address, strange)) as wire:
        wire.until(lambda: wire.link.refusal == connection.NOT_LET_IN)
        assert not wire.link.ready
        assert not wire.link.send("one", b"x", deals=True)


class Wire:
    """A link to a bridge."""

    def __init__(self, url: str, keys: KeyPlaces | None = None) -> None:
        self.context: Context = zmq.Context()
        self.poller = zmq.Poller()
        self.link = BridgeLink(self.context, url, 1.0, self.poller, keys=keys)
        self.heard: list[Arrival] = []

    def until(self, condition: Callable[[], object]) -> None:
        def look() -> object:
            self.heard += [message.arrival for message in self.link.turn()]
            return condition()

        wait_for(look, "the link")

    def close(self) -> None:
        self.link.close()
        self.context.destroy(linger=0)


def test_nobody_in_between_can_read_what_is_sent(publisher: Listener, keys: KeyPlaces) -> None:
    """Whoever carries the bytes sees neither symbol nor price."""
    carried: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        over = threading.Event()

        def carry() -> None:
            near, _ = server.accept()
            with near, socket.create_connection(("127.0.0.1", publisher.port)) as far:
                near.settimeout(0.02)
                far.settimeout(0.02)
                while not over.is_set():
                    for source, sink in ((near, far), (far, near)):
                        with contextlib.suppress(TimeoutError):
                            carried.append(source.recv(65_536))
                            sink.sendall(carried[-1])

        thread = threading.Thread(target=carry)
        thread.start()
        try:
            with reading(url, keys) as reader:
                wait_for(lambda: reader.hears(publisher), "a tick")
                assert reader.market.connection.connected
        finally:
            over.set()
            thread.join()
    everything = b"".join(carried)
    assert b"CURVE" in everything
    assert b"EURUSD" not in everything

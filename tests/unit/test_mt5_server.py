"""The Windows gateway in this process: whatever is asked, in whatever state, there is an answer."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mt5crs_services.mt5_gateway import requests
from mt5crs_services.mt5_gateway.answers import AnyAnswer, GatewayFailure, OrderReport
from mt5crs_services.mt5_gateway.client import WindowsGatewayClient
from mt5crs_services.mt5_gateway.orders import order_watch
from mt5crs_services.mt5_gateway.protocol import decode_answer, encode_message
from mt5crs_services.mt5_gateway.requests import AskTerminal, SendOrder
from mt5crs_services.mt5_gateway.server import PortError, WindowsGateway
from mt5crs_services.mt5_gateway.settings import WindowsGatewayConfig
from mt5crs_services.mt5_gateway.terminal.terminal import Login, Mt5Terminal
from tests.mt5_standin.broker import Broker
from tests.mt5_standin.package import StandIn
from tests.system import free_port

symbols = st.sampled_from(["EURUSD", "NONE", "EURUSD.s"])
moments = st.sampled_from([0, 1, 1_795_000_000_000_000, 2**53])
ASKED = st.one_of(
    st.builds(AskTerminal),
    st.builds(requests.AskOrder, st.sampled_from(["a:1", "b:2"])),
    st.builds(
        requests.SettleOrder,
        st.just("b:2"),
        st.sampled_from([0, 7]),
        st.just("anna"),
        st.sampled_from([0.0, 0.1]),
    ),
    st.builds(requests.AskPositions),
    st.builds(requests.AskOrders),
    st.builds(requests.AskAccount),
    st.builds(requests.AskDeals, moments, st.sampled_from([0, 5])),
    st.builds(requests.AskSymbols, st.lists(symbols, max_size=3).map(tuple)),
    st.builds(requests.AskBars, symbols, st.sampled_from(["M1", "D1"]), st.just(3), moments),
    st.builds(requests.AskTicks, symbols, moments, moments, st.just(3), st.sampled_from([0, 9])),
    st.builds(
        SendOrder,
        order_id=st.sampled_from(["a:1", "b:2"]),
        journal=st.sampled_from(["", "JOURNAL"]),
        login=st.sampled_from([5001, 1]),
        action=st.sampled_from(["OPEN", "CLOSE"]),
        symbol=symbols,
        side=st.sampled_from(["BUY", "SELL"]),
        lots=st.sampled_from([0.1, 0.015, 1e6]),
        magic=st.just(7),
        price=st.sampled_from([0.0, 1.1, 1e12]),
        ticket=st.sampled_from([0, 100_002, 2**53]),
    ),
)
BROKEN = ["", "down", "offline", "None", "raise"]


@pytest.fixture
def made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[WindowsGateway, StandIn]]:
    monkeypatch.setattr(order_watch, "LOOK_EVERY_S", 0.0)
    package = StandIn(Broker(), sleep=lambda _: None)
    package.broker.quote("EURUSD", 1.1, 1.1001)
    config = WindowsGatewayConfig(
        5001,
        "StandIn-Demo",
        ["EURUSD"],
        server_zone="+02:00",
        orders_port=free_port(),
        ticks_port=free_port(),
        folder=str(tmp_path),
    )
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    server = WindowsGateway(config, Mt5Terminal(package, Login()), context)
    server.turn()
    try:
        yield server, package
    finally:
        server.close()
        context.destroy(linger=0)


def answered(server: WindowsGateway, request: requests.AnyRequest) -> AnyAnswer:
    request_id, answer = server._answered(encode_message("q", request))
    assert request_id == "q"
    assert decode_answer(encode_message("q", answer)) == ("q", answer)
    return answer


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(request=ASKED, broken=st.sampled_from(BROKEN), name=st.integers(0, 40))
def test_every_request_has_an_answer_in_every_state(
    made: tuple[WindowsGateway, StandIn], request: Any, broken: str, name: int
) -> None:
    server, package = made
    if isinstance(request, SendOrder) and request.journal:
        request = SendOrder(
            **{f: getattr(request, f) for f in request.__struct_fields__}
            | {"journal": server._journal.id}
        )
    package.down = broken == "down"
    package.broker.connected = broken != "offline"
    with broken_function(package, broken, name):
        answer = answered(server, request)
    assert not isinstance(answer, GatewayFailure) or answer.code != "INTERNAL", answer
    package.down = False
    server._terminal._try_at = 0.0
    server._terminal.attach()
    executed = [deal["sent_as"][:12] for deal in package.broker.deals]
    assert len(set(executed)) == len(executed)


@contextlib.contextmanager
def broken_function(package: StandIn, how: str, number: int) -> Iterator[None]:
    """One function of the package fails, whatever it is given."""
    names = [n for n in dir(package) if "_" in n and n[0] != "_" and callable(getattr(package, n))]
    name = names[number % len(names)]

    def broken(*_: Any, **__: Any) -> None:
        if how == "raise":
            raise SystemError("the package failed")

    if how in ("None", "raise") and name != "last_error":
        package.__dict__[name] = broken
    try:
        yield
    finally:
        if not name.isupper():
            package.__dict__.pop(name, None)


def test_a_request_that_is_too_large_an_answer_is_refused(
    made: tuple[WindowsGateway, StandIn], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mt5crs_services.mt5_gateway import protocol

    server, _ = made
    client = WindowsGatewayClient(server._config.address(server._config.orders_port))
    monkeypatch.setattr(protocol, "MAX_ANSWER", 100)
    client._socket.send(encode_message("7", AskTerminal()))
    for _ in range(200):
        server.turn()
        if client._socket.poll(10):
            break
    request_id, answer = decode_answer(client._socket.recv(zmq.DONTWAIT))
    client.close()
    assert request_id == "7"
    assert isinstance(answer, GatewayFailure) and "too large" in answer.what


def test_an_answer_to_a_request_that_was_given_up_is_not_taken_for_anothers(
    made: tuple[WindowsGateway, StandIn],
) -> None:
    server, _ = made
    client = WindowsGatewayClient(server._config.address(server._config.orders_port), 0.05)
    with pytest.raises(Exception, match="does not answer"):
        client.ask(AskTerminal(), OrderReport)
    client._socket.send(encode_message("2", requests.AskOrder("nobody")))
    frames = []
    for _ in range(200):
        server.turn()
        if client._socket.poll(10):
            frames.append(decode_answer(client._socket.recv()))
        if len(frames) == 2:
            break
    client.close()
    assert [request_id for request_id, _ in frames] == ["1", "2"]


def test_a_port_that_is_taken_is_told_before_the_journal_is_touched(
    made: tuple[WindowsGateway, StandIn],
) -> None:
    server, package = made
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with pytest.raises(PortError, match="another gateway"):
        WindowsGateway(server._config, Mt5Terminal(package, Login()), context)
    context.destroy(linger=0)
    order = SendOrder("a:1", server._journal.id, 5001, "OPEN", "EURUSD", "BUY", 0.1, 7)
    report = answered(server, order)
    assert isinstance(report, OrderReport) and report.status == "FILLED"

"""Messages over their bound, peers that send a byte now and then, other users: nobody is harmed."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import zmq

from mt5crs_shared.market.market_socket import MarketSocket
from mt5crs_shared.process.paths import SOCKETS, VarPaths
from mt5crs_shared.sockets.opening import LARGE, MEDIUM, SMALL, bind_own, open_socket
from tests.chaos.crosses import CROSS
from tests.system import System, free_port, running, wait_for

FEED = {"feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 10}}
MOST_MEMORY = 300_000_000
"""Bytes; a message of 64 MB that was taken in would be there several times."""

TICK = b'EURUSD {"type":"tick","symbol":"EURUSD","timestamp":%d,"bid":1.1,"ask":1.2}'


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    entries = [
        {"name": name, "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S5"}
        for name in ("one", "two")
    ]
    with running(tmp_path, entries, FEED) as found:
        yield found


def assert_all_work(system: System, before: dict[str, int | None]) -> None:
    """Nobody was replaced, is large, or stands still."""
    processed = system.processed("one")
    wait_for(lambda: system.processed("one") > processed + 20, "more ticks of one")
    assert system.pids() == before
    report = system.status()
    for pid in (report.pid, *(pid for pid in before.values() if pid is not None)):
        assert psutil.Process(pid).memory_info().rss < MOST_MEMORY


def test_64_megabytes_to_each_of_our_sockets(system: System) -> None:
    before = system.pids()
    assert {file.name for file in system.paths.run.glob("*.ipc")} == {f"{n}.ipc" for n in SOCKETS}
    for name in SOCKETS:
        with zmq.Context() as context, open_socket(context, zmq.DEALER, SMALL) as client:
            client.setsockopt(zmq.LINGER, 0)
            monitor = client.get_monitor_socket(zmq.EVENT_DISCONNECTED)
            client.connect(system.paths.endpoint(name))
            client.send(bytes(LARGE + 1))
            assert monitor.poll(30_000), f"{name} took it"
            client.disable_monitor()
            monitor.close(0)
    assert_all_work(system, before)


def test_a_byte_now_and_then_to_each_of_our_sockets(system: System) -> None:
    """The greeting of the protocol, and then the size of a message that never comes."""
    before = system.pids()
    over = threading.Event()
    greeting = b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(48)

    def drip(name: str) -> None:
        with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
            client.connect(str(system.paths.socket_file(name)))
            for byte in greeting + b"\2" + b"\xff" * 8 + bytes(10_000):
                client.send(bytes([byte]))
                if over.wait(0.02):
                    return

    drips = [threading.Thread(target=drip, args=(name,)) for name in SOCKETS for _ in range(3)]
    for thread in drips:
        thread.start()
    try:
        assert_all_work(system, before)
        wait_for(lambda: not all(thread.is_alive() for thread in drips), "the first cut off")
        assert_all_work(system, before)
    finally:
        over.set()
        for thread in drips:
            thread.join()


def test_a_publishers_64_megabytes_cost_a_moment() -> None:
    port = free_port()
    with zmq.Context() as context, zmq.Context() as far, far.socket(zmq.PUB) as publisher:
        publisher.setsockopt(zmq.LINGER, 0)
        publisher.bind(f"tcp://127.0.0.1:{port}")
        market = MarketSocket(context, f"tcp://127.0.0.1:{port}", ["EURUSD"])
        heard = {"ticks": 0, "interruptions": 0}

        def look(send: bytes) -> dict[str, int]:
            publisher.send(send)
            time.sleep(0.02)  # between two looks
            received = market.read()
            market.connection.mend()
            heard["ticks"] += len(received.ticks)
            heard["interruptions"] += received.interrupted
            return heard

        tick = TICK % time.time()
        wait_for(lambda: look(tick)["ticks"], "a tick")
        publisher.send(b"EURUSD" + bytes(LARGE))
        wait_for(lambda: look(tick)["interruptions"], "the connection was ended")
        before = heard["ticks"]
        begun = time.monotonic()
        wait_for(lambda: look(tick)["ticks"] > before, "ticks again")
        assert time.monotonic() - begun < 5.0
        # What is merely no tick is told as before, and costs no connection.
        publisher.send(b"EURUSD" + bytes(MEDIUM - 100))
        wait_for(lambda: look(tick) and market.refusals.counts["too large"], "it is counted")
        assert heard["interruptions"] == 1
        market.close()
    assert psutil.Process().memory_info().rss < 2 * MOST_MEMORY


def test_a_publisher_of_a_byte_a_second_is_no_market() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            client, _ = server.accept()
            with client, contextlib.suppress(OSError):
                for byte in b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL" + bytes(48):
                    client.send(bytes([byte]))
                    if over.wait(0.1):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        market = MarketSocket(context, f"tcp://127.0.0.1:{server.getsockname()[1]}", ["EURUSD"])
        try:
            begun = time.monotonic()
            while time.monotonic() - begun < 1.0:
                looked = time.monotonic()
                assert market.read().ticks == []
                assert time.monotonic() - looked < 0.5
                time.sleep(0.02)  # between two looks
        finally:
            over.set()
            market.close()
            context.term()
            thread.join()


def test_every_folder_of_ours_is_closed_to_others(tmp_path: Path) -> None:
    """Also where it was there before, and open."""
    for folder in (tmp_path / "short", tmp_path / ("long" * 25)):
        paths = VarPaths(folder)
        paths.run.mkdir(parents=True)
        paths.run.chmod(0o777)
        paths.create()
        sockets = paths.socket_file("gateway").parent
        assert (sockets == paths.run) is (folder.name == "short")
        for closed in {sockets, paths.run, paths.state, paths.log, paths.crash}:
            assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        if sockets != paths.run:
            sockets.rmdir()


STRANGER = """
import os, sys, zmq
os.setgroups([]); os.setgid(65534); os.setuid(65534)
socket = zmq.Context().socket(zmq.DEALER)
socket.connect(sys.argv[1])
socket.send(b"let me in")
socket.poll(2_000)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_the_kernel_says_who_connects_where_the_folder_is_open() -> None:
    with tempfile.TemporaryDirectory() as folder, zmq.Context() as context:
        Path(folder).chmod(0o777)
        for checks in (False, True):
            file = Path(folder) / f"{checks}.ipc"
            with open_socket(context, zmq.ROUTER, SMALL) as router:
                router.setsockopt(zmq.LINGER, 0)
                (bind_own if checks else zmq.Socket.bind)(router, f"ipc://{file}")
                file.chmod(0o777)
                # The interpreter may lie where nobody else looks: it is started before.
                stranger = subprocess.Popen([sys.executable, "-c", STRANGER, f"ipc://{file}"])
                try:
                    assert bool(router.poll(1_500)) is not checks
                    with open_socket(context, zmq.DEALER, SMALL) as own:
                        own.setsockopt(zmq.LINGER, 0)
                        own.connect(f"ipc://{file}")
                        own.send(b"mine")
                        assert router.poll(5_000)
                finally:
                    stranger.kill()
                    stranger.wait()

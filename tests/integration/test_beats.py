"""What a process says of itself while nothing happens."""

from contextlib import ExitStack
from pathlib import Path

import msgspec
import zmq

from mt5crs_shared.messages import Beat, FromChild, Identify
from mt5crs_shared.process.paths import VarPaths
from tests.integration.processes import make_spec, spawn_child
from tests.integration.test_gateway_process import Installation
from tests.system import Pulse, running, wait_for

SHORT = 150
"""Bytes, of which most are names."""


def test_a_gateway_that_has_nothing_new_to_say_is_short(tmp_path: Path) -> None:
    with ExitStack() as stack:
        config = Installation(tmp_path / "unused", stack).config
        paths = VarPaths(tmp_path / "var")
        paths.create()
        context: zmq.Context[zmq.Socket[bytes]] = stack.enter_context(zmq.Context())
        router = stack.enter_context(context.socket(zmq.ROUTER))
        router.bind(paths.endpoint("supervisor"))
        stack.enter_context(spawn_child(make_spec("gateway", config, paths.var)))
        beats: list[tuple[Beat, int]] = []
        senders: set[bytes] = set()

        def heard(full: int) -> bool:
            """So many full beats so far, and a short one after the last of them."""
            while router.poll(0):
                sender, body = router.recv_multipart()
                senders.add(sender)
                message = msgspec.msgpack.decode(body, type=FromChild)
                if isinstance(message, Beat):
                    beats.append((message, len(body)))
            told = [beat.account is not None for beat, _ in beats]
            return sum(told) >= full and not told[-1]

        wait_for(lambda: heard(1), "a full beat and a short one")
        short, size = beats[-1]
        assert size < SHORT
        assert short.account is None
        # A supervisor that begins anew asks who this is, and knows nothing.
        before = sum(beat.account is not None for beat, _ in beats)
        router.send_multipart([senders.pop(), msgspec.msgpack.encode(Identify())])
        wait_for(lambda: heard(before + 1), "another full one")


def test_a_new_supervisor_hears_what_has_not_changed(tmp_path: Path) -> None:
    """On a silent market nobody has news, and yet it has to be told how everything stands."""
    strategy = "mt5crs_worker.examples.ma_cross:MovingAverageCross"
    with running(tmp_path, [{"name": "one", "symbol": "EURUSD", "strategy": strategy}]) as system:
        pulse = Pulse(system.port, ["EURUSD"])
        try:
            pulse.wait_heard(3)
            pulse.start()
            wait_for(lambda: system.processed("one") > 10, "ticks")
            pulse.silence()
            sent = pulse.sent["EURUSD"]
            wait_for(lambda: system.processed("one") == sent, "every tick")
            assert system.process is not None
            system.process.kill()
            system.process.wait()
            system.start()
            wait_for(lambda: system.status().account is not None, "the account")
            wait_for(lambda: system.processed("one") == sent, "the counters")
        finally:
            pulse.stop()

"""`features serve` beside a running system: who asks it decides as who computes."""

import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.feature_desk import Desk, desk
from tests.system import PATIENCE, ROOT, System, free_port, wait_for


def health(port: int) -> Any:
    """What the server says of itself; None: it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5.0) as answer:
            return json.load(answer)
    except OSError:
        return None


@contextmanager
def served(system: System, port: int) -> Iterator[subprocess.Popen[str]]:
    """The server in a process of its own, ended by Ctrl-C."""
    process = subprocess.Popen(
        [*system.command("features", "serve", "--config", str(system.config)), "--port", str(port)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(lambda: health(port), "the server")
        yield process
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()


def knows(port: int, at_work: Desk) -> Callable[[], bool]:
    """Whether the server has as many bars as the strategy."""
    return lambda: health(port)["series"][0]["closed_bars"] >= at_work.warm()


def doctor(system: System) -> list[dict[str, str]]:
    """What `doctor` finds about features."""
    command = system.command("doctor", "--config", str(system.config), "--listen", "0.1", "--json")
    found = json.loads(subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout)
    return [finding for finding in found if finding["topic"] == "features"]


def test_who_asks_our_own_api_decides_as_who_computes(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with desk(tmp_path, url, {"timeout": 1.5}, others=1) as at_work:
        system = at_work.system
        (found,) = doctor(system)
        assert found["level"] == "error"
        assert (
            "nobody listens there (connection refused); asks would decide nothing" in found["text"]
        )
        with served(system, port) as server:
            wait_for(knows(port, at_work), "its bars")
            at_work.decide(3)
            # Its bars are those of the tape, whoever dies meanwhile.
            os.kill(system.pid("tape"), signal.SIGKILL)
            at_work.kill()
            at_work.decide(3)
        assert server.stdout is not None
        said = server.stdout.read()
        assert said == f"features of EURUSD S1 on {url}/features/latest, until Ctrl-C\n"
        at_work.decide()
        with served(system, port):
            wait_for(knows(port, at_work), "its bars, from the strategies' checkpoints")
            at_work.decide(3)
        asked = {d.time_us: d for d in at_work.decisions()}
        computed = {d.time_us: d for d in at_work.decisions("computes0")}
    notes = [decision.note.partition(":")[0] for decision in asked.values()]
    assert notes == ["features of the API"] * 6 + ["held, without features"] + [notes[0]] * 3
    told = {at: d.probability for at, d in asked.items() if d.probability is not None}
    assert len(told) == 9
    assert told == {at: computed[at].probability for at in told}


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    system = System(tmp_path, [{"name": "a", "symbol": "EURUSD", "strategy": "m:C"}])
    command = system.command("features", "serve", "--config", str(system.config))
    with taken_port() as port:
        done = subprocess.run([*command, "--port", str(port)], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); --host and" in done.stderr


@contextmanager
def taken_port() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]

"""What happens reaches a real HTTP server and a real mail server, each thing once."""

import http.server
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from tests.integration.test_cli_process import STRATEGIES, CommandLine
from tests.system import Pulse, free_port, wait_for

WITHIN = 60.0
"""Seconds until something was told: it is gathered for ten, and more where much was told before."""


class Hook:
    """An HTTP server: JSON that is posted to it, and how often its root was fetched."""

    def __init__(self) -> None:
        self.posted: list[dict[str, Any]] = []
        self.fetched = 0
        self.refuses = False
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if hook.refuses:
                    self.send_error(503)
                    return
                hook.posted.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                hook.fetched += 1
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def lines(self) -> list[str]:
        """Every line of every message, without its time."""
        texts = (message["message"] for message in self.posted)
        return [line.partition(" ")[2] for text in texts for line in text.splitlines()]

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


class Mails:
    """A mail server."""

    def __init__(self) -> None:
        self.subjects: list[str] = []
        self.controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self.controller.start()  # type: ignore[no-untyped-call]

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        lines = envelope.content.decode().splitlines()
        self.subjects += [line for line in lines if line.startswith("Subject: ")]
        return "250 OK"

    def close(self) -> None:
        self.controller.stop()  # type: ignore[no-untyped-call]


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.close()


@pytest.fixture
def mails() -> Iterator[Mails]:
    made = Mails()
    yield made
    made.close()


@pytest.fixture
def desk(
    tmp_path: Path, hook: Hook, mails: Mails, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CommandLine]:
    """A system that tells its events to both, and that it lives to the first."""
    secret = tmp_path / "mail.secret"
    mail = f"mailto://127.0.0.1:{mails.controller.port}/?from=a@desk.example&to=b@desk.example"
    secret.write_text(f"{mail}&mode=insecure\n")
    secret.chmod(0o600)
    monkeypatch.setenv("HOOK", f"json://trader:verysecret@127.0.0.1:{hook.port}/")
    monkeypatch.setenv("ALIVE", f"http://127.0.0.1:{hook.port}/verysecret")
    notify = {
        "to": [
            {"name": "hook", "address": "env:HOOK"},
            {"name": "mail", "address": f"file:{secret}"},
        ],
        "rules": [{"to": ["hook"]}, {"kinds": ["quarantined"], "urgent": True}],
        "alive_url": "env:ALIVE",
    }
    system = CommandLine(tmp_path, STRATEGIES, {"notify": notify})
    pulse = Pulse(system.port, ["EURUSD", "GBPUSD"])
    pulse.start()
    yield system
    pulse.stop()
    system.call("stop")
    system.end_leftovers()


def test_what_happens_is_told_once_also_by_a_notifier_that_is_killed(
    desk: CommandLine, hook: Hook, mails: Mails
) -> None:
    desk.said("start", "--detach")
    wait_for(lambda: hook.fetched == 1, "the sign of life")
    assert desk.service("notifier").state == "RUNNING"

    hook.refuses = True
    euro = desk.pid("euro")
    os.kill(euro, signal.SIGKILL)
    desk.wait_back("euro", euro)
    desk.said("pause", "cable", "--why", "news")
    wait_for(lambda: "hook" in desk.service("notifier").degraded, "a refusal", WITHIN)
    assert "503" in desk.service("notifier").degraded
    notifier = desk.pid("notifier")
    os.kill(notifier, signal.SIGKILL)
    hook.refuses = False
    desk.wait_back("notifier", notifier)
    desk.said("resume", "cable")
    desk.kill_until_given_up("euro")

    wait_for(lambda: "euro quarantined" in " ".join(hook.lines), "the end of euro", WITHIN)
    wait_for(lambda: mails.subjects, "a mail", WITHIN)
    assert mails.subjects == [f"Subject: mt5crs {desk.folder.name}: quarantined"]
    desk.said("stop")
    for once in ("euro quarantined", "cable locked", "cable unlocked", "supervisor stopping"):
        found = [line for line in hook.lines if line.startswith(once)]
        assert len(found) == 1, (once, hook.lines)
    assert "news" in next(line for line in hook.lines if line.startswith("cable locked"))
    assert [line.split()[0] for line in hook.lines if " died: killed by SIGKILL" in line][:2] == [
        "euro",
        "notifier",
    ]

    told = desk.json("notify", "sent")
    assert {message["state"] for message in told} == {"SENT"}
    assert sum(m["destination"] == "hook" for m in told) == len(hook.posted)
    everything = "".join(file.read_text(errors="replace") for file in desk.var.glob("log/*"))
    assert "verysecret" not in everything + desk.said("notify", "sent")


def test_a_destination_that_cannot_be_reached_harms_nobody(
    desk: CommandLine, hook: Hook, mails: Mails
) -> None:
    tested = desk.call("notify", "test")
    assert (tested.returncode, tested.stdout) == (0, "hook: sent\nmail: sent\nalive_url: sent\n")
    assert hook.posted[0]["title"].endswith(": a test")
    del os.environ["HOOK"]
    failing = desk.call("notify", "test")
    assert failing.returncode == 1
    assert "hook: there is no HOOK in the environment" in failing.stdout
    assert failing.stderr == "error: not reached: hook\n"

    desk.said("start", "--detach")
    desk.said("restart", "euro")
    wait_for(lambda: "no HOOK" in desk.service("notifier").degraded, "words", WITHIN)
    assert desk.strategy("euro").process.state == "RUNNING"


def test_a_reload_brings_a_notifier_and_takes_it_away(tmp_path: Path) -> None:
    system = CommandLine(tmp_path, STRATEGIES, {"feed": {"speed": 10.0}})
    try:
        system.said("start", "--detach")
        before = system.pids()
        feed = {"feed": {"speed": 10.0}}
        to = [{"name": "hook", "address": "env:HOOK"}]
        system.write_config(STRATEGIES, {**feed, "notify": {"to": to}})
        assert "fresh" in system.said("reload")
        assert system.service("notifier").state == "RUNNING"
        assert before.items() <= system.pids().items()
        system.write_config(STRATEGIES, feed)
        system.said("reload")
        assert system.pids() == before
    finally:
        system.call("stop")
        system.end_leftovers()
    system.assert_nothing_left()

"""A browser's page that looks at a system, for tests: what it shows, asks for and complains of."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.test_cli_process import CommandLine
from tests.system import wait_for

PATIENCE_MS = 30_000
CHROMIUM = Path("/usr/bin/chromium")
NEEDS_CHROMIUM = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"needs a browser at {CHROMIUM}")


class Browsing:
    """A browser's page that looks at a system, and all that it has asked for and complained of."""

    def __init__(self, system: CommandLine, port: int, browser: Any) -> None:
        self.system = system
        self.address = f"http://127.0.0.1:{port}"
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        self.context = browser.new_context(viewport={"width": 1400, "height": 900})
        self.page = self.open(f"{self.address}/")

    def open(self, url: str) -> Any:
        page = self.context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(url)
        return page

    def _note(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def cell(self, name: str, column: str) -> str:
        found = self.page.locator(f'tr[data-name="{name}"] td.{column} > *').first
        return str(found.inner_text())

    def wait_cell(self, name: str, column: str, text: str) -> None:
        wait_for(lambda: self.cell(name, column) == text, f"{column} of {name} to be {text}")

    def act(self, name: str, verb: str) -> str:
        """Choose what to do with a strategy, agree, and read what came of it."""
        self.page.get_by_label(f"Act on {name}").click()
        self.page.locator("dialog .choices").get_by_role("button", name=verb, exact=True).click()
        assert name in self.page.locator("dialog h2").inner_text()
        return self.agree()

    def agree(self) -> str:
        self.page.locator("dialog button[type=submit]").click()
        outcome = self.page.locator("dialog pre.outcome")
        outcome.wait_for()
        told = str(outcome.inner_text())
        self.page.locator("dialog").get_by_role("button", name="Close").click()
        return told

    def told(self) -> str:
        """What `events` says, however much it is."""
        return self.system.said("events", "--since", "1h")

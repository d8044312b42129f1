"""Takes the pictures of docs/page.md and README: docs/page-*.png, of a system that runs.

Starts five strategies on a made-up market in a temporary folder, waits until they have traded,
kills the process of one, holds another back, and looks at all of it with Debian's chromium. Takes a
few minutes; needs the extras `page` and `dev`.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Page, sync_playwright

from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.operator.control import ControlClient

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
MARKET, PAGE = "tcp://127.0.0.1:15656", "127.0.0.1:18190"
DEALS = 150
"""Deals that are waited for, so that there is something to see."""

WITHIN = 900.0
DESKTOP, PHONE = {"width": 1400, "height": 860}, {"width": 390, "height": 844}
MODEL = str(ROOT / "models" / "baseline_v1.json")
CROSS = "mt5crs_worker.examples.ma_cross:MovingAverageCross"

STRATEGIES: list[dict[str, Any]] = [
    {"name": "eurusd_trend_v1", "symbol": "EURUSD", "model_path": MODEL, "threshold": 0.52},
    {
        "name": "gbpusd_pairtrading_v1",
        "symbol": "GBPUSD",
        "model_path": MODEL,
        "threshold": 0.55,
        "timeframe": "S30",
        "risk_config": {"stop_loss_atr_multiple": 3.0, "max_position_size": 0.08},
    },
    {
        "name": "xauusd_scalping_v1",
        "symbol": "XAUUSD",
        "model_path": MODEL,
        "threshold": 0.57,
        "timeframe": "S30",
        "risk_config": {"max_position_size": 0.05},
    },
    {"name": "eurusd_cross", "symbol": "EURUSD", "strategy": CROSS, "timeframe": "S15"},
    {"name": "usdjpy_cross", "symbol": "USDJPY", "strategy": CROSS, "timeframe": "S30"},
]
GLOBALS = {
    "zmq_market_url": MARKET,
    "default_balance": 50_000.0,
    "page": {"address": PAGE},
    "feed": {"kind": "synthetic", "speed": 20.0, "history_minutes": 300, "seed": 7},
}


def supervise(folder: Path, *arguments: str) -> None:
    """Run a verb on the system in a folder."""
    command = [sys.executable, "-m", "mt5crs_supervisor", *arguments]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def wait_until_traded(client: ControlClient) -> None:
    """Wait until there is something to see.

    Raises:
        SystemExit: There never was.
    """
    deadline = time.monotonic() + WITHIN
    while time.monotonic() < deadline:
        report = client.status()
        if sum(row.deals for row in report.strategies) >= DEALS and report.strategies[1].deals:
            return
        time.sleep(1.0)
    raise SystemExit(f"no {DEALS} deals within {WITHIN:g} s")


def take(page: Page, where: str, awaited: str, name: str) -> None:
    """Take one picture."""
    page.goto(f"http://{PAGE}/{where}")
    page.locator(awaited).first.wait_for()
    page.wait_for_timeout(2_000)  # for the charts, which no element stands for
    page.screenshot(path=DOCS / f"page-{name}.png")


def take_all(token: str) -> None:
    """Take all of them."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for viewport, scheme, wanted in (
            (DESKTOP, "light", ("desk", "strategy", "history")),
            (DESKTOP, "dark", ("dark",)),
            (PHONE, "light", ("phone",)),
        ):
            context = browser.new_context(viewport=viewport, color_scheme=scheme)
            page = context.new_page()
            page.set_default_timeout(120_000)
            take(page, f"#token={token}", ".desk tbody tr", wanted[0])
            if "strategy" in wanted:
                where = "#/strategy/gbpusd_pairtrading_v1"
                take(page, where, "#panel-decisions table", "strategy")
                take(page, "#/history", ".calendar", "history")
            context.close()
        browser.close()


def main() -> None:
    """Start, wait, look, stop."""
    with tempfile.TemporaryDirectory(prefix="my-desk-") as made:
        folder = Path(made) / "my-desk"
        (folder / "config").mkdir(parents=True)
        (folder / "config" / "symbols.yaml").write_text(
            (ROOT / "config" / "symbols.yaml").read_text()
        )
        document = {"strategies": STRATEGIES, "global": GLOBALS}
        (folder / "config" / "strategies.yaml").write_text(yaml.safe_dump(document))
        supervise(folder, "start", "--detach")
        try:
            client = ControlClient(folder / "var")
            wait_until_traded(client)
            supervise(folder, "pause", "usdjpy_cross", "--why", "news at 14:30")
            victim = client.status().strategies[1].process.pid
            assert victim is not None
            os.kill(victim, signal.SIGKILL)
            time.sleep(5.0)
            take_all(VarPaths(folder / "var").token.read_text().strip())
        finally:
            supervise(folder, "stop")


if __name__ == "__main__":
    main()

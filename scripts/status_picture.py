"""Writes docs/status.svg: what `status` printed before and after a real `kill -9`.

Runs the demo in a temporary `var` folder, waits until both strategies have traded, kills the
process of one that holds a position, and keeps what the terminal showed. Takes a few minutes;
the market's port, that of config/strategies.yaml, must be free.
"""

import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "status.svg"
WIDTH = 118
WITHIN = 600.0
"""Seconds that both strategies may take to trade."""

AFTER_KILL = 2.0
"""Seconds between the kill and the second look."""


def in_terminal(command: list[str], env: dict[str, str]) -> str:
    """What a command prints to a terminal of WIDTH columns, colours included."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe(command[0], command, env)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, WIDTH, 0, 0))
    printed = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:
            break
        if not part:
            break
        printed += part
    os.waitpid(pid, 0)
    return printed.decode().replace("\r\n", "\n").strip("\n")


def traded(env: dict[str, str]) -> dict[str, Any] | None:
    """A strategy that holds a position, once every strategy has sent an order."""
    command = [sys.executable, "-m", "mt5crs_supervisor", "status", "--json"]
    asked = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, check=False)
    if asked.returncode != 0:
        return None
    strategies: list[dict[str, Any]] = json.loads(asked.stdout)["strategies"]
    if not all(s["metrics"] and s["metrics"]["orders_sent"] for s in strategies):
        return None
    return next((s for s in strategies if s["position_lots"]), None)


def session(env: dict[str, str]) -> str:
    """Status, kill, status: commands and what came of them."""
    status = [sys.executable, "-m", "mt5crs_supervisor", "status"]
    deadline = time.monotonic() + WITHIN
    while (victim := traded(env)) is None:
        if time.monotonic() > deadline:
            raise SystemExit(f"no trades of every strategy within {WITHIN:.0f} s")
        time.sleep(1.0)  # between two looks
    before = in_terminal(status, env)
    pid = victim["process"]["pid"]
    os.kill(pid, signal.SIGKILL)
    time.sleep(AFTER_KILL)  # what the second picture is to show
    after = in_terminal(status, env)
    prompt = "\x1b[1m$\x1b[0m "
    shown = "./scripts/run status"
    return f"{prompt}{shown}\n{before}\n\n{prompt}kill -9 {pid}\n{prompt}{shown}\n{after}\n"


def draw(printed: str) -> str:
    """Terminal output as SVG."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(Text.from_ansi(printed))
    svg = console.export_svg(title="mt5crs-supervisor", theme=MONOKAI, unique_id="status")
    # No fonts from elsewhere: a page that shows the picture would have to load them.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("#625e4c", "#a5a397")  # the theme's grey is hard to read at this size
    return svg.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")


def main() -> None:
    """Run the demo, kill, draw."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "MT5CRS_VAR": folder, "TERM": "xterm-256color"}
        env["COLUMNS"] = str(WIDTH)
        env["MT5CRS_CONFIG"] = str(ROOT / "config" / "strategies.yaml")
        command = [sys.executable, "-m", "mt5crs_supervisor", "demo"]
        demo = subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:
            picture = draw(session(env))
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(30.0)
    PICTURE.write_text(picture)


if __name__ == "__main__":
    main()

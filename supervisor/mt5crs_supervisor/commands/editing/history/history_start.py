"""The terminal's bars before strategies begin: asked for in a process of its own, and bounded."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from mt5crs_shared.wording import duration
from mt5crs_supervisor.commands.editing.unchecked import unchecked_config
from mt5crs_supervisor.deaths import restart_in_place

WITHIN = 6.0
"""Seconds that it may take, all in all; a start waits for it no longer."""


def pull_history(
    config: Path, var_dir: Path, say: Callable[[str], None], folder: Path | None = None
) -> None:
    """Have the history files written that strategies about to begin need, where that can be.

    Whatever goes wrong is told, and keeps nobody from starting. A supervisor that begins again in
    place asks for nothing: what it left goes on.

    Args:
        config: The strategies file.
        var_dir: The installation that they begin on.
        say: Told what was written, and what could not be.
        folder: Working folder of what is started; None: this process's.
    """
    here = (folder or Path.cwd()).absolute()
    if restart_in_place.VARIABLE in os.environ:
        return
    found = unchecked_config(here / config)
    if not found.asks_terminal or not any(s.history and s.enabled for s in found.strategies):
        return
    command = [sys.executable, "-P", "-m", "mt5crs_supervisor", "--var-dir", str(var_dir)]
    command += ["--config", str(here / config), "history", "pull", "--if-needed"]
    try:
        done = subprocess.run(
            command,
            cwd=here,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=WITHIN,
            check=False,
        )
    except subprocess.TimeoutExpired:
        lines = [f"the terminal has not given its bars within {duration(WITHIN)}"]
    except OSError as error:
        lines = [f"the terminal's bars could not be asked for: {error}"]
    else:
        for line in done.stdout.splitlines():
            say(f"history: {line}")
        lines = done.stderr.splitlines() if done.returncode else []
    for line in lines:
        said = line.removeprefix("error: ")
        say(f"warning: history: {said}; strategies begin with the files and the tape as they are")

"""A process that watches the configuration's files, and has the supervisor take up what changes.

`start --watch-config` keeps one beside the supervisor, whose loop has no time to read YAML or to
try models. What it does is what `reload` does, without anybody who could be asked.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from setproctitle import setproctitle

from mt5crs_shared.configuration import symbols_file
from mt5crs_shared.configuration.parsing import yaml_nodes
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.commands.running import reload as reloading
from mt5crs_supervisor.operator import pending
from mt5crs_supervisor.operator.control import ConfigWatched, ControlClient
from mt5crs_supervisor.operator.difference import BY_RELOAD, left_open
from mt5crs_supervisor.processes import lifeline

EVERY = 1.0
"""Seconds between two looks; what has not changed from one to the next is quiet."""

Stamps = dict[Path, tuple[int, int, int] | None]
"""Of each file: which one it is, its size, and when it was written; None: there is none."""


class Watch:
    """Watches for one supervisor, and begins with what its file says beyond what runs.

    Args:
        client: Its control socket.

    Raises:
        NotRunning: There is no supervisor.
        ControlTimeout: It does not answer.
    """

    def __init__(self, client: ControlClient) -> None:
        self._client = client
        self._files = files_of(client.status(), ())
        self._before = stamps_of(self._files)
        # Asked afterwards: what is written between the two looks is seen by one of them.
        self._done = self._before if client.status().config_changed is None else None
        client.request(ConfigWatched(os.getpid()))

    def look(self) -> None:
        """Take up what has changed, once it is quiet.

        Raises:
            NotRunning: The supervisor is gone, or away for a moment; the next look tries again.
            ControlTimeout: It does not answer; likewise.
        """
        now = stamps_of(self._files)
        quiet, self._before = now == self._before, now
        if not quiet or now == self._done:
            return
        report = self._client.status()
        if report.reloading or report.stopping:
            return
        problem = self._take_up(report)
        if problem and self._client.status().reloading:
            return  # Somebody has been faster.
        if stamps_of(self._files) != now:
            return  # It was judged by what is no longer there.
        self._client.request(ConfigWatched(os.getpid(), problem, report.config_changed))
        self._files = files_of(report, self._files)
        self._before = stamps_of(self._files) | now
        self._done = self._before

    def _take_up(self, report: StatusReport) -> str:
        """Why it cannot be taken up; empty: it is."""
        try:
            request = reloading.tried(report)
            planned = reloading.asked(self._client, request)
            if planned.refused:
                return f"is not taken up: {'; '.join(planned.refused)}"
            if planned.held:
                told = left_open(planned.held, *BY_RELOAD)
                return f"is not taken up: {told}"
            if planned.count:
                reloading.asked(self._client, msgspec.structs.replace(request, dry_run=False))
        except ConfigError as error:
            return pending.unusable(error)
        except (CommandError, OSError) as error:
            return f"is not taken up: {error}"
        return ""


def files_of(report: StatusReport, before: Sequence[Path]) -> list[Path]:
    """The files that a reload depends on, wherever they may be: also those that do not exist.

    Args:
        report: Of the supervisor that runs.
        before: What is said of a file that is no YAML just now.
    """
    file, cwd = Path(report.config), Path(report.folder)
    tree = yaml_nodes.read_yaml(file, ProblemReport(""))
    content = tree.plain() if tree is not None else None
    if not isinstance(content, dict):
        return list(before) or [file, *symbols_file.possible_places(file, cwd)]
    entries = content.get("strategies")
    models = {
        entry["model_path"]
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict) and isinstance(entry.get("model_path"), str)
    }
    folders = (cwd, file.parent, file.parent.parent)
    named = [folder / model for model in sorted(models) for folder in folders]
    return list(dict.fromkeys([file, *symbols_file.possible_places(file, cwd), *named]))


def stamps_of(files: Iterable[Path]) -> Stamps:
    """How each file is now."""
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def watch_for_good(var_dir: Path) -> None:
    """Watch for the supervisor of a folder, until this process's standard input is closed."""
    setproctitle(VarPaths(var_dir).process_title("config watch"))
    client = ControlClient(var_dir)
    watch: Watch | None = None
    while True:
        with contextlib.suppress(NotRunning, ControlTimeout):
            watch = watch or Watch(client)
            watch.look()
        time.sleep(EVERY)


if __name__ == "__main__":
    lifeline.stop_with_parent()
    watch_for_good(Path(sys.argv[1]))

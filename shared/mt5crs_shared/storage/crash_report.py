"""Black boxes: one JSON file for each death, with all that may explain it."""

import contextlib
import logging
from pathlib import Path

import msgspec

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import Beat
from mt5crs_shared.process.files import replace_file

logger = logging.getLogger(__name__)

KEPT = 200
"""Files kept; older ones are removed."""


class CrashTimes(msgspec.Struct, frozen=True):
    """When what happened, in seconds from the detection; null: not, or not yet.

    Attributes:
        spawned: The spawn that died.
        ready: It was ready.
        last_beat: Its last beat was read.
        killed: The supervisor killed it.
        respawned: Its replacement was asked for.
        replacement_ready: Its replacement was ready.
        replacement_first_tick: Its replacement had processed a tick; a service's: it worked.
    """

    spawned: float | None = None
    ready: float | None = None
    last_beat: float | None = None
    killed: float | None = None
    respawned: float | None = None
    replacement_ready: float | None = None
    replacement_first_tick: float | None = None


class CrashReport(msgspec.Struct, frozen=True):
    """One death.

    Attributes:
        name: Who died.
        time: Wall time of the detection, ISO 8601, UTC.
        cause: exit, signal, hang, boot, permanent, memory, or oom.
        detail: One sentence.
        pid: Its process.
        epoch: Its spawn.
        exit: How the process ended.
        trace: Traceback of the exception it reported; empty: none.
        stacks: Of all its threads, taken before the kill or written by a crash; empty: none.
        unfinished: The tick that was being processed; null: it died between two.
        ticks: The last ticks, oldest first.
        beats: The last heartbeats, oldest first.
        memory: Resident bytes by these beats.
        config_hash: Of all that the process depended on.
        model_hash: BLAKE2b-256 of the model that it ran; empty: none, or it was not loaded yet.
        decision: What the restart policy decided.
        times: When what happened.
    """

    name: str
    time: str
    cause: str
    detail: str
    pid: int
    epoch: int
    exit: str
    trace: str
    stacks: str
    unfinished: Tick | None
    ticks: tuple[Tick, ...]
    beats: tuple[Beat, ...]
    memory: tuple[int, ...]
    config_hash: str
    model_hash: str
    decision: str
    times: CrashTimes


def write_box(folder: Path, report: CrashReport) -> Path | None:
    """Write a black box; written again, the same file is replaced. None: the disk refused."""
    stamp = report.time.replace(":", "").replace("-", "").replace(".", "")
    path = folder / f"{stamp}-{report.name}.json"
    try:
        replace_file(path, msgspec.json.format(msgspec.json.encode(report)))
        _prune(folder)
    except OSError as error:
        logger.error("a black box could not be written: %s", error)
        return None
    return path


def load_reports(folder: Path, name: str | None = None) -> list[CrashReport]:
    """Black boxes, oldest first; files that cannot be read are left out.

    Args:
        folder: ``var/crash``.
        name: Only this child's.
    """
    reports = []
    for path in sorted(folder.glob("*.json")):
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            reports.append(msgspec.json.decode(path.read_bytes(), type=CrashReport))
    return [report for report in reports if name in (None, report.name)]


def oom_kills() -> int:
    """How many processes the kernel has killed for want of memory since it booted; Linux only."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _prune(folder: Path) -> None:
    for path in sorted(folder.glob("*.json"))[:-KEPT]:
        path.unlink(missing_ok=True)

"""The machine: Python, limits of the user, memory, clock."""

import importlib.metadata
import importlib.util
import re
import sys
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import psutil

from mt5crs_supervisor.commands.doctor.finding import Finding, fault, fine, warning
from mt5crs_supervisor.processes import descriptors
from mt5crs_supervisor.processes.descriptors import TooFewFilesError

PACKAGE = "mt5crs-supervisor"

OLDEST = (3, 11)
"""Python's version at least."""

EACH_MB, OWN_MB = 16, 200
"""Memory of a strategy's process, and of everything else, in MB, rounded up."""

THREADS = 4
"""Of a process."""

BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right says an earlier day."""


def look_at_python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    """Its version, and the packages that are needed."""
    shown = ".".join(map(str, version))
    if version < OLDEST:
        yield fault("python", f"version {shown}", f"use {'.'.join(map(str, OLDEST))} or newer")
    else:
        yield fine("python", f"version {shown}, {sys.platform}")
    yield from _packages(importlib.metadata.requires(PACKAGE) or [])


def _packages(required: list[str]) -> Iterator[Finding]:
    for line in required:
        if ";" in line:
            continue  # Of an extra, or of other machines.
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield fault("packages", f"{name} is missing", f"pip install '{line}'")
    # The one whose package has another name on each kind of machine.
    if importlib.util.find_spec("xgboost") is None:
        yield fault("packages", "xgboost is missing", f"pip install {PACKAGE}")


def look_at_limits(children: int, allowed: tuple[float, int] | None = None) -> Iterator[Finding]:
    """Open files, and processes, for so many children.

    Args:
        children: How many.
        allowed: Processes that this user may have, and has; None: asked for.
    """
    try:
        descriptors.check_descriptors(children)
        yield fine("open files", f"enough for {children} processes")
    except TooFewFilesError as error:
        yield fault("open files", str(error), "raise the limit, then start")
    limit, used = allowed or _processes()
    needed = THREADS * children
    if used + needed > limit:
        yield fault(
            "processes",
            f"{children} processes need {needed} threads; this user has {used} and may have"
            f" {limit:g}",
            "raise it: `ulimit -u`, or TasksMax= of a systemd unit",
        )


def _processes() -> tuple[float, int]:
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    limit = float("inf") if soft == resource.RLIM_INFINITY else float(soft)
    me = psutil.Process().uids().real
    threads = 0
    for process in psutil.process_iter(["uids", "num_threads"]):
        uids = process.info["uids"]
        threads += process.info["num_threads"] or 0 if uids and uids.real == me else 0
    return limit, threads


def look_at_memory(children: int, available: int | None = None) -> Iterator[Finding]:
    """Enough for so many children, in bytes."""
    free = psutil.virtual_memory().available if available is None else available
    needed = (OWN_MB + EACH_MB * children) * 1_000_000
    shown = f"{free / 1e9:.1f} GB are free, {children} processes need about {needed / 1e9:.1f}"
    if free < needed:
        yield fault("memory", shown, "run fewer strategies, or take a larger machine")
    else:
        yield fine("memory", shown)


def look_at_clock(
    now: datetime | None = None,
    zone: Callable[[str], object] = zoneinfo.ZoneInfo,
) -> Iterator[Finding]:
    """Its day, and whether time zones are known."""
    today = now or datetime.now(UTC)
    if today < BUILT:
        yield fault("clock", f"it says {today:%Y-%m-%d}", "set it: orders are refused as too old")
    else:
        yield fine("clock", f"{today:%Y-%m-%d %H:%M} UTC")
    try:
        zone("America/New_York")
    except zoneinfo.ZoneInfoNotFoundError:
        yield warning(
            "time zones",
            "this system has no zone data: market hours are an hour off in summer",
            "pip install tzdata",
        )

"""Processes whose supervisor is gone: who they are, and how they are ended without one."""

import contextlib
import signal
import time
from collections.abc import Iterable

from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.processes import registry
from mt5crs_supervisor.processes.handle import AdoptedHandle
from mt5crs_supervisor.processes.identity import is_alive
from mt5crs_supervisor.processes.instance_lock import InstanceLock, holder
from mt5crs_supervisor.processes.registry import Entry

KILLED_WITHIN = 5.0
"""Seconds that the kernel may take to end a process."""

LOOK_EVERY = 0.02
"""Seconds between two looks whether a process has ended."""


def living_orphans(paths: VarPaths) -> dict[str, Entry]:
    """Those that live, by name; only to be asked where no supervisor runs."""
    return registry.living(registry.read_registry(paths.registry, paths.var))


def is_in_use(paths: VarPaths) -> bool:
    """Whether a supervisor runs on a folder, or processes live that one has left there."""
    return holder(paths) is not None or bool(living_orphans(paths))


def described(paths: VarPaths) -> str:
    """For people: who lives, and what can be done about them; empty: nobody does."""
    orphans = living_orphans(paths)
    if not orphans:
        return ""
    listed = ", ".join(f"{name} (pid {entry.pid})" for name, entry in orphans.items())
    count = "1 process lives" if len(orphans) == 1 else f"{len(orphans)} processes live"
    # A desk that takes a demo's processes over would be one on a made-up market.
    taken_over = "" if paths.is_of_demo else "`start` takes them over, "
    return (
        f"{count} on without one: {listed}. When their leases end, in a few seconds, they open no"
        f" position any more; {taken_over}`stop` ends them, and left alone they end by"
        " themselves, half a minute after it"
    )


def end(paths: VarPaths, config: str, within: float) -> dict[str, Entry]:
    """End them in order, strategies first: SIGTERM, and SIGKILL after `within` seconds.

    Args:
        paths: The folder.
        config: The YAML file, for whoever meets this command while it works.
        within: Seconds.

    Returns:
        Who was ended.

    Raises:
        AlreadyRunning: A supervisor has the folder.
    """
    single = InstanceLock(paths, config)
    try:
        found = living_orphans(paths)
        services = {name: entry for name, entry in found.items() if name in plans.ENTRIES}
        strategies = {name: entry for name, entry in found.items() if name not in services}
        for group in (strategies, services):
            _end_group(group.values(), within)
        paths.remove_traces(found)
        return found
    finally:
        single.release()


def _end_group(entries: Iterable[Entry], within: float) -> None:
    with contextlib.ExitStack() as stack:
        handles = []
        for entry in entries:
            with contextlib.suppress(ProcessLookupError):
                handle = AdoptedHandle(entry.pid, entry.born)
                stack.callback(handle.close)
                handles.append(handle)
        for handle in handles:
            handle.kill(signal.SIGTERM)
        _wait_ended(handles, within)
        for handle in handles:
            handle.kill(signal.SIGKILL)
        _wait_ended(handles, KILLED_WITHIN)


def _wait_ended(handles: Iterable[AdoptedHandle], within: float) -> None:
    deadline = time.monotonic() + within
    while any(is_alive(h.pid, h.born) for h in handles) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)

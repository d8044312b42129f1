"""Whether a process is well, from what it said last and what the kernel says of it; pure."""

from collections.abc import Callable

from mt5crs_shared.configuration.structs import LimitsConfig, SupervisorConfig
from mt5crs_supervisor.children.restart_policy import Cause, Verdict
from mt5crs_supervisor.children.spawn import Spawn
from mt5crs_supervisor.processes.handle import Load

STARVED_SHARE = 0.25
"""Share of a core below which a process that wants to run counts as starved."""

STARVING = 3.0
"""How many times longer than others a starved process may be silent."""


def verdict_on(
    spawn: Spawn, load: Callable[[], Load], now: float, settings: SupervisorConfig
) -> Verdict | None:
    """A process at a monotonic time, all its beats read; None: it is well, or may yet be.

    Args:
        spawn: What is known of it.
        load: What it does with the processor just now; asked only where it matters.
        now: Seconds.
        settings: How long is too long.
    """
    if spawn.times.ready is None:
        spawned = spawn.times.spawned if spawn.times.spawned is not None else now
        begun = max(spawned, spawn.judged_from)
        warm_cpu = spawn.handle.warm_cpu if spawn.handle is not None else None
        if warm_cpu is not None and spawn.preloaded is None:
            return of_takeover(now - begun, settings, load, warm_cpu)
        return of_start(begun, now, settings)
    cpu = spawn.beat.usage.cpu if spawn.beat is not None else 0.0
    return of_silence(now - spawn.beat_at, settings, load, cpu)


def of_start(begun: float, now: float, settings: SupervisorConfig) -> Verdict | None:
    """A process that is not ready yet, since `begun`."""
    if now - begun <= settings.start_timeout:
        return None
    return Verdict(Cause.BOOT, f"not ready after {settings.start_timeout:g} s")


def of_takeover(
    silent: float, settings: SupervisorConfig, load: Callable[[], Load], warm_cpu: float
) -> Verdict | None:
    """A process that stood by, and has not said that it has begun; see `of_silence`."""
    if silent <= settings.hang_after or _is_starved(silent, settings, load, warm_cpu):
        return None
    return Verdict(Cause.HANG, f"it stood by, and has not begun after {silent:.1f} s")


def of_silence(
    silent: float, settings: SupervisorConfig, load: Callable[[], Load], cpu_before: float
) -> Verdict | None:
    """A process that has not beaten for `silent` seconds.

    Args:
        silent: Seconds since the last beat.
        settings: How long is too long.
        load: What it does with the processor just now; asked only where it matters.
        cpu_before: Seconds of processor time that it had used by its last beat.
    """
    if silent <= settings.hang_after or _is_starved(silent, settings, load, cpu_before):
        return None
    return Verdict(Cause.HANG, f"no heartbeat for {silent:.1f} s: it hangs, or computes too long")


def of_memory(rss: int, limits: LimitsConfig) -> Verdict | None:
    """A process with so many resident bytes, against its hard limit."""
    if rss <= limits.memory_hard_bytes:
        return None
    limit = limits.memory_hard_bytes / 1e6
    return Verdict(Cause.MEMORY, f"{_used(rss)}; the hard limit is {limit:.0f} MB")


def too_large(rss: int, limits: LimitsConfig) -> str:
    """What is said of a process over its soft limit, which is replaced in good order."""
    if rss <= limits.memory_bytes:
        return ""
    return f"{_used(rss)}; the limit is {limits.memory_bytes / 1e6:.0f} MB"


def _used(rss: int) -> str:
    return f"{rss / 1e6:.0f} MB of memory"


def _is_starved(
    silent: float, settings: SupervisorConfig, load: Callable[[], Load], cpu_before: float
) -> bool:
    """It would run, but the machine does not let it: killing it would only add to the load.

    An endless loop takes what it can get; a process that is stopped or waits for something
    is not runnable. What is left gets more time, but not for ever.
    """
    if silent > STARVING * settings.hang_after:
        return False
    found = load()
    return found.runnable and found.cpu - cpu_before < STARVED_SHARE * silent

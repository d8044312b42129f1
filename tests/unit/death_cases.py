"""A death, and ticks before it."""

from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.storage.crash_report import CrashReport, CrashTimes


def tick(n: int) -> Tick:
    """The n-th."""
    return Tick("EURUSD", n, 1.0 + n / 1e5, 1.1)


def report(name: str, time: str) -> CrashReport:
    """Of a child that was killed between two ticks."""
    return CrashReport(
        name=name,
        time=time,
        cause="signal",
        detail="killed by SIGKILL",
        pid=1,
        epoch=1001,
        exit="killed by SIGKILL",
        trace="",
        stacks="",
        unfinished=None,
        ticks=(tick(1),),
        beats=(),
        memory=(),
        config_hash="",
        model_hash="",
        decision="respawn after 0.00 s: first death: at once",
        times=CrashTimes(spawned=-5.0),
    )

"""When a child that died comes back: pure decisions from what happened and when."""

import enum
from collections import deque
from random import Random

import msgspec

from mt5crs_shared.configuration.structs import RestartConfig


class Cause(enum.StrEnum):
    """How a child came to its end."""

    EXIT = "exit"
    SIGNAL = "signal"
    HANG = "hang"
    BOOT = "boot"
    PERMANENT = "permanent"
    MEMORY = "memory"
    OOM = "oom"
    MACHINE = "machine"


class Verdict(msgspec.Struct, frozen=True):
    """Why a process has to go.

    Attributes:
        cause: What its death is put down to.
        why: For people.
    """

    cause: Cause
    why: str


MACHINE_BACKOFF_MAX = 5.0
"""Longest wait, in seconds, for a machine that has no space, no descriptors or no process left.

Short, since a try costs little: it is over soon after the trouble is.
"""


class RestartDecision(msgspec.Struct, frozen=True):
    """What to do with a child that died.

    Attributes:
        delay: Seconds until its respawn; None: quarantine.
        reason: For people.
        news: It is worth a word to the trader; not each one of many vain tries is.
    """

    delay: float | None
    reason: str
    news: bool = True


class RestartPolicy:
    """One child's restart budget and backoff.

    The first respawn comes after `first_delay`; each further death doubles the wait, up to
    `backoff_max`. `healthy_after` seconds of life after READY clear the record. The child is put
    into quarantine by `max_deaths` deaths within `window` seconds, by `max_boot_failures`
    failures in a row before READY, and at once by a failure that a restart cannot mend. What the
    machine is to blame for spends no budget; it is tried again, ever later, until it has passed.

    Args:
        config: Delays and budgets.
        random: Source of the jitter.
    """

    def __init__(self, config: RestartConfig, random: Random) -> None:
        self._config = config
        self._random = random
        self._deaths: deque[float] = deque()
        self._row = 0
        self._boot_failures = 0
        self._machine_row = 0

    def on_death(self, cause: Cause, healthy_for: float | None, now: float) -> RestartDecision:
        """Decide on a child that died.

        Args:
            cause: How it ended.
            healthy_for: Seconds it had lived after READY; None: it never became READY.
            now: Monotonic time, seconds.
        """
        if cause is Cause.PERMANENT:
            return RestartDecision(None, "a restart cannot help before it is mended")
        if healthy_for is not None and healthy_for >= self._config.healthy_after:
            self.forget()
        if cause is Cause.MACHINE:
            return self._wait_for_machine()
        self._machine_row = 0
        self._deaths.append(now)
        while self._deaths and now - self._deaths[0] > self._config.window:
            self._deaths.popleft()
        self._boot_failures = self._boot_failures + 1 if healthy_for is None else 0
        if self._boot_failures >= self._config.max_boot_failures:
            return RestartDecision(
                None, f"{self._boot_failures} failures in a row before it was ready"
            )
        if len(self._deaths) >= self._config.max_deaths:
            window = f"{self._config.window:g} s"
            return RestartDecision(None, f"{len(self._deaths)} deaths within {window}")
        return self._respawn()

    def retry_at(self, now: float, cause: Cause) -> float | None:
        """When a quarantined child is tried again by itself; None: never."""
        if self._config.retry_after is None or cause is Cause.PERMANENT:
            return None
        return now + self._config.retry_after

    def forgive_last(self) -> None:
        """Take the last death back: it was not this child's fault, but the host's or the feed's."""
        if self._deaths:
            self._deaths.pop()
        self._row = max(self._row - 1, 0)
        self._boot_failures = max(self._boot_failures - 1, 0)

    def forget(self) -> None:
        """Begin with a clean record."""
        self._deaths.clear()
        self._row = 0
        self._boot_failures = 0
        self._machine_row = 0

    def _respawn(self) -> RestartDecision:
        self._row += 1
        wait = self._backoff(self._row, self._config.backoff_max)
        reason = "first death: at once" if self._row == 1 else f"death {self._row} in a row"
        return RestartDecision(wait, reason)

    def _wait_for_machine(self) -> RestartDecision:
        self._machine_row = row = self._machine_row + 1
        wait = self._backoff(row, min(self._config.backoff_max, MACHINE_BACKOFF_MAX))
        # The first, the second, the fourth ... try: a disk may be full all night.
        return RestartDecision(
            wait, f"try {row}: the machine is to blame", news=row & (row - 1) == 0
        )

    def _backoff(self, row: int, longest: float) -> float:
        if row == 1:
            return self._config.first_delay
        wait = min(self._config.backoff * 2.0 ** min(row - 2, 30), longest)
        return wait * (1.0 + self._config.jitter * self._random.random())

"""How long processes were ready to run, and had no core: what the machine is to blame for."""

import contextlib
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Collection
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Self

EVERY = 0.02
"""Seconds between two samples."""


class CoreWaits:
    """Samples in a thread what the kernel's scheduler says of the threads of some processes.

    Args:
        pids: The processes. One that has ended counts as one that has waited for nothing, and so
            does everyone where there is no `/proc`.
    """

    def __init__(self, pids: Collection[int]) -> None:
        self._samples: list[tuple[int, dict[int, int]]] = []
        self._pids = pids
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._sample()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def between(self, begin_us: int, end_us: int, *pids: int) -> int:
        """Microseconds that these processes have waited for a core in a span of time.

        Args:
            begin_us: Microseconds since the epoch.
            end_us: Likewise. A wait counts at the moment in which it ends.
            pids: Some of the processes.
        """
        samples, moment = self._samples, itemgetter(0)
        _, first = samples[max(bisect_right(samples, begin_us, key=moment) - 1, 0)]
        _, last = samples[min(bisect_left(samples, end_us, key=moment), len(samples) - 1)]
        return sum(max(last[pid] - first[pid], 0) for pid in pids)

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            self._sample()

    def _sample(self) -> None:
        at_us = time.time_ns() // 1000
        self._samples.append((at_us, {pid: waited_us(pid) for pid in self._pids}))


def waited_us(pid: int) -> int:
    """Microseconds that the living threads of a process have waited for a core so far."""
    waited_ns = 0
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
    except OSError:  # it has ended, also in this very moment
        return 0
    for thread in threads:
        with contextlib.suppress(OSError):  # that thread has ended
            waited_ns += int((thread / "schedstat").read_text().split()[1])
    return waited_ns // 1000

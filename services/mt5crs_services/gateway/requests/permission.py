"""Whether a process may do what it asks: an epoch that can be, and a lease of the supervisor."""

import time
from collections.abc import Callable

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import Submit
from mt5crs_shared.process.installation import Installation

STEP = 100_000_000
"""How far an epoch may lie above those known: 100,000 starts of the supervisor, or a day of
them. More than that would fence a strategy off from its own supervisor's next numbers."""


class EpochError(Mt5crsError):
    """An epoch that no supervisor can have reached. The message is counted and left."""


def check_epoch(epoch: int, newest: int) -> None:
    """Refuse an epoch too far above the newest one that can be.

    Raises:
        EpochError: It is.
    """
    if epoch > newest + STEP:
        raise EpochError(f"epoch {epoch} is too far above {newest}, the newest there can be")


class Leases:
    """Looks at the leases that orders bring along.

    Args:
        installation: Whose supervisor grants them.
        monotonic: The monotonic clock, seconds; all processes of a machine have the same.
    """

    def __init__(
        self, installation: Installation, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._installation = installation
        self._monotonic = monotonic

    def fault(self, request: Submit) -> str:
        """Why an order may not open a position, for people; empty: it may."""
        order, lease = request.order, request.lease
        if lease is None:
            return "it came without a lease of the supervisor"
        if lease.epoch != order.epoch:
            return f"its lease is that of epoch {lease.epoch}, and it comes from {order.epoch}"
        granted = self._installation.lease(order.strategy, lease.epoch, lease.until)
        if not self._installation.same(granted.proof, lease.proof):
            return "its lease is none that the supervisor of this installation granted"
        late = self._monotonic() - lease.until
        return f"its lease ended {late:.1f} s ago" if late >= 0.0 else ""

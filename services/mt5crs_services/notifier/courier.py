"""One destination: what waits for it becomes messages, and these are sent, one at a time."""

import logging
from collections.abc import Callable
from concurrent.futures import Future

from mt5crs_services.notifier import composing, policy
from mt5crs_services.notifier.composing import Composed
from mt5crs_services.notifier.delivery import DeliveryError
from mt5crs_services.notifier.outbox import Outbox, Unsent

logger = logging.getLogger(__name__)

Sending = Callable[[Composed, bool], "Future[None]"]
"""Begins to send a message, urgent or not."""


class Courier:
    """Makes messages for one destination, and sees that they arrive.

    Args:
        name: The destination.
        installation: See `composing.compose`.
        outbox: What waits, and what was sent.
        send: Sends it, beside the process's loop.

    Attributes:
        trouble: Why its messages wait; empty: they do not.
    """

    def __init__(self, name: str, installation: str, outbox: Outbox, send: Sending) -> None:
        self.trouble = ""
        self._name = name
        self._installation = installation
        self._outbox = outbox
        self._send = send
        self._flying: tuple[Unsent, Future[None]] | None = None
        self._gathering_since: float | None = None
        self._retry_at = 0.0

    @property
    def is_sending(self) -> bool:
        """A message is on its way."""
        return self._flying is not None

    def on_turn(self, now: float, quiet: bool, farewell: bool = False) -> None:
        """Go on, as far as can be.

        Args:
            now: Monotonic time, seconds.
            quiet: Only what is urgent is told.
            farewell: This process is about to end: nothing is gathered, nor tried twice.
        """
        if self._flying is not None:
            self._look_after(*self._flying, now)
        if self._flying is not None or (farewell and self.trouble):
            return
        message = self._outbox.unsent(self._name)
        if message is None:
            self._make_message(now, quiet, farewell)
            message = self._outbox.unsent(self._name)
        if message is not None and (now >= self._retry_at or farewell):
            self._begin(message)

    def _make_message(self, now: float, quiet: bool, farewell: bool) -> None:
        """Make one of what waits, if it has waited long enough."""
        waiting = [w for w in self._outbox.waiting(self._name) if w.urgent or not quiet]
        if not waiting:
            self._gathering_since = None
            return
        if self._gathering_since is None:
            self._gathering_since = now
        urgent = any(line.urgent for line in waiting)
        recent = self._outbox.recent(self._name)
        wait = 0.0 if farewell else policy.wait_before_message(recent, urgent)
        if now - self._gathering_since < wait:
            return
        composed = composing.compose([w.line for w in waiting], self._installation)
        self._outbox.make(self._name, composed, urgent, [w.id for w in waiting])
        self._gathering_since = None

    def _begin(self, unsent: Unsent) -> None:
        self._outbox.begin(unsent.id)
        message = unsent.message
        if unsent.begun:
            again = f"(message {unsent.id}, perhaps for the second time)"
            message = Composed(message.title, f"{message.body}\n{again}")
        self._flying = unsent, self._send(message, unsent.urgent)

    def _look_after(self, unsent: Unsent, sending: "Future[None]", now: float) -> None:
        """See what became of a message."""
        if not sending.done():
            return
        self._flying = None
        error = sending.exception()
        if error is None:
            self._outbox.end(unsent.id)
            self.trouble = ""
            return
        why = str(error) if isinstance(error, DeliveryError) else repr(error)
        self._outbox.end(unsent.id, why)
        wait = policy.wait_before_retry(unsent.attempts + 1)
        self._retry_at = now + wait
        logger.warning("message %d to %s, next try in %.0f s: %s", unsent.id, self._name, wait, why)
        self.trouble = f"{self._name} cannot be told: {why}"

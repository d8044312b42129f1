"""The order in which children are started and stopped."""

from collections.abc import Sequence

from mt5crs_shared.control.states import State
from mt5crs_supervisor.children.child import Child

FEED_PATIENCE = 5.0
"""Seconds that a feed of our own waits for strategies that take long to boot."""

UNAWAITED = ("notifier", "metrics", "page")
"""Kinds of children that only look on: a feed does not wait for them."""

_BOOTING = frozenset({State.STARTING, State.RECOVERING})


class StartStopOrder:
    """Services and strategies first, then a feed of our own; strategies go before the services.

    Args:
        strategies: The strategies.
        services: Gateway, tape, and a feed where there is one.
        begun: Monotonic time of the start, seconds.
    """

    def __init__(
        self, strategies: Sequence[Child], services: Sequence[Child], begun: float
    ) -> None:
        self._strategies = strategies
        self._services = services
        self._feed = next((c for c in services if c.plan.kind == "feed"), None)
        self._begun = begun

    @property
    def all_down(self) -> bool:
        """Nobody has a process, and nobody wants one."""
        children = [*self._services, *self._strategies]
        return all(child.state is State.STOPPED for child in children)

    @property
    def is_up(self) -> bool:
        """A strategy runs, or nobody boots any more."""
        states = {child.state for child in self._strategies}
        return State.RUNNING in states or not states & _BOOTING

    def start(self, now: float) -> None:
        """Start everybody but the feed."""
        for child in (*self._services, *self._strategies):
            if child is not self._feed:
                child.start(now)

    def start_feed(self, now: float) -> None:
        """The feed begins when strategies are there to take its first tick."""
        feed = self._feed
        if feed is None or feed.spawn.epoch or feed.state is not State.STOPPED:
            return
        everybody = (*self._services, *self._strategies)
        awaited = (c for c in everybody if c is not feed and c.plan.kind not in UNAWAITED)
        waiting = any(child.state in _BOOTING for child in awaited)
        if not waiting or now - self._begun > FEED_PATIENCE:
            feed.start(now)

    def stop(self, now: float) -> None:
        """Strategies first, so that none loses the gateway under its hands; then the services."""
        for group in (self._strategies, self._services):
            for child in group:
                child.stop(now)
            if any(child.state is not State.STOPPED for child in group):
                return

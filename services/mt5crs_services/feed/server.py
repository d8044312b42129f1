"""A feed of our own as a child of the supervisor."""

import zmq

from mt5crs_services.feed.publisher import FeedError, Publisher, identity, make_source
from mt5crs_services.feed.sources import FeedPosition
from mt5crs_services.service import BacklogServer
from mt5crs_shared.configuration.structs import FeedConfig, decode_config
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport

FLUSH = 2.0
"""Seconds that queued ticks get to leave at the end."""


class Feed:
    """Publishes until asked to stop.

    Args:
        spec: What this process was told.
        preloaded: Its modules were there before it was forked.
    """

    def __init__(self, spec: ChildSpec, preloaded: bool) -> None:
        self._config = decode_config(spec.payload)
        self._paths = VarPaths.of(spec)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        settings = self._config.globals.supervisor
        self._child = ChildProcess(spec, settings, self._context, preloaded)
        self._begun = False

    def run(self) -> None:
        """Publish; say why where that is impossible."""
        try:
            self._publisher = self._make_publisher()
            self._server = BacklogServer(self._context, self._paths, "feed", self._publisher.rings)
            self._child.poller.register(self._publisher.socket, zmq.POLLIN)
            self._child.poller.register(self._server.socket, zmq.POLLIN)
            self._child.ready()
            self._loop()
        except FeedError as error:
            self._child.failed(str(error), permanent=False, error=error)
            raise
        finally:
            self._child.close()

    def _make_publisher(self) -> Publisher:
        config, globals_ = self._feed_config(), self._config.globals
        # With those that only convert a profit: nobody else quotes them.
        symbols = self._config.symbols
        position = FeedPosition(self._paths.state / "feed.position", identity(config, symbols))
        source = make_source(config, symbols, self._paths)
        return Publisher(self._context, globals_.zmq_market_url, config, source, position)

    def _feed_config(self) -> FeedConfig:
        feed = self._config.globals.feed
        if feed is None:
            raise FeedError("the configuration has no global.feed")
        return feed

    def _loop(self) -> None:
        wait = 0.0
        while not self._child.stopping:
            self._child.poll(min(wait, self._server.timeout()))
            self._publisher.read_subscriptions()
            self._server.serve(simulated=True)
            self._begun = self._begun or self._publisher.may_begin(self._server.asked > 0)
            wait = self._publisher.publish_due() if self._begun else 0.02
            self._child.service(self._report)
        self._server.close()
        self._publisher.close(FLUSH)

    def _report(self) -> ChildReport:
        if not self._begun:
            trouble = "waiting for a subscriber"
        elif self._publisher.over:
            trouble = "the replay is over; start again with another --var-dir to repeat it"
        else:
            trouble = ""
        return ChildReport(phase="running", degraded=trouble, progress=self._publisher.published)


def run_feed(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of the feed's process."""
    Feed(spec, preloaded).run()

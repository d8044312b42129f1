"""A feed of our own on the command line: publishes in the foreground, and shows how far it is."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import zmq
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from mt5crs_services.feed.publisher import FeedError, Publisher, make_source
from mt5crs_services.feed.sources import FeedPosition
from mt5crs_services.service import BacklogServer
from mt5crs_shared.configuration.structs import FeedConfig
from mt5crs_shared.market import wire
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.process.paths import VarPaths

FLUSH = 60.0
"""Seconds that queued ticks get to leave at the end."""

SILENCE = 0.5
"""Seconds without a question after which nobody waits for an answer."""

SHOW_EVERY = 0.2
"""Seconds between two looks at the progress bar."""


def run_feed_command(
    config: FeedConfig, symbols: dict[str, SymbolSpec], url: str, var_dir: Path, progress: bool
) -> None:
    """Publish until the source ends or Ctrl-C.

    Args:
        config: What to publish.
        symbols: What a synthetic feed quotes.
        url: Where subscribers connect; bound here.
        var_dir: The installation whose tape may ask for history and for lost ticks.
        progress: Show a progress bar on stderr.

    Raises:
        FeedError: It cannot be published, or a file cannot be read on.
    """
    source = make_source(config, symbols, None)
    total = source.total()
    paths = VarPaths(var_dir)
    paths.create()
    with zmq.Context() as context:
        publisher = Publisher(context, url, config, source, FeedPosition(None, ""))
        server = BacklogServer(context, paths, "feed", publisher.rings)
        try:
            with _shown(total, progress) as bar:
                _publish(publisher, server, bar)
        except KeyboardInterrupt:
            publisher.close(0.0)
        except FeedError:
            # What came before the row that cannot be read is for everybody.
            _answer_the_rest(publisher, server)
            raise
        finally:
            server.close()
            publisher.close(FLUSH)
            said = f"published {publisher.published:,} ticks on {url}"
            Console(stderr=True).print(said, highlight=False)


def _publish(publisher: Publisher, server: BacklogServer, bar: Progress) -> None:
    poller = zmq.Poller()
    poller.register(publisher.socket, zmq.POLLIN)
    poller.register(server.socket, zmq.POLLIN)
    wait, begun, shown, told = 0.0, False, 0.0, False
    opened = time.monotonic()
    while not publisher.over:
        poller.poll(round(min(wait, server.timeout(), SHOW_EVERY) * 1000))
        publisher.read_subscriptions()
        server.serve(simulated=True)
        begun = begun or publisher.may_begin(server.asked > 0)
        wait = publisher.publish_due() if begun else 0.02
        if not begun and not told and time.monotonic() - opened > SILENCE:
            told = True
            bar.console.print("waiting for a subscriber: start the strategies", highlight=False)
        if time.monotonic() - shown > SHOW_EVERY:
            shown = time.monotonic()
            _show(bar, publisher, begun)
    _show(bar, publisher, begun)
    _answer_the_rest(publisher, server)


def _answer_the_rest(publisher: Publisher, server: BacklogServer) -> None:
    """Stay until a tape that still aligns itself with the stream has asked its last question.

    It takes nothing from a publisher that goes away before; afterwards it asks no more.
    """
    begun = since = time.monotonic()
    while time.monotonic() - since < SILENCE and time.monotonic() - begun < FLUSH:
        before = server.answered
        server.socket.poll(round(min(server.timeout(), SILENCE / 10.0) * 1000))
        publisher.read_subscriptions()
        server.serve(simulated=True)
        if server.answered > before:
            since = time.monotonic()


def _show(bar: Progress, publisher: Publisher, begun: bool) -> None:
    clock = wire.format_iso(publisher.newest_us)[:19] if publisher.newest_us else "end"
    what = clock if begun else "waiting for a subscriber"
    for task in bar.tasks:
        bar.update(task.id, completed=publisher.published, description=what, rate=task.speed or 0.0)


@contextlib.contextmanager
def _shown(total: int | None, progress: bool) -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:,.0f} ticks/s"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), disable=not progress)
    bar.add_task("", total=total, rate=0.0)
    with bar:
        yield bar

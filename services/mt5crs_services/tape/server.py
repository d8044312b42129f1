"""The tape: the last ticks of every configured symbol, for readers that were away."""

import logging
import os
import time

import zmq

from mt5crs_services.ring import TickRing
from mt5crs_services.service import BacklogServer
from mt5crs_services.tape.tape_file import TapeFileError, TapeFiles, TapeRecord
from mt5crs_shared.configuration.structs import Config, decode_config
from mt5crs_shared.market.market_socket import new_context
from mt5crs_shared.market.rates import RateBook
from mt5crs_shared.market.stream import TAPE_PRESENCE, Batch, TickStream
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport

logger = logging.getLogger(__name__)

WAIT_FOR_WORD = 5.0
"""Seconds that live ticks wait for a source to say what came while the tape was away.

On a busy machine half a second was not enough for a source that knew; the hole that the tape then
kept cost a strategy that died in the same moment its last ticks. Nobody else waits meanwhile. A
feed of ours always knows, and is waited for as readers wait for it: there five seconds were not
enough, where everything stood still for four of them.
"""

ANSWER_ANYWAY = 1.0
"""Seconds after which readers are answered although the tape's own gap is not closed."""


class Tape:
    """Records the market and answers readers.

    On its return from a crash it reads its files and asks our own feed and the gateway for what
    came in between, so that readers find no hole.

    Args:
        spec: What this process was told.
        preloaded: Its modules were there before it was forked.
    """

    def __init__(self, spec: ChildSpec, preloaded: bool) -> None:
        config = decode_config(spec.payload)
        settings = config.globals
        paths = VarPaths.of(spec)
        self._context = new_context()
        self._child = ChildProcess(spec, settings.supervisor, self._context, preloaded)
        self._files = TapeFiles(paths.tape, sorted(config.symbols), settings.tape.file_ticks)
        self._rings = self._load(config, settings.tape.ticks_per_symbol)
        sources = [paths.endpoint("gateway-backlog"), paths.endpoint("feed")]
        marks = {symbol: ring.mark() for symbol, ring in self._rings.items()}
        self._stream = TickStream(
            self._context,
            settings.zmq_market_url,
            marks,
            sources,
            give_up=None if settings.feed is not None else WAIT_FOR_WORD,
            presence=TAPE_PRESENCE,
            authority=True,
            # What is recorded of a cross pair is told with all that was published before it.
            needs=RateBook(settings.account_currency, config.symbols).needs,
            own_feed=settings.feed is not None,
            zone=settings.market.zone,
            keys=settings.market_keys,
        )
        self._server = BacklogServer(self._context, paths, "tape", self._rings)
        self._stream.register(self._child.poller)
        self._child.poller.register(self._server.socket, zmq.POLLIN)
        self._recorded = 0
        self._trouble = ""
        self._told_whole = False
        self._answer_from = time.monotonic() + ANSWER_ANYWAY

    def run(self) -> None:
        """Record and answer until asked to stop."""
        self._child.ready()
        while not self._child.stopping:
            events = self._child.poll(min(self._stream.timeout(), self._server.timeout()))
            for batch in self._stream.read(events):
                self._record(batch)
            self._flush()
            self._server.serve(
                self._whole(), live=self._stream.joined, simulated=self._stream.simulated
            )
            if self._stream.caught_up != self._told_whole:
                self._told_whole = self._stream.caught_up
                self._child.beat_soon()
            self._child.service(self._report)
        self._close()

    def _load(self, config: Config, keep: int) -> dict[str, TickRing]:
        # Readers' numbers are good for one run of the tape; the next run finds them by content.
        generation = int.from_bytes(os.urandom(6), "big")
        rings = {symbol: TickRing(symbol, keep, generation) for symbol in config.symbols}
        for recorded in self._files.load():
            if recorded.tick.symbol in rings:
                rings[recorded.tick.symbol].append(*recorded)
        return rings

    def _record(self, batch: Batch) -> None:
        broken = {found.index for found in batch.breaks}
        for number, tick in enumerate(batch.ticks):
            recorded = TapeRecord(tick, number < batch.history, number in broken)
            self._rings[tick.symbol].append(*recorded)
            self._files.append(recorded)
        self._recorded += len(batch.ticks)

    def _flush(self) -> None:
        try:
            self._files.flush()
            self._trouble = ""
        except TapeFileError as error:
            if not self._trouble:
                logger.exception("the tape goes on in memory only")
            self._trouble = f"tape file: {error}"

    def _whole(self) -> bool:
        """Readers are answered once the tape's own gap is closed, or cannot be."""
        return self._stream.caught_up or time.monotonic() >= self._answer_from

    def _report(self) -> ChildReport:
        return ChildReport(
            phase="running" if self._whole() else "recovering",
            degraded=self._trouble,
            progress=self._recorded,
        )

    def _close(self) -> None:
        self._server.close()
        self._stream.close()
        try:
            self._files.close()
        except TapeFileError:
            logger.exception("the last ticks could not be written")
        self._child.close()
        self._context.term()


def run_tape(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of the tape's process."""
    Tape(spec, preloaded).run()

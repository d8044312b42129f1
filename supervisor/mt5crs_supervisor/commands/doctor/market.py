"""The market: who publishes, which symbols, in which frames, at what time."""

import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

import msgspec
import zmq

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.market import rates, wire
from mt5crs_shared.market.market_socket import SIMULATED
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.sockets.connection import Connection
from mt5crs_shared.sockets.curve import KeyFileError, read_keys
from mt5crs_shared.sockets.opening import MEDIUM, open_socket
from mt5crs_shared.wording import shown
from mt5crs_supervisor.commands.doctor.finding import Finding, fault, fine, warning

LATE = 5.0
"""Seconds that a publisher's clock may be away from this one's."""

HOUR = 3600.0
QUARTER = 900.0
"""Time zones differ by quarters of an hour."""

ROUND = 60.0
"""Seconds that a difference may be away from one of zones, to be taken for one."""


class Heard(msgspec.Struct):
    """What was heard while listening.

    Attributes:
        ticks: Frames that are ticks, by symbol.
        refused: Frames that are none, by what is wrong with them.
        frame: One of those that are ticks, and one that is none, as text.
        leads: Seconds that ticks were ahead of this clock.
        simulated: It is a feed of ours, which says so; its clock is its own.
        refusal: Why the handshake failed; empty: it did not.
    """

    ticks: Counter[str]
    refused: Counter[str]
    frame: dict[str, str]
    leads: list[float]
    simulated: bool = False
    refusal: str = ""


def look_at_market(config: Config, seconds: float, running: bool) -> Iterator[Finding]:
    """Who publishes where the strategies listen.

    Args:
        config: The configuration.
        seconds: How long to listen.
        running: A supervisor runs on it.
    """
    url = config.globals.zmq_market_url
    if config.globals.feed is not None:
        yield from _own_feed(url, running)
        if not running:
            return
    elif not _reachable(url):
        yield fault(
            "market",
            f"nobody listens on {url}",
            "start the publisher (the bridge on MetaTrader), or set global.zmq_market_url",
        )
        return
    try:
        heard = listen(config, seconds)
    except KeyFileError as error:
        yield fault("market", str(error), "see global.secret_key and global.market.server_key")
        return
    yield from judged(config, heard, seconds)


def listen(config: Config, seconds: float) -> Heard:
    """Everything that is published for a while."""
    heard = Heard(Counter(), Counter(), {}, [])
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    settings = config.globals
    try:
        market = open_socket(context, zmq.SUB, MEDIUM)
        market.setsockopt(zmq.SUBSCRIBE, b"")
        connection = Connection(market, settings.zmq_market_url, read_keys(settings.market_keys))
        poller = zmq.Poller()
        for each in (market, connection.monitor):
            poller.register(each, zmq.POLLIN)
        until = time.monotonic() + seconds
        while (left := min(until - time.monotonic(), connection.next_due())) >= 0.0:
            if market in dict(poller.poll(round(left * 1000))):
                _take(heard, market.recv_multipart(), config)
            for _ in connection.changes():
                pass  # It is the last refusal that counts.
            connection.mend()
        heard.refusal = connection.refusal
        connection.close()
    finally:
        context.destroy(linger=0)
    return heard


def judged(config: Config, heard: Heard, seconds: float) -> Iterator[Finding]:
    """What was heard, against what the configuration needs."""
    url = config.globals.zmq_market_url
    if heard.refusal and not heard.ticks:
        yield fault("market", f"{url}: {heard.refusal}", "docs/windows.md: which key goes where")
        return
    if not heard.ticks:
        yield from _no_tick(heard, url, seconds)
        return
    counted = ", ".join(f"{symbol} {count}" for symbol, count in heard.ticks.most_common(8))
    yield fine("market", f"{url}, in {seconds:g} s: {counted}; e.g. {heard.frame['tick']}")
    traded = [strategy.symbol for strategy in config.enabled]
    for symbol in rates.needed(traded, config.globals.account_currency, config.symbols):
        if symbol in heard.ticks:
            continue
        near = _spelt_otherwise(symbol, heard.ticks)
        hint = "ask for it in the terminal's market watch"
        if near:
            hint = f"did you mean {near}? It is symbol: in the YAML, and its entry in symbols.yaml"
        yield warning("market", f"{symbol} was not heard in {seconds:g} s", hint)
    if heard.refused:
        yield warning(
            "frames",
            f"{sum(heard.refused.values())} frames were no ticks ({_reasons(heard)}); e.g."
            f" {heard.frame['refused']}",
            "see docs/wire.md for the shapes that are read",
        )
    if heard.simulated:
        yield fine("times", "a feed of ours: it has a clock of its own")
    else:
        yield from _times(heard)


def _spelt_otherwise(symbol: str, heard: Iterable[str]) -> str:
    """The same instrument with a broker's prefix or suffix, or without; empty: there is none."""
    own = symbol.lower()
    return min((s for s in heard if own in s.lower() or s.lower() in own), key=len, default="")


def _no_tick(heard: Heard, url: str, seconds: float) -> Iterator[Finding]:
    if heard.refused:
        yield fault(
            "market",
            f"{url} publishes frames, and none is a tick ({_reasons(heard)}); e.g."
            f" {heard.frame['refused']}",
            "see docs/wire.md for the shapes that are read",
        )
        return
    yield warning(
        "market",
        f"somebody listens on {url}, and published nothing in {seconds:g} s",
        "outside of market hours that is right; otherwise look at the publisher",
    )


def _times(heard: Heard) -> Iterator[Finding]:
    """Whether the publisher's clock, or its zone, is another one."""
    if not heard.leads:
        yield warning(
            "times", "frames carry no time: that of their receipt is taken", "see docs/wire.md"
        )
        return
    lead = sorted(heard.leads)[len(heard.leads) // 2]
    if abs(lead) <= LATE:
        yield fine("times", f"ticks are stamped {abs(lead):.1f} s {'ahead' if lead > 0 else 'ago'}")
        return
    whole = round(lead / QUARTER) * QUARTER
    if whole and abs(lead - whole) <= ROUND:
        yield fault(
            "times",
            f"ticks are stamped {whole / HOUR:+g} h from this clock: the publisher's local time",
            "set global.market.time_zone, e.g. Europe/Athens",
        )
    else:
        yield fault(
            "times",
            f"ticks are stamped {lead:+.0f} s from this clock",
            "set both clocks (NTP); a recorded market wants `feed replay`",
        )


def _own_feed(url: str, running: bool) -> Iterator[Finding]:
    if running:
        yield fine("market", f"a feed of ours publishes on {url}")
    elif _reachable(url):
        yield fault(
            "market",
            f"somebody listens on {url} already, where the feed of global.feed would",
            "stop that, or choose another global.zmq_market_url",
        )
    else:
        yield fine("market", f"a feed of ours will publish on {url}")


def _take(heard: Heard, frames: list[bytes], config: Config) -> None:
    heard.simulated = heard.simulated or frames[0] == SIMULATED
    now_us = time.time_ns() // 1000
    tick = wire.decode(frames, now_us, config.globals.market.zone)
    if isinstance(tick, Tick):
        heard.ticks[tick.symbol] += 1
        heard.frame.setdefault("tick", _shown(frames))
        if tick.timed:
            heard.leads.append((tick.time_us - now_us) / 1e6)
    elif not frames[0].startswith(b"\0"):
        heard.refused[tick.detail or tick.reason] += 1
        heard.frame.setdefault("refused", _shown(frames))


def _shown(frames: list[bytes]) -> str:
    return " | ".join(shown(frame) for frame in frames[:3])


def _reasons(heard: Heard) -> str:
    return "; ".join(reason for reason, _ in heard.refused.most_common(3))


def _reachable(url: str) -> bool:
    """Whether somebody accepts connections there; of an ipc address: whether its file is there."""
    parts = urlsplit(url)
    if parts.scheme != "tcp" or parts.port is None:
        return True
    try:
        with socket.create_connection((parts.hostname or "localhost", parts.port), 2.0):
            return True
    except OSError:
        return False

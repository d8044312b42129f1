"""Messages that their receivers understand, for every socket: what mutations begin with."""

import time
from collections.abc import Callable, Mapping

import msgspec

from mt5crs_shared.market import wire
from mt5crs_shared.market.backlog import BacklogRequest, TickMark
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.messages import (
    Beat,
    Failed,
    Fence,
    FirstTick,
    Hello,
    QueryOrder,
    Ready,
    Register,
    Submit,
    Touched,
)
from mt5crs_shared.metrics import StrategyMetrics
from mt5crs_shared.trading.orders import Order

PRICES = {"EURUSD": 1.1, "EURJPY": 165.0, "USDJPY": 150.0}


def tick(symbol: str) -> Tick:
    """A believable quote of this moment."""
    bid = PRICES[symbol] * (1.0 + 1e-5 * (time.time_ns() // 10**7 % 9))
    return Tick(symbol, time.time_ns() // 1000, bid, bid * 1.0001)


def market() -> list[bytes]:
    """A frame of each shape that has one; those of two have their body alone."""
    found = []
    for symbol in PRICES:
        quote = tick(symbol)
        now, bid, ask = time.time(), quote.bid, quote.ask
        fields = {"symbol": symbol, "bid": bid, "ask": ask}
        stamped = _json({**fields, "timestamp": quote.time_us / 1e6, "volume": 1.0})
        stringed = {**fields, "bid": f"{bid:.5f}", "ask": f"{ask:.5f}", "volume": None}
        mql = time.strftime("%Y.%m.%d %H:%M:%S", time.localtime(now))
        package = {"bid": bid, "ask": ask, "time": int(now), "time_msc": int(now * 1e3)}
        found += [
            wire.encode(quote),
            stamped.encode(),
            _json({"type": "TICK", **fields, "time": quote.time_us // 1000}).encode(),
            _json({"token": "t", **fields, "timestamp": wire.format_iso(quote.time_us)}).encode(),
            f"{symbol} {stamped}".encode(),
            f"{symbol} {_json(package)}".encode(),
            f"tick.{symbol} {stamped}".encode(),
            f"TICK:{symbol} {stamped}".encode(),
            f"{symbol}|{_json(fields)}".encode(),
            f"TICK|{symbol}|{_json({**stringed, 'time': mql})}".encode() + b"\0",
            f"{symbol}:|:{bid:.6f};{ask:.6f}".encode(),
            f"{symbol} {bid:.6f};{ask:.6f}".encode(),
            f"{symbol}&{int(now)};{bid:.6f};{ask:.6f}".encode(),
        ]
    return found


def _json(fields: Mapping[str, object]) -> str:
    return msgspec.json.encode(fields).decode()


def messages(socket: str, strategy: str, symbol: str, epoch: int) -> list[bytes]:
    """What one of our sockets understands.

    Args:
        socket: Its name, as `VarPaths.socket_file` has it.
        strategy: In whose name.
        symbol: Its symbol.
        epoch: Its spawn.
    """
    return MAKERS[socket](strategy, symbol, epoch)


def _supervisor(name: str, _symbol: str, epoch: int) -> list[bytes]:
    said: list[msgspec.Struct] = [
        Hello(name, "strategy", 1, epoch, "", True),
        Ready(name, 1, epoch),
        Beat(name, 1, epoch, 1, "running", metrics=StrategyMetrics(ticks_processed=1)),
        FirstTick(name, 1, epoch, time.monotonic()),
        Failed(name, 1, epoch, "no reason"),
    ]
    return [msgspec.msgpack.encode(word) for word in said]


def _control(_name: str, _symbol: str, _epoch: int) -> list[bytes]:
    # No "stop", and nobody's real name: what an operator asks for is done.
    return [b'{"type":"status"}', b'{"type":"restart","name":"nobody"}']


def _gateway(name: str, symbol: str, epoch: int) -> list[bytes]:
    quote = tick(symbol)
    order = Order(f"{name}:x", name, epoch, symbol, 0, "OPEN", "BUY", 0.01, quote)
    said: list[msgspec.Struct] = [
        Register(name, epoch),
        Submit(order),
        QueryOrder(name, order.order_id),
        Touched(name, epoch, 1, quote),
        Fence(name, epoch),
    ]
    return [msgspec.msgpack.encode(word) for word in said]


def _backlog(_name: str, symbol: str, _epoch: int) -> list[bytes]:
    mark = TickMark(1, 1, (tick(symbol),) * 3)
    asked = [BacklogRequest(n, symbol, after) for n, after in ((1, None), (2, mark))]
    return [msgspec.msgpack.encode(question) for question in asked]


MAKERS: Mapping[str, Callable[[str, str, int], list[bytes]]] = {
    "supervisor": _supervisor,
    "control": _control,
    "gateway": _gateway,
    "tape": _backlog,
    "gateway-backlog": _backlog,
    "feed": _backlog,
}

"""A bridge in a process of its own: speaks one dialect, and has the faults that it is told.

    python -m tests.bridges.scripted_bridge DIALECT PORT BOOK SEED FAULTS

FAULTS is JSON: the probability of each field of :class:`Faults`.
"""

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import zmq

from tests.bridges.terminal_book import BookedPosition, TerminalBook
from tests.quoted_symbols import FIRST, point_of

Reply = dict[str, Any]


class Faults(msgspec.Struct, frozen=True):
    """How often a bridge does what it should not; probabilities for each request.

    Attributes:
        drops_stops: Stop and target do not reach the broker.
        late: It answers after `late_seconds`.
        late_seconds: See `late`.
        lies: It says FILLED with ticket 0 of what the broker has refused.
        loses: It deals, and its answer is lost.
        dies: It is killed, before or after it has dealt.
        partial: The broker has only a half of the volume.
        requotes: The broker wants another price.
        refuses: The broker refuses.
        by_hand: Somebody closes a position, or a part of it, in the terminal.
        connects: Its terminal lists no position, as while it is connecting.
        pays: Somebody pays in or out.
        garbles: Its answer is none.
    """

    drops_stops: float = 0.0
    late: float = 0.0
    late_seconds: float = 0.5
    lies: float = 0.0
    loses: float = 0.0
    dies: float = 0.0
    partial: float = 0.0
    requotes: float = 0.0
    refuses: float = 0.0
    by_hand: float = 0.0
    connects: float = 0.0
    pays: float = 0.0
    garbles: float = 0.0


class LostError(Exception):
    """Nothing is answered."""


class Bridge:
    """Answers requests of one dialect from a book."""

    def __init__(self, book: TerminalBook, faults: Faults, rng: random.Random) -> None:
        self.book = book
        self.faults = faults
        self.rng = rng

    def happens(self, probability: float) -> bool:
        """Whether a fault comes now."""
        return self.rng.random() < probability

    def answer(self, body: bytes) -> bytes:
        """What is said to a request."""
        raise NotImplementedError

    def refusal(self, why: str) -> Reply:
        """What is said to a request that cannot be read."""
        return {"status": "error", "message": why}

    def execute(self, request: Reply, side: str, ticket: int = 0) -> Reply:
        """Deal: {"code", "ticket", "lots", "price"}; the code is MetaTrader's."""
        if self.happens(self.faults.dies / 2):
            os._exit(9)
        if self.happens(self.faults.requotes):
            return {"code": 10004, "ticket": 0, "lots": 0.0, "price": 0.0}
        if self.happens(self.faults.refuses):
            return {"code": 10006, "ticket": 0, "lots": 0.0, "price": 0.0}
        lots, code = float(request["volume"]), 10009
        if lots <= 0.0:
            return {"code": 10014, "ticket": 0, "lots": 0.0, "price": 0.0}
        if self.happens(self.faults.partial) and lots > 0.011:
            lots, code = round(int(lots * 50) / 100, 2), 10010
        dealt = self._deal(request, side, lots, ticket)
        if dealt is None:
            return {"code": 10036, "ticket": 0, "lots": 0.0, "price": 0.0}
        number, lots, price = dealt
        if self.happens(self.faults.dies / 2):
            os._exit(9)
        if self.happens(self.faults.loses):
            raise LostError
        return {"code": code, "ticket": number, "lots": lots, "price": price}

    def _deal(
        self, request: Reply, side: str, lots: float, ticket: int
    ) -> tuple[int, float, float] | None:
        comment = str(request.get("comment", ""))
        if ticket:
            closed = self.book.close(ticket, lots, "expert", comment=comment)
            return None if closed is None else (ticket, *closed)
        stops = {} if self.happens(self.faults.drops_stops) else self.stops(request)
        magic = int(request.get("magic", 0))
        return self.book.deal(str(request["symbol"]), side, lots, magic, comment, **stops)

    def stops(self, request: Reply) -> dict[str, float]:
        """Stop and target of a request."""
        return {"sl": float(request.get("sl", 0.0)), "tp": float(request.get("tp", 0.0))}

    def listed(self) -> list[BookedPosition]:
        """What is open, as the terminal says it."""
        return [] if self.happens(self.faults.connects) else self.book.positions()

    def market_moves(self) -> None:
        """The price goes on, and somebody may close something."""
        if self.book.calm:
            return
        symbol = self.rng.choice(list(FIRST))
        moved = self.rng.uniform(-20.0, 20.0) * point_of(symbol)
        self.book.quote(symbol, self.book.bid(symbol) + moved)
        if self.happens(self.faults.pays):
            self.book.deposit(self.rng.choice([-3.0, 5.0]))
        if self.happens(self.faults.by_hand):
            positions = self.book.positions()
            if positions:
                chosen = self.rng.choice(positions)
                half = self.rng.random() < 0.3 and chosen.lots > 0.011
                lots = round(int(chosen.lots * 50) / 100, 2) if half else chosen.lots
                self.book.close(chosen.ticket, lots, "client")


class TradeBridge(Bridge):
    """The dialect ``trade``, on a netting account."""

    def answer(self, body: bytes) -> bytes:
        request = json.loads(body)
        action = request.get("action")
        if action == "PING":
            return json.dumps({"status": "ok", "message": "pong"}).encode()
        if action == "GET_ACCOUNT":
            return json.dumps({"status": "ok", **account(self.book)}).encode()
        if action == "GET_POSITIONS":
            listed = [msgspec.to_builtins(p) for p in self.listed()]
            for each in listed:
                each["type"], each["volume"] = each.pop("side"), each.pop("lots")
                each["price_open"] = each.pop("open_price")
            return json.dumps({"status": "ok", "positions": listed, "count": len(listed)}).encode()
        if action != "TRADE":
            return json.dumps({"status": "error", "message": "unknown action"}).encode()
        side = str(request["side"])
        dealt = self.execute(request, side)
        if dealt["code"] not in (10009, 10010):
            # Some bridges say the code, and some do not.
            words = f"order_send failed: {dealt['code']}" if self.happens(0.5) else "failed"
            return json.dumps({"status": "error", "message": words}).encode()
        if self.happens(self.faults.lies):
            dealt["ticket"] = 0
        reply = {
            "status": "ok",
            "ticket": dealt["ticket"],
            "symbol": request["symbol"],
            "type": f"MARKET_{side}",
            "volume": dealt["lots"],
            "price": dealt["price"],
            "sl": request["sl"],
            "tp": request["tp"],
        }
        return json.dumps(reply).encode()


class OpenCloseBridge(Bridge):
    """The dialect ``open_close``: the magic number is lost, and comments are not listed."""

    def refusal(self, why: str) -> Reply:
        return {"uuid": "", "status": "REJECTED", "error_code": "BAD_REQUEST", "error_msg": why}

    def answer(self, body: bytes) -> bytes:
        request = json.loads(body)
        reply: Reply = {"uuid": request["uuid"]}
        action = request["action"]
        if action == "PING":
            return json.dumps({**reply, "status": "OK"}).encode()
        if action == "GET_ACCOUNT":
            return json.dumps({**reply, "status": "OK", **account(self.book)}).encode()
        if action == "GET_POSITIONS":
            listed = [
                {
                    "ticket": p.ticket,
                    "symbol": p.symbol,
                    "type": p.side,
                    "volume": p.lots,
                    "open_price": p.open_price,
                    "current_price": self.book.bid(p.symbol),
                    "profit": 0.0,
                }
                for p in self.listed()
            ]
            return json.dumps({**reply, "status": "OK", "positions": listed}).encode()
        ticket = int(request.get("ticket", 0)) if action == "CLOSE" else 0
        dealt = self.execute({**request, "magic": 0}, str(request["type"]), ticket)
        refused = dealt["code"] not in (10009, 10010)
        if refused and not self.happens(self.faults.lies):
            reply |= {"status": "REJECTED", "error_code": dealt["code"], "error_msg": "refused"}
            return json.dumps(reply).encode()
        reply |= {
            "status": "FILLED",
            "ticket": dealt["ticket"],
            "symbol": request["symbol"],
            "volume": dealt["lots"],
            "price": dealt["price"],
            "execution_time": "2026-01-01T00:00:00",
            "latency_ms": 3.0,
        }
        return json.dumps(reply).encode()


class OrderSendBridge(Bridge):
    """The dialect ``order_send``, on a netting account; it remembers ids until it is restarted."""

    def refusal(self, why: str) -> Reply:
        return {"error": True, "ticket": 0, "msg": why, "retcode": -1, "data": None}

    def __init__(self, book: TerminalBook, faults: Faults, rng: random.Random) -> None:
        super().__init__(book, faults, rng)
        self._answered: dict[str, bytes] = {}

    def answer(self, body: bytes) -> bytes:
        request = json.loads(body)
        if request.get("action") != "ORDER_SEND":
            return self._reply(True, 0, "missing field", -2)
        known = self._answered.get(request["req_id"])
        if known is not None:
            return known
        payload = request["payload"]
        dealt = self.execute(payload, payload["type"].removeprefix("OP_"))
        failed = dealt["code"] not in (10009, 10010)
        said = self._reply(failed, dealt["ticket"], "done", dealt["code"])
        self._answered[request["req_id"]] = said
        return said

    @staticmethod
    def _reply(error: bool, ticket: int, msg: str, code: int) -> bytes:
        reply = {"error": error, "ticket": ticket, "msg": msg, "retcode": code, "data": None}
        return json.dumps(reply).encode()


class ExpertAdvisorBridge(Bridge):
    """The dialect ``expert_advisor``: looks for words, reads ``"type"``, drops the stops."""

    def answer(self, body: bytes) -> bytes:
        text = body.decode()
        if "GET_SYMBOL_INFO" in text:
            bid = self.book.bid("EURUSD")
            return json.dumps({"status": "OK", "data": {"bid": bid, "ask": bid + 1e-4}}).encode()
        if '"magic"' not in text and '"action"' not in text:
            return json.dumps({"status": "ERROR", "retcode": 10013}).encode()
        # Whatever does not say SELL in "type" is a BUY.
        side = "SELL" if self._after(text, "type") == "SELL" else "BUY"
        request = {
            "symbol": self._after(text, "symbol") or "EURUSD",
            "volume": float(self._after(text, "volume") or 0.0),
            "magic": int(self._after(text, "magic") or 0),
            "comment": self._after(text, "comment"),
        }
        dealt = self.execute(request, side, int(self._after(text, "position") or 0))
        if dealt["code"] not in (10009, 10010):
            return json.dumps({"status": "ERROR", "retcode": dealt["code"]}).encode()
        said = {"status": "FILLED", "retcode": dealt["code"], "ticket": dealt["ticket"]}
        return json.dumps({**said, "deal": dealt["ticket"] + 1}).encode() + b"\x00"

    def stops(self, request: Reply) -> dict[str, float]:
        return {}

    @staticmethod
    def _after(text: str, key: str) -> str:
        """The value after a key, as MQL code finds it."""
        _, found, rest = text.partition(f'"{key}":')
        return rest.split(",")[0].strip(' "}') if found else ""


BRIDGES: dict[str, tuple[type[Bridge], bool]] = {
    "trade": (TradeBridge, True),
    "open_close": (OpenCloseBridge, False),
    "order_send": (OrderSendBridge, True),
    "expert_advisor": (ExpertAdvisorBridge, False),
}
"""By dialect: its bridge, and whether the account nets."""


def account(book: TerminalBook) -> Reply:
    """What is said of the account."""
    balance = book.balance
    return {
        "balance": balance,
        "equity": balance,
        "margin": 0.0,
        "free_margin": balance,
        "margin_level": 0.0,
        "currency": "USD",
    }


def serve(dialect: str, port: int, path: Path, seed: int, faults: Faults) -> None:
    """Answer until killed."""
    kind, netting = BRIDGES[dialect]
    rng = random.Random(seed)
    bridge = kind(TerminalBook(path, netting), faults, rng)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    # Like a REP, but it can leave a request without an answer.
    socket = context.socket(zmq.ROUTER)
    socket.bind(f"tcp://127.0.0.1:{port}")
    while True:
        *envelope, body = socket.recv_multipart()
        bridge.market_moves()
        try:
            reply = bridge.answer(body)
        except LostError:
            continue
        except (KeyError, ValueError) as error:
            reply = json.dumps(bridge.refusal(repr(error))).encode()
        if bridge.happens(faults.late):
            time.sleep(faults.late_seconds)  # being late is its fault
        if bridge.happens(faults.garbles):
            reply = rng.choice([b"", b"{}", b"\x00\xff", reply[: len(reply) // 2], b"null"])
        socket.send_multipart([*envelope, reply])


if __name__ == "__main__":
    _, name, number, book_path, chosen, wanted = sys.argv
    probabilities = msgspec.json.decode(wanted, type=Faults)
    serve(name, int(number), Path(book_path), int(chosen), probabilities)

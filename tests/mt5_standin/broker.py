"""The broker behind the stand-in: prices, and a book of its own that tests compare with.

With a path the book outlives the process that trades on it: it is in a file before an answer is
given.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.mt5_standin.instruments import Executed, Instrument

HEDGING, NETTING = 2, 0
FILLED, CANCELED, PARTIAL, REJECTED = 4, 2, 3, 5
TICKET = 100_001


class Broker:
    """One account: hedging or netting. Times are ms of the server's clock.

    Args:
        hedging: A position for each order, or one for each symbol.
        zone_s: By how many seconds its clock is ahead of UTC.
        path: Where the book is kept.
        now: UTC, seconds since the epoch.
    """

    def __init__(
        self,
        hedging: bool = True,
        zone_s: int = 7200,
        path: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.hedging = hedging
        self.zone_s = zone_s
        self.path = path
        self.now = now
        self.login = 5001
        self.server = "StandIn-Demo"
        self.trade_mode = 0
        self.leverage = 100
        self.currency = "USD"
        self.connected = True
        self.balance = 10_000.0
        self.commission_a_lot = 3.5
        self.interval_s = 0.0
        self.instruments = {"EURUSD": Instrument()}
        self.orders: list[dict[str, Any]] = []
        self.past: list[dict[str, Any]] = []
        self.deals: list[dict[str, Any]] = []
        self.positions: list[dict[str, Any]] = []
        self.delayed: list[dict[str, Any]] = []
        self.next = TICKET
        self.load()

    def server_ms(self) -> int:
        return round((self.now() + self.zone_s) * 1000)

    def quote(self, symbol: str, bid: float, ask: float, at_ms: int | None = None) -> None:
        """A new price, and its tick."""
        known = self.instruments[symbol]
        known.bid, known.ask = bid, ask
        stamp = self.server_ms() if at_ms is None else at_ms
        known.ticks.append([stamp, bid, ask])

    def move(self) -> None:
        """Prices go on by themselves, and delayed orders are executed when they are due."""
        for known in self.instruments.values():
            last = known.ticks[-1][0] if known.ticks else 0
            if self.interval_s and self.server_ms() - last >= self.interval_s * 1000:
                step = known.point * (1 if len(known.ticks) % 2 else -1)
                self.quote(
                    known.name,
                    round(known.bid + step, known.digits),
                    round(known.ask + step, known.digits),
                )
        due = [one for one in self.delayed if one["at"] <= self.now()]
        self.delayed = [one for one in self.delayed if one not in due]
        for one in due:
            waiting = [o for o in self.orders if o["ticket"] == one["number"]]
            self.orders = [o for o in self.orders if o not in waiting]
            done = self.execute(one["request"], number=one["number"])
            if not done.order:
                # A server that has taken an order keeps it, also where nothing came of it.
                self.past += [dict(order, state=REJECTED) for order in waiting]

    def later(self, request: dict[str, Any], seconds: float, visible: bool) -> int:
        """Take an order now, and execute it later; `visible`: it waits in the books meanwhile."""
        number = self._number()
        row = {"at": self.now() + seconds, "request": request, "number": number}
        self.delayed.append(row)
        if visible:
            self.orders.append(self._order(request, number, 1, request["volume"]))
        self.save()
        return number

    def rest_later(self, request: dict[str, Any], done: Executed, seconds: float) -> None:
        """Have an order that was executed in part wait for the rest of it."""
        rest = dict(request, volume=round(request["volume"] - done.volume, 8))
        self.orders.append(dict(self.past.pop(), state=PARTIAL))
        row = {"at": self.now() + seconds, "request": rest, "number": done.order}
        self.delayed.append(row)
        self.save()

    def execute(
        self,
        request: dict[str, Any],
        fraction: float = 1.0,
        stops: bool = True,
        comment: str | None = None,
        number: int = 0,
    ) -> Executed:
        """Execute a request as the server would, and keep it in the book."""
        if request["action"] == 6:
            return self._set_stops(request, stops)
        refused = self._refused(request)
        if refused:
            return Executed(refused)
        known = self.instruments[request["symbol"]]
        request = dict(request, comment=request.get("comment", "")[:31])
        if comment is not None:
            request["comment"] = comment
        buy = request["type"] == 0
        price = known.ask if buy else known.bid
        volume = round(request["volume"] * fraction, 8)
        if not stops:
            request = {k: v for k, v in request.items() if k not in ("sl", "tp")}
        number = number or self._number()
        deal = self._deal(request, number, volume, price)
        left = round(request["volume"] - volume, 8)
        state = FILLED if not left else CANCELED
        self.past.append(self._order(request, number, state, left, self.deals[-1]["position_id"]))
        self.save()
        return Executed(10010 if left else 10009, number, deal, volume, price)

    def close_by_hand(
        self, ticket: int, reason: int = 0, comment: str = "", swap: float = 0.0
    ) -> None:
        """What the trader, a stop or a target does; `swap` has come together until then."""
        held = next(p for p in self.positions if p["ticket"] == ticket)
        request = {
            "action": 1,
            "symbol": held["symbol"],
            "type": 1 - held["type"],
            "volume": held["volume"],
            "position": ticket,
            "comment": comment,
            "reason": reason,
            "swap": swap,
        }
        self.execute(request)

    def profit(self, held: dict[str, Any], price: float, volume: float) -> float:
        known = self.instruments[held["symbol"]]
        sign = 1.0 if held["type"] == 0 else -1.0
        made = sign * (price - held["price_open"]) * volume * known.contract
        if known.base == self.currency:
            return round(made / price, 2)
        # A terminal's tick values differ for profits and losses, too.
        converter = self.instruments.get(f"{known.profit}{self.currency}")
        rate = 1.0 if converter is None else converter.bid if made > 0.0 else converter.ask
        return round(made * rate, 2)

    def margin(self, symbol: str, volume: float, price: float) -> float:
        known = self.instruments[symbol]
        whole = volume * known.contract / self.leverage
        return round(whole if known.base == self.currency else whole * price, 2)

    def used(self) -> float:
        return round(
            sum(self.margin(p["symbol"], p["volume"], p["price_open"]) for p in self.positions), 2
        )

    def floating(self) -> float:
        return round(sum(self.profit(p, self._out(p), p["volume"]) for p in self.positions), 2)

    def save(self) -> None:
        if self.path is not None:
            new = self.path.with_suffix(".new")
            new.write_text(json.dumps({name: getattr(self, name) for name in _KEPT}))
            new.replace(self.path)

    def load(self) -> None:
        """The book as it is in the file by now."""
        if self.path is not None and self.path.exists():
            for name, value in json.loads(self.path.read_text()).items():
                setattr(self, name, value)

    def _refused(self, request: dict[str, Any]) -> int:
        known = self.instruments.get(request["symbol"])
        if known is None:
            return 10013
        volume, buy = request["volume"], request["type"] == 0
        held = self._held(request)
        closing = bool(request.get("position"))
        if closing and held is None:
            return 10036
        steps = volume / known.volume_step
        bad_step = abs(steps - round(steps)) > 1e-6
        if bad_step or not known.volume_min - 1e-9 <= volume <= known.volume_max + 1e-9:
            return 10014
        if closing and held and volume > held["volume"] + 1e-9:
            return 10038
        modes = {0: 10017, 3: 0 if closing else 10044}
        modes[1] = 10042 if not buy and not closing else 0
        modes[2] = 10043 if buy and not closing else 0
        if modes.get(known.trade_mode):
            return modes[known.trade_mode]
        if known.closed:
            return 10018
        return self._refused_for_terms(request, known, buy, closing)

    def _refused_for_terms(
        self, request: dict[str, Any], known: Instrument, buy: bool, closing: bool
    ) -> int:
        filling = request.get("type_filling", 0)
        allowed = {0} if known.exemode < 2 else {n for n in (0, 1) if known.filling_mode & 1 << n}
        if known.exemode == 3:
            allowed.add(2)
        if "reason" not in request and filling not in allowed:
            return 10030
        price = known.ask if buy else known.bid
        away = known.stops_level * known.point - 1e-9
        sl, tp = request.get("sl", 0.0), request.get("tp", 0.0)
        sign = 1.0 if buy else -1.0
        if (sl and sign * (price - sl) <= away) or (tp and sign * (tp - price) <= away):
            return 10016
        asked, deviation = request.get("price", 0.0), request.get("deviation", 0)
        if known.exemode < 2 and abs(asked - price) > deviation * known.point + 1e-9:
            return 10004
        needed = self.margin(request["symbol"], request["volume"], price)
        if not closing and needed > self.balance + self.floating() - self.used():
            return 10019
        return 0

    def _held(self, request: dict[str, Any]) -> dict[str, Any] | None:
        if request.get("position"):
            found = (p for p in self.positions if p["ticket"] == request["position"])
        elif self.hedging:
            return None
        else:
            found = (p for p in self.positions if p["symbol"] == request["symbol"])
        return next(found, None)

    def _deal(self, request: dict[str, Any], order: int, volume: float, price: float) -> int:
        """Change positions and balance, and write the deal."""
        # The rest of an order is no position of its own.
        held = self._held(request) or next(
            (p for p in self.positions if p["ticket"] == order), None
        )
        kind = request["type"]
        entry, made, position = 0, 0.0, order
        if held is None:
            self.positions.append(self._position(request, order, volume, price))
        elif held["type"] == kind:
            position = held["ticket"]
            whole = held["volume"] + volume
            held["price_open"] = (held["price_open"] * held["volume"] + price * volume) / whole
            held["volume"] = round(whole, 8)
            held["magic"] = request.get("magic", 0)
        else:
            entry, position = 1, held["ticket"]
            closed = min(volume, held["volume"])
            made = self.profit(held, price, closed)
            rest = round(volume - closed, 8)
            held["volume"] = round(held["volume"] - closed, 8)
            if rest:
                entry = 2
                held.update(type=kind, volume=rest, price_open=price)
            elif not held["volume"]:
                self.positions.remove(held)
        charged = -round(volume * self.commission_a_lot, 2)
        swap = request.get("swap", 0.0)
        self.balance = round(self.balance + made + charged + swap, 2)
        number, stamp = self._number(), self.server_ms()
        self.deals.append(
            {
                "ticket": number,
                "order": order,
                "time": stamp // 1000,
                "time_msc": stamp,
                "type": kind,
                "entry": entry,
                "magic": request.get("magic", 0),
                "position_id": position,
                "reason": request.get("reason", 3),
                "volume": volume,
                "price": price,
                "commission": charged,
                "swap": swap,
                "profit": made,
                "symbol": request["symbol"],
                "comment": request.get("comment", ""),
                "shown": 0.0,
                "sent_as": request.get("sent_as", ""),
            }
        )
        return number

    def pay(self, amount: float) -> None:
        """The account's owner pays in, or out: a deal without a symbol."""
        made = self._number(), self.server_ms()
        none = {"order": 0, "entry": 0, "magic": 0, "position_id": 0, "reason": 0, "volume": 0.0}
        money = {"type": 2, "price": 0.0, "commission": 0.0, "profit": amount, "symbol": ""}
        when = {"ticket": made[0], "time": made[1] // 1000, "time_msc": made[1], "shown": 0.0}
        self.deals.append(none | money | when | {"comment": "deposit", "sent_as": ""})
        self.balance = round(self.balance + amount, 2)
        self.save()

    def _position(
        self, request: dict[str, Any], ticket: int, volume: float, price: float
    ) -> dict[str, Any]:
        stamp = self.server_ms()
        return {
            "ticket": ticket,
            "time": stamp // 1000,
            "time_msc": stamp,
            "type": request["type"],
            "magic": request.get("magic", 0),
            "identifier": ticket,
            "volume": volume,
            "price_open": price,
            "sl": request.get("sl", 0.0),
            "tp": request.get("tp", 0.0),
            "symbol": request["symbol"],
            "comment": request.get("comment", ""),
        }

    def _order(
        self, request: dict[str, Any], ticket: int, state: int, left: float, position: int = 0
    ) -> dict[str, Any]:
        stamp = self.server_ms()
        return {
            "ticket": ticket,
            "time_setup": stamp // 1000,
            "time_setup_msc": stamp,
            "type": request["type"],
            "state": state,
            "magic": request.get("magic", 0),
            "position_id": position or request.get("position", 0),
            "volume_initial": request["volume"],
            "volume_current": left,
            "price_open": request.get("price", 0.0),
            "sl": request.get("sl", 0.0),
            "tp": request.get("tp", 0.0),
            "symbol": request["symbol"],
            "comment": request.get("comment", ""),
            "shown": 0.0,
            "sent_as": request.get("sent_as", ""),
        }

    def _set_stops(self, request: dict[str, Any], stops: bool) -> Executed:
        held = next((p for p in self.positions if p["ticket"] == request["position"]), None)
        if held is None:
            return Executed(10036)
        if not stops:
            return Executed(10016)
        held.update(sl=request.get("sl", 0.0), tp=request.get("tp", 0.0))
        self.save()
        return Executed(10009)

    def _out(self, held: dict[str, Any]) -> float:
        known = self.instruments[held["symbol"]]
        return known.bid if held["type"] == 0 else known.ask

    def _number(self) -> int:
        self.next += 1
        return self.next


_KEPT = ("balance", "orders", "past", "deals", "positions", "delayed", "next")

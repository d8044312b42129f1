"""The stand-in itself: the package's functions, with None and last_error() where they fail."""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from tests.mt5_standin import structures
from tests.mt5_standin.broker import Broker
from tests.mt5_standin.constants import CONSTANTS
from tests.mt5_standin.instruments import Executed

NO_IPC = (-10004, "No IPC connection")
TIMEOUT = (-10005, "IPC timeout")
NOT_FOUND = (-4, "Terminal: Not found")
PERIODS = {"M1": 60, "M5": 300, "M15": 900, "M30": 1800, "H1": 3600, "H4": 14400, "D1": 86400}
COMMENTS = {10009: "Request executed", 10004: "Requote", 10018: "Market closed", 10019: "No money"}


class CrashError(BaseException):
    """The process ends here; nothing that it could still do is done."""


@dataclass
class Fault:
    """What is wrong with the next `order_send`.

    Attributes:
        retcode: Answered instead of the broker's own; 0: its own.
        execute: It is executed.
        answer: result, none, raise, or crash (of our process, not of the terminal).
        delay_s: Executed so much later.
        visible: Until then it waits in the books.
        fraction: Executed in part.
        rest_s: The rest of it so much later; 0.0: never.
        comment: The broker writes this one instead.
        stops: The broker takes them.
        lag_s: The books show it so much later.
        error: What last_error() says with none.
    """

    retcode: int = 0
    execute: bool = True
    answer: str = "result"
    delay_s: float = 0.0
    visible: bool = False
    fraction: float = 1.0
    rest_s: float = 0.0
    comment: str | None = None
    stops: bool = True
    lag_s: float = 0.0
    error: tuple[int, str] = TIMEOUT


class StandIn:
    """The module `MetaTrader5`, as an object.

    Args:
        broker: Behind it.
        sleep: Waits; a test's clock goes on by it.

    Attributes:
        faults: Of the next calls of `order_send`.
        down: The terminal's process is gone.
        refuses: What `initialize` fails with.
        api_allowed: Algo Trading is on.
        calls: Names of the functions that were called, in order.
        sent: Every request that was given to `order_send`.
    """

    def __init__(self, broker: Broker, sleep: Callable[[float], None] = time.sleep) -> None:
        self.broker = broker
        self.faults: deque[Fault] = deque()
        self.down = False
        self.refuses: tuple[int, str] | None = None
        self.api_allowed = True
        self.calls: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self._sleep = sleep
        self._attached = False
        self._error = (1, "Success")
        self.__dict__.update(CONSTANTS)

    # The connection

    def initialize(self, *path: str, **options: Any) -> bool:
        self.calls.append("initialize")
        if self.down:
            self._error = (-10003, "IPC initialize failed, Process create failed")
        elif self.refuses is not None:
            self._error = self.refuses
        elif options.get("login") not in (None, self.broker.login):
            self._error = (-6, "Terminal: Authorization failed")
        else:
            self._attached, self._error = True, (1, "Success")
            return True
        return False

    def shutdown(self) -> None:
        self._attached = False

    def last_error(self) -> tuple[int, str]:
        return self._error

    def version(self) -> Any:
        return (500, 5000, "27 Nov 2025") if self._there("version") else None

    # What there is to know

    def account_info(self) -> Any:
        if not self._there("account_info"):
            return None
        broker = self.broker
        values = dict.fromkeys(structures.AccountInfo._fields, 0)
        floating, used = broker.floating(), broker.used()
        equity = round(broker.balance + floating, 2)
        values |= {
            "login": broker.login,
            "trade_mode": broker.trade_mode,
            "leverage": broker.leverage,
            "trade_allowed": True,
            "trade_expert": True,
            "margin_mode": 2 if broker.hedging else 0,
            "currency_digits": 2,
            "balance": broker.balance,
            "credit": 0.0,
            "profit": floating,
            "equity": equity,
            "margin": used,
            "margin_free": round(equity - used, 2),
            "margin_level": equity / used * 100 if used else 0.0,
            "name": "A Trader",
            "server": broker.server,
            "currency": broker.currency,
            "company": "Stand-in Ltd",
        }
        return structures.AccountInfo(**values)

    def terminal_info(self) -> Any:
        if not self._there("terminal_info"):
            return None
        values: dict[str, Any] = dict.fromkeys(structures.TerminalInfo._fields, 0)
        values |= {
            "connected": self.broker.connected,
            "trade_allowed": self.api_allowed,
            "tradeapi_disabled": False,
            "build": 5000,
            "ping_last": 41_000,
            "name": "MetaTrader 5",
        }
        return structures.TerminalInfo(**values)

    def symbols_total(self) -> int | None:
        return len(self.broker.instruments) if self._there("symbols_total") else None

    def symbols_get(self, group: str = "*") -> Any:
        if not self._there("symbols_get"):
            return None
        return tuple(StandIn.symbol_info(self, name) for name in self.broker.instruments)

    def symbol_info(self, symbol: str) -> Any:
        known = self._symbol("symbol_info", symbol)
        if known is None:
            return None
        values: dict[str, Any] = dict.fromkeys(structures.SymbolInfo._fields, 0)
        values |= {
            "select": known.selected,
            "visible": known.selected,
            "digits": known.digits,
            "spread": round((known.ask - known.bid) / known.point),
            "trade_mode": known.trade_mode,
            "trade_exemode": known.exemode,
            "trade_stops_level": known.stops_level,
            "filling_mode": known.filling_mode,
            "bid": known.bid if known.selected else 0.0,
            "ask": known.ask if known.selected else 0.0,
            "point": known.point,
            "trade_tick_value": known.contract * known.point,
            "trade_tick_size": known.point,
            "trade_contract_size": known.contract,
            "volume_min": known.volume_min,
            "volume_max": known.volume_max,
            "volume_step": known.volume_step,
            "swap_mode": 1,
            "currency_base": known.base,
            "currency_profit": known.profit,
            "currency_margin": known.base,
            "description": f"{known.base} against {known.profit}",
            "name": known.name,
        }
        return structures.SymbolInfo(**values)

    def symbol_info_tick(self, symbol: str) -> Any:
        known = self._symbol("symbol_info_tick", symbol)
        if known is None:
            return None
        if not known.selected:
            return self._fail(NOT_FOUND)
        stamp = int(known.ticks[-1][0]) if known.ticks else 0
        return structures.Tick(stamp // 1000, known.bid, known.ask, 0.0, 0, stamp, 6, 0.0)

    def symbol_select(self, symbol: str, enable: bool = True) -> bool | None:
        known = self._symbol("symbol_select", symbol)
        if known is None:
            return None
        known.selected = enable
        return True

    def order_calc_margin(self, action: int, symbol: str, volume: float, price: float) -> Any:
        if self._symbol("order_calc_margin", symbol) is None:
            return None
        return self.broker.margin(symbol, volume, price)

    # History

    def copy_ticks_from(self, symbol: str, date_from: Any, count: int, flags: int) -> Any:
        known = self._symbol("copy_ticks_from", symbol)
        if known is None:
            return None
        since = _seconds(date_from) * 1000
        rows = [
            (int(t) // 1000, bid, ask, 0.0, 0, int(t), 6, 0.0)
            for t, bid, ask in known.ticks
            if t >= since
        ]
        return np.array(rows[:count], dtype=structures.TICKS)

    def copy_rates_from(self, symbol: str, timeframe: int, date_from: Any, count: int) -> Any:
        known = self._symbol("copy_rates_from", symbol)
        if known is None:
            return None
        until = _seconds(date_from)
        rows = [tuple(row) for row in known.rates if row[0] <= until]
        return np.array(rows[-count:], dtype=structures.RATES)

    # The books

    def positions_get(self, symbol: str = "", ticket: int = 0, group: str = "") -> Any:
        if not self._there("positions_get"):
            return None
        rows = [
            row
            for row in self.broker.positions
            if (not symbol or row["symbol"] == symbol) and ticket in (0, row["ticket"])
        ]
        return tuple(
            _filled(
                structures.TradePosition,
                row,
                reason=3,
                price_current=self.broker._out(row),
                profit=self.broker.profit(row, self.broker._out(row), row["volume"]),
            )
            for row in rows
        )

    def orders_get(self, symbol: str = "", ticket: int = 0, group: str = "") -> Any:
        if not self._there("orders_get"):
            return None
        return tuple(
            _filled(structures.TradeOrder, row)
            for row in self.broker.orders
            if (not symbol or row["symbol"] == symbol) and ticket in (0, row["ticket"])
        )

    def history_orders_get(self, *dates: Any, ticket: int = 0, position: int = 0) -> Any:
        if not self._there("history_orders_get"):
            return None
        rows = self._shown(self.broker.past, "time_setup", dates)
        return tuple(
            _filled(structures.TradeOrder, row)
            for row in rows
            if ticket in (0, row["ticket"]) and position in (0, row["position_id"])
        )

    def history_deals_get(self, *dates: Any, ticket: int = 0, position: int = 0) -> Any:
        if not self._there("history_deals_get"):
            return None
        rows = self._shown(self.broker.deals, "time", dates)
        return tuple(
            _filled(structures.TradeDeal, row)
            for row in rows
            if ticket in (0, row["order"]) and position in (0, row["position_id"])
        )

    # Trading

    def order_send(self, request: dict[str, Any]) -> Any:
        if not self._there("order_send"):
            return None
        for name in ("volume", "price", "sl", "tp"):
            if not math.isfinite(request.get(name, 0.0)):
                return self._fail((-2, f'Invalid "{name}" argument'))
        if len(request.get("comment", "")) > 31:
            return self._fail((-2, 'Invalid "comment" argument'))
        self.sent.append(dict(request))
        request = dict(request, sent_as=request.get("comment", ""))
        fault = self.faults.popleft() if self.faults else Fault()
        if not self.api_allowed:
            return self._result(Executed(10027), request)
        if not self.broker.connected:
            return self._result(Executed(10031), request)
        done = self._executed(request, fault)
        if fault.answer == "crash":
            raise CrashError
        if fault.answer == "raise":
            raise RuntimeError("the package failed")
        if fault.answer == "none":
            return self._fail(fault.error)
        return self._result(done, request)

    def _executed(self, request: dict[str, Any], fault: Fault) -> Executed:
        if not fault.execute:
            return Executed(fault.retcode or 10006)
        if fault.delay_s:
            number = self.broker.later(request, fault.delay_s, fault.visible)
            return Executed(fault.retcode or 10008, number if fault.visible else 0)
        seen = len(self.broker.deals), len(self.broker.past)
        done = self.broker.execute(request, fault.fraction, fault.stops, fault.comment)
        if fault.rest_s:
            self.broker.rest_later(request, done, fault.rest_s)
        for row in (*self.broker.deals[seen[0] :], *self.broker.past[seen[1] :]):
            row["shown"] = self.broker.now() + fault.lag_s if fault.lag_s else 0.0
        self.broker.save()
        if fault.retcode:
            return Executed(fault.retcode)
        return done

    def _result(self, done: Executed, request: dict[str, Any]) -> Any:
        self._error = (1, "Success")
        asked = _filled(structures.TradeRequest, request)
        return structures.OrderSendResult(
            done.retcode,
            done.deal,
            done.order,
            done.volume,
            done.price,
            0.0,
            0.0,
            COMMENTS.get(done.retcode, f"retcode {done.retcode}"),
            len(self.sent),
            0,
            asked,
        )

    def _shown(
        self, rows: list[dict[str, Any]], clock: str, dates: tuple[Any, ...]
    ) -> list[dict[str, Any]]:
        """What the terminal has of them by now."""
        rows = [row for row in rows if row["shown"] <= self.broker.now()]
        if dates:
            since, until = map(_seconds, dates)
            rows = [row for row in rows if since <= row[clock] <= until]
        return rows

    def _there(self, function: str) -> bool:
        self.calls.append(function)
        self.broker.move()
        if self.down or not self._attached:
            self._attached = False
            self._error = NO_IPC
            return False
        self._error = (1, "Success")
        return True

    def _symbol(self, function: str, symbol: str) -> Any:
        if not self._there(function):
            return None
        known = self.broker.instruments.get(symbol)
        return self._fail(NOT_FOUND) if known is None else known

    def _fail(self, error: tuple[int, str]) -> None:
        self._error = error


def _filled(kind: Any, row: dict[str, Any], **more: Any) -> Any:
    """A structure of what is known; texts empty, numbers 0 where nothing is."""
    texts = {"symbol": "", "comment": "", "external_id": ""}
    values = {name: texts.get(name, 0) for name in kind._fields}
    values |= {name: value for name, value in (row | more).items() if name in values}
    return kind(**values)


def _seconds(moment: Any) -> int:
    return int(moment.timestamp()) if isinstance(moment, datetime) else int(moment)

"""The rows of the ledger, written one by one, within a transaction."""

import sqlite3
import time

import msgspec

from mt5crs_services.gateway.ledger.account import charged_by, made_by, parts_of
from mt5crs_services.gateway.ledger.open_position import OpenPosition
from mt5crs_services.gateway.ledger.records import Booking, OrderState, RuleStates, StreamUpdate
from mt5crs_shared.trading.locks import TradingLock
from mt5crs_shared.trading.orders import Charge, Code, Fill, Order, OrderResult

_encode = msgspec.msgpack.Encoder().encode


def change_position(db: sqlite3.Connection, fill: Fill, held: OpenPosition | None) -> None:
    """The position that a deal has opened, closed, or made smaller."""
    if held is None:
        db.execute("DELETE FROM positions WHERE ticket = ?", (fill.ticket,))
    elif fill.entry == "IN":
        insert_position(db, held)
    else:
        values = (held.position.lots, fill.ticket)
        db.execute("UPDATE positions SET lots = ? WHERE ticket = ?", values)


def insert_order(
    db: sqlite3.Connection,
    order: Order,
    result: OrderResult | None,
    state: OrderState = OrderState.NEW,
) -> None:
    """An order, or what has become of it."""
    body = _encode(result) if result is not None else None
    ticket = result.fill.ticket if result is not None and result.fill else order.ticket
    values = (
        order.order_id,
        order.strategy,
        order.epoch,
        order.symbol,
        order.action,
        order.side,
        order.lots,
        order.tick.time_us,
        order.reason,
        _encode(order),
        state if result is None else _status(result),
        result.code if result is not None else None,
        result.detail if result is not None else "",
        ticket,
        body,
        time.time(),
    )
    # An order that waited is there already, without a result.
    db.execute(
        f"INSERT INTO orders VALUES (NULL{', ?' * len(values)}) ON CONFLICT (order_id) DO"
        " UPDATE SET status = excluded.status, code = excluded.code, detail = excluded.detail,"
        " ticket = excluded.ticket, result = excluded.result WHERE result IS NULL",
        values,
    )


def insert_own_order(db: sqlite3.Connection, booking: Booking) -> None:
    """The order that stands for what a broker has done by itself."""
    fill, result = booking.fill, booking.result
    values = (
        fill.order_id,
        fill.strategy,
        fill.symbol,
        "OPEN" if fill.entry == "IN" else "CLOSE",
        fill.side,
        fill.lots,
        fill.time_us,
        booking.reason,
        result.status,
        result.code,
        fill.ticket,
        _encode(result),
        time.time(),
    )
    db.execute(
        "INSERT INTO orders VALUES (NULL, ?, ?, 0, ?, ?, ?, ?, ?, ?, x'', ?, ?, '', ?, ?, ?)",
        values,
    )


def insert_deal(db: sqlite3.Connection, fill: Fill, balance: float) -> None:
    """A deal, and the balance after it."""
    values = (*msgspec.structs.astuple(fill), balance, time.time())
    db.execute(f"INSERT INTO deals VALUES (NULL{', ?' * len(values)})", values)


def add_up(db: sqlite3.Connection, fill: Fill) -> None:
    """A deal's share in the totals and the tickets."""
    db.execute(
        "INSERT INTO totals VALUES (?, ?, 1, ?) ON CONFLICT (strategy) DO UPDATE SET"
        " made = made + excluded.made, deals = deals + 1, deal_us = excluded.deal_us",
        (fill.strategy, made_by(fill), fill.time_us),
    )
    if fill.entry == "IN":
        db.execute(
            "INSERT INTO tickets VALUES (?, ?) ON CONFLICT (magic) DO UPDATE SET"
            " number = max(number, excluded.number)",
            parts_of(fill.ticket),
        )


def insert_charge(db: sqlite3.Connection, charge: Charge) -> None:
    """What was charged for a deal, and its share in the totals."""
    values = (*msgspec.structs.astuple(charge), time.time())
    db.execute(f"INSERT INTO charges VALUES (NULL{', ?' * len(values)})", values)
    db.execute(
        "UPDATE totals SET made = made + ? WHERE strategy = ?",
        (charged_by(charge), charge.strategy),
    )


def insert_position(db: sqlite3.Connection, held: OpenPosition) -> None:
    """A position that was opened."""
    values = (
        *msgspec.structs.astuple(held.position),
        held.opening.timed,
        held.rate,
        held.seen,
        None,
    )
    db.execute(f"INSERT INTO positions VALUES (?{', ?' * (len(values) - 1)})", values)


def update_stream(db: sqlite3.Connection, stream: StreamUpdate) -> None:
    """Where a stream stands, and its positions, guarded up to there."""
    db.execute(
        "INSERT OR REPLACE INTO streams VALUES (?, ?)", (stream.symbol, _encode(stream.state))
    )
    for held in stream.positions:
        seen = max(held.seen, stream.count) if held.seen is not None else None
        touch = _encode(held.touch) if held.touch is not None else None
        if held.by_time and touch is None:
            seen = None  # The next gateway looks for the opening anew.
        db.execute(
            "UPDATE positions SET seen = ?, touch = ? WHERE ticket = ?",
            (seen, touch, held.position.ticket),
        )


def keep_far_side(db: sqlite3.Connection, state: str) -> None:
    """Remember what a broker that is far away knows besides the ledger; empty: nothing new."""
    if state:
        db.execute("INSERT OR REPLACE INTO meta VALUES ('far_side', ?)", (state,))


def keep_rules(db: sqlite3.Connection, states: RuleStates) -> None:
    """What risk rules remember from now on, having heard of every deal and charge so far."""
    for rule, changed in states.items():
        db.execute(
            "INSERT OR REPLACE INTO rules VALUES (?, (SELECT ifnull(max(id), 0) FROM deals),"
            " (SELECT ifnull(max(id), 0) FROM charges))",
            (rule,),
        )
        rows = [(rule, key, body) for key, body in changed.items()]
        db.executemany("INSERT OR REPLACE INTO rule_states VALUES (?, ?, ?)", rows)


def insert_lock(db: sqlite3.Connection, lock: TradingLock) -> None:
    """A lock that holds from now on."""
    values = msgspec.structs.astuple(lock)
    db.execute("INSERT OR REPLACE INTO locks VALUES (?, ?, ?, ?, ?, ?, ?)", values)


def delete_lock(db: sqlite3.Connection, lock: TradingLock) -> None:
    """A lock that holds no more."""
    db.execute("DELETE FROM locks WHERE owner = ? AND scope = ?", (lock.owner, lock.scope))


def insert_event(db: sqlite3.Connection, kind: str, detail: str, name: str = "") -> None:
    """Something that the account's owner should know; of one strategy, its name."""
    db.execute(
        "INSERT INTO events (recorded, kind, detail, name) VALUES (?, ?, ?, ?)",
        (time.time(), kind, detail, name),
    )


def _status(result: OrderResult) -> str:
    """What the orders' table says of one that has ended."""
    return "PARTIAL" if result.code is Code.PARTIAL else result.status

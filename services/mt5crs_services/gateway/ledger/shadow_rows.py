"""The rows that stand beside an order: what another broker would have made of it."""

import sqlite3
import time
from collections.abc import Callable

import msgspec

from mt5crs_shared.trading.orders import Code, Order, OrderResult, Side
from mt5crs_shared.trading.slippage import ShadowKind

Beside = Callable[[sqlite3.Connection, Order | None, OrderResult | None], None]
"""Writes what belongs beside an order into the order's own transaction.

It raises nothing, but where SQLite has rolled all of that back.

It is given the order (None: the broker has acted by itself) and what has become of it (None:
nothing yet), and is asked again whenever that changes: the first row of an order stays.
"""


class ShadowDeal(msgspec.Struct, frozen=True):
    """What the paper book would have made of an order of a live account.

    Attributes:
        order_id: The order.
        strategy: Whose it is.
        kind: See `ShadowKind`.
        side: Side of the deal.
        decided_us: Event time of the tick it was decided on; None: the broker has acted by itself.
        point: The last digit of the price.
        worth: What one lot gains when the price rises by 1, in the account's currency; None: no
            price to convert with.
        price: Of the paper book's deal; None: there is none, or (without `code`) not yet.
        code: Why the paper book would have refused it.
    """

    order_id: str
    strategy: str
    kind: ShadowKind
    side: Side
    decided_us: int | None
    point: float
    worth: float | None
    price: float | None
    code: Code | None = None


class ShadowRequest(msgspec.Struct, frozen=True):
    """What would have been sent to a bridge for an order of the paper book.

    Attributes:
        order_id: The order.
        strategy: Whose it is.
        time_us: Event time of the tick it was decided on.
        dialect: In which it is written.
        request: The frame.
    """

    order_id: str
    strategy: str
    time_us: int
    dialect: str
    request: bytes


_TABLES = {ShadowDeal: "shadow_deals", ShadowRequest: "shadow_requests"}


def insert_shadow(db: sqlite3.Connection, row: ShadowDeal | ShadowRequest) -> None:
    """A row beside an order; where it has one, that stays."""
    values = (*msgspec.structs.astuple(row), time.time())
    db.execute(
        f"INSERT INTO {_TABLES[type(row)]} VALUES (NULL{', ?' * len(values)})"
        " ON CONFLICT (order_id) DO NOTHING",
        values,
    )


def complete_shadow(db: sqlite3.Connection, row: ShadowDeal) -> None:
    """The tick has come on which the paper book would have dealt."""
    db.execute(
        "UPDATE shadow_deals SET worth = ?, price = ?, code = ?"
        " WHERE order_id = ? AND price IS NULL AND code IS NULL",
        (row.worth, row.price, row.code, row.order_id),
    )

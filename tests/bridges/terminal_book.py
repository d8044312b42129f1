"""The books of a terminal behind a bridge: they outlive the bridge, and nobody else writes them."""

import sqlite3
from pathlib import Path

import msgspec

from tests.quoted_symbols import FIRST, digits_of, spread_of

CONTRACT = 100_000.0
"""Of every symbol here; the account is in USD."""


class BookedPosition(msgspec.Struct, frozen=True):
    """An open position of the terminal."""

    ticket: int
    symbol: str
    side: str
    lots: float
    open_price: float
    sl: float
    tp: float
    magic: int
    comment: str


class BookedDeal(msgspec.Struct, frozen=True):
    """A deal of the terminal; `profit` is to the cent, and `reason` says who made it."""

    ticket: int
    entry: str
    side: str
    lots: float
    price: float
    profit: float
    magic: int
    comment: str
    reason: str


class TerminalBook:
    """One account.

    Args:
        path: Its file.
        netting: One position a symbol.
    """

    def __init__(self, path: Path, netting: bool = False) -> None:
        self.netting = netting
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30.0)
        self._db.executescript(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
            "CREATE TABLE IF NOT EXISTS positions (ticket INTEGER PRIMARY KEY, symbol, side,"
            " lots, open_price, sl, tp, magic, comment);"
            "CREATE TABLE IF NOT EXISTS deals (id INTEGER PRIMARY KEY, ticket, entry, side, lots,"
            " price, profit, magic, comment, reason);"
            "CREATE TABLE IF NOT EXISTS prices (symbol PRIMARY KEY, bid);"
            "CREATE TABLE IF NOT EXISTS meta (key PRIMARY KEY, value);"
            "INSERT OR IGNORE INTO meta VALUES ('balance', 10000.0);"
            "INSERT OR IGNORE INTO meta VALUES ('ticket', 100000);"
        )

    @property
    def balance(self) -> float:
        """Of the account."""
        return float(self._db.execute("SELECT value FROM meta WHERE key='balance'").fetchone()[0])

    def positions(self) -> list[BookedPosition]:
        """What is open."""
        rows = self._db.execute("SELECT * FROM positions ORDER BY ticket").fetchall()
        return [BookedPosition(*row) for row in rows]

    def deals(self) -> list[BookedDeal]:
        """All that has happened."""
        columns = "ticket, entry, side, lots, price, profit, magic, comment, reason"
        rows = self._db.execute(f"SELECT {columns} FROM deals ORDER BY id").fetchall()
        return [BookedDeal(*row) for row in rows]

    def waits(self, comment: str) -> bool:
        """No order does: it is executed at once, or never."""
        return False

    def bid(self, symbol: str) -> float:
        """The newest price."""
        row = self._db.execute("SELECT bid FROM prices WHERE symbol = ?", (symbol,)).fetchone()
        return float(row[0]) if row is not None else FIRST.get(symbol, 1.1)

    def quote(self, symbol: str, bid: float) -> None:
        """The next price; what it touches is closed."""
        bid = round(bid, digits_of(symbol))
        self._db.execute("INSERT OR REPLACE INTO prices VALUES (?, ?)", (symbol, bid))
        for each in self.positions():
            if each.symbol != symbol:
                continue
            long = each.side == "BUY"
            price = bid if long else bid + spread_of(symbol)
            sign = 1.0 if long else -1.0
            if each.sl and sign * (price - each.sl) <= 0:
                self.close(each.ticket, each.lots, "sl", price=each.sl)
            elif each.tp and sign * (price - each.tp) >= 0:
                self.close(each.ticket, each.lots, "tp", price=each.tp)

    def market_price(self, symbol: str, side: str) -> float:
        """What a deal of a side costs."""
        bid = self.bid(symbol)
        return round(bid + (spread_of(symbol) if side == "BUY" else 0.0), digits_of(symbol))

    def deal(
        self,
        symbol: str,
        side: str,
        lots: float,
        magic: int = 0,
        comment: str = "",
        sl: float = 0.0,
        tp: float = 0.0,
    ) -> tuple[int, float, float]:
        """Deal at the market: ticket, lots and price."""
        price = self.market_price(symbol, side)
        if self.netting:
            for each in self.positions():
                if each.symbol == symbol and each.side != side:
                    dealt = min(lots, each.lots)
                    self.close(each.ticket, dealt, "expert", comment=comment)
                    return each.ticket, dealt, price
        (ticket,) = self._db.execute("SELECT value + 1 FROM meta WHERE key='ticket'").fetchone()
        with self._all_or_nothing():
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'ticket'", (ticket,))
            self._db.execute(
                "INSERT INTO positions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (ticket, symbol, side, lots, price, sl, tp, magic, comment),
            )
            self._enter(BookedDeal(ticket, "IN", side, lots, price, 0.0, magic, comment, "expert"))
        return int(ticket), lots, price

    def close(
        self,
        ticket: int,
        lots: float,
        reason: str,
        price: float | None = None,
        comment: str = "",
    ) -> tuple[float, float] | None:
        """Close a position, or a part of it: lots and price; None: there is none."""
        found = next((each for each in self.positions() if each.ticket == ticket), None)
        if found is None:
            return None
        side = "SELL" if found.side == "BUY" else "BUY"
        at = self.market_price(found.symbol, side) if price is None else price
        dealt = min(lots, found.lots)
        left = round(found.lots - dealt, 8)
        sign = 1.0 if found.side == "BUY" else -1.0
        made = sign * (at - found.open_price) * dealt * CONTRACT
        profit = round(made * self._rate(found.symbol, at, made > 0.0), 2)
        with self._all_or_nothing():
            if left > 0:
                self._db.execute("UPDATE positions SET lots = ? WHERE ticket = ?", (left, ticket))
            else:
                self._db.execute("DELETE FROM positions WHERE ticket = ?", (ticket,))
            balance = round(self.balance + profit, 2)
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'balance'", (balance,))
            self._enter(
                BookedDeal(ticket, "OUT", side, dealt, at, profit, found.magic, comment, reason)
            )
        return dealt, at

    def _rate(self, symbol: str, price: float, gains: bool) -> float:
        """What one unit of a symbol's quote currency is worth."""
        if symbol.startswith("USD"):
            return 1.0 / price
        pair = f"{symbol[3:]}USD"
        return 1.0 if pair == "USDUSD" else self.market_price(pair, "SELL" if gains else "BUY")

    def forget(self, ticket: int) -> None:
        """It is another account, which never had that position."""
        self._db.execute("DELETE FROM positions WHERE ticket = ?", (ticket,))

    def hide(self, ticket: int) -> tuple[object, ...]:
        """It is listed no more, as by a terminal that is connecting; what `show` takes."""
        row = self._db.execute("SELECT * FROM positions WHERE ticket = ?", (ticket,)).fetchone()
        self.forget(ticket)
        return tuple(row)

    def show(self, hidden: tuple[object, ...]) -> None:
        """It is listed again."""
        self._db.execute(f"INSERT INTO positions VALUES ({', '.join('?' * len(hidden))})", hidden)

    @property
    def calm(self) -> bool:
        """Nothing happens there any more but what is ordered."""
        return self._db.execute("SELECT 1 FROM meta WHERE key = 'calm'").fetchone() is not None

    def rest(self) -> None:
        """From now on nothing happens there but what is ordered."""
        self._db.execute("INSERT OR IGNORE INTO meta VALUES ('calm', 1)")

    def deposit(self, amount: float) -> None:
        """Money comes, or goes."""
        balance = round(self.balance + amount, 2)
        self._db.execute("UPDATE meta SET value = ? WHERE key = 'balance'", (balance,))

    def _enter(self, deal: BookedDeal) -> None:
        self._db.execute(
            "INSERT INTO deals VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            msgspec.structs.astuple(deal),
        )

    def _all_or_nothing(self) -> "_Transaction":
        return _Transaction(self._db)


class _Transaction:
    """A transaction that other processes wait for; one within another is part of it."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("ROLLBACK" if kind is not None else "COMMIT")

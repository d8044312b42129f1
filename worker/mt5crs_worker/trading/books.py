"""Whether the ledger is that of a strategy's own past."""

from mt5crs_shared.trading.orders import Code, Position
from mt5crs_worker.trading.gateway_client import BooksError, GatewayClient
from mt5crs_worker.trading.journal import Journal


def refuse_foreign(
    symbol: str, journal: Journal, gateway: GatewayClient, held: Position | None
) -> None:
    """Trade nothing on a ledger that does not know what the journal knows.

    Args:
        symbol: The strategy's.
        journal: Its journal.
        gateway: Its way to the ledger.
        held: Its open position, by the ledger.

    Raises:
        BooksError: The ledger is another one, or older.
    """
    if held is not None and held.symbol != symbol:
        raise BooksError(
            f"it holds {held.side} {held.lots:g} of {held.symbol} (position {held.ticket}),"
            f" and the configuration says symbol: {symbol}; set it back until that is closed"
        )
    newest = journal.newest_filled()
    if newest is not None and gateway.query(newest).code is Code.NOT_SEEN:
        raise BooksError(
            f"order {newest} was filled, and the ledger does not know it: it is an older copy,"
            f" or a new file. Put the right ledger.db back; or, to go on with this one, stop"
            f" the system and move {journal.path} away"
        )

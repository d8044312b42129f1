"""MetaTrader's return codes of trade requests, by what follows from them.

The names are those of MQL5 ("Return codes of the trade server"), without TRADE_RETCODE_.
"""

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import DealVerdict

NAMES = {
    10004: "REQUOTE",
    10006: "REJECT",
    10007: "CANCEL",
    10008: "PLACED",
    10009: "DONE",
    10010: "DONE_PARTIAL",
    10011: "ERROR",
    10012: "TIMEOUT",
    10013: "INVALID",
    10014: "INVALID_VOLUME",
    10015: "INVALID_PRICE",
    10016: "INVALID_STOPS",
    10017: "TRADE_DISABLED",
    10018: "MARKET_CLOSED",
    10019: "NO_MONEY",
    10020: "PRICE_CHANGED",
    10021: "PRICE_OFF",
    10022: "INVALID_EXPIRATION",
    10023: "ORDER_CHANGED",
    10024: "TOO_MANY_REQUESTS",
    10025: "NO_CHANGES",
    10026: "SERVER_DISABLES_AT",
    10027: "CLIENT_DISABLES_AT",
    10028: "LOCKED",
    10029: "FROZEN",
    10030: "INVALID_FILL",
    10031: "CONNECTION",
    10032: "ONLY_REAL",
    10033: "LIMIT_ORDERS",
    10034: "LIMIT_VOLUME",
    10035: "INVALID_ORDER",
    10036: "POSITION_CLOSED",
    10038: "INVALID_CLOSE_VOLUME",
    10039: "CLOSE_ORDER_EXIST",
    10040: "LIMIT_POSITIONS",
    10041: "REJECT_CANCEL",
    10042: "LONG_ONLY",
    10043: "SHORT_ONLY",
    10044: "CLOSE_ONLY",
    10045: "FIFO_CLOSE",
}

_VERDICTS = {
    10004: DealVerdict.RETRY,
    10020: DealVerdict.RETRY,
    10021: DealVerdict.RETRY,
    10008: DealVerdict.PLACED,
    10009: DealVerdict.DONE,
    10010: DealVerdict.DONE,
    # The terminal gave its request up, or lost its connection: the server may have dealt.
    10012: DealVerdict.UNKNOWN,
    10031: DealVerdict.UNKNOWN,
    # Nothing was to be changed; of a deal that says nothing.
    10025: DealVerdict.UNKNOWN,
}

_REMEDIES = {
    10014: "compare lot_min, lot_max and lot_step of symbols.yaml with the broker's",
    10016: "the stop is nearer to the price than the broker allows",
    10017: "trading is disabled for this account or symbol; ask the broker",
    10018: "the market is closed",
    10019: "there is not enough money",
    10026: "the broker's server forbids automated trading",
    10027: "allow automated trading in the terminal (the button Algo Trading)",
    10030: "the broker does not take the bridge's filling mode for this symbol",
}


def verdict_of(code: int) -> DealVerdict:
    """What a return code means; one that nobody knows tells nothing."""
    if code not in NAMES:
        return DealVerdict.UNKNOWN
    return _VERDICTS.get(code, DealVerdict.REFUSED)


def code_in_words(code: int, said: str = "") -> str:
    """A return code for people: its number, its name, what the bridge said, what to do."""
    parts = [f"{code} {NAMES.get(code, 'of no known meaning')}", said, _REMEDIES.get(code, "")]
    return ": ".join(part for part in parts if part)

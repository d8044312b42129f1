"""MetaTrader's return codes of trade requests, by what follows from them."""

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import DealVerdict, DealWord
from mt5crs_services.retcodes import ASK_FIRST, REFRESH, RETCODES

_VERDICTS = {
    **dict.fromkeys(REFRESH, DealVerdict.RETRY),
    10008: DealVerdict.PLACED,
    10009: DealVerdict.DONE,
    10010: DealVerdict.DONE,
    **dict.fromkeys(ASK_FIRST, DealVerdict.UNKNOWN),
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
    if code not in RETCODES:
        return DealVerdict.UNKNOWN
    return _VERDICTS.get(code, DealVerdict.REFUSED)


def code_in_words(code: int, said: str = "") -> str:
    """A return code for people: its number, its name, what the bridge said, what to do."""
    parts = [f"{code} {RETCODES.get(code, 'of no known meaning')}", said, _REMEDIES.get(code, "")]
    return ": ".join(part for part in parts if part)


def word_of_refusal(code: int, said: str = "") -> DealWord:
    """What the code of an answer that calls itself an error means; "done" contradicts that."""
    verdict = verdict_of(code)
    if verdict in (DealVerdict.DONE, DealVerdict.PLACED):
        verdict = DealVerdict.UNKNOWN
    return DealWord(verdict, detail=code_in_words(code, said))

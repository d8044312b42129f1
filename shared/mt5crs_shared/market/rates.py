"""What one currency is worth in another: the same rate in every process, at any event time."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping

import msgspec

from mt5crs_shared.market.sanity import SanityState, TickSanity
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick

LAG_US = 1_000_000
"""A rate is that of so long before the tick that needs it.

Quotes of two symbols that are stamped alike reach two processes in either order; what was quoted
a second earlier has reached both.
"""

KEPT = 20_000
"""Quotes of a symbol that are kept; up to twice as many are held, so that trimming is rare."""

_LETTERS = re.compile("[A-Z]{6}")


class RateState(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of one converting symbol for the next process.

    Attributes:
        sanity: The judge's state.
        quotes: Believed quotes that may still be asked for, oldest first: (time_us, mid).
    """

    sanity: SanityState = SanityState()
    quotes: tuple[tuple[int, float], ...] = ()


def converter(spec: SymbolSpec, account: str, specs: Mapping[str, SymbolSpec]) -> SymbolSpec | None:
    """The symbol that converts a profit in `spec`'s quote currency to the account's.

    Symbols are known by their currencies, not by their names, since brokers decorate these
    (``USDJPY.s``). Of several, one that is decorated as `spec` is comes first.

    Returns:
        The symbol; None where none is needed, or where there is none.
    """
    quote = spec.quote_currency
    if account in (quote, spec.base_currency):
        return None
    pairs = ((quote, account), (account, quote))
    found = [s for s in specs.values() if (s.base_currency, s.quote_currency) in pairs]
    style = _LETTERS.sub("", spec.name, count=1)
    return min(
        found,
        key=lambda s: (
            _LETTERS.sub("", s.name, count=1) != style,
            pairs.index((s.base_currency, s.quote_currency)),
            s.name,
        ),
        default=None,
    )


def convertible(spec: SymbolSpec, account: str, specs: Mapping[str, SymbolSpec]) -> bool:
    """Whether a profit in `spec`'s quote currency can be told in the account's."""
    own = account in (spec.quote_currency, spec.base_currency)
    return own or converter(spec, account, specs) is not None


def needed(
    symbols: Iterable[str], account: str, specs: Mapping[str, SymbolSpec]
) -> dict[str, SymbolSpec]:
    """These symbols and those that convert their profit: all whose ticks are wanted."""
    wanted: dict[str, SymbolSpec] = {}
    for name in symbols:
        spec = specs.get(name)
        if spec is None:
            continue
        wanted[name] = spec
        found = converter(spec, account, specs)
        if found is not None:
            wanted[found.name] = found
    return wanted


class QuoteLog:
    """The believed quotes of one symbol.

    Args:
        state: What an earlier process left.
    """

    def __init__(self, state: RateState) -> None:
        self._sanity = TickSanity(state.sanity)
        self._times = [time_us for time_us, _ in state.quotes]
        self._mids = [mid for _, mid in state.quotes]

    def add(self, tick: Tick) -> None:
        """Take the next tick of the symbol's stream; a crossed quote is no rate."""
        if self._sanity.judge(tick) != "good" or tick.crossed:
            return
        while self._times and self._times[-1] > tick.time_us:
            # The clock had run ahead: what was quoted there belongs to no time.
            self._times.pop()
            self._mids.pop()
        self._times.append(tick.time_us)
        self._mids.append(tick.mid)
        if len(self._times) > 2 * KEPT:
            self._drop(len(self._times) - KEPT)

    def mid_at(self, time_us: int) -> float | None:
        """The newest mid at or before a moment; None where there is none."""
        index = bisect_right(self._times, time_us) - 1
        return self._mids[index] if index >= 0 else None

    def forget(self, time_us: int) -> None:
        """Let go of what is only needed for moments before this one."""
        self._drop(bisect_right(self._times, time_us) - 1)

    @property
    def state(self) -> RateState:
        """What to keep for the next process."""
        quotes = tuple(zip(self._times, self._mids, strict=True))
        return RateState(self._sanity.state, quotes)

    def _drop(self, count: int) -> None:
        if count > 0:
            del self._times[:count]
            del self._mids[:count]


class RateBook:
    """Rates of quote currencies to the account's, from the ticks of the symbols that convert them.

    Args:
        account: The account's currency.
        specs: Every symbol that is followed.
        states: What an earlier process left, by converting symbol.
    """

    def __init__(
        self,
        account: str,
        specs: Mapping[str, SymbolSpec],
        states: Mapping[str, RateState] | None = None,
    ) -> None:
        kept = states or {}
        self._account = account
        self._converters = {
            name: found
            for name, spec in specs.items()
            if (found := converter(spec, account, specs)) is not None
        }
        self._logs = {
            found.name: QuoteLog(kept.get(found.name, RateState()))
            for found in self._converters.values()
        }

    @property
    def needs(self) -> dict[str, str]:
        """The symbols whose rate takes the ticks of another one, and that one's name."""
        return {name: found.name for name, found in self._converters.items()}

    def add(self, tick: Tick) -> None:
        """Take the next tick of any symbol; those that convert nothing are ignored."""
        log = self._logs.get(tick.symbol)
        if log is not None:
            log.add(tick)

    def rate(self, spec: SymbolSpec, tick: Tick) -> float | None:
        """Price of one unit of a symbol's quote currency in the account's, as of a tick of it.

        Where the symbol has the account's currency as its base, the tick's own mid decides;
        otherwise the newest believed quote of the converting symbol :data:`LAG_US` before.

        Returns:
            The rate, > 0; None where none is known yet.
        """
        if spec.quote_currency == self._account:
            return 1.0
        if spec.base_currency == self._account:
            return 1.0 / tick.mid
        found = self._converters.get(spec.name)
        if found is None:
            return None
        mid = self._logs[found.name].mid_at(tick.time_us - LAG_US)
        if mid is None:
            return None
        return mid if found.base_currency == spec.quote_currency else 1.0 / mid

    def missing(self, spec: SymbolSpec) -> str:
        """For people: why there is no rate for a symbol."""
        found = self._converters.get(spec.name)
        if found is None:
            return f"no symbol converts {spec.quote_currency} to {self._account}"
        return f"no quote of {found.name} yet, which converts {spec.quote_currency}"

    def forget(self, time_us: int) -> None:
        """Let go of what no tick after this event time can ask for."""
        for log in self._logs.values():
            log.forget(time_us - LAG_US)

    @property
    def states(self) -> dict[str, RateState]:
        """What to keep for the next process, by converting symbol."""
        return {name: log.state for name, log in self._logs.items()}

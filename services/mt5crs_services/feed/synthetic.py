"""A made-up market: seeded, restartable at any minute, with a little structure to learn.

Per symbol and minute the log price moves by

    r = momentum * r_before + reversion * (anchor - log price) + sigma * noise [+ jump]

where sigma follows a GARCH(1, 1) process (Bollerslev 1986) around the symbol's usual volatility
and the anchor is a slow exponential average of the log price. The two first terms are weak, but
a model can find them; real markets are not that kind. Within the minute the move is spread over
Poisson arrivals as a random walk.
"""

import math
import zlib
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick

MINUTE_US: Final = 60_000_000
"""Microseconds in a minute; minute n begins at n times this, in us since the epoch."""

# Shares: of a minute's return that the next one repeats (negative: takes back), of the distance to
# the anchor that a minute closes, and of that distance by which the anchor follows the price.
_MOMENTUM = -0.12
_REVERSION = 0.03
_FOLLOWING = 1.0 / 45.0
# Weights of the last surprise and of the last variance, as fitted to FX returns time and again.
_ARCH, _GARCH = 0.08, 0.90
_JUMP_CHANCE = 1.0 / 2_000.0
_JUMP_SIGMAS = 6.0
# Standard deviation of the spread's logarithm.
_SPREAD_NOISE = 0.25

_START_PRICES = {
    "EURUSD": 1.10,
    "GBPUSD": 1.27,
    "AUDUSD": 0.66,
    "NZDUSD": 0.61,
    "USDCAD": 1.36,
    "USDCHF": 0.89,
    "EURGBP": 0.86,
    "USDJPY": 150.0,
    "EURJPY": 163.0,
    "GBPJPY": 190.0,
    "XAUUSD": 2_400.0,
    "XAGUSD": 28.0,
}
_MINUTES_A_YEAR = 260 * 1_440
_YEARLY_VOLATILITY = {"XAU": 0.15, "XAG": 0.28}
_USUAL_VOLATILITY = 0.08

Floats = npt.NDArray[np.float64]


class SymbolState(msgspec.Struct, frozen=True):
    """Where one symbol stands between two minutes.

    Attributes:
        log_price: Logarithm of the mid.
        anchor: Slow average of `log_price`.
        variance: Variance of the coming minute's return.
        last_return: Log return of the minute before.
    """

    log_price: float
    anchor: float
    variance: float
    last_return: float


class MarketState(msgspec.Struct, frozen=True):
    """Where the market stands between two minutes: all that a later process needs to go on.

    Attributes:
        seed: The seed it was made with.
        next_minute: First minute that has not been made yet, counted since the epoch.
        symbols: By name.
    """

    seed: int
    next_minute: int
    symbols: dict[str, SymbolState]


class SyntheticMarket:
    """Makes the ticks of several symbols, minute by minute.

    A symbol's ticks in a minute depend on the seed, the symbol, the minute and the state at its
    start only: not on the other symbols, nor on how the minutes were shared among processes.
    The same numbers come out on every machine with the same numpy.

    Args:
        symbols: What to quote.
        seed: Same seed, same ticks.
        ticks_per_second: Average rate of each symbol.
        bad_ticks: Share of ticks, in [0, 1], that are spoilt: bid and ask swapped, a zero, a NaN,
            a price 10 % away, the tick before once more, or a time a few seconds back. The other
            ticks are those of a market without bad ones.
        start_us: Time in the first minute to be made, us since the epoch.
    """

    def __init__(
        self,
        symbols: Sequence[SymbolSpec],
        seed: int,
        ticks_per_second: float,
        bad_ticks: float,
        start_us: int,
    ) -> None:
        self._specs = tuple(symbols)
        self._seed = seed
        self._rate = ticks_per_second * 60.0
        self._bad_ticks = bad_ticks
        self._next_minute = start_us // MINUTE_US
        self._states = {spec.name: _first_state(spec) for spec in self._specs}

    def state(self) -> MarketState:
        """Where the market stands; a market restored from it goes on as this one does."""
        return MarketState(self._seed, self._next_minute, dict(self._states))

    def restore(self, state: MarketState) -> None:
        """Go on from where an earlier market stood. Symbols that are new begin at their start.

        Raises:
            ValueError: It was made with another seed.
        """
        if state.seed != self._seed:
            raise ValueError(f"a market of seed {state.seed} cannot go on with seed {self._seed}")
        self._next_minute = state.next_minute
        for name in self._states.keys() & state.symbols.keys():
            self._states[name] = state.symbols[name]

    def minute(self, number: int) -> list[Tick]:
        """Make one minute's ticks of all symbols, in the order of their arrival.

        Times lie strictly inside the minute, in whole microseconds, ascending for each symbol,
        except those of ticks spoilt by a time that goes back.

        Args:
            number: The minute, counted since the epoch; minutes that are left out are a closed
                market, after which prices go on from where they were.

        Raises:
            ValueError: This minute, or a later one, was made before.
        """
        if number < self._next_minute:
            raise ValueError(f"minute {number} is made already; the next is {self._next_minute}")
        arrivals = [self._symbol_minute(spec, number) for spec in self._specs]
        self._next_minute = number + 1
        ordered = sorted(chain.from_iterable(arrivals), key=itemgetter(0))
        return [tick for _, tick in ordered]

    def _symbol_minute(self, spec: SymbolSpec, number: int) -> Iterable[tuple[int, Tick]]:
        key = [self._seed, zlib.crc32(spec.name.encode()), number]
        rng = np.random.Generator(np.random.PCG64(key))
        times = _arrivals(rng, self._rate)
        before, usual = self._states[spec.name], _usual_variance(spec)
        path, self._states[spec.name] = _walk(rng, before, len(times), usual)
        bids, asks = _quotes(rng, spec, path, excitement=math.sqrt(before.variance / usual))
        volumes = rng.integers(1, 10, len(times))
        arrived = (times + number * MINUTE_US).tolist()
        quotes = bids.tolist(), asks.tolist(), volumes.astype(np.float64).tolist()
        ticks = list(map(Tick, repeat(spec.name), arrived, *quotes))
        if self._bad_ticks:
            _spoil(rng, ticks, self._bad_ticks)
        return zip(arrived, ticks, strict=True)


def _first_state(spec: SymbolSpec) -> SymbolState:
    log_price = math.log(_START_PRICES.get(spec.name, 1.0))
    return SymbolState(log_price, log_price, _usual_variance(spec), 0.0)


def _usual_variance(spec: SymbolSpec) -> float:
    yearly = _YEARLY_VOLATILITY.get(spec.base_currency, _USUAL_VOLATILITY)
    return yearly**2 / _MINUTES_A_YEAR


def _arrivals(rng: np.random.Generator, rate: float) -> npt.NDArray[np.int64]:
    """Poisson arrivals in us after the minute's start; of two in one us, one is left out."""
    times: npt.NDArray[np.int64] = np.unique(rng.integers(1, MINUTE_US, rng.poisson(rate)))
    return times


def _walk(
    rng: np.random.Generator, state: SymbolState, count: int, usual: float
) -> tuple[Floats, SymbolState]:
    """Log prices of a minute's ticks, and the state at its end; without ticks nothing moves."""
    if not count:
        return np.empty(0), state
    expected = _MOMENTUM * state.last_return + _REVERSION * (state.anchor - state.log_price)
    sigma = math.sqrt(state.variance)
    steps = rng.standard_normal(count) * (sigma / math.sqrt(count)) + expected / count
    surprise = float(steps.sum()) - expected
    if rng.random() < _JUMP_CHANCE:
        steps[rng.integers(count)] += _JUMP_SIGMAS * sigma * rng.standard_normal()
    path = state.log_price + np.cumsum(steps)
    end = float(path[-1])
    after = SymbolState(
        log_price=end,
        anchor=state.anchor + _FOLLOWING * (end - state.anchor),
        variance=(1.0 - _ARCH - _GARCH) * usual + _ARCH * surprise**2 + _GARCH * state.variance,
        last_return=end - state.log_price,
    )
    return path, after


def _quotes(
    rng: np.random.Generator, spec: SymbolSpec, path: Floats, excitement: float
) -> tuple[Floats, Floats]:
    """Bids and asks on the symbol's price grid; the spread widens with the volatility."""
    scale = 10.0**spec.digits
    noise = np.exp(_SPREAD_NOISE * rng.standard_normal(len(path)))
    spreads = np.rint(spec.spread_points * math.sqrt(excitement) * noise)
    bids = np.maximum(np.rint(np.exp(path) * scale - spreads / 2.0), 1.0)
    # A division by a power of ten gives the double that is nearest to the decimal number.
    return bids / scale, (bids + spreads) / scale


def _spoil(rng: np.random.Generator, ticks: list[Tick], share: float) -> None:
    good = tuple(ticks)
    for at in np.flatnonzero(rng.random(len(good)) < share).tolist():
        tick = good[at]
        away = 1.1 if rng.random() < 0.5 else 0.9
        back = int(rng.integers(1_000_000, 5_000_000))
        faults = (
            replace(tick, bid=tick.ask, ask=tick.bid),
            replace(tick, bid=0.0),
            replace(tick, ask=math.nan),
            replace(tick, bid=tick.bid * away, ask=tick.ask * away),
            good[max(at - 1, 0)],
            replace(tick, time_us=tick.time_us - back),
        )
        ticks[at] = faults[rng.integers(len(faults))]

"""What a trader writes: a `Strategy` answers closed bars (or ticks) with a signal."""

import abc
import importlib
import inspect
import itertools
import operator
from pathlib import Path
from typing import Any, ClassVar

from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.methods import fault_of_methods, own_module
from mt5crs_shared.trading.orders import Fill
from mt5crs_shared.wording import nearest, shown
from mt5crs_worker import features
from mt5crs_worker.adapter import LiveStrategyAdapter
from mt5crs_worker.answers import BUY, EXIT, HOLD, SELL, Signal, describe_answer, place, plain_state
from mt5crs_worker.bars import WINDOW, BarWindow
from mt5crs_worker.features.source import FeatureSource

__all__ = ["BUY", "EXIT", "HOLD", "SELL", "ModelStrategy", "Signal", "Strategy", "load_strategy"]


_OWN = ("config", "symbol", "params", "state", "note", "probability")
_SUPER = "its __init__ must begin with super().__init__(config, symbol)"


class StrategyError(Mt5crsError):
    """A strategy's class that cannot be used. It alone stops, until the operator mends it."""


class Strategy(abc.ABC):
    """Base class of every strategy; override :meth:`on_bar`.

    It decides, and nothing else: sizing, stops, orders and the position are the bot's. It must
    be a function of what it is given and of :attr:`state`: a respawned process is fed the same
    ticks again and has to come to the same decisions. No clock, no random numbers, no network.

    Attributes:
        warmup: Closed bars that must be there before the first decision, at most 256.
        config: The strategy's entry in the YAML.
        symbol: What the broker says of its symbol.
        params: ``params:`` of the YAML, as they stand.
        state: What it must remember; numbers, strings, lists and dicts. Kept over a restart.
        note: A few words on the decision, for the journal; empty again before the next one.
        probability: Of an upward move, in [0, 1], for the journal; None where there is none.
    """

    warmup: ClassVar[int] = 30

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        self.config = config
        self.symbol = symbol
        self.params: dict[str, Any] = config.params
        self.state: dict[str, Any] = {}
        self.note = ""
        self.probability: float | None = None

    @abc.abstractmethod
    def on_bar(self, bars: BarWindow) -> Signal:
        """A bar was closed; `bars` ends with it.

        Returns:
            BUY (1), SELL (-1), HOLD (0: leave everything as it is) or EXIT (2: be flat). BUY and
            SELL turn an opposite position. Anything else is an error, and nothing is ordered.
        """

    def on_tick(self, tick: Tick, bars: BarWindow) -> Signal:
        """A tick came, and the YAML says ``evaluate: tick``; `bars` ends with the open bar.

        Unless overridden, the open bar is looked at as if it closed here.
        """
        return self.on_bar(bars)

    def on_fill(self, fill: Fill) -> None:  # noqa: B027 - nothing to do is a fine answer
        """A deal of this strategy was done: an order's, a stop's, or a target's."""


class ModelStrategy(Strategy):
    """Asks an XGBoost model about the 18 features; what an entry without ``strategy:`` runs.

    Attributes:
        source: Where the features come from; None: they are computed here.
    """

    warmup = WINDOW

    def __init__(self, config: StrategyConfig, symbol: SymbolSpec) -> None:
        super().__init__(config, symbol)
        if config.model_path is None:
            raise StrategyError(f"{config.name}: model_path is missing")
        self.source: FeatureSource | None = None
        self.adapter = LiveStrategyAdapter(config.model_path, config.threshold, config.risk_config)

    @property
    def model_hash(self) -> str:
        """BLAKE2b-256 of the model's file as it was loaded, hexadecimal."""
        return self.adapter.get_metadata().blake2

    def on_bar(self, bars: BarWindow) -> Signal:
        """The model's signal for the newest bar; HOLD where there are no features of it."""
        values = features.compute(bars) if self.source is None else self.source.of(bars)
        if values is None:
            return HOLD
        self.probability = self.adapter.probability(values)
        return self.adapter.signal_of(self.probability)


_METHODS = {"on_bar": "self, bars", "on_tick": "self, tick, bars", "on_fill": "self, fill"}


def class_of(config: StrategyConfig) -> type[Strategy]:
    """The class that an entry of the YAML names.

    Raises:
        StrategyError: It cannot be imported, or is no `Strategy`.
    """
    if config.strategy is None:
        return ModelStrategy
    found = _resolved(config.strategy)
    if isinstance(found, type) and issubclass(found, Strategy):
        fault = fault_of_methods(found, Strategy, _METHODS)
        if fault:
            raise StrategyError(f"strategy: {config.strategy}: {fault}")
        return found
    raise StrategyError(
        f"strategy: {config.strategy} is no subclass of Strategy, from mt5crs_worker.strategy"
    )


def _resolved(name: str) -> object:
    """What ``package.module:Class`` names, whatever its module does while it is imported."""
    module_name, _, class_name = name.partition(":")
    # Of the module, where it is that: the same for every class of it.
    fault = f"strategy: {module_name} cannot be imported"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            # Found, and it asks for one that is not there.
            raise StrategyError(f"{fault}: {describe_answer(error)}") from error
        near = nearest(module_name, _modules_here())
        hint = f"did you mean {near}?" if near else f"looked in {Path.cwd()} and PYTHONPATH"
        raise StrategyError(f"{fault}: there is no module {error.name}; {hint}") from error
    except (Exception, SystemExit) as error:
        raise StrategyError(f"{fault}: {describe_answer(error)}") from error
    if hasattr(module, class_name):
        return getattr(module, class_name)
    members = vars(module).items()
    classes = [key for key, value in members if _is_strategy(value) and value is not Strategy]
    near = nearest(class_name, classes)
    hint = f"did you mean {near}?" if near else f"it has {', '.join(classes) or 'none at all'}"
    hint += own_module(module_name)
    said = f"{module_name} has no class {class_name}; {hint}"
    raise StrategyError(f"strategy: {name} cannot be imported: {said}")


def _is_strategy(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Strategy)


def _modules_here() -> list[str]:
    """Modules in the folder that the command was started in."""
    return [path.stem for path in itertools.islice(Path.cwd().glob("*.py"), 1_000)]


def load_strategy(config: StrategyConfig, symbol: SymbolSpec) -> Strategy:
    """Make the strategy that an entry of the YAML names.

    Raises:
        StrategyError: Its class cannot be imported, is no `Strategy`, fails when it is made, or
            makes something that cannot be used.
        ModelError: Its model cannot be used.
    """
    found = class_of(config)
    try:
        made = found(config, symbol)
    except Mt5crsError:
        raise
    except (Exception, SystemExit) as error:
        hint = f"; {_SUPER}" if _is_bare(found, error) else _called_as(found, error)
        raise StrategyError(
            f"strategy: {config.strategy} failed: {describe_answer(error)}{hint}"
        ) from error
    if not all(hasattr(made, attribute) for attribute in _OWN):
        raise StrategyError(f"strategy: {config.strategy} is not complete: {_SUPER}")
    made.state = plain_state(made.state)
    _check_warmup(made.warmup, config)
    if config.features == "api" and not isinstance(made, ModelStrategy):
        raise StrategyError(
            f"strategy: {config.strategy} is no ModelStrategy, and features: api is for the"
            " features of a model; take one of the two out"
        )
    return made


def _is_bare(found: type[Strategy], error: BaseException) -> bool:
    """Whether `__init__` asked for what `Strategy.__init__` was still to set."""
    if not isinstance(error, AttributeError):
        return False
    return error.name in _OWN and isinstance(error.obj, found)


def _called_as(found: type[Strategy], error: BaseException) -> str:
    """What it is made with, where its code was not even begun; empty: it was."""
    begun = error.__traceback__ is not None and error.__traceback__.tb_next is not None
    if begun or not isinstance(error, TypeError) or inspect.isabstract(found):
        return ""
    return f"; it is made with (config, symbol): {place(found.__init__)}"


def _check_warmup(warmup: object, config: StrategyConfig) -> None:
    try:
        bars = operator.index(warmup)  # type: ignore[arg-type]  # what has none raises
    except TypeError:
        bars = 0
    if not 1 <= bars <= WINDOW:
        raise StrategyError(
            f"strategy: {config.strategy}.warmup is {shown(warmup)}; "
            f"it must be a whole number of bars, 1 to {WINDOW}"
        )

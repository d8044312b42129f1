"""From an entry of the configuration to its rule, looked at before it is used."""

import importlib
import re
import typing
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_services.gateway.risk import conditions, exposure, losses
from mt5crs_services.gateway.risk.rule import NoState, Rule
from mt5crs_shared.configuration.structs import RiskRuleConfig
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.trading.methods import fault_of_methods, own_module
from mt5crs_shared.wording import describe_error, nearest

BY_NAME: dict[str, type[Rule[Any]]] = {
    "max_spread": conditions.MaxSpread,
    "trading_hours": conditions.TradingHours,
    "news": conditions.News,
    "max_open_positions": exposure.MaxOpenPositions,
    "max_open_lots": exposure.MaxOpenLots,
    "max_exposure": exposure.MaxExposure,
    "max_openings": exposure.MaxOpenings,
    "max_loss": losses.MaxLoss,
    "max_drawdown": losses.MaxDrawdown,
    "losing_streak": losses.LosingStreak,
}
"""Rules of ours that a configuration can name without a module."""

_HERE = str(Path(__file__).parent)

_METHODS = {
    "before": "self, proposal, state",
    "after": "self, fill, state",
    "after_charge": "self, charge, state",
}

_encode = msgspec.msgpack.Encoder().encode


class RuleError(Mt5crsError):
    """A configured rule cannot be used. The gateway does not start: nothing trades without it.

    Attributes:
        field: The field of its entry that is to blame, such as ``params.most``.
    """

    def __init__(self, message: str, field: str = "rule") -> None:
        super().__init__(message)
        self.field = field


def load_rule(entry: RiskRuleConfig) -> Rule[Any]:
    """The rule that an entry names, with its parameters.

    Raises:
        RuleError: It cannot be found, is no `Rule`, overrides nothing, or does not take these
            parameters.
    """
    found = BY_NAME.get(entry.rule) or _imported(entry.rule)
    if not (isinstance(found, type) and issubclass(found, Rule)):
        raise RuleError(f"risk rule {entry.rule} is no subclass of Rule")
    _check_methods(entry.rule, found)
    _check_state(entry.rule, state_of(found))
    fields = found.__struct_fields__
    for name in entry.params.keys() - set(fields):
        meant = nearest(name, fields)
        hint = f"; did you mean {meant}?" if meant else ""
        has = ", ".join(fields) or "none"
        raise RuleError(
            f"risk rule {entry.rule} has no parameter {name}; it has: {has}{hint}", f"params.{name}"
        )
    try:
        return msgspec.convert(entry.params, found)
    except BaseException as error:
        said = str(error) if isinstance(error, msgspec.ValidationError) else error_of_rule(error)
        where = re.search(r" - at `\$\.(\w+)", said)
        field = f"params.{where[1]}" if where else "params"
        raise RuleError(f"risk rule {entry.rule}: params: {said}", field) from error


def state_of(rule: type[Rule[Any]]) -> type[msgspec.Struct]:
    """What a rule remembers: the ``Lost`` of ``Rule[Lost]``.

    Raises:
        RuleError: It is no struct.
    """
    for kind in rule.__mro__:
        for base in getattr(kind, "__orig_bases__", ()):
            arguments = typing.get_args(base)
            if typing.get_origin(base) is Rule and isinstance(arguments[0], type):
                if not issubclass(arguments[0], msgspec.Struct):
                    raise RuleError(
                        f"risk rule {rule.__name__} remembers a {arguments[0].__name__}; it has to"
                        " be a msgspec.Struct, frozen, every field with a default"
                    )
                return arguments[0]
    return NoState


def _check_methods(name: str, rule: type[Rule[Any]]) -> None:
    fault = fault_of_methods(rule, Rule, _METHODS)
    if fault:
        raise RuleError(f"risk rule {name}: {fault}")
    own = [method for method in _METHODS if getattr(rule, method) is not getattr(Rule, method)]
    if not own:
        raise RuleError(f"risk rule {name} has neither before() nor after(): it would do nothing")
    remembers = state_of(rule)
    if remembers is not NoState and own == ["before"]:
        raise RuleError(
            f"risk rule {name} has no after(self, fill, state): it would never know more than the"
            f" first {remembers.__name__}; write Rule[NoState], or after()"
        )


def _check_state(name: str, kind: type[msgspec.Struct]) -> None:
    try:
        msgspec.msgpack.decode(_encode(kind()), type=kind)
    except TypeError as error:
        raise RuleError(
            f"risk rule {name}: every field of its state needs a default, of a plain kind"
            f" ({error_of_rule(error)})"
        ) from error
    except BaseException as error:
        raise RuleError(
            f"risk rule {name}: its state cannot be kept: {error_of_rule(error)}"
        ) from error


def _imported(name: str) -> object:
    module, _, attribute = name.partition(":")
    if not attribute:
        known = ", ".join(sorted(BY_NAME)) or "none"
        hint = ":".join(name.rsplit(".", 1)) if "." in name else "module:Class"
        raise RuleError(f"there is no risk rule {name} (known: {known}); or name {hint}")
    try:
        found = importlib.import_module(module)
    except BaseException as error:
        where = f"; it is looked for in {Path.cwd()}" if isinstance(error, ImportError) else ""
        raise RuleError(f"risk rule {name}: {error_of_rule(error)}{where}") from error
    if not hasattr(found, attribute):
        meant = nearest(attribute, dir(found))
        hint = f"; did you mean {meant}?" if meant else own_module(module)
        raise RuleError(f"risk rule {name}: {module} has no {attribute}{hint}")
    return getattr(found, attribute)


def error_of_rule(error: BaseException) -> str:
    """An error of a trader's rule, with its place in the trader's file."""
    return describe_error(error, lambda filename: filename.startswith(f"{_HERE}/"))

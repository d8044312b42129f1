"""What a trader's class has to look like; told before it is used, and not at the first tick."""

import inspect
import sys
from collections.abc import Mapping

from mt5crs_shared.wording import nearest

ALIKE = 0.75
"""How alike two names are of which one is taken for the other, misspelt."""


def fault_of_methods(kind: type, base: type, methods: Mapping[str, str]) -> str:
    """What is wrong with the methods of a class; empty: nothing.

    Args:
        kind: The trader's class.
        base: The class that it is made from.
        methods: What is called, and with what, e.g. ``{"on_bar": "self, bars"}``.
    """
    for name, takes in methods.items():
        fault = _fault(kind, base, name, takes)
        if fault:
            return fault
    for owner in kind.__mro__[: kind.__mro__.index(base)]:
        for name, value in vars(owner).items():
            if name.startswith("_") or hasattr(base, name) or not callable(value):
                continue
            meant = nearest(name, methods, ALIKE)
            if meant:
                return f"nothing calls its method {name}; did you mean {meant}?"
    return ""


def own_module(name: str) -> str:
    """What to do where a trader's file has the name of a module of Python's; empty: it has not."""
    top = name.partition(".")[0]
    if top not in sys.stdlib_module_names:
        return ""
    return f"; {top} is a module of Python's own, which comes first: give your file another name"


def _fault(kind: type, base: type, name: str, takes: str) -> str:
    own = inspect.getattr_static(kind, name)
    if own is inspect.getattr_static(base, name) or not inspect.isfunction(own):
        return ""
    if inspect.iscoroutinefunction(own) or inspect.isgeneratorfunction(own):
        return f"{name} has to answer at once: neither async nor yield"
    try:
        inspect.signature(own).bind(*takes.split(", "))
    except TypeError as error:
        return f"{name} takes ({takes}) ({error})"
    return ""

"""Objects that are shared by all processes forked from one, since nobody counts who uses them.

CPython writes into an object whenever it is referred to, and a forked process gets its own copy of
each page that is written to. From 3.12 on it leaves the count of immortal objects alone (PEP 683).
It has no public way to make one, so the count is written here, where its place and what it means
are known: in versions that our tests have run with.
"""

import ctypes
import gc
import itertools
import sys
import types
from typing import Final

_COUNT: Final = 0xFFFF_FFFF
"""An object's count of references, its first four bytes, where it is immortal."""

_KNOWN: Final = (
    sys.implementation.name == "cpython"
    and (3, 12) <= sys.version_info < (3, 14)
    and getattr(sys, "abiflags", None) == ""  # neither for debugging nor without the global lock
    and sys.maxsize > 2**32
    and sys.byteorder == "little"
)


def freeze() -> int:
    """Make what there is immortal, and hide it from the garbage collector; of no use but to fork.

    Nothing of it is ever freed or closed by itself, in this process and those forked from it.

    Returns:
        How many objects have become immortal; 0 in a version where that is not known to work: its
        processes need more memory, and that is all.
    """
    gc.collect()
    mortal = _mortal() if _KNOWN and _counts_there() else {}
    for address in mortal:
        ctypes.c_uint32.from_address(address).value = _COUNT
    gc.freeze()
    return len(mortal)


def _counts_there() -> bool:
    """Whether a count lies where it is written to, seen on an object of no concern."""
    thing = object()
    count = ctypes.c_uint32.from_address(id(thing))
    before = count.value
    more = [thing] * 10
    return count.value == before + len(more) == sys.getrefcount(thing) - 1


def _mortal() -> dict[int, object]:
    """What is not immortal, by its address; without what a call before this one has frozen."""
    seen = gc.get_objects()
    # An immortal one's may be mortal: a class of the interpreter's own has a dict like any other.
    seen += gc.get_referents(*seen)
    found: dict[int, object] = {}
    while seen:
        new = {
            address: thing
            for address, thing in {id(thing): thing for thing in seen}.items()
            if address not in found
            and sys.getrefcount(thing) < _COUNT
            and type(thing) is not types.FrameType
        }
        found |= new
        seen = gc.get_referents(*new.values())
        seen += itertools.chain.from_iterable(map(_constants, new.values()))
    return found


def _constants(thing: object) -> tuple[object, ...]:
    """What code refers to: the garbage collector does not know it."""
    if type(thing) is not types.CodeType:
        return ()
    return (
        thing.co_consts,
        thing.co_names,
        thing.co_name,
        thing.co_qualname,
        thing.co_filename,
        thing.co_linetable,
        thing.co_exceptiontable,
    )

"""The other side of `validate`: a process that tries what a configuration names, and ends."""

import os
import sys
from collections.abc import Callable

import msgspec

from mt5crs_shared.configuration.structs import Config, decode_config
from mt5crs_shared.errors import Unusable


def answer(find: Callable[[Config], list[Unusable]]) -> None:
    """Read a configuration from stdin, and write what was found in it to stdout."""
    # As at a start: where Python would, and then in the folder that the trader works in.
    sys.path.append(os.getcwd())  # noqa: PTH109 - a string is wanted
    # What a trader's code prints is not the answer.
    stdout = os.dup(1)
    os.dup2(2, 1)
    os.write(stdout, msgspec.json.encode(find(decode_config(sys.stdin.buffer.read()))))

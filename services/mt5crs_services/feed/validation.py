"""Tries the files of a replay, in a process of its own: ``validate`` asks for it."""

import os
import sys
from collections import deque
from pathlib import Path

import msgspec

from mt5crs_services.feed.files import FeedFileError, read_ticks
from mt5crs_shared.configuration.structs import Config, decode_config
from mt5crs_shared.errors import Unusable


def faults_of_replay(config: Config) -> list[Unusable]:
    """What is wrong in the files that a configuration replays; every row is read."""
    feed = config.globals.feed
    found: list[Unusable] = []
    if feed is None:
        return found
    for number, name in enumerate(feed.files):
        field = f"feed.files[{number}]"
        try:
            if not deque(read_ticks(Path(name), feed.symbol), maxlen=1):
                found.append(Unusable(field, f"{name} has no ticks"))
        except FeedFileError as error:
            found.append(Unusable(field, str(error)))
    return found


def validate_replay() -> None:
    """Read a configuration from stdin, and write what was found to stdout."""
    found = faults_of_replay(decode_config(sys.stdin.buffer.read()))
    os.write(1, msgspec.json.encode(found))


if __name__ == "__main__":
    validate_replay()

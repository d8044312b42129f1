"""Tries the files of a replay, in a process of its own: ``validate`` asks for it."""

from collections import deque
from pathlib import Path

from mt5crs_services.feed.files import FeedFileError, read_ticks
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.errors import Unusable
from mt5crs_shared.process.validation import answer


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


if __name__ == "__main__":
    answer(faults_of_replay)

"""What every test relies on."""

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.memory import IN_MEMORY

# Started in the background of a shell, a process ignores Ctrl-C, and so do all that it starts;
# some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hundreds of processes begin with the same modules: what one has compiled, the others read, as it
# is at a user's.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("usual", deadline=None)
settings.load_profile("usual")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what may take longest: last of all it would keep everybody waiting, alone.

    xdist gives each of its workers a part of the list, one after the other: the long ones are dealt
    out to the beginnings of these parts. All else stays in its order, so that what starts processes
    runs beside what only calculates.
    """
    usual = float(items[0].config.getini("timeout")) if items else 0.0
    long = sorted(
        (item for item in items if _allowed_s(item) > usual), key=_allowed_s, reverse=True
    )
    rest = [item for item in items if _allowed_s(item) <= usual]
    workers, total = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")), len(items)
    items.clear()
    for number in range(workers):
        items += long[number::workers]
        more = round(total * (number + 1) / workers) - len(items)
        items += rest[:more]
        rest = rest[more:]


def _allowed_s(item: pytest.Item) -> float:
    marker = item.get_closest_marker("timeout")
    usual = float(item.config.getini("timeout"))
    return max(usual, float(marker.args[0])) if marker is not None and marker.args else usual


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder that waits for no disk, where the system has one."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Path(folder)

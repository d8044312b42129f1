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


@pytest.fixture
def memory() -> Iterator[Path]:
    """A folder that waits for no disk, where the system has one."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        yield Path(folder)

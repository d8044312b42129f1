"""What every test relies on."""

import os
import signal
import sys

from hypothesis import settings

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

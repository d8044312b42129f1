"""What every test relies on."""

import signal

from hypothesis import settings

# Started in the background of a shell, a process ignores Ctrl-C, and so do all that it starts;
# some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("usual", deadline=None)
settings.load_profile("usual")

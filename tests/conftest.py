"""What every test relies on."""

import signal

# Started in the background of a shell, a process ignores Ctrl-C, and so do all that it starts;
# some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

"""The command line: options and help texts; what a verb does is in `commands`.

Modules are imported by the verbs that need them, so that ``--help`` and ``status`` are fast.
"""

from mt5crs_supervisor.cli import editing, features, feeds, notifying, records, system, trading
from mt5crs_supervisor.cli.group import PROGRAM, cli

__all__ = [
    "PROGRAM",
    "cli",
    "editing",
    "features",
    "feeds",
    "notifying",
    "records",
    "run_command_line",
    "system",
    "trading",
]


def run_command_line() -> None:
    """Run the command line."""
    cli(prog_name=PROGRAM)

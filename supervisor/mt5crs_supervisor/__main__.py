"""The console entry point, and ``python -m mt5crs_supervisor``."""

import os
import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is being imported ends it as quietly as later."""
    try:
        from mt5crs_supervisor import cli

        cli.run_command_line()
    except KeyboardInterrupt:
        sys.exit("\nAborted!")


if __name__ == "__main__":
    # `python -m` looks into the current folder first: a trader's signal.py would be taken for the
    # standard library's. The folder is looked into last, see `commands.foreground`.
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]  # noqa: PTH109
    main()

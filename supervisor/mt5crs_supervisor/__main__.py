"""The console entry point, and ``python -m mt5crs_supervisor``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it is being imported ends it as quietly as later."""
    try:
        from mt5crs_supervisor import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit("\nAborted!")


if __name__ == "__main__":
    main()

"""``python -m mt5crs_supervisor``: the same as the installed command."""

from mt5crs_supervisor.cli import main

if __name__ == "__main__":
    main()

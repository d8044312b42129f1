"""`page`: where the page is, with the token that lets a browser act."""

import click

from mt5crs_shared.control.asking import NotRunning
from mt5crs_shared.process.files import read_regular
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.commands.running.background import wait_until
from mt5crs_supervisor.deaths import running
from mt5crs_supervisor.operator.control import ControlClient

WITHIN = 5.0
"""Seconds that a page that has just been started has to make its token."""


def print_address(paths: VarPaths) -> None:
    """Print it: nothing else, so that a script can open it.

    Raises:
        NotRunning: There is no supervisor.
        CommandError: It shows no page, or that has no token.
    """
    report = ControlClient(paths.var).status()
    config = running.load_running(paths)
    if report.child("page") is None or config is None or config.globals.page is None:
        raise CommandError(
            "there is no page: `start --page 127.0.0.1:8090`, or global.page in the configuration,"
            " and `reload`"
        )
    if not wait_until(paths.token.exists, WITHIN):
        raise NotRunning("the page has no token yet; `logs page` says why")
    token = read_regular(paths.token, 1_000).decode("ascii").strip()
    click.echo(f"{config.globals.page.url}#token={token}")

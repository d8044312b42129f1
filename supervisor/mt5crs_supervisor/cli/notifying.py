"""Verbs about who is told what has happened."""

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import Setup, as_json_option, pass_setup, place_options


@cli.group()
def notify() -> None:
    """See that what happens reaches you: global.notify of the configuration."""


@notify.command()
@place_options()
@pass_setup
def test(setup: Setup) -> None:
    """Send a message to every destination, and fetch alive_url."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.records import notifying

    notifying.send_test(setup.config, VarPaths(setup.running))


@notify.command()
@place_options()
@click.option("-n", "limit", type=click.IntRange(min=1), default=50, help="Messages [50].")
@as_json_option
@pass_setup
def sent(setup: Setup, limit: int, as_json: bool) -> None:
    """Show the newest messages, and what became of them."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.records import notifying

    notifying.show_sent(VarPaths(setup.running), limit, as_json)

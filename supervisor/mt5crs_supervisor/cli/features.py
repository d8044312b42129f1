"""Verbs about the features that models see."""

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import Setup, pass_setup, place_options


@cli.group()
def features() -> None:
    """What the strategies' models see, for others."""


@features.command()
@place_options()
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0: a free one."
)
@pass_setup
def serve(setup: Setup, host: str, port: int) -> None:
    """Serve the 18 features of the enabled strategies' bars over HTTP until Ctrl-C."""
    from mt5crs_supervisor.commands.running import feature_server

    feature_server.serve_features(setup.config, setup.running, host, port)

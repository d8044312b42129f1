"""Verbs that publish ticks."""

from typing import Any

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import (
    Setup,
    insecure_option,
    pass_setup,
    place_options,
    url_option,
)


@cli.group()
def feed() -> None:
    """Publish ticks in the foreground, for when nobody else does."""


@feed.command()
@place_options()
@url_option
@insecure_option
@click.option("--symbol", "symbols", multiple=True, help="Repeatable [those of the strategies].")
@click.option("--seed", type=int, help="Same seed, same ticks [42].")
@click.option("--ticks-per-second", type=float, help="Of each symbol, in event time [4].")
@click.option("--history-minutes", type=int, help="Minutes handed to the tape first [360].")
@click.option("--bad-ticks", type=float, help="Share of spoilt ticks, 0 to 0.5 [0].")
@click.option("--speed", type=float, help="Event time to real time; 0: as fast as possible [1].")
@click.option("--start", help="Event time of the first tick, ISO 8601 [now].")
@pass_setup
def synthetic(
    setup: Setup, /, url: str | None, insecure: bool, symbols: tuple[str, ...], **options: Any
) -> None:
    """Publish a made-up market until Ctrl-C."""
    from mt5crs_supervisor.commands import feeds

    given = {key: value for key, value in options.items() if value is not None}
    feeds.feed_synthetic(given, symbols, url, insecure, setup.config, setup.var_dir)


@feed.command()
@place_options()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@url_option
@insecure_option
@click.option("--speed", type=float, default=1.0, show_default=True, help="0: see --fast.")
@click.option("--fast", is_flag=True, help="As fast as possible.")
@click.option("--symbol", help="What all FILES hold [each is named after its own].")
@pass_setup
def replay(
    setup: Setup,
    files: tuple[str, ...],
    url: str | None,
    insecure: bool,
    speed: float,
    fast: bool,
    symbol: str | None,
) -> None:
    """Publish recorded FILES; each is named after its symbol, as in EURUSD_2026-01.csv.gz."""
    from mt5crs_supervisor.commands import feeds

    options = {"files": list(files), "speed": 0.0 if fast else speed, "symbol": symbol}
    feeds.feed_replay(options, url, insecure, setup.config, setup.var_dir)

"""Verbs that show what is written down, whether anything runs or not."""

from pathlib import Path
from typing import Any

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import (
    Setup,
    as_json_option,
    name_argument,
    pass_setup,
    place_options,
    since_option,
)


@cli.command()
@place_options()
@as_json_option
@pass_setup
def positions(setup: Setup, as_json: bool) -> None:
    """Show the open positions; also while nothing runs."""
    from mt5crs_supervisor.commands.records import books

    books.show_positions(setup.running, as_json)


@cli.command()
@place_options()
@name_argument(required=False)
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json_option
@pass_setup
def orders(setup: Setup, name: str | None, limit: int, as_json: bool) -> None:
    """Show the newest orders, or those of strategy NAME; also while nothing runs."""
    from mt5crs_supervisor.commands.records import books

    books.show_orders(setup.running, setup.config, name, limit, as_json)


@cli.command()
@place_options()
@name_argument()
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json_option
@pass_setup
def decisions(setup: Setup, name: str, limit: int, as_json: bool) -> None:
    """Show the newest decisions of strategy NAME, and why each led to what it did."""
    from mt5crs_supervisor.commands.records import explain as explanation

    explanation.show_decisions(setup.running, name, limit, as_json)


@cli.command()
@place_options()
@name_argument(required=False)
@since_option
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="All of them, as CSV.")
@click.option(
    "--parquet",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="All of them, written to FILE as Parquet.",
)
@as_json_option
@pass_setup
def trades(
    setup: Setup,
    name: str | None,
    since: str | None,
    limit: int,
    as_csv: bool,
    parquet: Path | None,
    as_json: bool,
) -> None:
    """Show the newest closed trades, or those of strategy NAME, with what each made."""
    from mt5crs_supervisor.commands.records import earnings

    earnings.show_trades(setup.running, name, since, limit, as_csv, parquet, as_json)


@cli.command()
@place_options()
@name_argument(required=False)
@click.option(
    "--by",
    "span",
    type=click.Choice(["strategy", "symbol", "exit", "hour", "weekday", "day", "week", "month"]),
    default="strategy",
    show_default=True,
)
@since_option
@as_json_option
@pass_setup
def pnl(setup: Setup, name: str | None, span: Any, since: str | None, as_json: bool) -> None:
    """Show what closed trades came to: net, win rate, profit factor, drawdown ..."""
    from mt5crs_supervisor.commands.records import earnings

    earnings.show_earnings(setup.running, name, span, since, as_json)


@cli.command()
@place_options()
@name_argument(required=False)
@click.option("--requests", is_flag=True, help="What a paper account would have sent.")
@since_option
@click.option(
    "-n", "--limit", type=click.IntRange(1), default=50, show_default=True, help="Of requests."
)
@as_json_option
@pass_setup
def compare(
    setup: Setup, name: str | None, requests: bool, since: str | None, limit: int, as_json: bool
) -> None:
    """Show how live deals differ from what paper would have made of the same orders."""
    from mt5crs_supervisor.commands.records import comparing

    if requests:
        comparing.show_requests(setup.running, name, since, limit, as_json)
    else:
        comparing.show_comparison(setup.running, name, since, as_json)


@cli.command()
@place_options()
@name_argument(required=False)
@as_json_option
@pass_setup
def crashes(setup: Setup, name: str | None, as_json: bool) -> None:
    """Show every death and its cause; of NAME, also its last one in full."""
    from mt5crs_supervisor.commands.records import crashes as black_boxes

    black_boxes.show_crashes(setup.running, name, as_json)


@cli.command()
@place_options()
@name_argument(required=False)
@since_option
@click.option("--kind", help="Kinds, separated by commas [all but state].")
@click.option(
    "-n", "--limit", type=click.IntRange(1), help="The newest so many [50, or all since]."
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--summary", is_flag=True, help="A page of it, with what was earned.")
@as_json_option
@pass_setup
def events(
    setup: Setup,
    name: str | None,
    since: str | None,
    kind: str | None,
    limit: int | None,
    follow: bool,
    summary: bool,
    as_json: bool,
) -> None:
    """Show what happened, of everybody or of NAME: deaths, recoveries, deals, refusals ..."""
    from mt5crs_supervisor.commands.records import events as story

    if summary:
        story.show_summary(setup.running, since)
        return
    story.show_events(setup.running, name, since, kind, limit, follow, as_json)


@cli.command(name="config")
@place_options()
@name_argument(required=False)
@click.option("--running", "of_what_runs", is_flag=True, help="Of what runs, not of the file.")
@as_json_option
@pass_setup
def effective_config(setup: Setup, name: str | None, of_what_runs: bool, as_json: bool) -> None:
    """Show every field with its value, defaults included, or those of strategy NAME."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.records import effective

    effective.show_config(VarPaths(setup.running), setup.config, name, of_what_runs, as_json)

"""Verbs that hold trading back, and close by hand."""

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import (
    Setup,
    as_json_option,
    names_argument,
    pass_setup,
    place_options,
    why_option,
)


@cli.command()
@place_options()
@names_argument()
@click.option("--all", "everybody", is_flag=True, help="Every strategy, also one that comes later.")
@click.option("--halt", is_flag=True, help="Refuse orders that close, too.")
@why_option
@click.option("--until", help="2h, 22:00 or 2026-11-25T22:00, in local time [`resume`].")
@pass_setup
def pause(
    setup: Setup,
    names: tuple[str, ...],
    everybody: bool,
    halt: bool,
    why: str,
    until: str | None,
) -> None:
    """Let strategies NAMES open no positions; they run on and may close."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import trading

    trading.pause(VarPaths(setup.running), names, everybody, halt, why, until)


@cli.command()
@place_options()
@names_argument()
@click.option("--all", "everybody", is_flag=True, help="Whatever is paused.")
@pass_setup
def resume(setup: Setup, names: tuple[str, ...], everybody: bool) -> None:
    """Let strategies NAMES trade again after `pause`."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import trading

    trading.resume(VarPaths(setup.running), names, everybody)


@cli.command()
@place_options()
@names_argument()
@click.option("--all", "everybody", is_flag=True, help="Whatever risk rules have locked.")
@pass_setup
def unlock(setup: Setup, names: tuple[str, ...], everybody: bool) -> None:
    """Let strategies NAMES trade again after a risk rule has locked them."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import trading

    trading.unlock(VarPaths(setup.running), names, everybody)


@cli.command()
@place_options()
@names_argument(metavar="NAME|TICKET")
@click.option("--all", "everybody", is_flag=True, help="Every open position.")
@pass_setup
def flatten(setup: Setup, names: tuple[str, ...], everybody: bool) -> None:
    """Close positions now, by strategy or by ticket; also of strategies that are gone."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import trading

    trading.flatten(VarPaths(setup.running), names, everybody)


@cli.command(name="kill-switch")
@place_options()
@click.argument("turn", type=click.Choice(["on", "off"]), required=False)
@click.option("--flatten", "closing", is_flag=True, help="With on: close every position, too.")
@why_option
@click.option("--yes", "sure", is_flag=True, help="With off: do not ask.")
@pass_setup
def kill_switch(setup: Setup, turn: str | None, closing: bool, why: str, sure: bool) -> None:
    """Refuse every order until it is switched off, or say whether it is on."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import trading

    if (closing or why) and turn != "on":
        raise click.UsageError("--flatten and --why belong to `kill-switch on`")
    if sure and turn != "off":
        raise click.UsageError("--yes belongs to `kill-switch off`")
    paths = VarPaths(setup.running)
    if turn == "on":
        trading.kill_switch(paths, closing, why)
    elif turn == "off":
        trading.release_kill_switch(paths, sure)
    else:
        trading.show_kill_switch(paths)


@cli.command()
@place_options()
@click.argument("what", required=False, metavar="[ORDER|TICKET|balance]")
@click.argument("fate", type=click.Choice(["filled", "not-filled", "accepted"]), required=False)
@click.option("--ticket", type=click.IntRange(1), default=None, help="The position it opened.")
@click.option("--lots", type=click.FloatRange(0, min_open=True), help="Volume [all of it].")
@click.option("--price", type=click.FloatRange(0, min_open=True), help="Of the deal [the quote].")
@as_json_option
@pass_setup
def resolve(
    setup: Setup,
    what: str | None,
    fate: str | None,
    ticket: int | None,
    lots: float | None,
    price: float | None,
    as_json: bool,
) -> None:
    """Say what nobody here can find out: an order's fate, a closing, that a balance is right."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.running import resolving

    paths = VarPaths(setup.running)
    if what is None:
        resolving.show_open(paths, as_json)
        return
    if (what == "balance") != (fate == "accepted"):
        raise click.UsageError("it is `resolve balance accepted`")
    if fate is None:
        raise click.UsageError("say what became of it: `filled` or `not-filled`")
    if fate != "filled" and (ticket or lots or price):
        raise click.UsageError("--ticket, --lots and --price belong to `filled`")
    resolving.resolve(paths, what, fate, ticket or 0, lots or 0.0, price or 0.0)


@cli.command()
@place_options()
@click.argument("ticket", type=click.IntRange(1), required=False)
@click.argument("strategy", required=False)
@click.option("--yes", "sure", is_flag=True, help="Do not ask.")
@as_json_option
@pass_setup
def adopt(
    setup: Setup, ticket: int | None, strategy: str | None, sure: bool, as_json: bool
) -> None:
    """Make position TICKET of the broker's account STRATEGY's own, or show what is nobody's."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.running import adopting

    paths = VarPaths(setup.running)
    if ticket is None:
        adopting.show_foreign(paths, as_json)
        return
    if strategy is None:
        raise click.UsageError("say whose it is to be: `adopt TICKET STRATEGY`")
    adopting.adopt(paths, ticket, strategy, sure)


@cli.command()
@place_options()
@as_json_option
@pass_setup
def locks(setup: Setup, as_json: bool) -> None:
    """Show what holds orders back, and how it is taken off; also while nothing runs."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import trading

    trading.show_locks(VarPaths(setup.running), as_json)

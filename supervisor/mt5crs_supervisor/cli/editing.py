"""Verbs that change the strategies file, and what lies beside it: symbols and keys."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import (
    Decorated,
    Setup,
    names_argument,
    pass_setup,
    place_options,
)

if TYPE_CHECKING:
    from mt5crs_supervisor.commands.editing.change import Afterwards


def _reload_options() -> Callable[[Decorated], Decorated]:
    def decorate(command: Decorated) -> Decorated:
        reload = click.option("--reload", is_flag=True, help="Have what runs take it up at once.")
        keep = click.option(
            "--keep", is_flag=True, help="With --reload: positions may be left open."
        )
        flatten = click.option(
            "--flatten", is_flag=True, help="With --reload: close positions that would be left."
        )
        return reload(keep(flatten(command)))

    return decorate


def _afterwards(reload: bool, keep: bool, flatten: bool) -> "Afterwards":
    from mt5crs_supervisor.commands.editing.change import Afterwards

    if (keep or flatten) and not reload:
        raise click.UsageError("--keep and --flatten belong to --reload")
    return Afterwards(reload, keep, flatten)


@cli.command()
@place_options()
@names_argument(required=True)
@_reload_options()
@pass_setup
def enable(setup: Setup, /, names: tuple[str, ...], **then: Any) -> None:
    """Enable strategies NAMES in the strategies file."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.editing import change

    change.switch(setup.config, VarPaths(setup.running), names, True, _afterwards(**then))


@cli.command()
@place_options()
@names_argument(required=True)
@_reload_options()
@pass_setup
def disable(setup: Setup, /, names: tuple[str, ...], **then: Any) -> None:
    """Disable strategies NAMES in the strategies file; their entries stay."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.editing import change

    change.switch(setup.config, VarPaths(setup.running), names, False, _afterwards(**then))


@cli.command()
@place_options()
@click.argument("file", type=click.Path(path_type=Path))
@_reload_options()
@pass_setup
def add(setup: Setup, /, file: Path, **then: Any) -> None:
    """Put the strategies of FILE, one entry or a list, behind those of the strategies file."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.editing import change

    change.add(setup.config, VarPaths(setup.running), file, _afterwards(**then))


@cli.command()
@place_options()
@names_argument(required=True)
@_reload_options()
@pass_setup
def remove(setup: Setup, /, names: tuple[str, ...], **then: Any) -> None:
    """Take strategies NAMES out of the strategies file."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.editing import change

    change.remove(setup.config, VarPaths(setup.running), names, _afterwards(**then))


@cli.group()
def symbols() -> None:
    """What the broker says of each symbol: symbols.yaml."""


@symbols.command()
@place_options()
@click.argument("names", nargs=-1)
@click.option("--from", "source", help="Address [global.zmq_execution_host and _port].")
@click.option("--dry-run", is_flag=True, help="Show what differs, and write nothing.")
@pass_setup
def pull(setup: Setup, names: tuple[str, ...], source: str | None, dry_run: bool) -> None:
    """Write what the broker says of NAMES into symbols.yaml, by way of a Windows gateway."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.editing import symbols_pull

    symbols_pull.pull(setup.config, VarPaths(setup.running), names, source, dry_run)


@cli.group()
def history() -> None:
    """The bars that strategies begin with."""


@history.command(name="pull")
@place_options()
@names_argument()
@click.option("--from", "source", help="Address [global.zmq_execution_host and _port].")
@click.option("--if-needed", is_flag=True, help="Only for who would begin with too few bars.")
@pass_setup
def pull_history(setup: Setup, names: tuple[str, ...], source: str | None, if_needed: bool) -> None:
    """Write the broker's bars into the history files of NAMES, by way of a Windows gateway."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.editing.history import history_pull

    missing_in = VarPaths(setup.running) if if_needed else None
    history_pull.write_history(setup.config, names, source, missing_in)


@cli.command()
@place_options()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="keys")
@click.option("--for", "gateway", metavar="NAME", help="Of a gateway beside a terminal, too.")
def keys(folder: Path, gateway: str | None) -> None:
    """Make CURVE keys of this installation in FOLDER [keys], and show the public ones."""
    from mt5crs_supervisor.commands.editing import key_files

    key_files.make_keys(folder, gateway)

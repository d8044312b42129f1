"""`start --detach`: a supervisor that goes on when the terminal is gone."""

from pathlib import Path

import click

from mt5crs_shared.configuration import loading
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.children.lifecycle import ALIVE
from mt5crs_supervisor.commands import background
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.operator import render


def start_detached(config: Path, var_dir: Path, duration: float | None) -> None:
    """Start a supervisor in the background, and return when its strategies have booted.

    Raises:
        ConfigError: The configuration is refused.
        AlreadyRunning: The folder has a supervisor.
        CommandError: The supervisor ended while starting, or not everything works.
    """
    loading.load_config(config)
    paths = VarPaths(var_dir)
    background.refuse_second(paths)
    options = [] if duration is None else ["--duration", str(duration)]
    process = background.launch(config, paths, options)
    report = background.wait_until_up(process, paths)
    # It is no longer ours to wait for: not reaping it here would only earn a warning.
    process.returncode = 0
    click.echo(f"supervisor started, pid {process.pid}; logs in {render.nearby(str(paths.log))}")
    if report is None:
        click.echo(f"it has not answered within {background.UP_WITHIN:g} s; see its log")
        return
    children = report.children
    for child in children:
        error = f"  {child.last_error}" if child.last_error else ""
        click.echo(f"  {child.name}  {child.state}  pid {child.pid or '-'}{error}")
    down = [child.name for child in children if child.state not in ALIVE]
    if down:
        raise CommandError(f"not everything works: {', '.join(down)}; the supervisor goes on")

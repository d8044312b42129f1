"""Verbs that run a system, ask it, or try one out."""

import contextlib
from pathlib import Path

import click

from mt5crs_supervisor.cli.group import cli
from mt5crs_supervisor.cli.options import (
    Setup,
    as_json_option,
    duration_option,
    metrics_option,
    name_argument,
    names_argument,
    page_option,
    pass_setup,
    place_options,
    since_option,
)
from mt5crs_supervisor.display.folding import say, say_aside


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def init(folder: Path) -> None:
    """Make a starter project in FOLDER, or in this folder; it changes no file that is there."""
    from mt5crs_supervisor.commands import init as starting

    starting.make_project(folder)


@cli.command()
@place_options()
@names_argument()
@duration_option
@metrics_option
@page_option
@click.option("--detach", is_flag=True, help="Return when the strategies have booted.")
@click.option("--watch-config", is_flag=True, help="Take up changed files as `reload` does.")
@click.option("--live", is_flag=True, help="Trade the account that `paper_trading: false` names.")
@click.option("--feed-json", hidden=True)
@click.option("--quiet", is_flag=True, hidden=True)
@click.option("--exit-with-parent", is_flag=True, hidden=True)
@pass_setup
def start(
    setup: Setup,
    names: tuple[str, ...],
    duration: float | None,
    metrics: str | None,
    page: str | None,
    detach: bool,
    watch_config: bool,
    live: bool,
    feed_json: str | None,
    quiet: bool,
    exit_with_parent: bool,
) -> None:
    """Start the supervisor; it prints what happens, until Ctrl-C. Or start strategies NAMES."""
    if names:
        from mt5crs_shared.process.paths import VarPaths
        from mt5crs_supervisor.commands.running import children

        children.act_on(VarPaths(setup.running), "start", names, say)
        return
    if not quiet and feed_json is None:
        from mt5crs_supervisor.commands.editing.history import history_start

        # Whoever starts it quietly, as `--detach` does, has done so already.
        history_start.pull_history(setup.config, setup.var_dir, say_aside)
    if detach:
        from mt5crs_supervisor.commands.running import background

        background.start_detached(
            setup.config,
            setup.var_dir,
            duration,
            watch_config=watch_config,
            metrics=metrics,
            page=page,
            live=live,
        )
        return
    from mt5crs_supervisor.processes import forkserver

    # Its imports take longer than all else; which models there are is not known before the file is
    # read properly.
    with contextlib.suppress(OSError):
        if b"model_path" not in setup.config.read_bytes():
            forkserver.ensure(models=())
    from mt5crs_supervisor.commands.running import foreground

    foreground.run_foreground(
        setup.config,
        setup.var_dir,
        duration,
        metrics=metrics,
        page=page,
        feed=feed_json,
        quiet=quiet,
        exit_with_parent=exit_with_parent,
        watch_config=watch_config,
        live=live,
    )


@cli.command()
@place_options()
@names_argument()
@pass_setup
def stop(setup: Setup, names: tuple[str, ...]) -> None:
    """Stop everything in order, or strategies NAMES alone, and wait until they are gone."""
    from mt5crs_shared.process.paths import VarPaths

    paths = VarPaths(setup.running)
    if names:
        from mt5crs_supervisor.commands.running import children

        children.act_on(paths, "stop", names, say)
        return
    from mt5crs_supervisor.commands.running import background

    background.stop_supervisor(paths, say)


@cli.command()
@place_options()
@as_json_option
@click.option("--watch", is_flag=True, help="Every second, until Ctrl-C.")
@pass_setup
def status(setup: Setup, as_json: bool, watch: bool) -> None:
    """Show strategies, services and the account."""
    from mt5crs_supervisor.commands import show

    (show.watch if watch else show.show_status)(setup.running, as_json)


@cli.command()
@place_options()
@pass_setup
def top(setup: Setup) -> None:
    """Show everything live, and act on it by keys: restart, pause, flatten, kill switch ..."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.running import top as view

    view.show_top(VarPaths(setup.running))


@cli.command()
@place_options()
@pass_setup
def page(setup: Setup) -> None:
    """Print the address of the page, with the token that lets a browser act."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.running import page_address

    page_address.print_address(VarPaths(setup.running))


@cli.command()
@place_options()
@names_argument(required=True)
@pass_setup
def restart(setup: Setup, names: tuple[str, ...]) -> None:
    """Give NAMES, strategies or services, a fresh process; also out of quarantine."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.running import children

    children.act_on(VarPaths(setup.running), "restart", names, say)


@cli.command()
@place_options()
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--keep", is_flag=True, help="Strategies that leave may leave a position open.")
@click.option("--flatten", is_flag=True, help="Close the positions of strategies that leave.")
@pass_setup
def reload(setup: Setup, dry_run: bool, keep: bool, flatten: bool) -> None:
    """Take up the changes of the configuration file; what is untouched notices nothing."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.running import reload as reloading

    reloading.reload(VarPaths(setup.running), dry_run, keep, flatten)


@cli.command()
@place_options()
@name_argument()
@pass_setup
def explain(setup: Setup, name: str) -> None:
    """Say what strategy NAME is doing, and what it waits for."""
    from mt5crs_supervisor.commands.records import explain as explanation

    explanation.show_explanation(setup.running, name)


@cli.command()
@place_options()
@name_argument(required=False)
@click.option("--all", "everybody", is_flag=True, help="Every log, in one order.")
@since_option
@click.option(
    "--level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    help="At least that grave.",
)
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@pass_setup
def logs(
    setup: Setup,
    name: str | None,
    everybody: bool,
    since: str | None,
    level: str | None,
    lines: int,
    follow: bool,
) -> None:
    """Show the log of NAME; without one, the supervisor's."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.records import logsearch, logview

    if everybody and name is not None:
        raise click.UsageError("name one, or say --all")
    searching = everybody or since is not None or level is not None
    if follow and searching:
        raise click.UsageError("-f follows one log; `events -f` tells everybody's story")
    paths, whose = VarPaths(setup.running), name or "supervisor"
    if searching:
        names = paths.logged() if everybody else [logview.known(paths, whose)]
        logsearch.search_logs(paths, names, since, level or "debug", lines)
    else:
        logview.show_log(paths, whose, lines, follow)


@cli.command()
@place_options()
@click.option(
    "--listen",
    type=click.FloatRange(0.1, 600.0),
    default=5.0,
    show_default=True,
    help="Seconds to listen to the market.",
)
@as_json_option
@pass_setup
def doctor(setup: Setup, listen: float, as_json: bool) -> None:
    """Look whether machine, files and market are fit; exit code 1 if something is not."""
    from mt5crs_supervisor.commands.doctor import examine

    if not examine.examine(setup.config, setup.running, listen, as_json):
        raise click.exceptions.Exit(1)


@cli.command()
@place_options()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@pass_setup
def validate(setup: Setup, file: Path | None) -> None:
    """Check FILE, or the configuration; print every mistake in it."""
    from mt5crs_supervisor.commands import validate as validation

    validation.check_configuration(file or setup.config)


@cli.command()
@place_options()
@duration_option
@pass_setup
def demo(setup: Setup, duration: float | None) -> None:
    """Run everything on a made-up market, and show it live until Ctrl-C."""
    from mt5crs_supervisor.commands import demo as demonstration

    demonstration.run_demo(setup.config, setup.demo, duration)


@cli.command()
@place_options()
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same campaign.")
@click.option("--faults", type=click.IntRange(1), default=20, show_default=True)
@click.option(
    "--every", type=click.FloatRange(0.0), default=2.0, show_default=True, help="Seconds between."
)
@click.option("--only", help="Kinds of faults, separated by commas [all].")
@as_json_option
@pass_setup
def chaos(
    setup: Setup, seed: int, faults: int, every: float, only: str | None, as_json: bool
) -> None:
    """Hurt a system of its own, and prove that nothing was lost; exit code 1 if something was."""
    from mt5crs_supervisor.commands import chaos as campaign

    if not campaign.run_campaign(setup.config, faults, every, seed, only, as_json):
        raise click.exceptions.Exit(1)

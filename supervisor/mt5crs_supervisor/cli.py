"""The command line: options and help texts; what a verb does is in `commands`.

Modules are imported by the verbs that need them, so that ``--help`` and ``status`` are fast.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mt5crs_shared.errors import Mt5crsError

PROGRAM = "mt5crs-supervisor"

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Setup:
    """Where everything is; an option given after the verb wins over the same one before it."""

    var_dir = Path("var")
    config = Path("config/strategies.yaml")

    @property
    def demo(self) -> Path:
        """The demo's own folder: its made-up market must not meet a real one's checkpoints."""
        return self.var_dir / "demo"

    @property
    def running(self) -> Path:
        """The folder to look at: the demo's while only the demo runs."""
        pid_file = Path("supervisor.pid")
        demo_alone = (self.demo / pid_file).exists() and not (self.var_dir / pid_file).exists()
        return self.demo if demo_alone else self.var_dir


pass_setup = click.make_pass_decorator(Setup, ensure=True)


class Verbs(click.Group):
    """The commands; ends with an exit code and one message instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except Mt5crsError as error:
            from mt5crs_supervisor.commands import failures

            click.echo(failures.message(error), err=True)
            ctx.exit(failures.exit_code(error))


def _keep(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None and param.name is not None:
        setattr(ctx.ensure_object(Setup), param.name, value)


def place_options(**envvars: str) -> Callable[[Decorated], Decorated]:
    """Options that every verb takes, and the group before it."""

    def decorate(command: Decorated) -> Decorated:
        config = click.option(
            "--config",
            type=click.Path(path_type=Path),
            envvar=envvars.get("config"),
            callback=_keep,
            expose_value=False,
            help="The strategies file [MT5CRS_CONFIG; config/strategies.yaml].",
        )
        var_dir = click.option(
            "--var-dir",
            type=click.Path(path_type=Path, file_okay=False),
            envvar=envvars.get("var_dir"),
            callback=_keep,
            expose_value=False,
            help="Folder of the running system [MT5CRS_VAR; ./var].",
        )
        return config(var_dir(command))

    return decorate


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
duration_option = click.option(
    "--duration", type=click.FloatRange(0.0, min_open=True), help="Stop after so many seconds."
)
since_option = click.option(
    "--since", help="30m, 2h, 1d, 22:00 or 2026-11-25T22:00, in local time."
)
url_option = click.option("--url", help="Where to publish [the configuration's zmq_market_url].")


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=PROGRAM, prog_name=PROGRAM)
@place_options(config="MT5CRS_CONFIG", var_dir="MT5CRS_VAR")
def cli() -> None:
    """Runs each trading strategy in a process of its own, and brings it back when it dies."""


@cli.command()
@place_options()
@duration_option
@click.option("--detach", is_flag=True, help="Return when the strategies have booted.")
@click.option("--feed-json", hidden=True)
@click.option("--quiet", is_flag=True, hidden=True)
@click.option("--exit-with-parent", is_flag=True, hidden=True)
@pass_setup
def start(
    setup: Setup,
    duration: float | None,
    detach: bool,
    feed_json: str | None,
    quiet: bool,
    exit_with_parent: bool,
) -> None:
    """Start the supervisor; it prints what happens, until Ctrl-C."""
    if detach:
        from mt5crs_supervisor.commands import background

        background.start_detached(setup.config, setup.var_dir, duration)
        return
    from mt5crs_supervisor.processes import forkserver

    forkserver.ensure()
    from mt5crs_supervisor.commands import foreground

    foreground.run_foreground(
        setup.config,
        setup.var_dir,
        duration,
        feed=feed_json,
        quiet=quiet,
        exit_with_parent=exit_with_parent,
    )


@cli.command()
@place_options()
@pass_setup
def stop(setup: Setup) -> None:
    """Stop everything in order, and wait until it is gone."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import background

    background.stop_supervisor(VarPaths(setup.running), click.echo)


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
@click.argument("name")
@pass_setup
def restart(setup: Setup, name: str) -> None:
    """Give NAME, a strategy or a service, a fresh process; also out of quarantine."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands import background

    background.restart_child(VarPaths(setup.running), name, click.echo)


@cli.command()
@place_options()
@click.argument("name", default="supervisor")
@click.option("-n", "--lines", type=click.IntRange(0), default=50, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@pass_setup
def logs(setup: Setup, name: str, lines: int, follow: bool) -> None:
    """Show the log of NAME; without one, the supervisor's."""
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.commands.records import logview

    logview.show_log(VarPaths(setup.running), name, lines, follow)


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
@as_json_option
@pass_setup
def positions(setup: Setup, as_json: bool) -> None:
    """Show the open positions; also while nothing runs."""
    from mt5crs_supervisor.commands.records import books

    books.show_positions(setup.running, as_json)


@cli.command()
@place_options()
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json_option
@pass_setup
def orders(setup: Setup, name: str | None, limit: int, as_json: bool) -> None:
    """Show the newest orders, or those of strategy NAME; also while nothing runs."""
    from mt5crs_supervisor.commands.records import books

    books.show_orders(setup.running, setup.config, name, limit, as_json)


@cli.command()
@place_options()
@click.argument("name")
@pass_setup
def explain(setup: Setup, name: str) -> None:
    """Say what strategy NAME is doing, and what it waits for."""
    from mt5crs_supervisor.commands import explain as explanation

    explanation.show_explanation(setup.running, name)


@cli.command()
@place_options()
@click.argument("name")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@as_json_option
@pass_setup
def decisions(setup: Setup, name: str, limit: int, as_json: bool) -> None:
    """Show the newest decisions of strategy NAME, and why each led to what it did."""
    from mt5crs_supervisor.commands import explain as explanation

    explanation.show_decisions(setup.running, name, limit, as_json)


@cli.command()
@place_options()
@click.argument("name", required=False)
@since_option
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="All of them, as CSV.")
@as_json_option
@pass_setup
def trades(
    setup: Setup, name: str | None, since: str | None, limit: int, as_csv: bool, as_json: bool
) -> None:
    """Show the newest closed trades, or those of strategy NAME, with what each made."""
    from mt5crs_supervisor.commands.records import earnings

    earnings.show_trades(setup.running, name, since, limit, as_csv, as_json)


@cli.command()
@place_options()
@click.argument("name", required=False)
@click.option(
    "--by",
    "span",
    type=click.Choice(["strategy", "symbol", "exit", "hour", "day", "week", "month"]),
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
@click.argument("name", required=False)
@as_json_option
@pass_setup
def crashes(setup: Setup, name: str | None, as_json: bool) -> None:
    """Show every death and its cause; of NAME, also its last one in full."""
    from mt5crs_supervisor.commands.records import crashes as black_boxes

    black_boxes.show_crashes(setup.running, name, as_json)


@cli.command()
@place_options()
@click.argument("name", required=False)
@since_option
@click.option("--kind", help="Kinds, separated by commas [all but state].")
@click.option("-n", "--limit", type=click.IntRange(1), default=50, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@as_json_option
@pass_setup
def events(
    setup: Setup,
    name: str | None,
    since: str | None,
    kind: str | None,
    limit: int,
    follow: bool,
    as_json: bool,
) -> None:
    """Show what happened, of everybody or of NAME: deaths, recoveries, deals, refusals ..."""
    from mt5crs_supervisor.commands.records import events as story

    story.show_events(setup.running, name, since, kind, limit, follow, as_json)


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


@cli.group()
def feed() -> None:
    """Publish ticks in the foreground, for when nobody else does."""


@feed.command()
@place_options()
@url_option
@click.option("--symbol", "symbols", multiple=True, help="Repeatable [those of the strategies].")
@click.option("--seed", type=int, help="Same seed, same ticks [42].")
@click.option("--ticks-per-second", type=float, help="Of each symbol, in event time [4].")
@click.option("--history-minutes", type=int, help="Minutes handed to the tape first [360].")
@click.option("--bad-ticks", type=float, help="Share of spoilt ticks, 0 to 0.5 [0].")
@click.option("--speed", type=float, help="Event time to real time; 0: as fast as possible [1].")
@click.option("--start", help="Event time of the first tick, ISO 8601 [now].")
@pass_setup
def synthetic(setup: Setup, /, url: str | None, symbols: tuple[str, ...], **options: Any) -> None:
    """Publish a made-up market until Ctrl-C."""
    from mt5crs_supervisor.commands import feeds

    given = {key: value for key, value in options.items() if value is not None}
    feeds.feed_synthetic(given, symbols, url, setup.config, setup.var_dir)


@feed.command()
@place_options()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False))
@url_option
@click.option("--speed", type=float, default=1.0, show_default=True, help="0: see --fast.")
@click.option("--fast", is_flag=True, help="As fast as possible.")
@click.option("--symbol", help="What all FILES hold [each is named after its own].")
@pass_setup
def replay(
    setup: Setup,
    files: tuple[str, ...],
    url: str | None,
    speed: float,
    fast: bool,
    symbol: str | None,
) -> None:
    """Publish recorded FILES; each is named after its symbol, as in EURUSD_2026-01.csv.gz."""
    from mt5crs_supervisor.commands import feeds

    options = {"files": list(files), "speed": 0.0 if fast else speed, "symbol": symbol}
    feeds.feed_replay(options, url, setup.config, setup.var_dir)


def run_command_line() -> None:
    """Run the command line."""
    cli(prog_name=PROGRAM)

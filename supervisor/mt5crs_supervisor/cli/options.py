"""Options and arguments that several verbs take, and where everything is."""

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


class Setup:
    """Where everything is; an option given after the verb wins over the same one before it.

    Attributes:
        var_dir: Folder of the running system.
        config: The strategies file.
        is_named: `--var-dir` was given on the command line.
    """

    var_dir = Path("var")
    config = Path("config/strategies.yaml")
    is_named = False

    @property
    def demo(self) -> Path:
        """The demo's own folder."""
        from mt5crs_shared.process.paths import VarPaths

        return VarPaths(self.var_dir).demo.var

    @functools.cached_property
    def running(self) -> Path:
        """The folder to look at: what `--var-dir` names, or the demo's while it alone runs."""
        if self.is_named or not _is_in_use(self.demo) or _is_in_use(self.var_dir):
            return self.var_dir
        return self.demo


pass_setup = click.make_pass_decorator(Setup, ensure=True)


def _is_in_use(var_dir: Path) -> bool:
    """See `orphans.is_in_use`."""
    # A demo of root's leaves a folder that nobody else may look into.
    if not os.path.exists(var_dir / "supervisor.pid"):  # noqa: PTH110 - pathlib's raises then
        return False
    # Imported when there is doubt: it costs a third of the time that `status` may take.
    from mt5crs_shared.process.paths import VarPaths
    from mt5crs_supervisor.operator import orphans

    return orphans.is_in_use(VarPaths(var_dir))


def _keep(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    if value is not None and param.name is not None:
        setup = ctx.ensure_object(Setup)
        setattr(setup, param.name, value)
        source = ctx.get_parameter_source(param.name)
        if param.name == "var_dir" and source is ParameterSource.COMMANDLINE:
            setup.is_named = True


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


def _names(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """Children that have a log, for the completion of a shell."""
    from mt5crs_shared.process.paths import VarPaths

    logged = VarPaths(ctx.ensure_object(Setup).running).logged()
    return [name for name in logged if name.startswith(begun)]


def name_argument(**options: Any) -> Callable[[Decorated], Decorated]:
    """NAME, of a child; completed by shells."""
    return click.argument("name", shell_complete=_names, **options)


def names_argument(**options: Any) -> Callable[[Decorated], Decorated]:
    """NAMES, of children, also with ``*`` and ``?``; completed by shells."""
    return click.argument("names", nargs=-1, shell_complete=_names, **options)


def _metrics(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """HOST:PORT, as ``global.metrics`` has it."""
    if value is not None:
        from mt5crs_shared.configuration import checks

        if problem := checks.metrics_problem(value):
            raise click.BadParameter(f"{value!r}; expected {problem}")
    return value


def _page(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """HOST:PORT of this machine alone: what is more has to be written into ``global.page``."""
    if value is not None:
        from mt5crs_shared.configuration import checks
        from mt5crs_shared.sockets.opening import is_local

        problem = checks.page_problem(value)
        if not problem and not is_local(f"tcp://{value}"):
            problem = "an address of this machine alone; any other in global.page, with its TLS"
        if problem:
            raise click.BadParameter(f"{value!r}; expected {problem}")
    return value


as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
duration_option = click.option(
    "--duration", type=click.FloatRange(0.0, min_open=True), help="Stop after so many seconds."
)
metrics_option = click.option(
    "--metrics",
    metavar="HOST:PORT",
    callback=_metrics,
    help="Serve figures to Prometheus there [global.metrics].",
)
page_option = click.option(
    "--page",
    metavar="HOST:PORT",
    callback=_page,
    help="Show everything in a browser there [global.page].",
)
since_option = click.option(
    "--since", help="30m, 2h, 1d, 22:00 or 2026-11-25T22:00, in local time."
)
why_option = click.option("--why", default="", help="A reason, for whoever asks later.")
insecure_option = click.option(
    "--insecure", is_flag=True, help="With --url: it may be heard on other machines."
)
url_option = click.option("--url", help="Where to publish [the configuration's zmq_market_url].")

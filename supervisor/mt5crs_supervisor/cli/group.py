"""The group of all verbs: ends with an exit code and one message instead of a traceback."""

import contextlib
import platform
from pathlib import Path
from typing import Any

import click

from mt5crs_shared.errors import Mt5crsError
from mt5crs_supervisor.cli.options import place_options

PROGRAM = "mt5crs-supervisor"
PAGE = "live.md"
"""One of the documentation's pages, by which its folder is known."""


class Verbs(click.Group):
    """The commands; ends with an exit code and one message instead of a traceback."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Take a verb; in the list of all, its first clause stands whole.

        click cuts the sentence in the middle instead, and ends it with dots.
        """
        if cmd.short_help is None and cmd.help:
            sentence = " ".join(cmd.help.split("\n\n")[0].split())
            cmd.short_help = f"{sentence.partition('; ')[0].partition('. ')[0].rstrip(' .')}."
        super().add_command(cmd, name)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say where the pages are that messages name; not every user has the repository."""
        folder = _docs()
        if folder is not None:
            formatter.write_paragraph()
            formatter.write_text(f"Pages that messages name, such as docs/{PAGE}, are in")
            # On a line of its own, whole: it is to be copied.
            formatter.write(f"  {folder}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except Mt5crsError as error:
            from mt5crs_supervisor.commands import failures
            from mt5crs_supervisor.display.folding import say

            say(failures.message(error), err=True)
            ctx.exit(failures.exit_code(error))


def _docs() -> Path | None:
    """The folder of the documentation: the checkout's, or what was installed; None: neither."""
    checkout = Path(__file__).parents[3] / "docs"
    if (checkout / PAGE).exists():
        return checkout
    from importlib import metadata  # 30 ms, and only --help needs it

    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(PROGRAM) or ():
            if file.name == PAGE:
                return Path(str(file.locate())).resolve().parent
    return None


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name=PROGRAM,
    prog_name=PROGRAM,
    message=f"%(prog)s %(version)s, Python {platform.python_version()}, {platform.platform()}",
)
@place_options(config="MT5CRS_CONFIG", var_dir="MT5CRS_VAR")
def cli() -> None:
    """Runs each trading strategy in a process of its own, and brings it back when it dies."""

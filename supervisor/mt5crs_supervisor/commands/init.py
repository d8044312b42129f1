"""`init`: a folder with all that a trader needs to begin."""

import contextlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mt5crs_shared.wording import nearby
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.display.folding import say


class StarterFile(NamedTuple):
    """One file of the project.

    Attributes:
        target: Where it goes, in the project.
        what: What it is, in a few words.
        source: Where it is in the package, where that is another path: what no tool shall take for
            code, or for a setting, of the package itself.
    """

    target: str
    what: str
    source: str = ""


STARTER: Final = Path(__file__).parents[1] / "starter"
"""Where the package has the files."""

FILES: Final = (
    StarterFile("config/strategies.yaml", "what runs: two strategies, a model and a class"),
    StarterFile("config/symbols.yaml", "what the broker says of each symbol"),
    StarterFile("models/baseline_v1.json", "a model, to be run and not to be traded"),
    StarterFile("models/baseline_v1.meta.json", "its description, and its figures"),
    StarterFile("my_strategies.py", "a strategy of your own", "my_strategies.py-tpl"),
    StarterFile(
        "tests/test_my_strategies.py",
        "its tests: `python -m pytest`",
        "tests/test_my_strategies.py-tpl",
    ),
    StarterFile("pytest.ini", "where pytest finds both"),
    StarterFile("README.md", "what to type, and what to change"),
    StarterFile(".gitignore", "what need not be kept", "gitignore"),
)

PROGRAM: Final = "mt5crs-supervisor"

NEXT: Final = (
    ("validate", "every mistake in these files, with line and column"),
    ("doctor", "machine, files, market; nobody publishes one yet, and it says so"),
    ("demo", "everything on a made-up market, until Ctrl-C"),
    ("status", "in a second terminal; then kill -9 a PID of it, and look again"),
)


def make_project(folder: Path) -> None:
    """Write a starter project, and say what to type next.

    Args:
        folder: Where; it is made where it is not there.

    Raises:
        CommandError: A file of it is there already, or it cannot be written. Nothing is left of it.
    """
    _refuse_taken(folder)
    with _all_or_nothing(folder) as made:
        for file in FILES:
            body = (STARTER / (file.source or file.target)).read_bytes()
            target = folder / file.target
            _make_folders(target.parent, made)
            with target.open("xb") as out:
                made.append(target)
                out.write(body)
    _tell(folder)


def _refuse_taken(folder: Path) -> None:
    """Refuse a folder with any of the files, also as a broken link.

    Raises:
        CommandError: Which.
    """
    taken = [file.target for file in FILES if os.path.lexists(folder / file.target)]
    if taken:
        raise CommandError(
            f"{_shown(folder)} has {', '.join(taken)} already; nothing was written."
            " Name a folder without them: `mt5crs-supervisor init FOLDER`"
        )


@contextlib.contextmanager
def _all_or_nothing(folder: Path) -> Iterator[list[Path]]:
    """Take away what was made, where not all of it can be.

    Yields:
        A list for each file and folder as it is made.

    Raises:
        CommandError: Why not.
    """
    made: list[Path] = []
    try:
        yield made
    except OSError as error:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        where = error.filename or folder
        raise CommandError(f"{where}: {error.strerror}; nothing was written") from error


def _make_folders(folder: Path, made: list[Path]) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        made.append(each)


def _tell(folder: Path) -> None:
    say(f"made in {_shown(folder)}:")
    widest = max(len(file.target) for file in FILES)
    for file in FILES:
        say(f"  {file.target:<{widest}}  {file.what}")
    say("\nnow type:")
    if folder.resolve() != Path.cwd():
        say(f"  cd {shlex.quote(_shown(folder))}")
    for verb, what in NEXT:
        say(f"  {_command()} {verb:<8}  {what}")
    say("\nYour own market, and a strategy of your own: README.md.")


def _command() -> str:
    """How this command is called again: in full, where its environment is not activated."""
    if shutil.which(PROGRAM) is not None:
        return PROGRAM
    return shlex.quote(str(Path(sys.executable).with_name(PROGRAM)))


def _shown(folder: Path) -> str:
    shown = nearby(str(folder.absolute()))
    return "this folder" if shown == "." else shown

"""Exit codes, and the one place that turns an error into one."""

import enum
import fnmatch
from collections.abc import Iterable
from pathlib import Path

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.errors import ConfigError, Mt5crsError
from mt5crs_shared.wording import nearest


class ExitCode(enum.IntEnum):
    """How a command ends; ``docs/cli.md`` has the table."""

    OK = 0
    ERROR = 1
    USAGE = 2
    NOT_RUNNING = 3
    CONFIGURATION = 4
    TIMEOUT = 5


class CommandError(Mt5crsError):
    """A command cannot do what it was asked to; it ends, and the message says why.

    Attributes:
        code: The exit code.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.ERROR) -> None:
        super().__init__(message)
        self.code = code


def unknown_name(name: str, known: Iterable[str], what: str) -> CommandError:
    """The answer to a name that is not there: the nearest right one, and all of them."""
    names = sorted(set(known))
    near = nearest(name, names, cutoff=0.4)
    hint = f" Did you mean {near}?" if near else ""
    listed = f" There are: {', '.join(names)}." if names else ""
    return CommandError(f"there is no {what} called {name}.{hint}{listed}", ExitCode.USAGE)


def matching(known: Iterable[str], patterns: Iterable[str], what: str) -> list[str]:
    """Whom patterns name, each once.

    Raises:
        CommandError: One of them names nobody.
    """
    names = list(known)
    found: list[str] = []
    for pattern in patterns:
        named = fnmatch.filter(names, pattern)
        if not named:
            raise unknown_name(pattern, names, what)
        found += named
    return list(dict.fromkeys(found))


STRATEGIES_FILE = "strategies.yaml"
"""What the strategies file is called where nobody has named another."""


def is_missing(config: Path) -> bool:
    """Whether there is no such file; one that cannot be looked at is another matter."""
    try:
        config.stat()
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False
    return False


def refuse_missing(config: Path) -> None:
    """Say what to do where there is no configuration at all.

    Raises:
        CommandError: There is none.
    """
    if not is_missing(config):
        return
    if config.name != STRATEGIES_FILE:
        # Somebody has named it.
        near = nearest(config.name, [file.name for file in config.parent.glob("*.y*ml")])
        hint = f"; did you mean {config.parent / near}?" if near else ""
        raise CommandError(f"there is no {config}{hint}", ExitCode.CONFIGURATION)
    raise CommandError(
        f"there is no {config}. Run `mt5crs-supervisor init` first: it makes a folder with all"
        " that is needed. Or name a file by --config",
        ExitCode.CONFIGURATION,
    )


def refuse_unmeant(config: Config, live: bool) -> None:
    """See that somebody's money is traded only where that is said twice.

    Args:
        config: What is about to run.
        live: It was said on the command line too.

    Raises:
        CommandError: It was not; or the market would be a made-up one.
    """
    if config.globals.paper_trading:
        if live:
            raise CommandError(
                "--live, and the configuration says paper_trading: true", ExitCode.USAGE
            )
        return
    if config.globals.feed is not None:
        raise CommandError(
            "paper_trading is false, and the market would be a made-up one: nothing is started",
            ExitCode.CONFIGURATION,
        )
    if not live:
        account = config.globals.account
        which = f"account {account.login} at {account.server}" if account is not None else "money"
        raise CommandError(
            f"paper_trading is false: this trades {which}. Say `start --live` if that is meant;"
            " `doctor` looks at the bridge first",
            ExitCode.USAGE,
        )


def refuse_money(config: Config, command: str) -> None:
    """See that nobody's money is traded by a command that tries something out.

    Raises:
        CommandError: It would be.
    """
    if not config.globals.paper_trading:
        raise CommandError(
            f"`{command}` trades on paper only, and the configuration says paper_trading: false;"
            " name another file by --config",
            ExitCode.CONFIGURATION,
        )


def exit_code(error: Mt5crsError) -> ExitCode:
    """The exit code of an error."""
    match error:
        case CommandError():
            return error.code
        case ConfigError():
            return ExitCode.CONFIGURATION
        case NotRunning():
            return ExitCode.NOT_RUNNING
        case ControlTimeout():
            return ExitCode.TIMEOUT
        case _:
            return ExitCode.ERROR


def message(error: Mt5crsError) -> str:
    """What stands on stderr: the problems of a configuration each on a line of its own."""
    return str(error) if isinstance(error, ConfigError) else f"error: {error}"

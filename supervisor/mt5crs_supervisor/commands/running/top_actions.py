"""What the keys of `top` do: the commands, with their words as lines."""

from collections.abc import Callable

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands import trading
from mt5crs_supervisor.commands.records import crashes, explain, logview
from mt5crs_supervisor.commands.running import children
from mt5crs_supervisor.display.top.actions import Action, KeyOutcome

LOG_LINES = 200

WHY = "by a key of top"
"""The reason of a lock that is put there so."""


def carry_out(paths: VarPaths, action: Action) -> KeyOutcome:
    """Do what was wished; an error is told, not raised."""
    told: list[str] = []
    try:
        _run(paths, action, told.append)
    except Mt5crsError as error:
        return KeyOutcome(action, (*told, str(error)), failed=True)
    except Exception as error:
        # The view goes on, whatever a file of this moment looks like.
        return KeyOutcome(action, (*told, f"{type(error).__name__}: {error}"), failed=True)
    return KeyOutcome(action, tuple(told))


def _run(paths: VarPaths, action: Action, say: Callable[[str], None]) -> None:
    names = (action.name,)
    match action.verb:
        case "restart":
            children.act_on(paths, "restart", names, say)
        case "pause":
            trading.pause(paths, names, False, False, WHY, None, say)
        case "resume":
            trading.resume(paths, names, False, say)
        case "flatten":
            trading.flatten(paths, (_no_ticket(action.name),), False, say)
        case "kill-switch on":
            trading.kill_switch(paths, False, WHY, say)
        case "kill-switch off":
            trading.check_name(paths.title, action.name)
            trading.release_kill_switch(paths, True, say)
        case "logs":
            _say_all(logview.tail(paths, action.name, LOG_LINES), say)
        case "crashes":
            _say_all(crashes.last_death(paths, action.name), say)
        case "explain":
            _say_all(explain.explanation(paths.var, action.name), say)
        case "quit":
            return


def _no_ticket(name: str) -> str:
    """A pattern of this name alone: `flatten` takes digits for a ticket, maybe another's."""
    return f"[{name[0]}]{name[1:]}" if name.isdigit() else name


def _say_all(lines: list[str], say: Callable[[str], None]) -> None:
    for line in lines:
        say(line)

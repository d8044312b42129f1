"""Where in a trader's file a process was when it wrote its stacks; pure."""

import re
import sysconfig
from importlib.util import find_spec
from pathlib import Path

_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)')
"""As `faulthandler` writes them, the innermost first."""

_OURS = ("mt5crs_shared", "mt5crs_worker", "mt5crs_services", "mt5crs_supervisor")
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def stuck_at(stacks: str) -> str:
    """``my_strategies.py:12, on_bar``: the innermost line that is no library's; empty: none.

    Args:
        stacks: Of all threads; the one that was interrupted, or has crashed, is the current one.
    """
    # One that was spared has written them before.
    _, _, current = stacks.rpartition("Current thread")
    for line in current.partition("\n\n")[0].splitlines():
        found = _FRAME.fullmatch(line)
        if found is not None and not _is_library(found["file"]):
            return f"{Path(found['file']).name}:{found['line']}, {found['function']}"
    return ""


def _is_library(file: str) -> bool:
    path = Path(file)
    if file.startswith("<") or not _INSTALLED.isdisjoint(path.parts):
        return True
    if path.is_relative_to(sysconfig.get_path("stdlib")):
        return True
    for package in _OURS:
        found = find_spec(package)
        for folder in (found and found.submodule_search_locations) or ():
            if path.is_relative_to(folder):
                return not path.is_relative_to(Path(folder, "examples"))
    return False

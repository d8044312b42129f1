"""setuptools as the build backend; its wheels have no leftovers, and checkers read its editables.

The packages live in four folders, and for that setuptools installs a finder that runs at each
start of Python. Whatever only reads files, as mypy, pyright and editors do, finds nothing then. A
``.pth`` file that names the four folders does the same for both.

In a checkout, setuptools keeps its ``build`` folder, and the next wheel has whatever is in there,
also modules that are gone since.
"""

import base64
import hashlib
import os
import shutil
import zipfile
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (  # the hooks that stay as they are
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

BUILD = "build"
"""Where setuptools puts what a wheel is made of; in the folder of ``pyproject.toml``."""

FOLDERS = ("supervisor", "worker", "services", "shared")
PATHS_FILE = "mt5crs_supervisor.pth"

Settings = dict[str, str | list[str] | None] | None


def build_wheel(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build a wheel of what is there now; see PEP 517."""
    shutil.rmtree(BUILD, ignore_errors=True)
    name: str = build_meta.build_wheel(wheel_directory, config_settings, metadata_directory)
    return name


def build_editable(
    wheel_directory: str, config_settings: Settings = None, metadata_directory: str | None = None
) -> str:
    """Build an editable wheel; see PEP 660."""
    name: str = build_meta.build_editable(wheel_directory, config_settings, metadata_directory)
    _point_at_folders(Path(wheel_directory) / name, Path.cwd())
    return name


def _point_at_folders(wheel: Path, root: Path) -> None:
    """Put a list of folders into a wheel, where setuptools has put a finder."""
    with zipfile.ZipFile(wheel) as old:
        kept = {
            name: old.read(name) for name in old.namelist() if not name.startswith("__editable__")
        }
    record = next(name for name in kept if name.endswith(".dist-info/RECORD"))
    del kept[record]
    kept[PATHS_FILE] = "".join(f"{root / folder}{os.linesep}" for folder in FOLDERS).encode()
    lines = [f"{name},sha256={_digest(body)},{len(body)}" for name, body in kept.items()]
    kept[record] = "\n".join([*lines, f"{record},,", ""]).encode()
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as new:
        for name, body in kept.items():
            new.writestr(name, body)


def _digest(body: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()

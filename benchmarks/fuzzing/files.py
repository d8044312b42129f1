"""Files below `var`: whose each is, and what is put in its place."""

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Collection
from pathlib import Path
from random import Random

from mt5crs_shared.process.paths import VarPaths

SPARSE = 1 << 30
NOBODYS = ("crash", "supervisor.out")
"""Black boxes, which only people read, and what belongs to this campaign."""

SUPERVISORS = frozenset({"processes", "supervisor", "installation", "control"})


def owner(path: Path, paths: VarPaths, children: Collection[str]) -> str:
    """Who writes a file: a child's name, ``supervisor``, or nobody."""
    parts = path.relative_to(paths.var).parts
    stem = parts[-1].partition(".")[0]
    if parts[0] in NOBODYS or parts[-1] in NOBODYS:
        return "nobody"
    if parts[0] == "tape":
        return "tape"
    if stem in ("ledger", "gateway-backlog"):
        return "gateway"
    if stem in SUPERVISORS:
        return "supervisor"
    return stem if stem in children else "nobody"


def present(paths: VarPaths) -> list[Path]:
    """Every file and socket there is, in an order that is the same each time."""
    found = []
    for path in paths.var.rglob("*"):
        with contextlib.suppress(OSError):
            if not stat.S_ISDIR(path.lstat().st_mode) and path.name != "supervisor.out":
                found.append(path)
    return sorted(found)


def _noise(path: Path, random: Random) -> None:
    path.write_bytes(random.randbytes(random.choice((1, 64, 5_000, 100_000))))


def _empty(path: Path, _random: Random) -> None:
    path.write_bytes(b"")


def _folder(path: Path, random: Random) -> None:
    path.mkdir()
    if random.randrange(2):
        (path / "inside").write_bytes(b"x")


def _fifo(path: Path, _random: Random) -> None:
    os.mkfifo(path)


def _link(path: Path, random: Random) -> None:
    path.symlink_to(random.choice(("/dev/zero", "/dev/full", "/nowhere/at/all", path.name, "/")))


def _sparse(path: Path, _random: Random) -> None:
    path.write_bytes(b"")
    os.truncate(path, SPARSE)


def _gone(_path: Path, _random: Random) -> None:
    pass


REPLACED: dict[str, Callable[[Path, Random], None]] = {
    "random bytes": _noise,
    "empty": _empty,
    "a directory": _folder,
    "a FIFO": _fifo,
    "a symlink": _link,
    "1 GB of nothing": _sparse,
    "gone": _gone,
}
"""Another thing of the same name."""


def _cut(path: Path, random: Random) -> None:
    os.truncate(path, random.randrange(path.stat().st_size + 1))


def _scribbled(path: Path, random: Random) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        for _ in range(random.choice((1, 20, 200))):
            file.seek(random.randrange(size + 1))
            file.write(random.randbytes(random.randrange(1, 64)))


def _locked(path: Path, _random: Random) -> None:
    path.chmod(0)


CHANGED: dict[str, Callable[[Path, Random], None]] = {
    "truncated": _cut,
    "overwritten here and there": _scribbled,
    "mode 000": _locked,
}
"""The same thing, changed under the hands of whoever has it open."""


class Damage:
    """Something done to a file, which can be taken back.

    Args:
        path: The file.
        kind: One of `REPLACED` or `CHANGED`.
        random: What exactly.
        aside: A folder outside of ``var`` on the same disk.
    """

    def __init__(self, path: Path, kind: str, random: Random, aside: Path) -> None:
        self._path = path
        self._kept = aside / "kept"
        self._mode = path.lstat().st_mode
        _remove(self._kept)
        if kind in REPLACED:
            path.rename(self._kept)
            REPLACED[kind](path, random)
        else:
            shutil.copyfile(path, self._kept)
            CHANGED[kind](path, random)

    def undo(self) -> None:
        """Put the file back as it was."""
        if self._kept.exists() or self._kept.is_symlink():
            _remove(self._path)
            self._kept.rename(self._path)
            if not stat.S_ISSOCK(self._mode):
                # What was set aside once is removed by its owner after a while.
                with contextlib.suppress(FileNotFoundError):
                    self._path.chmod(stat.S_IMODE(self._mode))


def kinds(path: Path) -> list[str]:
    """What can be done to a file."""
    if path.name == "installation":
        # Where that is gone the folder is nobody's any more, and all its processes end by design.
        return [kind for kind in [*REPLACED, *CHANGED] if kind != "gone"]
    if stat.S_ISREG(path.lstat().st_mode):
        return [*REPLACED, *CHANGED]
    return list(REPLACED)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

"""A power cut: every process gone at once, and of the files what the disk was told to keep."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system import System

SOURCE = Path(__file__).with_suffix(".c")
COMPILER = shutil.which("cc") or shutil.which("gcc")


class Disk:
    """Knows of each file what has been forced to it, by whatever is started from now on.

    What was only written, by far the most, is lost in the worst of all power cuts: this one.

    Args:
        folder: A temporary folder.
        patched: Of the environment, until the test ends.
    """

    def __init__(self, folder: Path, patched: pytest.MonkeyPatch) -> None:
        library = folder / "disk.so"
        assert COMPILER is not None
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self._kept = folder / "kept"
        self._kept.mkdir()
        patched.setenv("KEPT_BY_THE_DISK", str(self._kept))
        patched.setenv("LD_PRELOAD", str(library))

    def cut_power(self, system: System) -> None:
        """From this moment on nothing is kept any more; then everybody ends, and files go back."""
        kept = self._kept.rename(self._kept.with_name("kept until the cut"))
        system.kill_everybody()
        for path in [path for path in system.var.rglob("*") if not path.is_dir()]:
            copy = kept / _identity(path)
            if copy.exists():
                path.write_bytes(copy.read_bytes())
            else:
                path.unlink()
        kept.rename(self._kept)


def _identity(path: Path) -> str:
    """Its inode and birth, which Python does not tell."""
    command = ["stat", "--format", "%i-%.9W", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

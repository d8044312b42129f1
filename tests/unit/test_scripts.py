import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["scripts/run", "scripts/test", "scripts/venv.bash", ".ci/run"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_bash_understands(name: str) -> None:
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)


@pytest.mark.parametrize("name", ["scripts/run", "scripts/test", ".ci/run"])
def test_can_be_run_and_stops_at_the_first_error(name: str) -> None:
    assert (ROOT / name).stat().st_mode & 0o111 == 0o111
    assert "set -euo pipefail" in (ROOT / name).read_text()


def test_an_old_python_is_named(tmp_path: Path) -> None:
    for name in ("basename", "cat", "cksum", "dirname", "flock", "bash"):
        found = subprocess.run(["which", name], capture_output=True, text=True).stdout.strip()
        if found:
            (tmp_path / name).symlink_to(found)
    root = tmp_path / "house"
    (root / "scripts").mkdir(parents=True)
    scripts = ("scripts/run", "scripts/venv.bash", "scripts/build_backend.py")
    for name in (*scripts, "setup.cfg", "pyproject.toml"):
        (root / name).write_bytes((ROOT / name).read_bytes())

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(root / "scripts" / "run")],
            env={"PATH": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    absent = run()
    python = tmp_path / "python3"
    python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo Python 3.9.2\nexit 1\n')
    python.chmod(0o755)
    old = run()
    assert (absent.returncode, old.returncode) == (1, 1)
    assert absent.stderr == "run: python3 was not found: install Python 3.11 or later\n"
    assert old.stderr == "run: python3 is Python 3.9.2, but 3.11 or later is needed\n"
    assert not (root / ".venv").exists()

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = ["scripts/run", "scripts/test", "scripts/flaky", "scripts/venv.bash", ".ci/run"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_bash_understands(name: str) -> None:
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)


@pytest.mark.parametrize("name", ["scripts/run", "scripts/test", "scripts/flaky", ".ci/run"])
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


def test_a_test_that_fails_now_and_then_is_told_with_its_count(tmp_path: Path) -> None:
    lucky = tmp_path / "test_lucky.py"
    lucky.write_text(
        "from pathlib import Path\n\n"
        "def test_steady():\n    pass\n\n"
        "def test_lucky():\n"
        "    mark = Path(__file__).with_name('seen')\n"
        "    seen = mark.exists()\n"
        "    mark.touch()\n"
        "    assert seen, 'not yet'\n"
    )

    # Two tests need no five processes; what is said last counts.
    few = ["-n", "1", "-p", "no:cacheprovider"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(ROOT / "scripts" / "flaky"), *arguments, *few, str(lucky)],
            env={**os.environ, "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    failed = run("2")
    assert failed.returncode == 1
    first, second, told = failed.stdout.splitlines()
    assert first.startswith("run 1 of 2: 1 failed, 1 passed")
    assert second.startswith("run 2 of 2: 2 passed")
    count, name = told.split(maxsplit=1)
    assert (count, name.endswith("test_lucky.py::test_lucky")) == ("1", True)
    (kept,) = tmp_path.glob("mt5crs-flaky-*")
    assert sorted(path.name for path in kept.iterdir()) == ["failed", "run-1.txt"]
    passed = run("1", "--busy")
    assert (passed.returncode, passed.stderr) == (0, "All 1 runs passed.\n")
    assert list(tmp_path.glob("mt5crs-flaky-*")) == [kept]
    assert run("none").returncode == 2

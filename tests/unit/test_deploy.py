"""The files of deploy/ fit what they are for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system import ROOT

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "mt5crs-supervisor.service"


def settings(unit: Path) -> dict[str, str]:
    """The lines of a unit."""
    return dict(re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE))


def test_the_unit_has_what_a_supervisor_needs() -> None:
    found = settings(UNIT)
    assert found["Type"] == "notify"
    assert found["KillMode"] == "process", "strategies outlive a supervisor that is killed"
    assert found["OOMPolicy"] == "continue"
    assert int(found["WatchdogSec"]) >= 10
    assert found["WorkingDirectory"] in found["ReadWritePaths"].split()
    assert found["ExecStart"].endswith("mt5crs-supervisor start")
    assert found["ExecReload"].endswith("mt5crs-supervisor reload")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze here")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    # What is not on this machine, and every other line as it is.
    text = re.sub(r"^(Exec\w+)=\S+", r"\1=/bin/true", UNIT.read_text(), flags=re.MULTILINE)
    copy = tmp_path / "desk.service"
    copy.write_text(text.replace("User=trader", "User=root"))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")

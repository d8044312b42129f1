"""An operator's day against twenty strategies; see `benchmarks.operating`."""

import subprocess
import sys

import pytest

from tests.system import ROOT


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nobody_notices_what_is_done_to_others() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.operating", "--minutes", "4"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout + done.stderr

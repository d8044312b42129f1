"""A trader's own strategy in a folder of their own: type checkers know where everything is."""

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.system import ROOT


def strategies_of(page: str) -> str:
    """The module that a page tells its reader to write."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    return next(block for block in blocks if "(Strategy):" in block)


def checked(folder: Path) -> str:
    """What mypy says of the module, without any settings of this repository."""
    return subprocess.run(
        [sys.executable, "-m", "mypy", "my_strategies.py"],
        cwd=folder,
        capture_output=True,
        text=True,
    ).stdout


@pytest.mark.parametrize("page", ["README.md", "docs/strategies.md"])
def test_the_strategy_of_a_page_has_its_types(tmp_path: Path, page: str) -> None:
    source = strategies_of(page)
    (tmp_path / "my_strategies.py").write_text(source)
    # TA-Lib comes without types; that is all that a strategy of ours may miss.
    lenient = "[mypy-talib.*]\nignore_missing_imports = True\n"
    (tmp_path / "mypy.ini").write_text(f"[mypy]\nstrict = True\n{lenient}")
    assert checked(tmp_path).startswith("Success")
    broken = source.replace("return BUY", 'return "BUY"', 1)
    (tmp_path / "my_strategies.py").write_text(broken)
    assert 'expected "Signal"' in checked(tmp_path)


def test_the_folders_of_an_editable_install_can_be_read_without_running_it() -> None:
    paths = Path(sysconfig.get_path("purelib")) / "mt5crs_supervisor.pth"
    folders = [Path(line) for line in paths.read_text().splitlines()]
    assert [folder.name for folder in folders] == ["supervisor", "worker", "services", "shared"]
    for folder in folders:
        (package,) = (path for path in folder.iterdir() if path.name[0] not in "._")
        assert (package / "py.typed").is_file()

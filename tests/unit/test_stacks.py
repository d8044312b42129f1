"""Where a process was when it wrote its stacks."""

import faulthandler
import sysconfig
from pathlib import Path

from mt5crs_supervisor.deaths.stacks import stuck_at
from mt5crs_worker import answers

HEAD = "Current thread 0x00007f (most recent call first):\n"


def frame(file: str, line: int = 12, function: str = "on_bar") -> str:
    return f'  File "{file}", line {line} in {function}\n'


def test_it_is_the_innermost_line_of_a_traders_file() -> None:
    library = frame(f"{sysconfig.get_path('stdlib')}/socket.py", 7, "connect")
    package = frame("/desk/.venv/lib/python3.11/site-packages/requests/api.py", 5, "get")
    ours = frame(str(Path(answers.__file__)), 98, "ask_bar")
    frozen = frame("<frozen importlib._bootstrap>", 1, "_find")
    text = HEAD + frozen + library + package + frame("/desk/my_strategies.py") + ours
    other = "Thread 0x01 (most recent call first):\n" + frame("/desk/other.py") + "\n"
    assert stuck_at(text) == "my_strategies.py:12, on_bar"
    assert stuck_at(other + text) == "my_strategies.py:12, on_bar"
    assert stuck_at("Fatal Python error: Segmentation fault\n\n" + text + "\nExtension modules: x")
    assert stuck_at(HEAD + library + ours + "\n" + other) == ""


def test_an_example_is_a_strategy_though_it_is_in_our_package() -> None:
    path = Path(answers.__file__).parent / "examples" / "demo.py"
    assert stuck_at(HEAD + frame(str(path))) == "demo.py:12, on_bar"


def test_of_two_the_last_one_counts() -> None:
    first, second = frame("/desk/my_strategies.py", 3), frame("/desk/my_strategies.py", 44)
    assert stuck_at(HEAD + first + "\n" + HEAD + second) == "my_strategies.py:44, on_bar"


def test_a_folder_that_is_called_as_a_package_of_ours_is_the_traders() -> None:
    file = "/home/ann/mt5crs_supervisor/my_strategies.py"
    assert stuck_at(HEAD + frame(file)) == "my_strategies.py:12, on_bar"


def test_nothing_and_rubbish_name_no_line() -> None:
    for text in ("", "rubbish", HEAD, HEAD + '  File "x', "\x00" * 100):
        assert stuck_at(text) == ""


def test_what_faulthandler_writes_is_read(tmp_path: Path) -> None:
    with (tmp_path / "stacks").open("w") as file:
        faulthandler.dump_traceback(file)
    assert stuck_at((tmp_path / "stacks").read_text()).startswith("test_stacks.py:")

"""`history pull`: the terminal's bars become the files that strategies begin with."""

import contextlib
import pkgutil
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mt5crs_services.mt5_gateway.terminal_records import TerminalBar
from mt5crs_services.tape.tape_file import TapeFiles, TapeRecord
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.editing.history import history_pull, history_start
from mt5crs_supervisor.commands.editing.unchecked import unchecked_config
from mt5crs_worker.bars import load_history
from mt5crs_worker.trading.journal import Journal
from tests.system import ROOT, free_port

STRATEGIES = """\
strategies:
  - {name: one, symbol: EURUSD, timeframe: M5, history: bars/one.csv, strategy: "own:One"}
  - {name: yen, symbol: USDJPY, timeframe: D1, history: yen.csv, strategy: "own:One"}
  - {name: bare, symbol: EURUSD, strategy: "own:One"}
global: {zmq_execution_host: localhost, zmq_execution_port: 6666}
"""
HOUR = 3_600_000_000
BEGIN = 20_000 * 24 * HOUR


def bar(time_us: int, bid: float, spread: int) -> TerminalBar:
    return TerminalBar(time_us, bid, bid + 0.01, bid - 0.01, bid, 100, spread, 0.0)


class Terminal:
    """What a Windows gateway would answer."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[tuple[str, str, int]]]] = []
        self.refused: dict[str, str] = {}
        self.ends_us = 0

    def pull(
        self, address: str, wanted: Sequence[tuple[str, str, int]], keys: KeyPlaces | None
    ) -> list[list[TerminalBar] | str]:
        assert keys is None
        self.asked.append((address, list(wanted)))
        return [self.refused.get(symbol) or self.bars(timeframe) for symbol, timeframe, _ in wanted]

    def bars(self, timeframe: str) -> list[TerminalBar]:
        step = {"M5": HOUR // 12, "H1": HOUR}[timeframe]
        if self.ends_us:
            last = self.ends_us - self.ends_us % step
            return [bar(last - (60 - number) * step, 1.1, 8) for number in range(60)]
        # Those of the broker's day begin at 22:00 of UTC.
        return [bar(BEGIN - 2 * HOUR + number * step, 1.1, 8) for number in range(60)]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    named = pkgutil.resolve_name

    def resolved(name: str) -> object:
        return found.pull if name == history_pull.COMMAND else named(name)

    monkeypatch.setattr(history_pull.pkgutil, "resolve_name", resolved)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "strategies.yaml").write_text(STRATEGIES)
    (tmp_path / "config" / "symbols.yaml").write_bytes(
        (ROOT / "config" / "symbols.yaml").read_bytes()
    )
    return tmp_path


def pulled(*options: str) -> Result:
    return CliRunner().invoke(cli, ["history", "pull", *options])


def test_every_file_that_is_named_is_written_as_it_is_read(
    folder: Path, terminal: Terminal
) -> None:
    result = pulled()
    assert result.exit_code == 0, result.output
    assert terminal.asked == [
        ("tcp://localhost:6666", [("EURUSD", "M5", 1_000), ("USDJPY", "H1", 24_000)])
    ]
    assert "one: 60 bars of EURUSD M5, 2024-10-03 22:00 to 2024-10-04 02:55 UTC" in result.output
    bars = load_history(folder / "config" / "bars" / "one.csv", "M5")
    assert len(bars) == 60
    # Bids, made mids by the half of eight points.
    assert (bars[0].open, bars[0].high) == pytest.approx((1.10004, 1.11004))
    days = load_history(folder / "config" / "yen.csv", "D1")
    assert [day.start_us for day in days] == [BEGIN - 24 * HOUR, BEGIN, BEGIN + 24 * HOUR]
    assert days[0].open == pytest.approx(1.104)


def test_what_is_not_to_be_had_is_said_and_the_rest_is_written(
    folder: Path, terminal: Terminal
) -> None:
    terminal.refused["USDJPY"] = "the broker has no such symbol"
    result = pulled("--from", "tcp://127.0.0.1:5999")
    assert result.exit_code == 1
    assert "yen: USDJPY D1: the broker has no such symbol" in result.output
    assert (folder / "config" / "bars" / "one.csv").exists()
    assert terminal.asked[0][0] == "tcp://127.0.0.1:5999"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["bare"], "bare names no file: `history: history/EURUSD-M1.csv` in its entry"),
        (["noone"], "no strategy"),
    ],
)
def test_a_name_that_has_no_file_is_told(
    folder: Path, terminal: Terminal, names: list[str], words: str
) -> None:
    result = pulled(*names)
    assert result.exit_code != 0 and words in result.output
    assert terminal.asked == []


def test_a_file_that_cannot_be_written_is_said(folder: Path, terminal: Terminal) -> None:
    (folder / "config" / "bars").write_text("a file where a folder has to be")
    result = pulled("one")
    assert result.exit_code == 1 and "cannot be written" in result.output


def test_another_machine_is_not_asked_in_the_clear(folder: Path, terminal: Terminal) -> None:
    result = pulled("--from", "tcp://elsewhere:5555")
    assert result.exit_code == 1
    assert "elsewhere:5555 is another machine" in result.output
    assert terminal.asked == []


def test_a_file_that_the_loader_would_find_is_the_one_that_is_written(
    folder: Path, terminal: Terminal
) -> None:
    """It looks in the working folder, beside the file, and in the folder above."""
    for place in (folder / "yen.csv", folder / "bars" / "one.csv"):
        place.parent.mkdir(exist_ok=True)
        place.write_text("an earlier one")
    result = pulled()
    assert result.exit_code == 0, result.output
    assert len(load_history(folder / "bars" / "one.csv", "M5")) == 60
    assert load_history(folder / "yen.csv", "D1")
    assert not (folder / "config" / "bars").exists()
    assert not (folder / "config" / "yen.csv").exists()


def needed(terminal: Terminal) -> list[tuple[str, str, int]]:
    """What is asked for where it is needed alone."""
    terminal.asked.clear()
    result = pulled("--if-needed")
    assert result.exit_code == 0, result.output
    return terminal.asked[0][1] if terminal.asked else []


ONE, YEN = ("EURUSD", "M5", 1_000), ("USDJPY", "H1", 24_000)


def test_where_it_is_needed_alone_nothing_is_pulled_twice(
    folder: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "ends_us", time.time_ns() // 1000)
    assert needed(terminal) == [ONE, YEN]
    assert needed(terminal) == []
    # Five minutes later there is one bar of M5 more, and no day.
    later = time.time_ns() + 400 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert needed(terminal) == [ONE]


def test_who_goes_on_from_a_checkpoint_needs_nothing(folder: Path, terminal: Terminal) -> None:
    paths = VarPaths(folder / "var")
    paths.create()
    Journal(paths.journal("yen"), 1).close()
    assert needed(terminal) == [ONE, YEN], "it has none yet"
    with contextlib.closing(sqlite3.connect(paths.journal("one"))) as db:
        db.execute("CREATE TABLE checkpoint (body)")
        db.execute("INSERT INTO checkpoint VALUES (x'00')")
        db.commit()
    terminal.refused["USDJPY"] = ""
    (folder / "config" / "yen.csv").unlink()
    assert needed(terminal) == [YEN]


@pytest.mark.parametrize(("hours", "asked"), [(22.0, [YEN]), (21.0, [ONE, YEN]), (24.0 * 257, [])])
def test_a_tape_that_reaches_back_far_enough_is_enough(
    folder: Path, terminal: Terminal, hours: float, asked: list[tuple[str, str, int]]
) -> None:
    """256 bars of M5 are 21 hours and a third."""
    paths = VarPaths(folder / "var")
    paths.create()
    tape = TapeFiles(paths.tape, ["EURUSD", "USDJPY"], 1_000)
    begin_us = time.time_ns() // 1000 - round(hours * HOUR)
    for symbol in ("EURUSD", "USDJPY"):
        tape.append(TapeRecord(Tick(symbol, begin_us, 1.1, 1.2), False, False))
    tape.close()
    assert needed(terminal) == asked


def test_a_file_of_somebody_else_is_left_alone_and_told(folder: Path, terminal: Terminal) -> None:
    file = folder / "config" / "yen.csv"
    file.write_text("timestamp,open,high,low,close\n2026-01-01T00:00:00Z,1,1,1,1\n")
    before = file.read_bytes()
    result = pulled("--if-needed")
    assert terminal.asked[0][1] == [ONE]
    assert "yen.csv ends before the tape begins" in result.output
    assert "`history pull yen` would replace it" in result.output
    assert file.read_bytes() == before


def test_a_start_asks_only_where_a_terminal_is_behind_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And what it asks in vain is a warning, in the seconds that it has."""
    config, lines = folder / "config" / "strategies.yaml", list[str]()
    history_start.pull_history(config, folder / "var", lines.append)
    assert lines == []
    told = "execution: {dialect: windows_gateway}"
    for more in (f"{told}, feed: {{kind: synthetic}}", told):
        config.write_text(STRATEGIES.replace("6666", f"{free_port()}, {more}"))
        asks = more == told
        assert unchecked_config(config).asks_terminal == asks
        monkeypatch.setattr(history_start, "WITHIN", 5.0 if asks else 0.0)
        history_start.pull_history(config, folder / "var", lines.append)
    (line,) = lines
    assert line.startswith("warning: history: the terminal has not given its bars within 5.0s; s")


def test_what_a_start_could_not_have_is_said_in_the_words_of_the_command(folder: Path) -> None:
    config, lines = folder / "config" / "strategies.yaml", list[str]()
    wrong = "execution: {dialect: windows_gateway, server_key: none.key}"
    config.write_text(STRATEGIES.replace("6666", f"6666, {wrong}"))
    history_start.pull_history(config, folder / "var", lines.append)
    (line,) = lines
    assert line.startswith("warning: history: ") and "supervisor.key_secret is no file" in line
    assert line.endswith("; strategies begin with the files and the tape as they are")

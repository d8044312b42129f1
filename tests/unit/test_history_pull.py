"""`history pull`: the terminal's bars become the files that strategies begin with."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mt5crs_services.mt5_gateway.terminal_records import TerminalBar
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.editing import history_pull
from mt5crs_worker.bars import load_history
from tests.system import ROOT

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

    def pull(
        self, address: str, wanted: Sequence[tuple[str, str, int]], keys: KeyPlaces | None
    ) -> list[list[TerminalBar] | str]:
        assert keys is None
        self.asked.append((address, list(wanted)))
        return [self.refused.get(symbol) or self.bars(timeframe) for symbol, timeframe, _ in wanted]

    def bars(self, timeframe: str) -> list[TerminalBar]:
        step = {"M5": HOUR // 12, "H1": HOUR}[timeframe]
        # Those of the broker's day begin at 22:00 of UTC.
        return [bar(BEGIN - 2 * HOUR + number * step, 1.1, 8) for number in range(60)]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    found = Terminal()
    monkeypatch.setattr(history_pull.pkgutil, "resolve_name", lambda _: found.pull)
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

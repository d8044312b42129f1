"""The verb `events`: processes and deals in one story."""

import itertools
import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mt5crs_shared.events import (
    BeganAgain,
    Degraded,
    Died,
    Hung,
    Quarantined,
    Recovered,
    Running,
    Started,
    StateChanged,
    Stopped,
)
from mt5crs_shared.messages import Submit
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.event_files import EventWriter
from mt5crs_shared.trading.locks import TradingLock, TradingState
from mt5crs_supervisor.cli import cli
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.commands.records import events
from mt5crs_supervisor.commands.records.moments import moment_of
from tests.unit.gateway_cases import Office, order, tick

NOW = datetime(2026, 11, 25, 12, 0, 0).astimezone()


def next_millisecond() -> None:
    """Events carry no finer time."""
    begun = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == begun:
        pass


@pytest.fixture
def var(tmp_path: Path) -> Path:
    """A folder with a death, a deal, and an order that is refused again and again."""
    paths = VarPaths(tmp_path / "var")
    paths.create()
    writer = EventWriter(paths.events)
    writer.write(Started("supervisor", 1))
    writer.write(StateChanged("euro", "STOPPED", "STARTING"))
    office = Office(paths.ledger)
    office.feed(tick(0))
    next_millisecond()
    office.ask(Submit(order(tick(0))))
    next_millisecond()
    writer.write(Died("euro", "killed by SIGKILL"))
    writer.write(Recovered("euro", 0.027))
    next_millisecond()
    for number in (1, 2, 3):
        office.feed(tick(number))
        office.ask(Submit(order(tick(number))))
    office.ledger.close()
    writer.close()
    return paths.var


def run(var: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["--var-dir", str(var), "events", *arguments])


def test_what_is_longer_than_the_window_goes_on_below(var: Path) -> None:
    found = events.Story(VarPaths(var)).newest(None, 50, None)
    narrow = events.lines_of(found, 60)
    assert all(len(line) <= 60 for line in narrow) and len(narrow) > len(found)
    assert " ".join(" ".join(narrow).split()) == " ".join(
        " ".join(events.lines_of(found, events.WHOLE)).split()
    )


def test_the_story_has_processes_and_deals_in_the_order_of_the_clock(var: Path) -> None:
    lines = run(var).output.splitlines()
    assert [line.split()[3] for line in lines] == [
        "started",
        "deal",
        "died",
        "recovered",
        "refused",
    ]
    assert lines[1].split()[2] == "euro"
    assert "BUY" in lines[1]
    assert lines[1].endswith("opens")
    assert "(3 times)" in lines[4]
    assert "first tick 27 ms later" in lines[3]


def test_it_can_be_narrowed(var: Path) -> None:
    assert len(run(var, "-n", "2").output.splitlines()) == 2
    assert "supervisor" not in run(var, "euro").output
    assert run(var, "--kind", "state").output.split()[3:] == ["state", "STOPPED", "->", "STARTING"]
    assert len(run(var, "--kind", "died,deal").output.splitlines()) == 2
    assert len(run(var, "--since", "1h").output.splitlines()) == 5
    assert "Nothing of that has happened" in run(var, "--since", "0s").output


def test_json_is_an_object_a_line(var: Path) -> None:
    found = [json.loads(line) for line in run(var, "--json").output.splitlines()]
    assert [line["kind"] for line in found] == ["started", "deal", "died", "recovered", "refused"]
    assert found[4]["times"] == 3
    assert list(found[0]) == ["time", "name", "kind", "detail", "times"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("euri",), "there is no child called euri. Did you mean euro?"),
        (("--kind", "dead"), "there is no kind of event called dead. Did you mean died?"),
        (("--since", "yesterday"), "--since yesterday: expected a span (30m, 2h, 1d), a time"),
        (("--since", "25:00"), "--since 25:00: expected"),
    ],
)
def test_what_is_not_known_is_refused(var: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(var, *arguments)
    assert result.exit_code == 2
    assert said in result.output


def test_a_folder_where_nothing_ran_says_so(tmp_path: Path) -> None:
    assert "Nothing of that has happened" in run(tmp_path / "none").output


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("2d", NOW - timedelta(days=2)),
        ("11:30", NOW - timedelta(minutes=30)),
        ("22:00", NOW - timedelta(hours=14)),
        ("2026-11-24T12:00", NOW - timedelta(days=1)),
    ],
)
def test_a_moment_can_be_told_in_three_ways(text: str, moment: datetime) -> None:
    assert moment_of(text, NOW) == moment


def test_a_moment_that_is_none_is_refused() -> None:
    with pytest.raises(CommandError):
        moment_of("61:99", NOW)


def test_what_comes_is_followed_and_nothing_twice(var: Path) -> None:
    paths = VarPaths(var)
    story = events.Story(paths)
    known = story.newest(None, 50, None)
    office = Office(paths.ledger)

    def go_on() -> None:
        writer = EventWriter(paths.events)
        writer.write(Died("euro", "again"))
        writer.close()
        office.feed(tick(9))
        office.ask(Submit(order(tick(9))))

    rounds = iter([go_on, lambda: None, lambda: EventWriter(paths.events).write(Hung("euro", ""))])
    followed = story.follow(lambda: next(rounds)())
    first, second, third = itertools.islice(followed, 3)
    office.ledger.close()
    assert {first.kind, second.kind} == {"died", "refused"}
    assert first not in known
    assert third.kind == "hung"


def test_a_long_ledger_is_read_back_only_as_far_as_is_asked() -> None:
    class Row:
        def __init__(self, recorded: float) -> None:
            self.recorded = recorded

    rows = [Row(float(second)) for second in range(10_000)]
    asked: list[int] = []

    def newest(count: int) -> list[Row]:
        asked.append(count)
        return rows[-count:]

    since = datetime.fromtimestamp(9_000.0, UTC)
    found = events.reaching_back(newest, None, since)  # type: ignore[type-var]
    assert found[0].recorded <= 9_000.0
    assert asked == [500, 2_000]
    assert len(events.reaching_back(newest, 7, None)) == 7  # type: ignore[type-var]


def test_a_page_for_the_morning(var: Path) -> None:
    paths = VarPaths(var)
    writer = EventWriter(paths.events)
    # One death: it is killed because it hangs.
    writer.write(Hung("euro", "no heartbeat"))
    writer.write(Died("euro", "no heartbeat"))
    writer.write(Quarantined("gold", "no model"))
    writer.write(Quarantined("euro", "five deaths"))
    writer.write(Running("euro", 1, 2))
    for event in (
        Started("supervisor", 2),
        Started("supervisor", 2),  # it was killed before
        BeganAgain("supervisor", "a bug"),
        Started("supervisor", 2),
        Stopped("supervisor", "every process has ended"),
        Started("supervisor", 2),
        Degraded("euro", "the feed is silent"),
        Degraded("euro", "the feed is silent"),
    ):
        writer.write(event)
    writer.close()
    office = Office(paths.ledger)
    office.core.locks.put(
        [TradingLock("operator", "euro", TradingState.HALTED, "ann", "news", 0.0)]
    )
    office.core.locks.put([TradingLock("kill-switch", "", TradingState.HALTED, "ann", "", 0.0)])
    office.core.locks.take_off("kill-switch", [""], "ann")
    office.core.locks.take_off("operator", ["euro"], "ann")
    office.core.locks.put(
        [TradingLock("operator", "gold", TradingState.HALTED, "ann", "news", 0.0)]
    )
    office.feed(tick(9))
    position = office.position("euro")
    assert position is not None
    office.ask(Submit(order(tick(9), side="SELL", ticket=position.ticket)))
    office.ledger.close()
    page = run(var, "--summary", "--since", "1h").output
    assert "2 deaths; back after 27 ms (median), 27 ms at most" in page
    assert "euro: no heartbeat\n" in page
    assert "given up: gold: no model; see `crashes gold`, mend it, then `reload`" in page
    assert "given up: euro" not in page
    assert "1 trade closed: " in page
    assert "3 orders refused" in page
    assert "nothing is open" in page
    assert "the supervisor was killed and started again: 2 times" in page
    assert "the supervisor went on after an error of its own, once: a bug" in page
    assert "degraded, 2 times: euro: the feed is silent" in page
    assert "held back: gold: HALTED by ann since 1970-01-01 00:00:00 UTC: news" in page
    assert "held back and let go: account once, euro once" in page
    assert "nobody died" in run(var, "--summary", "--since", "0s").output
    assert "no trade was closed" in run(var, "--summary", "--since", "0s").output
    assert "from the beginning to" in run(var / "none", "--summary").output

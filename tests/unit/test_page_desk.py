"""What the page shows: equal to the status and to `trades`, told as differences."""

import asyncio
import random
from pathlib import Path

import msgspec
import pytest

from mt5crs_services.page.desk import decisions, figures, patches, watching
from mt5crs_services.page.desk.decisions import LastDecisions
from mt5crs_services.page.desk.figures import TradeFigures, thinned
from mt5crs_services.page.desk.patches import merge_patch, pruned
from mt5crs_services.page.desk.rows import Desk
from mt5crs_services.page.desk.story import StoryTail
from mt5crs_services.page.desk.view import desk_of, exposure_of
from mt5crs_services.page.desk.viewers import MOST, QUEUED, Audience, TooManyViewers
from mt5crs_services.page.desk.watching import DeskReader, DeskWatch
from mt5crs_shared.control.asking import ControlTimeout
from mt5crs_shared.control.status_report import AccountReport, StatusReport
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.metrics import StrategyMoney
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.decision_log import Decision
from mt5crs_shared.storage.story import StoryLine
from mt5crs_shared.trading.locks import TradingLock, TradingState, in_words
from mt5crs_shared.trading.orders import Position
from mt5crs_shared.trading.trades import grouped_by, performance
from tests.unit.test_render import child, report, strategy
from tests.unit.test_trades import DAY_US, made

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")


def shown(told: StatusReport, now: float = 1_000.0) -> object:
    desk = desk_of(
        told, TradeFigures(Path("/nowhere")), now, "desk", lambda *_: None, lambda _: None
    )
    return pruned(msgspec.to_builtins(desk))


def random_json(random_: random.Random, depth: int = 0) -> object:
    if depth < 3 and random_.random() < 0.7:
        keys = random_.sample("abcde", random_.randint(0, 4))
        return {key: random_json(random_, depth + 1) for key in keys}
    return random_.choice([1, 2.5, "x", [1, 2], [], True])


def merged(target: object, patch: object) -> object:
    """RFC 7386, as the standard writes it."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


@pytest.mark.parametrize("seed", range(200))
def test_a_patch_makes_the_one_of_the_other(seed: int) -> None:
    source = random.Random(seed)
    before = {"a": random_json(source), "b": random_json(source)}
    after = {"a": random_json(source), "c": random_json(source)}
    assert merged(before, merge_patch(before, after)) == after
    assert merge_patch(after, after) == {}


def test_what_is_null_is_left_out() -> None:
    assert patches.pruned({"a": None, "b": {"c": None, "d": 0}}) == {"b": {"d": 0}}


def test_nothing_moves_that_has_not_changed() -> None:
    told = report(strategy(child("euro", uptime=10.0), last_tick_age=0.5))
    assert merge_patch(shown(told), shown(told)) == {}
    aged = strategy(child("euro", uptime=11.0), last_tick_age=1.5)
    later = report(aged, uptime=told.uptime + 1.0)
    assert merge_patch(shown(told, 1_000.0), shown(later, 1_001.0)) == {}


def test_a_row_has_the_figures_of_the_status() -> None:
    told = report(strategy(child("euro", restarts=3), realised=12.5, floating=-4.25))
    row = shown(told)["rows"]["euro"]  # type: ignore[index]  # it is a mapping
    assert (row["total"], row["floating"], row["restarts"]) == (12.5, -4.25, 3)


def test_one_that_cannot_do_its_work_is_degraded_and_says_why() -> None:
    told = report(strategy(child("euro", degraded="the feed is silent")))
    desk = shown(told)
    row = desk["rows"]["euro"]  # type: ignore[index]  # it is a mapping
    assert (row["state"], row["why"]) == ("DEGRADED", "the feed is silent")
    assert desk["trouble"][0]["wrong"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("owner", "scope", "state", "held", "remedy"),
    [
        ("operator", "euro", "REDUCING", "paused: may close only", "resume euro"),
        ("operator", "", "HALTED", "paused: no order is executed", "resume --all"),
        ("max_loss", "euro", "REDUCING", "max_loss: may close only", "unlock euro"),
        ("max_loss", "", "HALTED", "max_loss: no order is executed", "unlock --all"),
        ("kill-switch", "", "HALTED", "kill switch: no order is executed", "kill-switch off"),
    ],
)
def test_one_that_may_not_trade_says_by_whom_and_what_mends_it(
    owner: str, scope: str, state: str, held: str, remedy: str
) -> None:
    lock = TradingLock(owner, scope, TradingState(state), "ann", "-9.00 today", 0.0)
    account = AccountReport("USD", 10_010.0, 10_007.5, 110.0, 9_897.5, locks=(lock,))
    desk = shown(report(strategy(child("euro")), account=account))
    row = desk["rows"]["euro"]  # type: ignore[index]  # it is a mapping
    assert (row["held"], row["remedy"]) == (held, remedy)
    assert row["lock"] == in_words(lock)
    told = [one["text"] for one in desk["trouble"]]  # type: ignore[index]
    assert any(row["lock"] in text and f"`{remedy}`" in text for text in told)


def test_sums_are_those_of_trades() -> None:
    trades = made([5.0, -2.0, 3.0, -9.0, 1.0], at=DAY_US // 2)
    days = grouped_by(trades, "day")
    day = max(days)
    figures_ = TradeFigures(Path("/nowhere"))
    assert figures_.together.day == ()
    figures_.read(day)
    for trade in trades:
        figures_.add(trade)
    found = figures_.together
    assert found.today == performance(days[day]).net
    assert found.drawdown == performance(trades).drawdown
    assert found.drawdown_today == performance(days[day]).drawdown
    assert found.day[-1] == pytest.approx(found.today)
    figures_.read("1999-01-01")
    assert (figures_.together.today, figures_.together.trades) == (0.0, len(trades))


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    curve = [float(number) for number in range(1_000)]
    found = thinned(curve, figures.DAY_POINTS)
    assert (found[0], found[-1], len(found)) == (0.0, 999.0, figures.DAY_POINTS)


def test_exposure_is_in_both_currencies() -> None:
    held = Position(1, "euro", "EURUSD", 7, "SELL", 0.5, 1.1, 0)
    money = {"euro": StrategyMoney("euro", 0.0, 0.0, 1, held, 1.2)}
    assert exposure_of(money, {"EURUSD": EURUSD}) == {"EUR": -50_000.0, "USD": 60_000.0}
    assert exposure_of(money, {}) == {}


def test_who_does_not_read_gets_everything_anew() -> None:
    async def scene() -> list[bytes | None]:
        audience = Audience(lambda: None)
        slow = audience.join()
        for number in range(QUEUED + 1):
            audience.tell(b"%d" % number, lambda: b"all")
        audience.tell(b"last", lambda: b"all")
        return [await slow.take(), await slow.take()]

    assert asyncio.run(scene()) == [b"%d" % QUEUED, b"all"]


def test_there_are_only_so_many_viewers() -> None:
    async def scene() -> None:
        audience = Audience(lambda: None)
        viewers = [audience.join() for _ in range(MOST)]
        with pytest.raises(TooManyViewers):
            audience.join()
        audience.leave(viewers[0])
        audience.join()

    asyncio.run(scene())


def test_of_many_strategies_only_some_journals_are_read_in_one_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    read: list[str] = []

    def count(journal: Path, _limit: int) -> list[Decision]:
        read.append(journal.stem)
        return []

    monkeypatch.setattr(decisions, "read_decisions", count)
    last = LastDecisions(VarPaths(tmp_path))
    names = [f"s{number}" for number in range(60)]
    for look in range(9):
        last.next_look()
        for name in names:
            last.of(name, look)
    assert read == names * 3, "at the first look, and each fourth from then on"
    last.of("s0", 8)
    assert len(read) == 180


class CountingReader(DeskReader):
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    def read(self) -> tuple[StatusReport, Desk]:
        self.asked += 1
        told = report(strategy(child("euro")), uptime=float(self.asked))
        figures_ = TradeFigures(Path("/nowhere"))
        desk = desk_of(told, figures_, 1_000.0, "desk", lambda *_: None, lambda _: None)
        return told, desk


class NoStory(StoryTail):
    """Nothing ever happens."""

    def __init__(self) -> None:
        self._lines = ()

    def read(self) -> list[StoryLine]:
        return []


def test_it_asks_once_for_everybody_and_not_at_all_for_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.2)
    reader = CountingReader()

    async def hear(watch: DeskWatch, messages: int) -> list[bytes]:
        stream = watch.stream()
        heard = [await anext(stream) for _ in range(messages)]
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
        return heard

    async def scene() -> tuple[int, int, int]:
        watch = DeskWatch(reader, NoStory())
        running = asyncio.create_task(watch.run())
        await asyncio.sleep(0)
        unwatched = reader.asked
        heard = await asyncio.gather(*(hear(watch, 4) for _ in range(5)))
        assert all(b"event: desk" in one[0] for one in heard)
        watched = reader.asked
        while watch._wanted.is_set():
            await asyncio.sleep(0.05)
        left = reader.asked
        await asyncio.sleep(3 * watching.EVERY)
        running.cancel()
        return unwatched, watched, reader.asked - left

    unwatched, watched, afterwards = asyncio.run(scene())
    assert unwatched == 0
    assert 4 <= watched <= 6, "one a turn for all of them"
    assert afterwards == 0


def test_however_many_wait_for_a_supervisor_that_is_silent_it_is_asked_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.0)

    class Silent(CountingReader):
        """It gives nobody an answer."""

        def read(self) -> tuple[StatusReport, Desk]:
            self.asked += 1
            raise ControlTimeout("no answer")

    reader = Silent()

    async def scene() -> None:
        watch = DeskWatch(reader, NoStory())
        await asyncio.gather(*(watch.look() for _ in range(20)))

    asyncio.run(asyncio.wait_for(scene(), 30.0))
    assert reader.asked <= 2

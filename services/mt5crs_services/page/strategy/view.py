"""All that the page shows of one strategy, read once when it is asked for."""

import contextlib
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from mt5crs_services.page.strategy.candles import read_candles
from mt5crs_services.page.strategy.life import Stretch, life_of
from mt5crs_services.page.strategy.log_tail import LogLine, read_log_tail
from mt5crs_services.page.strategy.settings import Setting, read_settings
from mt5crs_shared.configuration.structs import StrategyConfig
from mt5crs_shared.market.bars import TIMEFRAME_US
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import crash_report, ledger_queries, ledger_schema
from mt5crs_shared.storage.crash_report import CrashReport
from mt5crs_shared.storage.decision_log import Decision, DecisionLogError, read_decisions
from mt5crs_shared.storage.event_files import read_events
from mt5crs_shared.storage.ledger_queries import OrderRecord
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.orders import Charge, Fill, Position
from mt5crs_shared.trading.trades import CurvePoint, Trade, net_curve, trades_of

CANDLES = 400
DECISIONS = 1_000
ORDERS = 200
LOG_LINES = 200
DEATHS = 20
TRADES = 2_000
"""So many of each, the newest."""


class Deciding(msgspec.Struct, frozen=True, omit_defaults=True):
    """A decision; see `decision_log.Decision`.

    Attributes:
        time: Event time, Unix seconds.
        word: BUY, SELL, HOLD or EXIT.
        action: What was done.
        price: The mid of its tick.
        why: Why nothing, or less, was done, and the strategy's own words.
        probability: The model's.
        lots: Volume opened.
    """

    time: float
    word: str
    action: str
    price: float
    why: str = ""
    probability: float | None = None
    lots: float = 0.0


class ShownDeath(msgspec.Struct, frozen=True):
    """A black box; see `crash_report.CrashReport`.

    Attributes:
        time: Wall time, ISO 8601.
        cause: What it is put down to.
        detail: One sentence.
        decision: What the restart policy decided.
        recovery: Seconds from the detection to the replacement's first tick; None: none yet.
        text: Traceback and stacks.
        mids: Mids of the last ticks, oldest first.
        memory: Resident bytes by its last beats.
    """

    time: str
    cause: str
    detail: str
    decision: str
    recovery: float | None
    text: str
    mids: tuple[float, ...]
    memory: tuple[int, ...]


class StrategyView(msgspec.Struct, frozen=True):
    """All of it; candles are start, open, high, low, close.

    Attributes:
        name: The strategy.
        symbol: What it trades.
        timeframe: Of the candles.
        seconds: Length of one.
        threshold: A BUY needs a probability above it; None: it has no model.
        candles: The newest, the open one at the end.
        decisions: The newest, oldest first.
        trades: Those that were closed, oldest first.
        position: What it holds.
        deals: The newest.
        orders: The newest, refused ones too.
        curve: The running net of its trades.
        settings: Each field, and the line of the file that it stands in.
        file: That file.
        problem: What of all this could not be read; empty: nothing.
        log: Its newest records.
        deaths: The newest, oldest first.
        life: The states that it was in.
    """

    name: str
    symbol: str
    timeframe: str
    seconds: int
    threshold: float | None
    candles: tuple[tuple[float, float, float, float, float], ...]
    decisions: tuple[Deciding, ...]
    trades: tuple[Trade, ...]
    position: Position | None
    deals: tuple[Fill, ...]
    orders: tuple[OrderRecord, ...]
    curve: tuple[CurvePoint, ...]
    settings: tuple[Setting, ...]
    file: str
    problem: str
    log: tuple[LogLine, ...]
    deaths: tuple[ShownDeath, ...]
    life: tuple[Stretch, ...]


def read_strategy(
    paths: VarPaths, name: str, symbol: str, config: Path, folder: Path
) -> StrategyView:
    """Read all of it; in a thread, since it takes tenths of a second.

    Args:
        paths: The ``var`` folder.
        name: The strategy.
        symbol: What it trades.
        config: The YAML file.
        folder: Where the system was started.
    """
    settings = read_settings(config, folder, name)
    entry = settings.entry or StrategyConfig(name=name, symbol=symbol)
    problems = [settings.problem]
    decisions: Sequence[Decision] = ()
    try:
        decisions = read_decisions(paths.journal(name), DECISIONS)
    except DecisionLogError as error:
        problems.append(str(error))
    deals: list[Fill] = []
    charges: list[Charge] = []
    orders: list[OrderRecord] = []
    position = None
    try:
        with contextlib.closing(ledger_schema.open_ledger(paths.ledger)) as db:
            ledger_queries.snapshot(db)
            deals = [deal.fill for deal in ledger_queries.deals(db, name)]
            charges = ledger_queries.charges(db, name)
            orders = ledger_queries.read_orders(db, name, ORDERS)
            held = ledger_queries.read_positions(db)
            position = next((one for one in held if one.strategy == name), None)
    except LedgerError as error:
        problems.append(str(error))
    trades = list(trades_of(deals, charges))
    bars = read_candles(paths.tape, symbol, entry.timeframe, CANDLES)
    return StrategyView(
        name=name,
        symbol=symbol,
        timeframe=entry.timeframe,
        seconds=TIMEFRAME_US[entry.timeframe] // 1_000_000,
        threshold=entry.threshold if entry.model_path is not None else None,
        candles=tuple((b.start_us / 1e6, b.open, b.high, b.low, b.close) for b in bars),
        decisions=tuple(map(_deciding, decisions)),
        trades=tuple(trades[-TRADES:]),
        position=position,
        deals=tuple(deals[-ORDERS:]),
        orders=tuple(orders),
        curve=tuple(net_curve(trades))[-TRADES:],
        settings=settings.fields,
        file=settings.file,
        problem="; ".join(filter(None, problems)),
        log=tuple(read_log_tail(paths.log_file(name), LOG_LINES)),
        deaths=tuple(_deaths(crash_report.load_reports(paths.crash, name))),
        life=tuple(life_of(read_events(paths.events), name, time.time())),
    )


def _deciding(decision: Decision) -> Deciding:
    return Deciding(
        time=decision.time_us / 1e6,
        word=decision.word,
        action=decision.action,
        price=(decision.bid + decision.ask) / 2.0,
        why=decision.why,
        probability=decision.probability,
        lots=decision.lots,
    )


def _deaths(reports: Sequence[CrashReport]) -> Iterable[ShownDeath]:
    for report in reports[-DEATHS:]:
        yield ShownDeath(
            time=report.time,
            cause=report.cause,
            detail=report.detail,
            decision=report.decision,
            recovery=report.times.replacement_first_tick,
            text="\n".join(filter(None, (report.trace, report.stacks)))[:20_000],
            mids=tuple(tick.mid for tick in report.ticks),
            memory=report.memory,
        )

"""Random trading through a bridge with faults, killed at random; then both books are compared."""

import contextlib
import dataclasses
import os
import random
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.gateway.brokers.bridge.reconciliation import BridgeState
from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_shared.storage import ledger_queries, ledger_schema, shadow_log
from mt5crs_shared.storage.ledger_schema import MONEY_DIGITS
from mt5crs_shared.trading.orders import Fill
from tests.bridges.office import BridgeProcess
from tests.bridges.scripted_bridge import BRIDGES, Faults
from tests.bridges.terminal_book import BookedDeal, TerminalBook
from tests.bridges.windows_side import ODDS, WindowsBook, WindowsProcess
from tests.system import listens, wait_for

COMMENTS = Comments("")

DIALECTS = (*BRIDGES, WindowsProcess.dialect)

SAME = 1e-9
SAME_MONEY = 0.005

FIRST_BALANCE = 10_000.0

FAULTS = Faults(
    drops_stops=0.2,
    late=0.01,
    late_seconds=0.2,
    lies=0.01,
    loses=0.005,
    dies=0.005,
    partial=0.03,
    requotes=0.03,
    refuses=0.02,
    by_hand=0.002,
    connects=0.005,
    pays=0.002,
    garbles=0.01,
)
"""All at once."""

UNSEEN = msgspec.structs.replace(FAULTS, by_hand=0.0, pays=0.0, drops_stops=1.0)
"""For bridges that list no positions: what happens in the terminal, nobody here can know."""


KILLED_AFTERWARDS = 20.0
"""Seconds for which somebody is killed still once all orders are sent."""


FarSide = BridgeProcess | WindowsProcess
Book = TerminalBook | WindowsBook


class CampaignResult(msgspec.Struct, frozen=True):
    """What a campaign has shown.

    Attributes:
        orders: Orders that strategies have sent.
        deals: Deals of the terminal.
        gateway_kills: Times the gateway and its strategies were killed.
        bridge_starts: Times the bridge was started.
        seconds: How long it took.
        differences: What is not in both books alike; none: all is.
    """

    orders: int
    deals: int
    gateway_kills: int
    bridge_starts: int
    seconds: float
    differences: tuple[str, ...]


def run_campaign(
    dialect: str,
    folder: Path,
    orders: int,
    seed: int,
    say: Callable[[str], None] = lambda _: None,
    kill_every: float = 4.0,
) -> CampaignResult:
    """Trade, kill, and compare.

    Args:
        dialect: The bridge's.
        folder: An empty one.
        orders: How many.
        seed: Of all that is random.
        say: Told how far it is.
        kill_every: Seconds between two kills, on the average.

    Raises:
        AssertionError: The desk does not come to an end.
    """
    rng = random.Random(seed)
    blind = dialect in ("order_send", "expert_advisor")
    bridge = _far_side(dialect, folder, blind, seed)
    begun, kills = time.monotonic(), 0
    all_sent_at: float | None = None
    bridge.start()
    # The orders of a short campaign are sent within seconds, in which a busy machine may not have
    # started the bridge yet.
    wait_for(lambda: listens(bridge.port), f"the bridge of {dialect}")
    desk = _start_desk(dialect, bridge.port, folder, orders, seed)
    kill_at = begun + rng.expovariate(1 / kill_every)
    deadline = begun + 120.0 + orders * 0.5
    try:
        while desk.poll() is None:
            assert time.monotonic() < deadline, f"{dialect}: {_sent(folder)} orders, and no end"
            time.sleep(0.02)  # between two looks
            bridge.revive()
            if all_sent_at is None and _sent(folder) >= orders:
                all_sent_at = time.monotonic()
            # On a busy machine a desk takes longer to start than it lives: in the end it may.
            spared = all_sent_at is not None and time.monotonic() > all_sent_at + KILLED_AFTERWARDS
            if time.monotonic() < kill_at or spared:
                continue
            kill_at = time.monotonic() + rng.expovariate(1 / kill_every)
            if rng.random() < 0.3:
                bridge.kill()
                continue
            desk.kill()
            desk.wait()
            kills += 1
            say(f"{dialect}: {_sent(folder):,} orders, {kills} kills")
            desk = _start_desk(dialect, bridge.port, folder, orders, seed + kills)
        assert desk.returncode == 0, f"{dialect}: the desk ended with {desk.returncode}"
    finally:
        desk.kill()
        bridge.kill()
    return CampaignResult(
        _sent(folder),
        len(bridge.book.deals()),
        kills,
        bridge.starts,
        time.monotonic() - begun,
        tuple(differences(folder / "ledger.db", bridge.book, exact=not blind)),
    )


def _far_side(dialect: str, folder: Path, blind: bool, seed: int) -> FarSide:
    if dialect == WindowsProcess.dialect:
        return WindowsProcess(folder / "windows", dataclasses.replace(ODDS, seed=seed))
    return BridgeProcess(dialect, folder / "terminal.db", UNSEEN if blind else FAULTS, seed)


def _start_desk(
    dialect: str, port: int, folder: Path, orders: int, seed: int
) -> "subprocess.Popen[bytes]":
    args = [dialect, str(port), str(folder), str(orders), str(seed)]
    command = [sys.executable, "-m", "tests.bridges.desk_process", *args]
    with (folder / "desk.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})


def _sent(folder: Path) -> int:
    intents = folder / "intents.jsonl"
    return len(intents.read_bytes().splitlines()) if intents.exists() else 0


def differences(path: Path, book: Book, exact: bool) -> list[str]:
    """What a ledger and the terminal behind it do not have alike.

    Args:
        path: The ledger.
        book: The terminal.
        exact: The bridge tells prices, and the account.
    """
    with ledger_schema.open_ledger(path) as db:
        orders = ledger_queries.read_orders(db)
        deals = [deal.fill for deal in ledger_queries.deals(db)]
        shadows = {row.order_id for row in shadow_log.read_compared(db) if row.paper_price}
    # It follows from the order alone: no fault of the bridge keeps it away.
    asked = {each.order_id for each in orders if each.epoch}
    found = [
        f"{fill.order_id} has no paper shadow" for fill in deals if fill.order_id in asked - shadows
    ]
    by_order = {fill.order_id: fill for fill in deals}
    by_comment = defaultdict(list)
    for deal in book.deals():
        by_comment[deal.comment].append(deal)
    # A deal that came too late has opened them, and they were closed at once.
    strays = {fill.ticket for fill in deals if fill.order_id.endswith(":opened")}
    for each in orders:
        there = by_comment.pop(COMMENTS.of(each.order_id), [])
        if each.ticket in strays and ":" in each.order_id.partition(":")[2]:
            # The gateway's own deals stand for all that became of such a position; how much of it
            # was opened and closed is compared below.
            continue
        fill = by_order.get(each.order_id)
        if each.status not in ("FILLED", "PARTIAL", "REJECTED"):
            found.append(f"{each.order_id} is {each.status}, and {there} at the broker")
        elif fill is None and there and all(deal.ticket in strays for deal in there):
            continue
        elif fill is None and there:
            found.append(f"{each.order_id} is {each.status} {each.detail}, and was dealt: {there}")
        elif len(there) > 1:
            found.append(f"{each.order_id} was dealt {len(there)} times: {there}")
        elif fill is not None and fill.entry == "IN" and not there:
            found.append(f"{each.order_id} was never dealt: {fill}")
        elif fill is not None and there:
            found += _unlike(each.order_id, fill, there[0], exact)
    for left in by_comment.values():
        # Closings of the gateway's own are compared by position, below.
        unknown = [d for d in left if d.entry == "IN" and d.ticket not in strays]
        found += [f"nobody here knows of {deal}" for deal in unknown]
    found += _positions_unlike(path, book, deals)
    if exact:
        found += _money_unlike(path, book)
    if isinstance(book, WindowsBook):
        found += _profits_unlike(book, deals)
    return found


def _unlike(order_id: str, fill: Fill, deal: BookedDeal, exact: bool) -> list[str]:
    """A deal here, and the deal there that has its order's comment."""
    lots = abs(fill.lots - deal.lots) > SAME
    if fill.side != deal.side or lots or fill.ticket != deal.ticket:
        return [f"{order_id}: {fill} here, {deal} there"]
    if exact and fill.entry == "IN" and abs(fill.price - deal.price) > SAME:
        return [f"{order_id}: price {fill.price} here, {deal.price} there"]
    return []


def _positions_unlike(path: Path, book: Book, deals: Sequence[Fill]) -> list[str]:
    """What is open, and how much of each position was closed."""
    with contextlib.closing(Ledger(path, "USD", FIRST_BALANCE, book="account 7")) as ledger:
        held = [each.position for each in ledger.open_positions()]
    here = {position.ticket: (position.side, position.lots) for position in held}
    there = {position.ticket: (position.side, position.lots) for position in book.positions()}
    found = [] if here == there else [f"open here {here}, there {there}"]
    closed: Counter[int] = Counter()
    for fill in deals:
        closed[fill.ticket] += round(100 * fill.lots) if fill.entry == "OUT" else 0
    gone: Counter[int] = Counter()
    for deal in book.deals():
        gone[deal.ticket] += round(100 * deal.lots) if deal.entry == "OUT" else 0
    for ticket in closed.keys() | gone.keys():
        if closed[ticket] != gone[ticket]:
            what = f"{closed[ticket] / 100} lots were closed here, and {gone[ticket] / 100} there"
            found.append(f"of position {ticket}, {what}")
    return found


def _money_unlike(path: Path, book: Book) -> list[str]:
    """The balance, to the cent, with what the gateway says that it cannot explain."""
    with contextlib.closing(Ledger(path, "USD", FIRST_BALANCE, book="account 7")) as ledger:
        made = sum(total.made for total in ledger.totals().values()) / 10**MONEY_DIGITS
        state = msgspec.json.decode(ledger.far_side(), type=BridgeState)
    here, there = FIRST_BALANCE + made + (state.money.offset or 0.0), book.balance
    same = abs(here - there) < SAME_MONEY
    return [] if same else [f"the balance is {here:.2f} here, {there:.2f} there"]


def _profits_unlike(book: WindowsBook, deals: Sequence[Fill]) -> list[str]:
    """What each position has made, where a bridge tells what was paid in or charged besides."""
    here: Counter[int] = Counter()
    for fill in deals:
        here[fill.ticket] += round(100 * fill.profit)
    there: Counter[int] = Counter()
    for deal in book.deals():
        there[deal.ticket] += round(100 * deal.profit)
    return [
        f"position {ticket} made {here[ticket] / 100} here, and {there[ticket] / 100} there"
        for ticket in sorted(here.keys() | there.keys())
        if here[ticket] != there[ticket]
    ]

"""`compare`: what paper hides: live deals beside those that the paper book would have made."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from mt5crs_shared.market.wire import to_the_second
from mt5crs_shared.storage import shadow_log
from mt5crs_shared.storage.shadow_log import RequestRecord
from mt5crs_shared.trading import slippage
from mt5crs_shared.trading.slippage import ComparedOrder, Disagreement, Slippage
from mt5crs_shared.wording import safe
from mt5crs_supervisor.commands import show
from mt5crs_supervisor.commands.failures import unknown_name
from mt5crs_supervisor.commands.records import books
from mt5crs_supervisor.commands.records.moments import begin_of
from mt5crs_supervisor.display.folding import say
from mt5crs_supervisor.display.table import Cell, Column, column, table

Read = TypeVar("Read", bound=ComparedOrder | RequestRecord)


class Comparison(msgspec.Struct, frozen=True):
    """What `compare --json` prints.

    Attributes:
        deals: Prices and delays; see `Slippage`.
        disagreements: Orders that only one of the two would have dealt; see `Disagreement`.
    """

    deals: list[Slippage]
    disagreements: list[Disagreement]


def show_comparison(var_dir: Path, name: str | None, since: str | None, as_json: bool) -> None:
    """Print how live deals differ from the paper book's."""
    found, of_paper = _read(var_dir, name, since, shadow_log.read_compared)
    compared = Comparison(slippage.slippages(found), slippage.disagreements(found))
    if as_json:
        show.print_json(compared)
        return
    if not compared.deals and not compared.disagreements:
        say(_nothing(var_dir, name, since, of_paper))
        return
    if compared.deals:
        show.print_lines(table(_slippage_columns(compared.deals), show.width()))
        show.print_lines(textwrap.wrap(_reading(found), show.width()))
    if compared.disagreements:
        if compared.deals:
            say("")
        show.print_lines(table(_disagreement_columns(compared.disagreements), show.width()))


def show_requests(
    var_dir: Path, name: str | None, since: str | None, limit: int, as_json: bool
) -> None:
    """Print what a paper account would have sent, the newest last."""
    found, of_paper = _read(
        var_dir,
        name,
        since,
        lambda db, strategy, begin: shadow_log.read_requests(db, strategy, begin, limit),
    )
    if as_json:
        show.print_json(found)
    elif found:
        # Each whole and on a line of its own, so that it can be copied.
        for each in found:
            moment = to_the_second(each.time_us)
            click.echo(safe(f"{moment}  {each.strategy}  {each.order_id}  {each.dialect}"))
            click.echo(safe(msgspec.json.encode(each.request).decode()))
    elif of_paper is False:
        say(f"The ledger in {var_dir} is a live account's: its requests were sent.")
    else:
        say(_no_requests(var_dir, name, since))


def _read(
    var_dir: Path,
    name: str | None,
    since: str | None,
    read: "Callable[..., list[Read]]",
) -> tuple[list[Read], bool | None]:
    """Rows of the ledger, and whether it is one of paper; None: there is no ledger."""
    begin = begin_of(since)
    begin_at = begin.timestamp() if begin is not None else 0.0
    with books.ledger_of(var_dir) as ledger:
        if ledger is None:
            return [], None
        found = read(ledger, name, begin_at)
        if name is not None and not found:
            known = {row.strategy for row in read(ledger, None, 0.0)}
            if known and name not in known:
                raise unknown_name(name, known, "strategy with such orders")
        return found, shadow_log.is_of_paper(ledger)


def _nothing(var_dir: Path, name: str | None, since: str | None, of_paper: bool | None) -> str:
    if of_paper is None:
        return (
            f"There is no ledger in {var_dir}: nothing has run there. --var-dir names the folder."
        )
    if of_paper:
        return (
            f"The ledger in {var_dir} is one of paper: there is nothing live to compare. `compare"
            " --requests` shows what would be sent, with execution: {shadow: true} under global;"
            " `compare` has its figures after the first deals of `start --live`."
        )
    return (
        f"No order{f' of {name}' if name else ''} has left for the broker"
        f"{f' since {since}' if since else ' yet'}; `status` says why, where something is wrong."
    )


def _no_requests(var_dir: Path, name: str | None, since: str | None) -> str:
    return (
        f"No request{f' of {name}' if name else ''} is written down in {var_dir}"
        f"{f' since {since}' if since else ''}. With execution: {{shadow: true}} under global, and"
        " paper_trading: true, each deal has one; `reload` takes that up."
    )


def _reading(found: Sequence[ComparedOrder]) -> str:
    """How to read the table, and what is not in it."""
    dealt = [order for order in found if order.price is not None]
    blind = sum(order.points is None for order in dealt)
    text = (
        "Positive: live was worse. POINTS, TICK and WALL are medians; 95 %: so many deals were no"
        " worse. TICK, WALL: milliseconds from the decision to the deal, by the market's clock and"
        " by this machine's."
    )
    if blind:
        text += (
            f" {blind} of {len(dealt)} deals have no price on both sides, and count as deals alone."
        )
    return text


def _slippage_columns(rows: Sequence[Slippage]) -> list[Column]:
    return [
        column(rows, "STRATEGY", lambda r: Cell(_name(r)), right=False, least=8),
        column(rows, "DEALS", lambda r: Cell(f"{r.deals:,}")),
        column(rows, "POINTS", lambda r: _figure(r.points_median, "+.1f")),
        column(rows, "95 %", lambda r: _figure(r.points_p95, "+.1f")),
        column(rows, "MONEY", lambda r: _figure(r.money, "+,.2f", coloured=True)),
        column(rows, "TICK", lambda r: _figure(r.event_ms_median, ".0f")),
        column(rows, "95 %", lambda r: _figure(r.event_ms_p95, ".0f"), 1),
        column(rows, "WALL", lambda r: _figure(r.wall_ms_median, ".0f")),
        column(rows, "95 %", lambda r: _figure(r.wall_ms_p95, ".0f"), 1),
    ]


def _disagreement_columns(rows: Sequence[Disagreement]) -> list[Column]:
    return [
        column(rows, "STRATEGY", lambda r: Cell(r.strategy), right=False, least=8),
        column(rows, "LIVE", lambda r: Cell(r.live), right=False),
        column(rows, "PAPER", lambda r: Cell(r.paper), right=False),
        column(rows, "ORDERS", lambda r: Cell(f"{r.orders:,}")),
        column(rows, "THE LAST ONE", lambda r: Cell(r.detail or "-"), 1, right=False, least=16),
    ]


def _name(row: Slippage) -> str:
    return f"  {row.kind.lower()}" if row.kind else row.strategy or "together"


def _figure(value: float | None, form: str, coloured: bool = False) -> Cell:
    if value is None:
        return Cell("-", "bright_black")
    # What rounds to nothing has no sign.
    shown = format(value, form)
    if not any(digit in shown for digit in "123456789"):
        shown = shown.lstrip("+-")
    colour = "red" if value > 0.0 else "green" if value < 0.0 else None
    return Cell(shown, colour if coloured else None)

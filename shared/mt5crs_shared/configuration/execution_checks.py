"""What must hold before orders may leave for a real account, beyond each field by itself."""

from collections.abc import Iterator

from msgspec import UNSET

from mt5crs_shared.configuration.checks import Strategies
from mt5crs_shared.configuration.execution_structs import AccountConfig
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport
from mt5crs_shared.configuration.parsing.yaml_structs import Parsed
from mt5crs_shared.configuration.structs import GlobalConfig
from mt5crs_shared.errors import Mark

NETTING = ("trade", "order_send")
"""Dialects that close by a deal of the other side, and so need a netting account."""

SILENT = ("open_close", "expert_advisor")
"""Dialects that close by ticket, and do not say whether the account nets."""

MOST_FIRST_LOTS = 1.0
"""A first order is there to find out, for little money, what a change has done."""

BLIND = ("order_send", "expert_advisor")
"""Dialects that cannot say which account they trade, nor what is open there."""

LOSS_RULES = ("max_loss", "max_drawdown")
"""Rules of which one, for the account, has to be configured."""


def check_execution(
    globals_: Parsed[GlobalConfig], strategies: Strategies, report: ProblemReport
) -> None:
    """With `paper_trading: false`: which account, how much it may lose, one strategy a symbol."""
    execution = globals_.get("execution")
    if execution is not UNSET and execution.max_first_lots > MOST_FIRST_LOTS:
        expected = (
            f"at most {MOST_FIRST_LOTS:g}: a strategy's first order after a change is small, so"
            " that a mistake in it costs little"
        )
        found = f"{execution.max_first_lots:g} lots"
        report.add(*_place(globals_, "max_first_lots"), found, expected)
    if globals_.get("paper_trading") is not False:
        return
    missing = list(_missing(globals_))
    if missing:
        found = "false, and nothing " + ", nor ".join(found for found, _ in missing)
        expected = ", ".join(expected for _, expected in missing)
        mark, where = globals_.mark("paper_trading"), globals_.where("paper_trading")
        report.add(mark, where, found, f"{expected}; or true")
    if execution is not UNSET:
        if execution.dialect in BLIND and not execution.trust_account:
            found = f"{execution.dialect}, which cannot say which account it trades"
            expected = "execution.trust_account: true beside it, or another dialect"
            report.add(*_place(globals_, "dialect"), found, expected)
        if execution.shadow:
            found = "true, and orders leave for a real account (paper_trading: false)"
            expected = "to be left out: a live account keeps its paper shadow always, see `compare`"
            report.add(*_place(globals_, "shadow"), found, expected)
        if execution.dialect in NETTING:
            expected = (
                f"one strategy a symbol with the dialect {execution.dialect}: it needs a netting"
                " account, which holds one position a symbol"
            )
            _check_one_each(strategies, expected, report)
        account = globals_.get("account")
        if execution.dialect in SILENT and isinstance(account, AccountConfig):
            expected = (
                "hedging: true in global.account, where the account holds a position for each order"
                f" ({execution.dialect} does not tell, and on a netting account the two would trade"
                " each other's position); or one strategy a symbol"
            )
            if not account.hedging:
                _check_one_each(strategies, expected, report)


def _missing(globals_: Parsed[GlobalConfig]) -> Iterator[tuple[str, str]]:
    """What has to stand beside `paper_trading: false`: what nothing says, and what would."""
    if globals_.get("account") is None:
        yield "says which account may be traded", "global.account with login and server"
    risk = globals_.get("risk")
    if risk is not UNSET and not any(r.rule in LOSS_RULES and r.scope == "account" for r in risk):
        expected = "a rule max_loss or max_drawdown with the scope account under global.risk"
        yield "limits what it may lose", expected
    if globals_.nested.get("feed") is not None:
        yield "but a made-up market (global.feed) to trade on", "no global.feed"


def _check_one_each(strategies: Strategies, expected: str, report: ProblemReport) -> None:
    """On a netting account two strategies would close each other's positions."""
    first: dict[str, str] = {}
    for parsed in strategies:
        symbol, name = parsed.get("symbol"), parsed.get("name")
        if UNSET in (symbol, name) or parsed.get("enabled") is False:
            continue
        if symbol in first:
            found = f"{symbol}, which {first[symbol]} trades too"
            report.add(parsed.mark("symbol"), parsed.where("symbol"), found, expected)
        first.setdefault(symbol, name)


def _place(globals_: Parsed[GlobalConfig], field: str) -> tuple[Mark, str]:
    nested = globals_.nested.get("execution")
    if nested is None:
        return globals_.mark("execution"), f"{globals_.where('execution')}.{field}"
    return nested.mark(field), nested.where(field)

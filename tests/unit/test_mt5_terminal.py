"""The MetaTrader5 package's failures as errors, and the stand-in's shape."""

import importlib.util
import logging
from typing import Any

import pytest

from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Login, Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView, UnknownSymbolError
from tests.mt5_standin import structures
from tests.mt5_standin.broker import Broker
from tests.mt5_standin.constants import CONSTANTS
from tests.mt5_standin.instruments import Instrument
from tests.mt5_standin.package import StandIn
from tests.unit.mt5_cases import Moment

FUNCTIONS = (
    "initialize",
    "shutdown",
    "version",
    "last_error",
    "account_info",
    "terminal_info",
    "symbols_total",
    "symbols_get",
    "symbol_info",
    "symbol_info_tick",
    "symbol_select",
    "copy_rates_from",
    "copy_ticks_from",
    "orders_get",
    "positions_get",
    "history_orders_get",
    "history_deals_get",
    "order_send",
    "order_calc_margin",
)
"""Those that the gateway calls."""


@pytest.fixture
def package() -> StandIn:
    return StandIn(Broker())


def attached(package: StandIn, **login: Any) -> Mt5Terminal:
    terminal = Mt5Terminal(package, Login(**login), monotonic=Moment(0.0))
    assert terminal.attach()
    return terminal


def view_of(terminal: Mt5Terminal) -> TerminalView:
    return TerminalView(terminal, ServerClock("+02:00"))


def test_the_package_is_not_there_and_not_needed() -> None:
    assert importlib.util.find_spec("MetaTrader5") is None


def test_the_stand_in_has_the_packages_names(package: StandIn) -> None:
    assert all(callable(getattr(package, name)) for name in FUNCTIONS)
    assert len(CONSTANTS) == 223
    assert package.TRADE_RETCODE_REQUOTE == 10004  # type: ignore[attr-defined]
    sizes = {"TradeRequest": 17, "OrderSendResult": 11, "TradeDeal": 18, "SymbolInfo": 96}
    for name, size in sizes.items():
        assert len(getattr(structures, name)._fields) == size


def test_the_account_is_told_in_words(package: StandIn) -> None:
    account = view_of(attached(package)).account()
    assert (account.login, account.trade_mode, account.margin_mode) == (5001, "DEMO", "HEDGING")
    package.broker.trade_mode, package.broker.hedging = 2, False
    account = view_of(attached(package)).account()
    assert (account.trade_mode, account.margin_mode) == ("REAL", "NETTING")


def test_a_mode_that_nobody_knows_is_taken_for_real_money(package: StandIn) -> None:
    package.broker.trade_mode = 9
    assert view_of(attached(package)).account().trade_mode == "REAL"


def test_a_symbol_is_put_into_the_market_watch(package: StandIn) -> None:
    package.broker.instruments["GBPUSD"] = Instrument("GBPUSD", selected=False, filling_mode=2)
    symbol = view_of(attached(package)).symbol("GBPUSD")
    assert (symbol.filling, symbol.execution, symbol.trade_mode) == (("IOC",), "MARKET", "FULL")
    assert symbol.bid == 1.1


def test_a_symbol_that_is_not_there_is_named(package: StandIn) -> None:
    with pytest.raises(UnknownSymbolError, match="no symbol NONE") as caught:
        view_of(attached(package)).symbol("NONE")
    assert "Market Watch" in caught.value.todo


def test_none_becomes_an_error_that_says_what_to_do(package: StandIn) -> None:
    terminal = attached(package)
    package.down = True
    with pytest.raises(TerminalError, match="account_info: No IPC connection") as caught:
        terminal.ask("account_info")
    assert caught.value.lost and "see that the terminal runs" in caught.value.todo
    assert not terminal.attached


def test_what_the_package_raises_becomes_one_too(package: StandIn) -> None:
    terminal = attached(package)
    with pytest.raises(TerminalError, match="no_such_function"):
        terminal.ask("no_such_function")
    assert terminal.attached


def test_none_without_an_error_is_no_rows(package: StandIn) -> None:
    terminal = attached(package)
    package.orders_get = lambda **_: None  # type: ignore[method-assign, assignment, misc]
    assert terminal.rows("orders_get") == ()


def test_a_terminal_that_is_gone_is_tried_less_and_less_often(package: StandIn) -> None:
    time = Moment(0.0)
    terminal = Mt5Terminal(package, Login(), monotonic=time)
    package.down = True
    tried = []
    for _ in range(200):
        if not terminal.attach():
            tried.append(package.calls.count("initialize"))
        time.wait(1.0)
    assert 8 <= tried[-1] <= 14
    assert "see that the terminal is installed" in terminal.trouble
    package.down = False
    time.wait(30.0)
    assert terminal.attach()
    assert terminal.trouble == ""


def test_the_password_is_in_no_log_and_no_error(
    package: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    package.refuses = (-6, "Terminal: Authorization failed")
    login = Login(5001, "StandIn-Demo", "s3cret-word")
    terminal = Mt5Terminal(package, login, monotonic=Moment(0.0))
    assert not terminal.attach()
    assert "check login, password and server" in terminal.trouble
    assert "s3cret-word" not in caplog.text + terminal.trouble + repr(login) + str(login)


def test_it_logs_into_the_account_that_it_is_for(package: StandIn) -> None:
    terminal = Mt5Terminal(package, Login(6002, "StandIn-Demo"), monotonic=Moment(0.0))
    assert not terminal.attach()
    assert "Authorization failed" in terminal.trouble


@pytest.mark.parametrize("api", [True, False])
def test_why_nothing_can_be_traded_is_told_with_what_to_do(package: StandIn, api: bool) -> None:
    view = view_of(attached(package))
    assert view.cannot_trade(5001) is None
    package.api_allowed = api
    package.broker.connected = not api
    failure = view.cannot_trade(5001)
    assert failure is not None and failure.what and failure.todo

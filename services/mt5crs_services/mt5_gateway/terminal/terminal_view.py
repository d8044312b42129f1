"""What the terminal knows, in the protocol's records: account, symbols, positions, deals."""

from typing import Any

from mt5crs_services.mt5_gateway.answers import GatewayFailure
from mt5crs_services.mt5_gateway.terminal import translation
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import NOT_FOUND, Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal_records import (
    TerminalAccount,
    TerminalDeal,
    TerminalOrder,
    TerminalPosition,
    TerminalSymbol,
)

ALGO = (
    "switch on Algo Trading in the terminal's toolbar, and Allow algorithmic trading in its options"
)


class UnknownSymbolError(TerminalError):
    """The broker has no such symbol."""


class TerminalView:
    """Reads; changes nothing but the Market Watch.

    Args:
        terminal: The terminal.
        clock: Of the broker's server.
    """

    def __init__(self, terminal: Mt5Terminal, clock: ServerClock) -> None:
        self._terminal = terminal
        self._clock = clock

    def info(self) -> Any:
        """The package's `TerminalInfo`.

        Raises:
            TerminalError: It cannot be had; so with all that follow.
        """
        return self._terminal.ask("terminal_info")

    def connected(self) -> bool:
        """Whether the terminal has a connection to the broker's server."""
        return bool(self.info().connected)

    def account(self) -> TerminalAccount:
        """The account."""
        return translation.account_record(self._terminal.ask("account_info"))

    def login(self) -> int:
        """Its number."""
        return int(self._terminal.ask("account_info").login)

    def cannot_trade(self, login: int) -> GatewayFailure | None:
        """Why no order may be sent for an account; None: it may."""
        terminal = self.info()
        if not terminal.connected:
            what = "the terminal has no connection to the broker's server"
            return GatewayFailure("NOT_CONNECTED", what, "terminal_info", "look at the terminal")
        account = self.account()
        if account.login != login:
            what = f"the terminal is logged into {account.login}, the order is for {login}"
            return GatewayFailure("WRONG_ACCOUNT", what, "login", "log the terminal in again")
        if not terminal.trade_allowed or terminal.tradeapi_disabled:
            what = "the terminal lets no program trade"
            return GatewayFailure("TERMINAL", what, "terminal_info", ALGO)
        if not account.trade_allowed:
            what = "the account may not trade: is that the investor's password?"
            return GatewayFailure("TERMINAL", what, "account_info", "log in with the other one")
        if not account.trade_expert:
            what = "the broker lets no program trade on this account"
            return GatewayFailure("TERMINAL", what, "account_info", "ask the broker")
        return None

    def symbol(self, name: str) -> TerminalSymbol:
        """What the broker says of a symbol; it is put into the Market Watch.

        Raises:
            UnknownSymbolError: There is none.
        """
        try:
            info = self._terminal.ask("symbol_info", name)
            if not info.select or not info.visible:
                self._terminal.ask("symbol_select", name, True)
                info = self._terminal.ask("symbol_info", name)
        except TerminalError as error:
            if error.code == NOT_FOUND:
                raise UnknownSymbolError(
                    error.code, f"the broker has no symbol {name}", error.where
                ) from error
            raise
        return translation.symbol_record(info, self._margin(info))

    def watched(self) -> list[str]:
        """Symbols of the Market Watch."""
        return [info.name for info in self._terminal.rows("symbols_get") if info.select]

    def positions(self) -> tuple[TerminalPosition, ...]:
        """Every open position."""
        utc = self._clock.to_us_or_zero
        rows = self._terminal.rows("positions_get")
        return tuple(translation.position_record(row, utc) for row in rows)

    def orders(self) -> tuple[TerminalOrder, ...]:
        """Every order that waits at the broker."""
        utc = self._clock.to_us_or_zero
        return tuple(
            translation.order_record(row, utc) for row in self._terminal.rows("orders_get")
        )

    def deals(self, since_us: int, until_us: int, position: int) -> tuple[TerminalDeal, ...]:
        """Deals and changes of the balance from a moment to another, the oldest first.

        Raises:
            ServerClockError: The server's zone is not known.
        """
        if position:
            rows = self._terminal.rows("history_deals_get", position=position)
        else:
            since, until = map(self._clock.to_server_s, (since_us, until_us))
            rows = self._terminal.rows("history_deals_get", since, until + 1)
        found = [translation.deal_record(row, self._clock.to_us) for row in rows]
        found = [deal for deal in found if deal.time_us >= since_us]
        return tuple(sorted(found, key=lambda deal: (deal.time_us, deal.deal)))

    def _margin(self, info: Any) -> float:
        """Of one lot bought now; 0.0: the terminal does not say."""
        if not info.ask:
            return 0.0
        try:
            return float(self._terminal.ask("order_calc_margin", 0, info.name, 1.0, info.ask))
        except TerminalError:
            return 0.0

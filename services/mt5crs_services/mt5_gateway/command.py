"""`mt5crs-gateway`: the command line of the Windows gateway."""

import importlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import click
import zmq

from mt5crs_services.mt5_gateway.server import WindowsGateway
from mt5crs_services.mt5_gateway.settings import (
    WindowsGatewayConfig,
    check_exposure,
    load_settings,
)
from mt5crs_services.mt5_gateway.terminal.server_clock import ServerClock
from mt5crs_services.mt5_gateway.terminal.terminal import Login, Mt5Terminal, TerminalError
from mt5crs_services.mt5_gateway.terminal.terminal_view import TerminalView
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process import logs
from mt5crs_shared.sockets.client_list import read_known
from mt5crs_shared.storage.secret_places import read_secret

PROGRAM = "mt5crs-gateway"
PACKAGE = "MetaTrader5"


class NoPackageError(Mt5crsError):
    """The MetaTrader5 package is not there."""


class PasswordPlaceError(Mt5crsError):
    """The password stands where others may read it."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mt5crs-supervisor", prog_name=PROGRAM)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("mt5crs-gateway.yaml"),
    help="Its configuration [mt5crs-gateway.yaml].",
)
@click.option("--check", is_flag=True, help="Attach to the terminal, say what is there, and end.")
@click.option(
    "--insecure", is_flag=True, help="Listen beyond this machine, where everybody may trade."
)
def gateway(config: Path, check: bool, insecure: bool) -> None:
    """Lets programs on other machines trade through the MetaTrader 5 terminal of this one."""
    try:
        settings = load_settings(config)
        check_exposure(settings, insecure)
        terminal = Mt5Terminal(_package(), _login(settings), settings.terminal_path)
        if check:
            _check(settings, terminal)
        else:
            _run(settings, terminal)
    except Mt5crsError as error:
        click.echo(f"{PROGRAM}: {error}", err=True)
        sys.exit(1)


def _package() -> Any:
    try:
        return importlib.import_module(PACKAGE)
    except ImportError as error:
        raise NoPackageError(
            f"the package {PACKAGE} cannot be imported ({error}): it exists for Windows alone;"
            ' there, pip install "mt5crs-supervisor[mt5]"'
        ) from error


def _login(settings: WindowsGatewayConfig) -> Login:
    password = ""
    if settings.password is not None:
        if os.name == "nt" and not settings.password.startswith("env:"):
            raise PasswordPlaceError(
                "password: who may read a file is not checked on Windows: use env:NAME, or have"
                " the terminal remember the password"
            )
        password = read_secret(settings.password)
    return Login(settings.login, settings.server, password)


def _check(settings: WindowsGatewayConfig, terminal: Mt5Terminal) -> None:
    """Say what a gateway would find.

    Raises:
        TerminalError: The terminal cannot be reached.
    """
    try:
        if not terminal.attach():
            raise TerminalError(0, terminal.trouble, "terminal")
        view = TerminalView(terminal, ServerClock(settings.server_zone))
        account, info = view.account(), view.info()
        click.echo(f"terminal   build {info.build}, {'' if info.connected else 'not '}connected")
        click.echo(
            f"account    {account.login} at {account.server}, {account.company}:"
            f" {account.trade_mode}, {account.margin_mode.lower()}, {account.currency},"
            f" 1:{account.leverage}"
        )
        click.echo(f"clients    {_clients(settings)}")
        hindrance = view.cannot_trade(settings.login)
        click.echo(
            f"trading    {f'{hindrance.what}; {hindrance.todo}' if hindrance else 'allowed'}"
        )
        for name in settings.symbols:
            symbol = view.symbol(name)
            filling = ", ".join(symbol.filling) or "RETURN"
            click.echo(
                f"symbol     {name}: {symbol.trade_mode}, {symbol.execution} execution, {filling},"
                f" {symbol.lot_min:g} to {symbol.lot_max:g} lots by {symbol.lot_step:g}"
            )
        if hindrance is not None:
            sys.exit(1)
    finally:
        terminal.close()


def _clients(settings: WindowsGatewayConfig) -> str:
    """Who may connect, in words.

    Raises:
        KeyFileError: The keys cannot be used.
    """
    if settings.keys is None:
        return "whoever reaches the ports, in the clear"
    return f"{', '.join(read_known(Path(settings.keys)).clients.values())} by key, encrypted"


def _run(settings: WindowsGatewayConfig, terminal: Mt5Terminal) -> None:
    ended: list[int] = []
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _frame: ended.append(number))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    server = WindowsGateway(settings, terminal, context)
    logs.configure(Path(settings.folder) / "mt5crs-gateway.log")
    addresses = settings.address(settings.orders_port), settings.address(settings.ticks_port)
    click.echo(f"{PROGRAM}: orders on {addresses[0]}, ticks on {addresses[1]}; Ctrl-C ends it")
    click.echo(f"{PROGRAM}: {_clients(settings)}")
    try:
        server.run(lambda: not ended)
    except BaseException:
        logging.getLogger(__name__).exception("the gateway ends")
        raise
    finally:
        server.close()
        context.destroy(linger=500)

"""The Windows gateway's own YAML file."""

import ipaddress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from mt5crs_services.mt5_gateway.terminal.server_clock import (
    AUTO,
    ServerClockError,
    zone_rule,
)
from mt5crs_shared.configuration.notify_structs import Secret
from mt5crs_shared.configuration.parsing.yaml_nodes import ProblemReport, read_yaml
from mt5crs_shared.configuration.parsing.yaml_structs import parse_struct
from mt5crs_shared.configuration.values import Port
from mt5crs_shared.errors import ConfigError, Mt5crsError
from mt5crs_shared.market.symbol_spec import Symbol


class WindowsGatewayConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a Windows gateway has to know.

    Attributes:
        login: The account. The terminal is logged into it; orders for another one are refused.
        server: The broker's server, as the terminal's login window has it.
        symbols: Whose ticks are published; orders and history are there for every symbol.
        password: Where the account's password stands, `env:NAME`; without it the terminal has to
            remember it ("Save password" in its login window).
        terminal_path: Of terminal64.exe, where there is more than one.
        server_zone: Of the broker's clock: auto, new-york-close, a place such as Europe/Athens, or
            an offset such as +02:00.
        bind: Address that both sockets listen on.
        keys: Folder with `gateway.key_secret` and the public key of each client that is let in, as
            `mt5crs-supervisor keys --for gateway` makes it; a relative one is beside the file.
            None: the sockets are in the clear.
        orders_port: Of requests and answers.
        ticks_port: Of ticks.
        poll_ms: Milliseconds between two looks for ticks.
        folder: For journal and log; a relative one is beside the file.
    """

    login: Annotated[int, Meta(ge=1, le=2**53)]
    server: str
    symbols: list[Symbol]
    password: Secret | None = None
    terminal_path: str = ""
    server_zone: str = AUTO
    bind: str = "127.0.0.1"
    keys: str | None = None
    orders_port: Port = 5555
    ticks_port: Port = 5556
    poll_ms: Annotated[int, Meta(ge=10, le=5_000)] = 50
    folder: str = "mt5crs-gateway"

    def address(self, port: int) -> str:
        """Of a socket."""
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"tcp://{host}:{port}"


class OpenSocketError(Mt5crsError):
    """A socket would be open to everybody who reaches this machine."""


def load_settings(file: Path) -> WindowsGatewayConfig:
    """Read the file.

    Raises:
        ConfigError: Anything is wrong in it, with all of it.
    """
    report = ProblemReport(str(file))
    root = read_yaml(file.absolute(), report)
    if root is None:
        raise ConfigError(tuple(report.problems))
    parsed = parse_struct(WindowsGatewayConfig, root, "", report)
    for name, check in (("server_zone", _zone_problem), ("bind", _bind_problem)):
        value = parsed.fields.get(name)
        problem = check(value) if isinstance(value, str) else ""
        if problem:
            report.add(parsed.mark(name), name, repr(value), problem)
    if parsed.fields.get("orders_port", 5555) == parsed.fields.get("ticks_port", 5556):
        report.add(parsed.mark("ticks_port"), "ticks_port", "the port of orders", "another one")
    if report.problems or not parsed.good:
        raise ConfigError(tuple(report.problems))
    config = parsed.build()
    here = file.absolute().parent
    keys = None if config.keys is None else str(here / config.keys)
    return msgspec.structs.replace(config, folder=str(here / config.folder), keys=keys)


def check_exposure(config: WindowsGatewayConfig, insecure: bool) -> None:
    """See that nobody trades on this account over the network unseen.

    Raises:
        OpenSocketError: The sockets would listen beyond this machine, without keys.
    """
    if config.keys is None and not insecure and not ipaddress.ip_address(config.bind).is_loopback:
        raise OpenSocketError(
            f"bind: {config.bind} is reached from other machines, and whoever reaches it trades on"
            " this account: give it keys (`mt5crs-supervisor keys --for gateway` makes them, see"
            " docs/windows.md), leave it at 127.0.0.1 behind a tunnel, or give --insecure where"
            " nobody else is on that network"
        )


def _zone_problem(value: str) -> str:
    try:
        if value != AUTO:
            zone_rule(value)
    except ServerClockError as error:
        return str(error).partition(": ")[2]
    return ""


def _bind_problem(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return "an address of this machine in numbers, such as 127.0.0.1"
    return ""

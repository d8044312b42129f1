"""A strategies file as far as it can be read, for commands that fetch what it still lacks."""

from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.configuration import checks, loading
from mt5crs_shared.configuration.parsing.yaml_nodes import Node, ProblemReport, read_yaml
from mt5crs_shared.configuration.structs import GlobalConfig, StrategyConfig
from mt5crs_shared.sockets.curve import KeyPlaces
from mt5crs_shared.sockets.opening import is_local
from mt5crs_supervisor.commands.failures import CommandError

WINDOWS_GATEWAY = "windows_gateway"
"""The dialect of the program that has a terminal's history, too."""


class UncheckedStrategy(msgspec.Struct, frozen=True):
    """An entry.

    Attributes:
        name: Its name; empty: it has none.
        symbol: Its symbol.
        timeframe: Of its bars.
        enabled: It is to run.
        history: Its file of bars where `loading` finds it, or where it is to be made: beside the
            strategies file. None: it names none.
    """

    name: str
    symbol: str
    timeframe: str
    enabled: bool
    history: Path | None


class UncheckedConfig(msgspec.Struct, frozen=True):
    """What it says of where to ask, and for what.

    Attributes:
        address: Of the Windows gateway.
        keys: Where the keys of the connection are; None: it is in the clear.
        insecure: It may be that, to another machine.
        asks_terminal: Orders go by way of a Windows gateway, and no feed of ours is the market.
        strategies: The entries that name a symbol.
    """

    address: str
    keys: KeyPlaces | None
    insecure: bool
    asks_terminal: bool
    strategies: tuple[UncheckedStrategy, ...]

    @property
    def traded(self) -> tuple[str, ...]:
        """Symbols that strategies trade."""
        return tuple(dict.fromkeys(strategy.symbol for strategy in self.strategies))

    def gateway(self, source: str | None) -> tuple[str, KeyPlaces | None]:
        """Where to ask, and with which keys.

        Args:
            source: Address of another one; None: that of the configuration.

        Raises:
            CommandError: It is another machine, and nothing says that it may be in the clear.
        """
        address = source or self.address
        if self.keys is None and not self.insecure and not is_local(address):
            raise CommandError(
                f"{address} is another machine: set global.execution.server_key, for which `keys`"
                " makes keys; or global.execution.insecure: true on a network of your own"
            )
        return address, self.keys


def unchecked_config(config: Path) -> UncheckedConfig:
    """Read it; a symbol or a file that is missing yet is no mistake here, nor is any other."""
    root = read_yaml(config.absolute(), ProblemReport(str(config)))
    whole = _table(root.plain() if isinstance(root, Node) else None)
    shared, default = _table(whole.get("global")), GlobalConfig()
    host = shared.get("zmq_execution_host", default.zmq_execution_host)
    port = shared.get("zmq_execution_port", default.zmq_execution_port)
    execution, keys = _table(shared.get("execution")), None
    if server := execution.get("server_key"):
        own = shared.get("secret_key", default.secret_key)
        keys = KeyPlaces(find_named(str(own), config), find_named(str(server), config))
    strategies = whole.get("strategies")
    entries = map(_table, strategies if isinstance(strategies, list) else [])
    usual = StrategyConfig(name="usual", symbol="usual")
    return UncheckedConfig(
        f"tcp://{host}:{port}",
        keys,
        execution.get("insecure") is True,
        execution.get("dialect") == WINDOWS_GATEWAY and shared.get("feed") is None,
        tuple(
            UncheckedStrategy(
                name=str(entry.get("name") or ""),
                symbol=str(entry["symbol"]),
                timeframe=str(entry.get("timeframe") or usual.timeframe),
                enabled=entry.get("enabled", usual.enabled) is True,
                history=_file_of(entry.get("history"), config),
            )
            for entry in entries
            if entry.get("symbol")
        ),
    )


def _file_of(name: object, config: Path) -> Path | None:
    if not name:
        return None
    return config.absolute().parent / Path(find_named(str(name), config)).expanduser()


def find_named(name: str, config: Path) -> str:
    """A file where `loading` would find it; `name` where it is not: its reader says so."""
    return checks.find_file(name, loading.folders_of(config, Path.cwd()), lambda *_said: None)


def _table(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}

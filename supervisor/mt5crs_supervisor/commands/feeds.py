"""`feed synthetic` and `feed replay`: publish ticks in the foreground."""

import contextlib
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mt5crs_shared.configuration import loading, symbols_file
from mt5crs_shared.configuration.parsing.yaml_structs import describe
from mt5crs_shared.configuration.structs import FeedConfig
from mt5crs_shared.errors import ConfigError
from mt5crs_shared.market import rates
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.sockets.opening import is_local
from mt5crs_shared.storage import recorded
from mt5crs_supervisor.commands.failures import CommandError, ExitCode, unknown_name
from mt5crs_supervisor.display.folding import say

COMMAND = "mt5crs_services.feed.command:run_feed_command"
"""Who publishes; by name only, since the supervisor imports no service."""

Run = Callable[[FeedConfig, dict[str, SymbolSpec], str, Path, bool], None]


def feed_synthetic(
    options: Mapping[str, Any],
    symbols: Sequence[str],
    url: str | None,
    insecure: bool,
    config_path: Path,
    var_dir: Path,
) -> None:
    """Publish a made-up market until Ctrl-C.

    Args:
        options: Fields of `FeedConfig`.
        symbols: What to quote; none: the symbols of the strategies.
        url: Where to publish; None: where the configuration says.
        insecure: `url` may be heard on other machines.
        config_path: The YAML file; its neighbour says what the symbols are.
        var_dir: The installation whose tape may ask for history.
    """
    if symbols:
        specs = _specs(symbols, config_path)
    else:
        config = loading.load_config(config_path)
        specs = {s.symbol: config.symbols[s.symbol] for s in config.strategies}
    _publish({"kind": "synthetic", **options}, specs, url, insecure, config_path, var_dir)


def feed_replay(
    options: Mapping[str, Any], url: str | None, insecure: bool, config_path: Path, var_dir: Path
) -> None:
    """Publish recorded ticks; symbols are named by their files.

    Args:
        options: Fields of `FeedConfig`.
        url: Where to publish; None: where the configuration says.
        insecure: `url` may be heard on other machines.
        config_path: The YAML file.
        var_dir: The installation whose tape may ask for lost ticks.
    """
    _warn_of_strangers(options["files"], options["symbol"], config_path)
    _publish({"kind": "replay", **options}, {}, url, insecure, config_path, var_dir)


def _warn_of_strangers(files: Sequence[str], symbol: str | None, config_path: Path) -> None:
    """Say which files nobody is going to listen to, as far as there is a configuration."""
    with contextlib.suppress(ConfigError):
        config = loading.load_config(config_path)
        traded = [strategy.symbol for strategy in config.enabled]
        wanted = rates.needed(traded, config.globals.account_currency, config.symbols)
        for file in files:
            held = symbol or recorded.symbol_of(Path(file).name)
            if held not in wanted:
                say(
                    f"warning: {Path(file).name} holds {held}, which no enabled strategy of"
                    f" {config_path} trades; --symbol says what files hold that are named"
                    " otherwise",
                    err=True,
                )


def _publish(
    fields: Mapping[str, Any],
    symbols: dict[str, SymbolSpec],
    url: str | None,
    insecure: bool,
    config_path: Path,
    var_dir: Path,
) -> None:
    feed = _feed(fields)
    if url is not None and not insecure and not is_local(url):
        what = f"--url {url}: a feed of ours speaks no CURVE, and is heard on other machines there"
        raise CommandError(f"{what}; --insecure allows it", ExitCode.USAGE)
    address = url or loading.load_config(config_path).globals.zmq_market_url
    run: Run = pkgutil.resolve_name(COMMAND)
    run(feed, symbols, address, var_dir, sys.stderr.isatty())


def _feed(fields: Mapping[str, Any]) -> FeedConfig:
    """The fields as a feed; each is looked at by itself, so that the bad one is named."""
    kinds = {field.name: field.type for field in msgspec.structs.fields(FeedConfig)}
    for name, value in fields.items():
        try:
            msgspec.convert(value, kinds[name])
        except msgspec.ValidationError as error:
            expected = describe(msgspec.inspect.type_info(kinds[name]))
            option = f"--{name.replace('_', '-')}"
            raise CommandError(f"{option} {value}: expected {expected}", ExitCode.USAGE) from error
    return FeedConfig(**fields)


def _specs(names: Sequence[str], config_path: Path) -> dict[str, SymbolSpec]:
    file = symbols_file.find_symbols(config_path.absolute(), Path.cwd())
    known = symbols_file.read_symbols(file, str(file))
    for name in names:
        if name not in known:
            raise unknown_name(name, known, "symbol")
    return {name: known[name] for name in names}

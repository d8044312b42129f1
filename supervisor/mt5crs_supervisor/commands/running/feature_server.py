"""`features serve`: what the strategies saw, over HTTP, in the foreground."""

import importlib.util
import ipaddress
import pkgutil
from collections.abc import Callable
from pathlib import Path

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.process.paths import VarPaths
from mt5crs_supervisor.commands.failures import CommandError
from mt5crs_supervisor.display.folding import say

COMMAND = "mt5crs_worker.features.serving.command:run_feature_server"
"""Who serves; by name only, since the supervisor imports no worker."""

PACKAGES = ("fastapi", "uvicorn")

Serve = Callable[[Config, VarPaths, str, int, Callable[[str], None]], None]


def serve_features(config_path: Path, var_dir: Path, host: str, port: int) -> None:
    """Serve until Ctrl-C.

    Args:
        config_path: The YAML file: the symbols and timeframes of its enabled strategies.
        var_dir: The installation whose tape is asked.
        host: Where to listen.
        port: Where to listen.

    Raises:
        CommandError: Packages are missing, or nothing is enabled.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise CommandError(
            f"{' and '.join(missing)} is not installed: pip install 'mt5crs-supervisor[features]'"
        )
    config = loading.load_config(config_path)
    if not config.enabled:
        raise CommandError(f"{config_path}: no strategy is enabled, so there are no bars to serve")
    if not _is_loopback(host):
        words = f"warning: who reaches {host}:{port} can read every symbol's features"
        say(words, err=True)
    serve: Serve = pkgutil.resolve_name(COMMAND)
    serve(config, VarPaths(var_dir), host, port, say)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

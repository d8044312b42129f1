"""`features serve`: the feature API in the foreground, until Ctrl-C."""

import contextlib
import os
import socket
from collections.abc import Callable

import uvicorn

from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_worker.features.serving.application import make_application
from mt5crs_worker.features.serving.market_reader import MarketReader

MOST_CLIENTS = 200
"""Connections at the same time; more are answered with 503."""


class ServeError(Mt5crsError):
    """The feature API cannot be served. The command ends; nothing else is touched."""


def run_feature_server(
    config: Config, paths: VarPaths, host: str, port: int, say: Callable[[str], None]
) -> None:
    """Serve until Ctrl-C.

    Args:
        config: Whose enabled strategies' bars are served.
        paths: The installation, whose tape is asked.
        host: Where to listen.
        port: Where to listen; 0: any that is free.
        say: Tells what is served, and where.

    Raises:
        ServeError: It cannot listen there.
    """
    with contextlib.closing(_listener(host, port)) as listener:
        reader = MarketReader(config, paths)
        reader.start()
        try:
            bars = ", ".join(f"{symbol} {length}" for symbol, length in reader.series)
            bound = listener.getsockname()
            say(f"features of {bars} on http://{host}:{bound[1]}/features/latest, until Ctrl-C")
            settings = uvicorn.Config(
                make_application(reader.series, lambda: reader.fault),
                log_config=None,
                access_log=False,
                limit_concurrency=MOST_CLIENTS,
                timeout_graceful_shutdown=1,
            )
            uvicorn.Server(settings).run(sockets=[listener])
        except KeyboardInterrupt:
            pass
        finally:
            reader.stop()


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=_family(host, port))
    except OSError as error:
        # The error's own words repeat the address.
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ServeError(
            f"cannot listen on {host}:{port} ({why}); --host and --port choose another place"
        ) from error


def _family(host: str, port: int) -> socket.AddressFamily:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]

"""The page as a child of the supervisor: its loop only beats, a thread of its own serves."""

import asyncio
import logging
import socket
import threading
from pathlib import Path

import uvicorn
import zmq

from mt5crs_services.page.access.connection import AskingConnection
from mt5crs_services.page.access.token import TokenError, load_token
from mt5crs_services.page.application import make_page_application
from mt5crs_services.page.desk.story import StoryTail
from mt5crs_services.page.desk.watching import DeskReader, DeskWatch
from mt5crs_shared.configuration.notify_structs import PageConfig
from mt5crs_shared.configuration.structs import decode_config
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import ChildSpec
from mt5crs_shared.process.installation import load_installation
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.process.supervision import ChildProcess, ChildReport

logger = logging.getLogger(__name__)

LISTEN_AGAIN = 5.0
"""Seconds until a port that somebody else has is tried again."""

TURN = 1.0
"""Seconds after which the loop looks whether it still serves."""

LARGEST_HEAD = 16_384
"""Bytes of a request's head."""


class PageError(Mt5crsError):
    """There is nowhere to serve the page, or nothing that serves it. The page's process ends."""


class PageThread:
    """Serves on a thread of its own; a port that cannot be had is tried again and again.

    Args:
        paths: The ``var`` folder.
        config: Where, and to whom.

    Attributes:
        trouble: Why nobody can look, or act; empty: everybody can.
    """

    def __init__(self, paths: VarPaths, config: PageConfig) -> None:
        self.trouble = ""
        self._paths = paths
        self._config = config
        self._thread = threading.Thread(target=self._run, name="page", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def check(self) -> None:
        """See that it serves.

        Raises:
            PageError: It has ended.
        """
        if not self._thread.is_alive():
            raise PageError("the thread that serves the page has ended; see the log")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception:
            logger.exception("the page is not served any more")

    async def _serve(self) -> None:
        watch = DeskWatch(DeskReader(self._paths), StoryTail(self._paths))
        installation = load_installation(self._paths.installation)
        application = make_page_application(self._paths, self._config, installation, watch)
        watching = asyncio.create_task(watch.run())
        watching.add_done_callback(_end_with)
        while True:
            try:
                load_token(self._paths.token)
                with listening(self._config.address) as listener:
                    self.trouble = ""
                    logger.info("the page is served on %s", self._config.url)
                    await uvicorn.Server(self._settings(application)).serve([listener])
            except (OSError, TokenError) as error:
                words = getattr(error, "strerror", None) or str(error)
                self.trouble = f"cannot serve {self._config.address}: {words}"
                await asyncio.sleep(LISTEN_AGAIN)

    def _settings(self, application: object) -> uvicorn.Config:
        return uvicorn.Config(
            application,  # type: ignore[arg-type]  # it is an ASGI application
            loop="asyncio",
            http=AskingConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=LARGEST_HEAD,
            timeout_keep_alive=10,
            proxy_headers=False,
            ssl_certfile=self._config.certificate,
            ssl_keyfile=self._config.key,
        )


def _end_with(task: "asyncio.Task[None]") -> None:
    """Without whoever watches the desk the page would show an old one for ever."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("the desk is not watched any more", exc_info=error)
        task.get_loop().stop()


def listening(address: str) -> socket.socket:
    """A socket that listens.

    Raises:
        OSError: It cannot.
    """
    host, _, port = address.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    family, _, _, _, place = found[0]
    return socket.create_server(place[:2], family=family)


def run_page(spec: ChildSpec, preloaded: bool) -> None:
    """Entry point of the page's process.

    Raises:
        PageError: The configuration names no address, or nothing serves any more.
    """
    config = decode_config(spec.payload)
    page = config.globals.page
    if page is None:
        raise PageError("the configuration has no global.page")
    paths = VarPaths(Path(spec.var_dir))
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    child = ChildProcess(spec, config.globals.supervisor, context, preloaded)
    serving = PageThread(paths, page)
    serving.start()
    child.ready()
    while not child.stopping:
        child.poll(TURN)
        serving.check()
        child.service(lambda: ChildReport("running", serving.trouble))
    child.close()

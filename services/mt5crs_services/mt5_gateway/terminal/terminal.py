"""The one place that talks to the MetaTrader5 package; its failures become errors with words.

The package is handed in; nothing here imports it, since it exists for Windows alone.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)

TRY_AGAIN: Final = (1.0, 30.0)
"""Shortest and longest wait, in seconds, between two attempts to reach the terminal."""

INITIALIZE_MS: Final = 20_000
"""Milliseconds that the terminal has to start, or to answer, when it is attached to."""

OK: Final = 1
INVALID: Final = -2
NOT_FOUND: Final = -4
LOST: Final = frozenset({-10_000, -10_001, -10_002, -10_003, -10_004, -10_005})
"""`last_error` codes after which the connection to the terminal has to be made again."""

TODO: Final = {
    -2: "this is a fault of the gateway, or a value that the terminal does not take",
    -4: "look in the terminal's Market Watch (Ctrl+U) whether the broker has it",
    -5: "update the terminal and the MetaTrader5 package, so that both are of one version",
    -6: "check login, password and server; log in once by hand in the terminal",
    -8: "switch Algo Trading on in the terminal's toolbar",
    -10_003: "see that the terminal is installed, and name it with terminal_path; the gateway has"
    " to run in the session of the user whose desktop the terminal is on",
    -10_004: "see that the terminal runs, on the desktop of the same user",
    -10_005: "the terminal does not answer: see whether a window of it waits for a click",
}


class TerminalError(Mt5crsError):
    """A call of the MetaTrader5 package failed.

    Attributes:
        code: Of `last_error()`; 0: the call raised.
        what: What is wrong.
        where: The function.
        todo: What to do about it.
    """

    def __init__(self, code: int, what: str, where: str, todo: str = "") -> None:
        super().__init__(f"{where}: {what}{f' ({code})' if code else ''}")
        self.code = code
        self.what = what
        self.where = where
        self.todo = todo or TODO.get(code, "")

    @property
    def lost(self) -> bool:
        """The terminal cannot be reached any more."""
        return self.code in LOST


class Login(msgspec.Struct, frozen=True):
    """What the terminal logs in with; by default it stays logged in as it is.

    Attributes:
        login: The account; 0: whichever the terminal is logged into.
        server: The broker's server.
        password: Of the account; empty: the terminal remembers it.
    """

    login: int = 0
    server: str = ""
    password: str = ""

    def __repr__(self) -> str:
        """Without the password."""
        return f"Login(login={self.login}, server={self.server!r})"


class Mt5Terminal:
    """A terminal that is attached to, and again where it was lost.

    Args:
        api: The MetaTrader5 package.
        login: What it is to log in with.
        path: Of terminal64.exe; empty: the package finds it.
        monotonic: The monotonic clock, seconds.

    Attributes:
        attached: Calls can be made.
        trouble: Why not; empty: they can.
        attachments: How often it was attached to.
    """

    def __init__(
        self,
        api: Any,
        login: Login,
        path: str = "",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.attached = False
        self.trouble = "the terminal was not attached to yet"
        self.attachments = 0
        self._api = api
        self._login = login
        self._path = path
        self._monotonic = monotonic
        self._pause = TRY_AGAIN[0]
        self._try_at = 0.0

    def attach(self) -> bool:
        """Attach to the terminal where that is due; whether calls can be made."""
        if self.attached or self._monotonic() < self._try_at:
            return self.attached
        options: dict[str, Any] = {"timeout": INITIALIZE_MS}
        given = {k: v for k, v in msgspec.structs.asdict(self._login).items() if v}
        try:
            done = self._api.initialize(*filter(None, [self._path]), **given, **options)
        except Exception as error:
            failure = TerminalError(0, describe_error(error), "initialize")
        else:
            if done:
                self.attached, self.trouble = True, ""
                self.attachments += 1
                self._pause = TRY_AGAIN[0]
                logger.info("attached to the terminal")
                return True
            failure = self._failure("initialize")
        self._lose(failure)
        self._try_at = self._monotonic() + self._pause
        self._pause = min(self._pause * 2.0, TRY_AGAIN[1])
        return False

    def ask(self, function: str, *args: Any, **kwargs: Any) -> Any:
        """What a function of the package returns.

        Raises:
            TerminalError: It returned None, or raised, or the terminal is not attached to.
        """
        if not self.attached:
            raise TerminalError(-10_004, self.trouble, function)
        try:
            found = getattr(self._api, function)(*args, **kwargs)
        except Exception as error:
            raise TerminalError(0, describe_error(error), function) from error
        if found is None:
            failure = self._failure(function)
            if failure.lost:
                self._lose(failure)
            raise failure
        return found

    def rows(self, function: str, *args: Any, **kwargs: Any) -> Iterable[Any]:
        """What a function returns that has rows; None without an error: there are none.

        Raises:
            TerminalError: See `ask`.
        """
        try:
            return tuple(self.ask(function, *args, **kwargs))
        except TerminalError as error:
            if error.code in (OK, NOT_FOUND):
                return ()
            raise

    def send(self, request: Mapping[str, Any]) -> Any:
        """What `order_send` returns; whoever asks twice trades twice.

        Raises:
            TerminalError: See `ask`; but for INVALID nobody knows whether it was executed.
        """
        return self.ask("order_send", dict(request))

    def lose(self, why: str) -> None:
        """Attach anew before the next call."""
        self._lose(TerminalError(-10_004, why, "initialize"))

    def close(self) -> None:
        """Let go of the terminal; it runs on."""
        if self.attached:
            self.attached = False
            self._api.shutdown()

    def _failure(self, function: str) -> TerminalError:
        try:
            code, text = self._api.last_error()
        except Exception as error:
            return TerminalError(0, describe_error(error), function)
        return TerminalError(int(code), str(text), function)

    def _lose(self, failure: TerminalError) -> None:
        told = f"{failure}{f': {failure.todo}' if failure.todo else ''}"
        if told != self.trouble:
            logger.error("the terminal is not reached: %s", told)
        if self.attached:
            self.attached = False
            try:
                self._api.shutdown()
            except Exception as error:
                logger.warning("shutdown: %s", describe_error(error))
        self.trouble = told

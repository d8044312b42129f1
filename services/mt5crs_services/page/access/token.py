"""The token that lets a browser act, and what a browser that has shown it carries."""

import hashlib
import hmac
import logging
import secrets
from pathlib import Path

from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.files import read_regular, replace_file

logger = logging.getLogger(__name__)

_LENGTH = 43
"""Characters of a token: 32 random bytes, base64."""


class TokenError(Mt5crsError):
    """The token's file cannot be used. The page says so, and lets nobody act."""


def load_token(path: Path) -> str:
    """The token of this installation, made where there is none; its file is this user's alone.

    Raises:
        TokenError: The file cannot be read or made, or others may read it.
    """
    try:
        found = read_regular(path, 1_000).decode("ascii").strip()
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _make_token(path)
    except (OSError, UnicodeDecodeError) as error:
        raise TokenError(f"{path}: {error}") from error
    if mode & 0o077:
        raise TokenError(f"{path} may be read by others: remove it, and a fresh one is made")
    if len(found) < _LENGTH:
        raise TokenError(f"{path} has no token: remove it, and a fresh one is made")
    return found


def _make_token(path: Path) -> str:
    token = secrets.token_urlsafe(32)
    try:
        replace_file(path, token.encode() + b"\n")
    except OSError as error:
        raise TokenError(f"{path} cannot be made: {error}") from error
    logger.info("a token was made: %s", path)
    return token


class Sessions:
    """What follows from a token: a cookie's value, and one against forged requests.

    Both are made of the token, so that a fresh process of the page knows them again, and a fresh
    token ends them all.

    Args:
        token: The token's file.
    """

    def __init__(self, token: Path) -> None:
        self._file = token

    def check(self) -> None:
        """See that there is a token.

        Raises:
            TokenError: There is none.
        """
        load_token(self._file)

    def opened_by(self, token: str) -> bool:
        """Whether that is the token.

        Raises:
            TokenError: Nobody knows.
        """
        return hmac.compare_digest(load_token(self._file).encode(), token.encode())

    @property
    def cookie(self) -> str:
        """What a browser that has shown the token sends with each request."""
        return self._made("session")

    @property
    def forgery(self) -> str:
        """What the page's own script sends besides, and keeps where no other port can read it.

        It is told to whoever shows the token, and to nobody else: a cookie goes to every port of
        the host, so that other services there come to know it, and it must not be enough.
        """
        return self._made("forgery")

    def is_cookie(self, *given: str) -> bool:
        """Whether a browser has shown the token before: one of its cookies says so."""
        cookie = self.cookie.encode()
        return any([hmac.compare_digest(cookie, one.encode()) for one in given])

    def is_own_script(self, given: str) -> bool:
        """Whether the page's own script asks."""
        return hmac.compare_digest(self.forgery.encode(), given.encode())

    def _made(self, purpose: str) -> str:
        key = load_token(self._file).encode()
        return hmac.new(key, purpose.encode(), hashlib.sha256).hexdigest()

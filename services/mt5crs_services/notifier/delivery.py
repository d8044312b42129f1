"""Sending one message: Apprise, and errors that give no secret away."""

import logging
import urllib.error
import urllib.parse
import urllib.request

from mt5crs_services.notifier.composing import Composed
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.storage.secret_places import SecretError, read_secret
from mt5crs_shared.wording import one_line

LIMIT = 4_096
"""Bytes of an answer that are read."""

FETCH_WITHIN = 10.0
"""Seconds that a fetch of `alive_url` may take."""

_LEAST = 4
"""Characters of a part of an address that is taken for a secret."""


class DeliveryError(Mt5crsError):
    """A message could not be sent; it is tried again. The message says why, without a secret."""


def address_in(place: str) -> str:
    """The address that stands there.

    Raises:
        DeliveryError: None does.
    """
    try:
        return read_secret(place)
    except SecretError as error:
        raise DeliveryError(str(error)) from error


def send(place: str, message: Composed, urgent: bool) -> None:
    """Send a message; takes as long as the service takes, some 15 seconds at most.

    Args:
        place: Where the destination's address stands, see `secret_places`.
        message: What is sent.
        urgent: For services that know the difference.

    Raises:
        DeliveryError: It was not sent, as far as is known.
    """
    address = address_in(place)
    # Imported by the processes alone that send: it takes 150 ms and 15 MB.
    import apprise

    for library in ("apprise", "urllib3"):
        # What they log has addresses in it.
        logging.getLogger(library).propagate = False
    target = apprise.Apprise.instantiate(address, suppress_exceptions=True)
    if target is None:
        scheme = address.partition("://")[0] if "://" in address else "no scheme"
        raise DeliveryError(f"Apprise knows no such address ({one_line(scheme, 20)})")
    kind = apprise.NotifyType.WARNING if urgent else apprise.NotifyType.INFO
    captured = apprise.LogCapture(level=logging.WARNING, fmt="%(message)s")  # type: ignore[no-untyped-call]
    with captured as said:
        try:
            sent = target.notify(
                message.body, message.title, kind, body_format=apprise.NotifyFormat.TEXT
            )
        except Exception as error:  # whatever a plugin of theirs raises
            raise DeliveryError(without_secrets(repr(error), address)) from None
    if not sent:
        why = without_secrets(said.getvalue(), address)
        raise DeliveryError(why or "the service refused it")


def fetch(place: str) -> None:
    """Fetch the address that somebody waits for.

    Raises:
        DeliveryError: It did not answer, or with an error.
    """
    address = address_in(place)
    try:
        if not address.startswith(("http://", "https://")):
            raise ValueError("it begins neither with http:// nor with https://")
        with urllib.request.urlopen(address, timeout=FETCH_WITHIN) as answer:
            answer.read(LIMIT)
    except (OSError, ValueError) as error:
        raise DeliveryError(without_secrets(str(error), address)) from None


def without_secrets(text: str, address: str) -> str:
    """A text on one line, without any part of an address but its scheme and host."""
    rest = address.partition("://")[2]
    host = urllib.parse.urlsplit(f"//{rest}").netloc.rpartition("@")[2]
    parts: set[str] = {address, rest}
    for part in rest.replace("@", "/").replace("?", "/").replace("&", "/").split("/"):
        parts |= {part, *part.split(":"), *part.split("=")}
    parts |= {urllib.parse.unquote(part) for part in parts}
    for part in sorted(parts - {host, host.partition(":")[0]}, key=len, reverse=True):
        if len(part) >= _LEAST:
            text = text.replace(part, "***")
    return one_line(text, 200)

"""What `notify test` does, in the process of the command line."""

import functools
from collections.abc import Callable, Iterator

from mt5crs_services.notifier import delivery
from mt5crs_services.notifier.composing import Composed
from mt5crs_shared.configuration.notify_structs import NotifyConfig


def send_each(config: NotifyConfig, installation: str) -> Iterator[tuple[str, str]]:
    """Send a message to each destination, and fetch `alive_url`.

    Yields:
        Who, and why it failed; empty: it did not.
    """
    message = Composed(f"mt5crs {installation}: a test", "This is where you will be told.")
    for destination in config.to:
        send = functools.partial(delivery.send, destination.address, message, urgent=False)
        yield destination.name, _error_of(send)
    if config.alive_url is not None:
        yield "alive_url", _error_of(functools.partial(delivery.fetch, config.alive_url))


def _error_of(act: Callable[[], None]) -> str:
    try:
        act()
    except delivery.DeliveryError as error:
        return str(error)
    return ""

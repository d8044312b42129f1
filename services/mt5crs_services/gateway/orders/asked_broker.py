"""A broker's answers, looked at before anything is made of them."""

import logging
from collections.abc import Iterator

from mt5crs_services.gateway.broker import Broker, Dealt, Outcome, Status, Word
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.trading.orders import Order, is_refusal
from mt5crs_shared.wording import describe_error

logger = logging.getLogger(__name__)


class BrokerError(Mt5crsError):
    """A broker's answer is none. With one that is far away, the order's fate is not known."""


def checked(answer: object) -> Outcome:
    """A broker's answer, where it is one.

    Raises:
        BrokerError: It is not.
    """
    if not isinstance(answer, Outcome):
        raise BrokerError(f"the broker answered {answer!r}, and an Outcome was expected")
    if not isinstance(answer.status, Status) or not isinstance(answer.detail, str):
        known = ", ".join(Status)
        raise BrokerError(f"the broker answered {answer!r}; a status is one of Status: {known}")
    if answer.status in (Status.FILLED, Status.PARTIAL) and not isinstance(answer.dealt, Dealt):
        raise BrokerError(f"the broker said {answer.status} and not which deal")
    if answer.status is Status.REJECTED and not is_refusal(answer.code):
        raise BrokerError(f"the broker said REJECTED and {answer.code!r}, which is no reason")
    return answer


class AskedBroker:
    """A broker as it is asked: what it answers is looked at, and what it raises ends nothing.

    Args:
        broker: The broker.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._troubles: dict[str, str] = {}

    @property
    def trouble(self) -> str:
        """What is wrong with it; empty: nothing."""
        return next(iter(self._troubles.values()), "")

    def submit(self, order: Order, tick: Tick, occurrence: int) -> Outcome:
        """See `Broker.submit`.

        Raises:
            Exception: Of a broker that is not far away; nothing was done.
        """
        try:
            outcome = checked(self._broker.submit(order, tick, occurrence))
        except Exception as error:
            if not self._broker.far_away:
                raise
            what = f"order {order.order_id} may have been sent, and is asked for"
            self._tell("order", what, error)
            return Outcome(Status.UNKNOWN)
        self._troubles.pop("order", None)
        return outcome

    def query(self, order: Order) -> Outcome:
        """See `Broker.query`."""
        try:
            outcome = checked(self._broker.query(order))
        except Exception as error:
            self._tell("order", f"the broker cannot be asked about order {order.order_id}", error)
            return Outcome(Status.UNKNOWN)
        self._troubles.pop("order", None)
        return outcome

    def poll(self, caught_up: bool) -> Iterator[Word]:
        """See `Broker.poll`."""
        deals = self._broker.poll(caught_up)
        while True:
            try:
                dealt = next(deals)
            except StopIteration:
                self._troubles.pop("poll", None)
                return
            except Exception as error:
                self._tell("poll", "the broker cannot be asked what it has done", error)
                return
            yield dealt

    def tend(self) -> None:
        """See `Broker.tend`."""
        try:
            self._broker.tend()
        except Exception as error:
            self._tell("tend", "the broker cannot do what is due", error)
        else:
            self._troubles.pop("tend", None)

    def _tell(self, act: str, what: str, error: Exception) -> None:
        """Say what is wrong, once, until something else is, or the same act has gone well."""
        trouble = f"{what}: {describe_error(error)}"
        if trouble != self._troubles.get(act):
            logger.error("%s", what, exc_info=error)
        self._troubles[act] = trouble

"""How the other ends are spoken to: ``global.market``, ``global.execution``, ``global.account``."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from mt5crs_shared.configuration.values import Seconds
from mt5crs_shared.market.symbol_spec import NotNegative, Positive


class MarketConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the publisher on `zmq_market_url` is to be understood.

    Attributes:
        time_zone: Where its clock is, e.g. ``Europe/Athens``: times that name no zone are local to
            that. None: numbers count from 1970 in UTC, texts are local time of this machine.
        server_key: File with the public key of a publisher that speaks CURVE (`mt5crs-gateway`);
            None: the connection is in the clear.
        insecure: It may be in the clear to another machine, where whoever is on the way may make
            up prices.
    """

    time_zone: str | None = None
    server_key: str | None = None
    insecure: bool = False

    @property
    def zone(self) -> ZoneInfo | None:
        """`time_zone` with its rules."""
        return None if self.time_zone is None else ZoneInfo(self.time_zone)


class AccountConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one account that may be traded. What the bridge reports must be this.

    Attributes:
        login: Its number.
        server: The broker's server, as the terminal shows it.
        hedging: It holds a position for each order. To be said, where a bridge does not tell, if
            several strategies trade one symbol, or positions of others are open in it: on a netting
            account each would trade the other's position.
    """

    login: Annotated[int, Meta(ge=1)]
    server: Annotated[str, Meta(min_length=1)]
    hedging: bool = False


class ExecutionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the bridge on `zmq_execution_host` is spoken to, with `paper_trading: false`.

    Attributes:
        dialect: What the bridge speaks; see ``docs/live.md``.
        timeout: Seconds until an answer is given up; the order's fate is looked up then.
        settle_after: Seconds that a bridge may be late: an order without a trace after that, and
            after three looks at the account, was not dealt.
        unknown_after: Seconds after which you are told of an order whose fate is not known.
        reconcile_every: Seconds between two comparisons of the broker's account with the ledger.
        max_deviation: Points by which the price may have gone against an order that the broker
            asks to be sent again; beyond, it is refused.
        max_first_lots: Lots of each strategy's first order, and of its first after a change of its
            settings, model or code, 1 at most; the symbol's smallest volume is allowed always.
        trust_account: The dialect cannot say which account it is; trade it all the same.
        shadow: With `paper_trading: true`: write down what would be sent for each deal; see
            ``docs/live.md``.
        server_key: File with the public key of a bridge that speaks CURVE (`mt5crs-gateway`); None:
            the connection is in the clear.
        insecure: It may be in the clear to another machine, where whoever is on the way may trade.
    """

    dialect: Literal["trade", "open_close", "order_send", "expert_advisor", "windows_gateway"] = (
        "trade"
    )
    timeout: Seconds = 5.0
    settle_after: Seconds = 10.0
    unknown_after: Seconds = 30.0
    reconcile_every: Seconds = 15.0
    max_deviation: NotNegative = 20.0
    max_first_lots: Positive = 0.01
    trust_account: bool = False
    shadow: bool = False
    server_key: str | None = None
    insecure: bool = False

"""The configuration of who is told what, and who may look on: `global.notify`, `global.page`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from mt5crs_shared.configuration.values import Address, Name
from mt5crs_shared.events import URGENT
from mt5crs_shared.sockets.opening import is_local

Secret = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)\Z")]
"""Where something stands that must be in no YAML file, log or list of processes."""

HostName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\Z")]
"""A host as a browser calls it, without a port."""

TimeOfDay = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]


class DestinationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody who is told.

    Attributes:
        name: What rules, `status` and logs call it.
        address: Where its Apprise URL (``tgram://...``, ``mailto://...``) stands: ``env:NAME`` of
            the environment of `start`, or ``file:PATH``, of this user alone (mode 0600).
    """

    name: Name
    address: Secret


class NotifyRuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is told to whom; whatever several rules want told is told once.

    Attributes:
        kinds: Kinds of events, as `events --kind` has them; none given: whatever calls for a
            look, and what an operator has done.
        names: Of whom: strategies, services, ``supervisor``, ``account``; with ``*`` and ``?``.
            None given: of everybody.
        to: Names of destinations; none given: all.
        urgent: Also in the quiet hours.
    """

    kinds: list[str] = []
    names: list[str] = []
    to: list[str] = []
    urgent: bool = False


class QuietHoursConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When only what is urgent is told; the rest is told when they are over.

    Attributes:
        begin: ``22:00``.
        end: ``07:00``; before `begin`: on the next day.
        time_zone: Whose clock that is, e.g. ``Europe/Athens``; None: this machine's.
    """

    begin: TimeOfDay
    end: TimeOfDay
    time_zone: str | None = None


class NotifyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who is told what has happened, beside `events`.

    Attributes:
        to: Destinations.
        rules: What is told; none: whatever calls for a look, to all, and urgently that something is
            given up, that several fell together, and what befell the supervisor itself.
        quiet_hours: When only what is urgent is told; None: never.
        alive_url: Where an address stands (as in `to`) that is fetched every minute as long as the
            system lives: whoever misses that raises the alarm. None: none.
    """

    to: list[DestinationConfig]
    rules: list[NotifyRuleConfig] = []
    quiet_hours: QuietHoursConfig | None = None
    alive_url: Secret | None = None

    @property
    def own_rules(self) -> list[NotifyRuleConfig]:
        """`rules`, or what stands for none."""
        return self.rules or [NotifyRuleConfig(), NotifyRuleConfig(sorted(URGENT), urgent=True)]


class PageConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page that shows everything in a browser; see ``docs/page.md``.

    Attributes:
        address: Where it is served, e.g. ``127.0.0.1:8090``.
        certificate: PEM file with the certificate that it is served with; None: without TLS.
        key: PEM file with that certificate's private key.
        hosts: Names that browsers call it by, besides those of `address`: where a proxy stands
            before it, or where it listens on every address. Whoever calls it then needs the token.
        insecure: It may be served without TLS to other machines, where whoever is on the way may
            read everything and act.
    """

    address: Address = "127.0.0.1:8090"
    certificate: str | None = None
    key: str | None = None
    hosts: list[HostName] = []
    insecure: bool = False

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        return f"{'https' if self.certificate else 'http'}://{self.address}/"

    @property
    def is_local(self) -> bool:
        """Only browsers on this machine are meant, and nobody has to be told apart to look."""
        return not self.hosts and is_local(f"tcp://{self.address}")

"""The configuration of who is told what: ``global.notify``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from mt5crs_shared.configuration.values import Name
from mt5crs_shared.events import URGENT

Secret = Annotated[str, Meta(pattern=r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:\S.*)\Z")]
"""Where something stands that must be in no YAML file, log or list of processes."""

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

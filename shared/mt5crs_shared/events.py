"""What can happen, as values: one struct for each kind of event."""

import logging
from typing import ClassVar, Final, get_args

import msgspec

from mt5crs_shared.wording import way_back

SUPERVISOR = "supervisor"
"""The name under which the supervisor's own events stand."""

ACCOUNT = "account"
"""The name under which stands what happens to the account as a whole."""


class Event(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """Something that happened to a child, or to the supervisor itself.

    Attributes:
        name: Whom it happened to.
    """

    level: ClassVar[int] = logging.INFO
    """How grave it is, for logs."""

    name: str

    @property
    def kind(self) -> str:
        """Its tag: died, hung, recovered ..."""
        return str(type(self).__struct_config__.tag)

    @property
    def detail(self) -> str:
        """For people, in one sentence."""
        raise NotImplementedError


class Told(Event, frozen=True):
    """An event whose one fact is a sentence.

    Attributes:
        why: That sentence.
    """

    why: str

    @property
    def detail(self) -> str:
        """That sentence."""
        return self.why


# The supervisor itself


class Started(Event, frozen=True, tag="started"):
    """It runs so many strategies."""

    strategies: int

    @property
    def detail(self) -> str:
        """How many."""
        return f"{self.strategies} strategies"


class Stopping(Told, frozen=True, tag="stopping"):
    """It was asked to stop, or has to."""


class BeganAgain(Event, frozen=True, tag="began_again"):
    """It goes on in place after an error of its own; its children live."""

    level: ClassVar[int] = logging.ERROR

    error: str

    @property
    def detail(self) -> str:
        """Which error."""
        return f"after an error of its own: {self.error}"


class Paused(Event, frozen=True, tag="paused"):
    """It, or the whole machine, stood still for so many seconds."""

    level: ClassVar[int] = logging.WARNING

    seconds: float

    @property
    def detail(self) -> str:
        """How long."""
        return f"nothing ran for {self.seconds:.1f} s"


class ForkserverDied(Event, frozen=True, tag="forkserver_died"):
    """The process that children are forked from has died."""

    level: ClassVar[int] = logging.WARNING

    @property
    def detail(self) -> str:
        """What follows."""
        return "a new one is started; its children live"


class Incident(Event, frozen=True, tag="incident"):
    """Several children fell together."""

    level: ClassVar[int] = logging.WARNING

    names: tuple[str, ...]

    @property
    def detail(self) -> str:
        """Who."""
        return f"{len(self.names)} fell together: {', '.join(self.names)}"


class IncidentOver(Event, frozen=True, tag="incident_over"):
    """It is over: these deaths are forgiven, those children stay where they are."""

    forgiven: tuple[str, ...]
    quarantined: tuple[str, ...]

    @property
    def detail(self) -> str:
        """Who is forgiven, and who has to be mended."""
        told = [f"forgiven: {', '.join(dict.fromkeys(self.forgiven))}"] if self.forgiven else []
        if self.quarantined:
            told.append(f"quarantined: {', '.join(self.quarantined)}; mend and restart them")
        return "; ".join(told)


# A child's life


class StateChanged(Event, frozen=True, tag="state"):
    """Where a child is in its life; see ``docs/lifecycle.md``."""

    before: str
    after: str

    @property
    def detail(self) -> str:
        """From where to where."""
        return f"{self.before} -> {self.after}"


class Running(Event, frozen=True, tag="running"):
    """A process has caught up."""

    pid: int
    epoch: int

    @property
    def detail(self) -> str:
        """Which process."""
        return f"pid {self.pid}, epoch {self.epoch}"


class Adopted(Running, frozen=True, tag="adopted"):
    """A process of a supervisor that died was taken over."""


class Superseded(Event, frozen=True, tag="superseded"):
    """A process of a supervisor that died ran something else, and was ended."""

    pid: int

    @property
    def detail(self) -> str:
        """Which process."""
        return f"pid {self.pid} runs another configuration"


class Restart(Told, frozen=True, tag="restart"):
    """The operator wants a fresh process."""


class StartAsked(Told, frozen=True, tag="start"):
    """The operator wants it to run."""


class StopAsked(Told, frozen=True, tag="stop"):
    """The operator wants it to stop."""


class Reloaded(Told, frozen=True, tag="reload"):
    """The operator wants what the configuration file says now."""


class NotTakenUp(Event, frozen=True, tag="not_taken_up"):
    """The configuration has changed, and what runs goes on as it was."""

    level: ClassVar[int] = logging.WARNING

    problem: str

    @property
    def detail(self) -> str:
        """Why."""
        return f"the configuration has changed, and {self.problem}"


class Stopped(Told, frozen=True, tag="stopped"):
    """It ended as it was asked to; of the supervisor: so did every process."""


class Died(Told, frozen=True, tag="died"):
    """Its process ended without being asked to."""

    level: ClassVar[int] = logging.ERROR


class Recovered(Event, frozen=True, tag="recovered"):
    """The replacement of one that died, or was recycled, has processed a tick, so long after."""

    seconds: float

    @property
    def detail(self) -> str:
        """How long it took."""
        return f"first tick {self.seconds * 1000:.0f} ms later"


class NoProcess(Told, frozen=True, tag="no_process"):
    """The machine has no process to give."""

    level: ClassVar[int] = logging.WARNING


class NoStandby(Told, frozen=True, tag="no_standby"):
    """No process can stand by for it; a death takes the usual way."""

    level: ClassVar[int] = logging.WARNING


class Hung(Told, frozen=True, tag="hung"):
    """No heartbeat comes: it is killed."""

    level: ClassVar[int] = logging.ERROR


class BootTimeout(Told, frozen=True, tag="start_timeout"):
    """It did not become ready in time: it is killed."""

    level: ClassVar[int] = logging.ERROR


class TooLarge(Told, frozen=True, tag="memory"):
    """It has more memory than its hard limit: it is killed."""

    level: ClassVar[int] = logging.ERROR


class Spared(Event, frozen=True, tag="spared"):
    """It was to be killed for its silence, and was heard of."""

    @property
    def detail(self) -> str:
        """Why."""
        return "a beat came while it was about to be killed"


class NotKilled(Told, frozen=True, tag="not_killed"):
    """SIGKILL has not ended it."""

    level: ClassVar[int] = logging.ERROR


class Recycling(Told, frozen=True, tag="recycling"):
    """It has more memory than its soft limit: it is replaced in good order."""

    level: ClassVar[int] = logging.WARNING


class Quarantined(Told, frozen=True, tag="quarantined"):
    """Nobody restarts it any more but the operator."""

    level: ClassVar[int] = logging.ERROR

    @property
    def detail(self) -> str:
        """Why, and what to do."""
        return f"{self.why}; {way_back(self.name)}"


class PoisonTick(Event, frozen=True, tag="poison_tick"):
    """It died twice on one tick, and is spared that one."""

    level: ClassVar[int] = logging.WARNING

    symbol: str
    bid: float
    ask: float

    @property
    def detail(self) -> str:
        """Which tick."""
        return f"died twice on {self.symbol} {self.bid} / {self.ask}; it is skipped"


class Degraded(Told, frozen=True, tag="degraded"):
    """It runs, but cannot do its work fully."""

    level: ClassVar[int] = logging.WARNING


class Well(Event, frozen=True, tag="well"):
    """It can do its work fully again."""

    was: str

    @property
    def detail(self) -> str:
        """What has ended."""
        return f"over: {self.was}"


AnyEvent = (
    Started
    | Stopping
    | BeganAgain
    | Paused
    | ForkserverDied
    | Incident
    | IncidentOver
    | StateChanged
    | Running
    | Adopted
    | Superseded
    | Restart
    | StartAsked
    | StopAsked
    | Reloaded
    | NotTakenUp
    | Stopped
    | Died
    | Recovered
    | NoProcess
    | NoStandby
    | Hung
    | BootTimeout
    | TooLarge
    | Spared
    | NotKilled
    | Recycling
    | Quarantined
    | PoisonTick
    | Degraded
    | Well
)

# What happens to orders and to the account stands in the ledger; its kinds, beside those of events:

DEAL, REFUSED, LOCKED, UNLOCKED = "deal", "refused", "locked", "unlocked"

BALANCE, FOREIGN, UNGUARDED = "balance", "foreign", "unguarded"
"""A broker's balance that no deal explains; positions there that are not ours; positions of ours
whose stop the broker does not have."""

ACCOUNT_KINDS: Final = (LOCKED, UNLOCKED, BALANCE, FOREIGN, UNGUARDED)
"""Those that stand in the ledger's own table of events."""

KINDS: Final = frozenset(
    {
        *(str(kind.__struct_config__.tag) for kind in get_args(AnyEvent)),
        *(DEAL, REFUSED, *ACCOUNT_KINDS),
    }
)
"""Every kind of what can happen."""

NOT_TOLD: Final = frozenset(
    {
        *("state", "running", "adopted", "superseded", "spared", "stopped"),
        *(DEAL, REFUSED),
    }
)
"""Kinds that call for nobody's look: a child's usual life, and trading itself."""

URGENT: Final = frozenset({"quarantined", "incident", "began_again", "not_killed"})
"""Kinds for which somebody would want to be woken."""

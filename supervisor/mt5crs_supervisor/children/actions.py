"""What a child may ask its supervisor to do."""

from typing import TYPE_CHECKING, Protocol

from mt5crs_shared.messages import ChildSpec
from mt5crs_supervisor.children.records import Death

if TYPE_CHECKING:
    from mt5crs_supervisor.children.child import Child


class Actions(Protocol):
    """What a child may ask its supervisor to do."""

    def spawn(self, child: "Child") -> ChildSpec:
        """Start a process under the next epoch."""

    def fell(self, child: "Child", now: float, own_doing: bool) -> float:
        """It died: keep what its process has left; seconds that its respawn should wait.

        `own_doing`: by what it did itself, as far as that can be told; a kill -9 is not.
        """

    def bury(self, child: "Child", death: Death) -> None:
        """Its fate is decided: write down all that is known of the death."""

    def recycle(self, child: "Child") -> None:
        """Ask its process to end at the next good moment."""

    def recovered(self, child: "Child") -> None:
        """Its replacement has processed a tick."""

    def tell(self, child: "Child", kind: str, detail: str) -> None:
        """Tell the trader what happened."""

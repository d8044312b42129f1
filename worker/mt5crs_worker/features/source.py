"""Where a model's features come from, if not from the worker's own computation."""

from typing import Literal, Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from mt5crs_worker.bars import BarWindow


class KeptFeatures(msgspec.Struct, frozen=True, array_like=True):
    """What was found out for one bar, as the journal keeps it.

    Attributes:
        values: The 18 features; None: the API gave none.
        fault: Why not; empty: it gave them.
    """

    values: tuple[float, ...] | None
    fault: str


class Obtained(msgspec.Struct, frozen=True):
    """Where the features of one decision came from.

    Attributes:
        source: The API; the worker, since the API gave none; or nothing did.
        fault: Why not the API; empty: it was.
    """

    source: Literal["api", "local", "none"]
    fault: str = ""

    @property
    def words(self) -> str:
        """For the note of the decision."""
        if self.source == "api":
            return "features of the API"
        done = "features computed here" if self.source == "local" else "held, without features"
        return f"{done}: {self.fault}"


class FeatureSource(Protocol):
    """Whom a model's strategy asks for features."""

    def of(self, bars: BarWindow) -> npt.NDArray[np.float64] | None:
        """The 18 features of the newest bar; None: there are none."""

    def take(self) -> Obtained | None:
        """Where they came from at the last call of `of`, once; None: it was not called."""

"""The parent process: spawns, watches and restarts; never touches a tick or an order."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mt5crs_supervisor.runner import MultiStrategyRunner

__all__ = ["MultiStrategyRunner"]


def __getattr__(name: str) -> Any:
    """Import the runner when it is asked for: the package itself stays cheap to import."""
    if name == "MultiStrategyRunner":
        from mt5crs_supervisor.runner import MultiStrategyRunner

        return MultiStrategyRunner
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

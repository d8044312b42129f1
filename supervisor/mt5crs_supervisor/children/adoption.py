"""Taking over the children of a supervisor that died."""

import signal
from collections.abc import Callable, Iterator, Mapping

from mt5crs_shared.events import AnyEvent, Superseded
from mt5crs_supervisor.children.child import Child
from mt5crs_supervisor.processes.handle import AdoptedHandle
from mt5crs_supervisor.processes.identity import is_alive
from mt5crs_supervisor.processes.registry import Entry, Registry


def survivors(
    registry: Registry, children: Mapping[str, Child], notify: Callable[[AnyEvent], None]
) -> Iterator[tuple[Child, AdoptedHandle, Entry]]:
    """The processes that live and run what is wanted; those that run something else are killed.

    Args:
        registry: Which processes there were.
        children: By name, what is wanted.
        notify: Keeps an event, and tells it.
    """
    for name, entry in registry.survivors().items():
        if not is_alive(entry.pid, entry.born):
            continue
        try:
            handle = AdoptedHandle(entry.pid, entry.born)
        except ProcessLookupError:
            continue  # It has ended since.
        child = children.get(name)
        if child is None or child.plan.config_hash != entry.config_hash:
            notify(Superseded(name, entry.pid))
            # It survives this as it survives any crash; a fresh one goes on from its journal.
            handle.kill(signal.SIGKILL)
            handle.close()
            continue
        yield child, handle, entry

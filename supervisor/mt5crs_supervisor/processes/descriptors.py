"""How many files a process may have open: raised as far as it goes, checked before a start."""

from mt5crs_shared.errors import Mt5crsError

WANTED = 65_536
"""Enough for any number of children that a machine can run."""

OWN, EACH = 64, 8
"""What the supervisor takes itself, and for each child: measured 28 and 4, and as much again."""


class TooFewFilesError(Mt5crsError):
    """The system lets a process open too few files. Nothing is started."""


def raise_limit() -> int:
    """Raise this process's own limit, and so its children's; what it is now."""
    try:
        import resource
    except ImportError:  # Windows has no such limit.
        return WANTED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    wanted = max(soft, WANTED if unlimited else min(hard, WANTED))
    if soft != resource.RLIM_INFINITY and wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return WANTED if soft == resource.RLIM_INFINITY else soft


def check_descriptors(children: int) -> None:
    """See that so many children can be watched.

    Raises:
        TooFewFilesError: The limit is too low, and cannot be raised.
    """
    limit, needed = raise_limit(), OWN + EACH * children
    if limit < needed:
        raise TooFewFilesError(
            f"{children} processes need about {needed} open files, and this user may open"
            f" {limit}: raise it (`ulimit -n {max(needed, 4096)}`, or LimitNOFILE= of a systemd"
            " unit) and start again"
        )

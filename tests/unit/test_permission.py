"""Which epochs and which leases of the supervisor the gateway believes."""

import msgspec
import pytest

from mt5crs_services.gateway.requests.permission import STEP, EpochError, Leases, check_epoch
from mt5crs_shared.messages import Lease, Submit
from mt5crs_shared.process.installation import BEGUN, Installation, epochs_of
from tests.unit.gateway_cases import order, tick

HERE, ELSEWHERE = Installation("here", "a secret"), Installation("here", "another secret")
NOW = 1000.0


def fault(lease: Lease | None) -> str:
    return Leases(HERE, lambda: NOW).fault(Submit(order(tick(0)), lease))


def granted(by: Installation, name: str = "euro", epoch: int = 1, until: float = NOW + 3) -> Lease:
    return by.lease(name, epoch, until)


def test_a_lease_of_the_supervisor_is_believed_until_it_ends() -> None:
    assert fault(granted(HERE)) == ""
    assert fault(granted(HERE, until=NOW)) == "its lease ended 0.0 s ago"


@pytest.mark.parametrize(
    "lease",
    [
        None,
        granted(ELSEWHERE),
        granted(HERE, "other"),
        granted(HERE, epoch=2),
        msgspec.structs.replace(granted(HERE), until=NOW + 4),
        msgspec.structs.replace(granted(HERE), proof="\u20ac"),
        # The proof of an identity is none of a lease.
        Lease(1, NOW + 3, HERE.identity("euro", 1).decode().split(":")[-1]),
    ],
)
def test_no_other_is(lease: Lease | None) -> None:
    assert "lease" in fault(lease)


def test_an_epoch_rises_by_what_starts_of_a_supervisor_can_make() -> None:
    started = epochs_of(BEGUN + 86_400.0)
    check_epoch(1, started)
    check_epoch(started + STEP, started)
    with pytest.raises(EpochError, match="too far above"):
        check_epoch(started + STEP + 1, started)

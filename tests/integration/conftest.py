"""What several files of tests are begun with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridges.office import BridgeDesk, BridgeOffice, BridgeProcess
from tests.bridges.scripted_bridge import Faults


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BridgeDesk]:
    """A gateway, and its bridge without faults."""
    dialect = request.param
    bridge = BridgeProcess(dialect, tmp_path / "terminal.db", Faults())
    bridge.start()
    office = BridgeOffice(
        tmp_path / "ledger.db",
        bridge,
        # The defaults wait for real bridges and for people; `test_live_system` runs on them.
        timeout=1.0,
        settle_after=0.5,
        unknown_after=0.5,
        reconcile_every=0.3,
        trust_account=True,
    )
    yield office
    office.close()
    bridge.kill()
    office.context.term()

"""What was said before the power went out holds when it is back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli_process import CommandLine
from tests.integration.test_trading_verbs import deals, trading, wait_refused
from tests.power_cut import COMPILER, Disk
from tests.system import wait_for

NAMES = ("euro", "yen")

pytestmark = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


@pytest.fixture
def system(tmp_path: Path, disk: Disk) -> Iterator[CommandLine]:
    """Two that want something with every tick, one of them on a cross pair."""
    with trading(tmp_path, {"euro": "EURUSD", "yen": "EURJPY"}) as made:
        yield made


def test_the_kill_switch_holds_after_a_power_cut_in_the_next_moment(
    system: CommandLine, disk: Disk
) -> None:
    system.said("kill-switch", "on", "--why", "enough")
    disk.cut_power(system)
    before = deals(system)
    assert before > 4
    assert system.said("kill-switch").startswith("kill switch ON")

    system.start()
    system.wait_running()
    wait_refused(system, *NAMES)
    assert deals(system) == before
    system.said("kill-switch", "off", "--yes")
    for name in NAMES:
        had = deals(system, name)
        wait_for(lambda n=name, h=had: deals(system, n) > h + 2, f"{name} to trade again")


def test_what_was_dealt_is_there_and_everybody_trades_on(system: CommandLine, disk: Disk) -> None:
    told = {name: deals(system, name) for name in NAMES}
    disk.cut_power(system)
    kept = {name: deals(system, name) for name in NAMES}
    assert all(kept[name] >= told[name] > 2 for name in NAMES)
    system.start()
    system.wait_running()
    for name in NAMES:
        wait_for(lambda n=name: deals(system, n) > kept[n] + 2, f"{name} to trade on")

"""What a reload changes: field by field, and what cannot be changed while everything runs."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from mt5crs_shared.configuration import loading
from mt5crs_shared.configuration.structs import Config, FeedConfig
from mt5crs_supervisor.children import plans
from mt5crs_supervisor.operator.control import ConfigDifference, FieldChange
from mt5crs_supervisor.operator.difference import difference
from tests.system import ROOT

RUNNING = loading.load_config(ROOT / "config" / "strategies.yaml", cwd=ROOT)
FIRST = RUNNING.enabled[0]


def compared(
    wanted: Config, held: tuple[str, ...] = (), running: Config = RUNNING, **models: str
) -> ConfigDifference:
    ledger = Path("/nowhere/ledger.db")
    before, after = (plans.everybody(config, ledger) for config in (running, wanted))
    runs = {strategy.name: "aaaa" for strategy in running.enabled}
    return difference(running, wanted, (before, after), (runs, models), held)


def changed(**fields: Any) -> Config:
    """The first strategy is another one."""
    other = msgspec.structs.replace(FIRST, **fields)
    rest = [s for s in RUNNING.strategies if s.name != FIRST.name]
    return msgspec.structs.replace(RUNNING, strategies=(other, *rest))


def test_the_same_file_changes_nothing() -> None:
    found = compared(RUNNING)
    assert (found.count, found.services, found.refused) == (0, (), ())
    assert found.untouched == tuple(s.name for s in RUNNING.enabled)


def test_a_field_is_told_with_its_path_and_both_values() -> None:
    risk = msgspec.structs.replace(FIRST.risk_config, max_position_size=0.5)
    found = compared(changed(risk_config=risk))
    (strategy,) = found.changed
    before = str(FIRST.risk_config.max_position_size)
    assert strategy.fields == (FieldChange("risk_config.max_position_size", before, "0.5"),)
    assert strategy.replaced
    assert found.services == ("gateway",)
    assert FIRST.name not in found.untouched


@pytest.mark.parametrize(
    "fields", [{"params": {"fast": 5}}, {"timeframe": "M5"}, {"threshold": 0.7}]
)
def test_how_a_strategy_decides_concerns_nobody_else(fields: dict[str, object]) -> None:
    found = compared(changed(**fields))
    assert [(c.name, c.replaced) for c in found.changed] == [(FIRST.name, True)]
    assert (found.count, found.services) == (1, ())


def test_how_it_is_watched_needs_no_fresh_process() -> None:
    found = compared(changed(standby=True))
    assert [(c.name, c.replaced) for c in found.changed] == [(FIRST.name, False)]


def test_a_disabled_one_leaves_and_an_enabled_one_comes() -> None:
    without = changed(enabled=False)
    gone = compared(without, held=(FIRST.name,))
    assert (gone.removed, gone.held) == ((FIRST.name,), (FIRST.name,))
    assert compared(RUNNING, running=without).added == (FIRST.name,)


def test_other_contents_of_a_model_are_a_change() -> None:
    found = compared(RUNNING, **{FIRST.name: "bbbb"})
    (strategy,) = found.changed
    assert strategy.replaced
    assert strategy.fields == (FieldChange("contents of model_path", "aaaa", "bbbb"),)
    assert compared(RUNNING, **{FIRST.name: "aaaa"}).count == 0


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("default_balance", 5.0, "global.default_balance cannot change"),
        ("zmq_market_url", "tcp://other:1", "global.zmq_market_url cannot change"),
        ("account_currency", "EUR", "global.account_currency cannot change"),
    ],
)
def test_what_all_stand_on_needs_a_new_start(field: str, value: object, words: str) -> None:
    globals_ = msgspec.structs.replace(RUNNING.globals, **{field: value})
    found = compared(msgspec.structs.replace(RUNNING, globals=globals_))
    assert any(words in reason for reason in found.refused)


def test_another_heartbeat_too() -> None:
    watching = msgspec.structs.replace(RUNNING.globals.supervisor, heartbeat=1.0)
    globals_ = msgspec.structs.replace(RUNNING.globals, supervisor=watching)
    (reason,) = compared(msgspec.structs.replace(RUNNING, globals=globals_)).refused
    assert reason.startswith("global.supervisor.heartbeat cannot change while it runs")


def test_commission_reaches_everybody() -> None:
    paper = msgspec.structs.replace(RUNNING.globals.paper, commission_per_lot=3.0)
    globals_ = msgspec.structs.replace(RUNNING.globals, paper=paper)
    found = compared(msgspec.structs.replace(RUNNING, globals=globals_))
    assert found.globals == (FieldChange("global.paper.commission_per_lot", "0.0", "3.0"),)
    assert "gateway" in found.services
    assert found.refused == ()


@pytest.mark.parametrize(("field", "value"), [("magic", 77), ("symbol", "GBPUSD")])
def test_what_an_open_position_depends_on_waits_for_its_end(field: str, value: object) -> None:
    wanted = changed(**{field: value})
    assert compared(wanted).refused == ()
    (reason,) = compared(wanted, held=(FIRST.name,)).refused
    assert f"{field} cannot change while its position is open" in reason


def test_the_made_up_market_quotes_what_it_began_with_whoever_has_left_since() -> None:
    feed = msgspec.structs.replace(RUNNING.globals, feed=FeedConfig())
    begun = msgspec.structs.replace(RUNNING, globals=feed)
    ledger = Path("/nowhere/ledger.db")
    of_begin = {plan.name: plan for plan in plans.services(begun, ledger)}
    left = msgspec.structs.replace(begun, strategies=changed(enabled=False).strategies)
    back = difference(left, begun, (of_begin, of_begin), ({}, {}), ())
    assert (back.added, back.refused) == ((FIRST.name,), ())
    of_rest = {plan.name: plan for plan in plans.services(left, ledger)}
    new = difference(left, begun, (of_rest, of_rest), ({}, {}), ())
    assert any("does not quote" in reason for reason in new.refused)

"""`compare`: its figures, and what a terminal of 80 columns shows of them."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mt5crs_shared.trading import slippage
from mt5crs_shared.trading.orders import Code
from mt5crs_shared.trading.slippage import ComparedOrder
from mt5crs_supervisor.cli import cli
from tests.unit.gateway_cases import order, tick
from tests.unit.test_paper_shadow import REFUSED, ShadowOffice, at


def compared(worse: float, kind: str = "OPEN", **fields: Any) -> ComparedOrder:
    given: dict[str, Any] = {
        "order_id": "x",
        "strategy": "euro",
        "kind": kind,
        "side": "BUY",
        "point": 0.01,
        "worth": 100.0,
        "decided_us": 0,
        "recorded": 10.0,
        "paper_price": 1.0,
        "paper_code": None,
        "lots": 0.5,
        "price": 1.0 + worse,
        "dealt_us": 40_000,
        "booked": 10.05,
        "code": Code.FILLED,
        "detail": "",
    }
    return ComparedOrder(**given | fields)


def test_medians_and_95ths_by_strategy_and_kind_and_together() -> None:
    deals = [compared(n / 100) for n in range(1, 21)]
    deals += [compared(-0.02, "STOP", strategy="yen", decided_us=None)]
    deals += [compared(0.0, "CLOSE", price=None, lots=None, dealt_us=None, booked=None)]
    found = slippage.slippages(deals)
    assert [(s.strategy, s.kind, s.deals) for s in found] == [
        ("euro", "", 20),
        ("euro", "OPEN", 20),
        ("yen", "", 1),
        ("yen", "STOP", 1),
        ("", "", 21),
        ("", "OPEN", 20),
        ("", "STOP", 1),
    ]
    euro, yen, together = found[0], found[2], found[4]
    assert (euro.points_median, euro.points_p95) == (10.5, 19.0)
    assert (euro.money, yen.money, together.money) == (105.0, -1.0, 104.0)
    assert (euro.event_ms_median, euro.wall_ms_p95) == (40.0, 50.0)
    assert (yen.event_ms_median, yen.wall_ms_median) == (None, None)
    assert (together.points_median, together.event_ms_p95) == (10.0, 40.0)


@pytest.fixture
def terminal() -> CliRunner:
    return CliRunner(env={"COLUMNS": "80"})


def test_the_table_fits_80_columns(tmp_path: Path, terminal: CliRunner) -> None:
    buy = order(tick(0))
    one = ShadowOffice(tmp_path, at(1.10025, buy), REFUSED)
    one.submit(buy)
    one.submit(order(tick(1_000), "SELL", ticket=1_000))
    none = terminal.invoke(cli, ["compare", "--var-dir", str(tmp_path / "nowhere")])
    assert "There is no ledger" in none.output
    result = terminal.invoke(cli, ["compare", "--var-dir", str(tmp_path)])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split()[:4] == ["STRATEGY", "DEALS", "POINTS", "95"]
    assert lines[1].split()[:5] == ["euro", "1", "+15.0", "+15.0", "+1.50"]
    assert lines[2].split()[:2] == ["open", "1"]
    assert "Positive: live was worse" in result.output
    assert lines[-1].split()[:4] == ["euro", "BROKER", "FILLED", "1"]
    said = terminal.invoke(cli, ["compare", "euro", "--json", "--var-dir", str(tmp_path)])
    printed = json.loads(said.output)
    assert printed["deals"][0]["money"] == 1.5
    assert printed["disagreements"][0]["detail"] == "10019 no money"
    wrong = terminal.invoke(cli, ["compare", "eurow", "--var-dir", str(tmp_path)])
    assert (wrong.exit_code, "Did you mean euro" in wrong.output) == (2, True), wrong.output
    with sqlite3.connect(one.path) as db:
        db.execute("UPDATE meta SET value = 'bridge' WHERE key = 'book'")
    db.close()
    later = terminal.invoke(cli, ["compare", "--since", "2100-01-01", "--var-dir", str(tmp_path)])
    assert "No order has left for the broker since 2100-01-01" in later.output

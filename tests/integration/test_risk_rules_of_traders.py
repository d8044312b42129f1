"""A trader's own risk rule, in a whole system: it refuses, says why, and remembers over a death."""

from pathlib import Path

from tests.integration.test_cli_process import FAST, STRATEGIES, CommandLine
from tests.system import wait_for

RULES = '''"""At most so many positions are opened in a run."""

import msgspec

from mt5crs_services.gateway.risk import Proposal, Refusal, Rule
from mt5crs_shared.trading.orders import Code, Fill


class Opened(msgspec.Struct, frozen=True):
    count: int = 0


class Most(Rule[Opened], frozen=True):
    most: int

    def before(self, proposal: Proposal, state: Opened) -> Refusal | None:
        if state.count >= self.most:
            return Refusal(Code.RISK, f"{state.count} were opened, and that is the most")
        return None

    def after(self, fill: Fill, state: Opened) -> Opened:
        return Opened(state.count + (fill.entry == "IN"))
'''


def test_it_refuses_and_remembers(tmp_path: Path) -> None:
    (tmp_path / "my_rules.py").write_text(RULES)
    rule = {"rule": "my_rules:Most", "params": {"most": 3}}
    system = CommandLine(tmp_path, [STRATEGIES[1]], {"feed": FAST, "risk": [rule]})
    said = system.call("validate").stdout.splitlines()
    assert said[-2:] == ["risk rule my_rules:Most by account", "1 strategy, 1 enabled: valid"]
    assert system.call("start", "--detach").returncode == 0
    try:
        wait_for(lambda: system.strategy("cable").metrics.orders_rejected > 2, "refusals")
        system.call("restart", "gateway")
        refused = system.strategy("cable").metrics.orders_rejected
        wait_for(lambda: system.strategy("cable").metrics.orders_rejected > refused, "another one")
        orders = system.json("orders", "--limit", "100000")
    finally:
        system.call("stop")
    opened = [o for o in orders if o["action"] == "OPEN"]
    assert sum(o["status"] == "FILLED" for o in opened) == 3
    assert {(o["code"], o["detail"]) for o in opened if o["status"] == "REJECTED"} == {
        ("RISK", "3 were opened, and that is the most")
    }
    system.assert_nothing_left()

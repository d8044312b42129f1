"""Any orders, any failures, a crash at any step: none twice, none lost, each as the book has it."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from mt5crs_services.mt5_gateway.answers import OrderReport
from mt5crs_services.mt5_gateway.protocol import order_token
from mt5crs_services.mt5_gateway.requests import SendOrder
from mt5crs_services.mt5_gateway.terminal.terminal import TerminalError
from tests.memory import IN_MEMORY
from tests.mt5_standin.package import CrashError, Fault
from tests.unit.mt5_cases import Office

FAULTS = st.one_of(
    st.just(Fault()),
    st.builds(
        Fault,
        retcode=st.sampled_from([10004, 10006, 10011, 10012, 10018, 10020, 10021, 10024, 10031]),
        execute=st.just(False),
        answer=st.sampled_from(["result", "none", "raise", "crash"]),
    ),
    st.builds(
        Fault,
        retcode=st.sampled_from([0, 0, 10008, 10009, 10012, 10031]),
        answer=st.sampled_from(["result", "none", "raise", "crash"]),
        delay_s=st.sampled_from([0.0, 0.0, 0.2, 3.0, 40.0]),
        visible=st.booleans(),
        fraction=st.sampled_from([1.0, 1.0, 0.5]),
        comment=st.sampled_from([None, None, "", "JUNK", "CUT"]),
        stops=st.booleans(),
        lag_s=st.sampled_from([0.0, 0.0, 1.0, 30.0]),
        error=st.sampled_from([(-10005, "IPC timeout"), (-10001, "IPC send failed")]),
    ),
)
"""What may be wrong with one `order_send`."""


class Orders(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="mt5-orders-", dir=IN_MEMORY))
        self.asked: dict[str, SendOrder] = {}
        self.final: dict[str, OrderReport] = {}
        self.steps_left = -1

    @initialize(hedging=st.booleans())
    def begin(self, hedging: bool) -> None:
        self.office = Office(self.folder, time.time(), hedging)
        self.office.broker.instruments["EURUSD"].filling_mode = 2
        for name in ("writing", "select"):
            self._count_down(name)

    def _count_down(self, name: str) -> None:
        """Each step on the disk is a place where the process may end, before it or after it."""
        real = getattr(self.office.journal, name)

        def stepping(*args: Any) -> Any:
            self.steps_left -= 1
            if self.steps_left == 0:
                raise CrashError
            return real(*args)

        setattr(self.office.journal, name, stepping)

    @contextlib.contextmanager
    def process(self) -> Iterator[None]:
        """What happens in the gateway's process; where it ends, another one begins."""
        try:
            yield
        except CrashError:
            self.steps_left = -1
            self.office.start()
            for name in ("writing", "select"):
                self._count_down(name)
        except TerminalError:
            pass

    def note(self, answer: object) -> None:
        if isinstance(answer, OrderReport):
            final = answer.status in ("FILLED", "PARTIAL", "REJECTED")
            known = self.final.get(answer.order_id)
            assert known is None or answer == known
            if final:
                self.final[answer.order_id] = answer

    @rule(
        fault=FAULTS,
        more=st.lists(FAULTS, max_size=1),
        lots=st.sampled_from([0.1, 0.2]),
        side=st.sampled_from(["BUY", "SELL"]),
        magic=st.sampled_from([7, 8]),
        closing=st.booleans(),
        stop=st.booleans(),
    )
    def send(
        self,
        fault: Fault,
        more: list[Fault],
        lots: float,
        side: str,
        magic: int,
        closing: bool,
        stop: bool,
    ) -> None:
        order_id = f"s{magic}:{len(self.asked)}"
        fields: dict[str, Any] = {"side": side, "lots": lots, "magic": magic}
        held = self.office.broker.positions
        if closing and held:
            side = "SELL" if held[-1]["type"] == 0 else "BUY"
            fields |= {"action": "CLOSE", "ticket": held[-1]["ticket"], "side": side}
            fields["lots"] = held[-1]["volume"]
        elif stop:
            fields["stop_loss"] = 1.0 if side == "BUY" else 1.2
        request = self.office.order(order_id, **fields)
        self.asked[order_id] = request
        if fault.comment == "CUT":
            fault.comment = order_token(order_id)[:8]
        self.office.package.faults.clear()
        self.office.package.faults.extend([fault, *more])
        with self.process():
            self.note(self.office.desk.send(request))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        request = self.asked[data.draw(st.sampled_from(sorted(self.asked)))]
        with self.process():
            self.note(self.office.desk.send(request))

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def ask(self, data: st.DataObject) -> None:
        with self.process():
            self.note(self.office.watch.ask(data.draw(st.sampled_from(sorted(self.asked)))))

    @rule(seconds=st.sampled_from([0.5, 5.0, 70.0]))
    def turn(self, seconds: float) -> None:
        with self.process():
            self.office.turn(seconds)

    @rule(steps=st.integers(1, 14))
    def end_soon(self, steps: int) -> None:
        self.steps_left = steps

    @rule()
    def end_now(self) -> None:
        with self.process():
            raise CrashError

    @rule(down=st.booleans(), connected=st.booleans())
    def the_terminal(self, down: bool, connected: bool) -> None:
        self.office.package.down = down
        self.office.broker.connected = connected

    @rule(bid=st.sampled_from([1.09, 1.1, 1.11]))
    def a_quote(self, bid: float) -> None:
        self.office.broker.quote("EURUSD", bid, round(bid + 0.0001, 5))

    @precondition(lambda self: self.office.broker.positions)
    @rule()
    def close_by_hand(self) -> None:
        self.office.broker.close_by_hand(self.office.broker.positions[0]["ticket"])

    def teardown(self) -> None:
        if not hasattr(self, "office"):
            return
        self.steps_left = -1
        self.office.package.down, self.office.broker.connected = False, True
        self.office.package.faults.clear()
        self.office.turn(200.0)
        for order_id in self.asked:
            self._compare(order_id)
        assert self.office.watch.unsettled == {}
        self.office.journal.close()
        shutil.rmtree(self.folder)

    def _compare(self, order_id: str) -> None:
        """The gateway's word on an order, and the broker's own book."""
        report = self.office.watch.ask(order_id)
        self.note(report)
        tag = order_token(order_id)
        deals = [d for d in self.office.broker.deals if d["sent_as"].startswith(tag)]
        assert len({deal["order"] for deal in deals}) <= 1, "executed twice"
        if not deals:
            assert report.status in ("REJECTED", "NOT_SEEN"), report
            return
        whole = sum(deal["volume"] for deal in deals)
        expected = "FILLED" if abs(whole - self.asked[order_id].lots) < 1e-9 else "PARTIAL"
        assert (report.status, report.order) == (expected, deals[0]["order"]), report
        assert (report.deal, report.price) == (deals[-1]["ticket"], deals[-1]["price"])
        assert abs(report.lots - whole) < 1e-9
        assert abs(report.profit - sum(deal["profit"] for deal in deals)) < 0.005
        assert report.ticket == deals[-1]["position_id"]


Orders.TestCase.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
TestOrders = pytest.mark.timeout(300)(Orders.TestCase)

"""Whatever a gateway is asked, and whenever it dies: every order once, and books that agree."""

import shutil
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mt5crs_shared.messages import Fence, OrderAnswer, QueryOrder, Touched
from mt5crs_shared.storage import ledger_queries
from mt5crs_shared.trading.orders import Code, Order, OrderResult, Side
from tests.memory import IN_MEMORY
from tests.unit.gateway_cases import Office, config, order, tick

FIRST = 10_000.0
STEP = 0.0004


class DeskMachine(RuleBasedStateMachine):
    """One strategy, its replaced processes, a market, and a gateway that is killed at will."""

    @initialize(commission=st.sampled_from([0.0, 7.0]))
    def begin(self, commission: float) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=IN_MEMORY))
        settings_ = config(FIRST, commission_per_lot=commission)
        self.office = Office(self.folder / "ledger.db", settings_)
        self.epoch = 1
        self.mid = 1.1
        self.now = tick(0)
        self.answers: dict[str, tuple[Order, OrderResult]] = {}
        self.office.feed(self.now)

    def held(self) -> bool:
        return self.office.position("euro") is not None

    def answered(self) -> bool:
        return bool(self.answers)

    @rule(steps=st.integers(-3, 3), wait=st.integers(0, 2))
    def the_market_moves(self, steps: int, wait: int) -> None:
        self.mid = round(self.mid + steps * STEP, 5)
        at = self.now.time_us - tick(0).time_us + wait * 1000
        self.now = tick(at, round(self.mid - 0.00005, 5), round(self.mid + 0.00005, 5))
        self.office.feed(self.now)

    @rule(side=st.sampled_from(["BUY", "SELL"]), guarded=st.booleans())
    def it_opens(self, side: Side, guarded: bool) -> None:
        sign = 1.0 if side == "BUY" else -1.0
        distance = sign * 2 * STEP if guarded else 0.0
        self._submit(
            order(
                self.now,
                side,
                order_id=f"euro:{len(self.answers)}:OPEN",
                epoch=self.epoch,
                stop_loss=round(self.mid - distance, 5) if guarded else 0.0,
                take_profit=round(self.mid + distance, 5) if guarded else 0.0,
            )
        )

    @precondition(held)
    @rule()
    def it_closes(self) -> None:
        position = self.office.position("euro")
        assert position is not None
        self._submit(
            order(
                self.now,
                "SELL" if position.side == "BUY" else "BUY",
                order_id=f"euro:{len(self.answers)}:CLOSE",
                epoch=self.epoch,
                lots=position.lots,
                ticket=position.ticket,
            )
        )

    @precondition(answered)
    @rule(data=st.data(), newer=st.booleans())
    def it_asks_again(self, data: st.DataObject, newer: bool) -> None:
        first, result = self.answers[data.draw(st.sampled_from(sorted(self.answers)))]
        self.epoch += newer
        fills = self.office.fills()
        again = self.office.submit(msgspec.structs.replace(first, epoch=self.epoch))
        assert again == result
        assert self.office.ask(QueryOrder("euro", first.order_id)) == OrderAnswer(result)
        if not newer:
            assert self.office.fills() == fills

    @precondition(held)
    @rule()
    def it_sees_the_market_touch_its_stop(self) -> None:
        position = self.office.position("euro")
        assert position is not None
        first = self.office.touch(position, self.now, self.epoch)
        if first.fill is not None:
            assert self.office.touch(position, self.now, self.epoch) == first

    @rule()
    def the_supervisor_replaces_it(self) -> None:
        self.epoch += 1
        assert self.office.ask(Fence("euro", self.epoch)) is None

    @precondition(lambda self: self.epoch > 1)
    @rule()
    def a_replaced_process_wakes_up(self) -> None:
        self.office.register(epoch=self.epoch)
        fills = self.office.fills()
        old = order(self.now, order_id="euro:old:OPEN", epoch=self.epoch - 1)
        assert self.office.submit(old).code is Code.FENCED
        position = self.office.position("euro")
        if position is not None:
            word = Touched("euro", self.epoch - 1, position.ticket, self.now)
            answer = self.office.ask(word)
            assert answer is not None
            assert getattr(answer, "fill", None) is None
        assert self.office.fills() == fills

    @rule()
    def the_gateway_is_killed(self) -> None:
        fills, position = self.office.fills(), self.office.position("euro")
        self.office.restart()
        assert self.office.fills() == fills
        assert self.office.position("euro") == position

    @rule()
    def touched_stops_are_booked(self) -> None:
        self.office.settle()

    @invariant()
    def every_order_is_executed_at_most_once(self) -> None:
        ids = [fill.order_id for fill in self.office.fills()]
        assert len(ids) == len(set(ids))
        filled = {i for i, (_, result) in self.answers.items() if result.status == "FILLED"}
        assert filled == {i for i in ids if i.startswith("euro:")}

    @invariant()
    def positions_open_and_close_in_turn(self) -> None:
        entries = [(fill.entry, fill.ticket) for fill in self.office.fills()]
        for number, (entry, ticket) in enumerate(entries):
            assert entry == ("IN", "OUT")[number % 2]
            if entry == "OUT":
                assert entries[number - 1] == ("IN", ticket)
        assert self.held() == (len(entries) % 2 == 1)

    @invariant()
    def the_balance_is_what_the_deals_made(self) -> None:
        fills = self.office.fills()
        made = [amount for fill in fills for amount in (fill.profit, -fill.commission)]
        assert self.office.core.account.balance == ledger_queries.total([FIRST, *made])

    def teardown(self) -> None:
        if hasattr(self, "office"):
            self.office.ledger.close()
            shutil.rmtree(self.folder)

    def _submit(self, request: Order) -> None:
        self.answers[request.order_id] = (request, self.office.submit(request))


TestDeskMachine = DeskMachine.TestCase
TestDeskMachine.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)

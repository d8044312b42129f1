"""The gateway as a real process, with a real tape, a market socket and a supervisor's socket."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.context import SpawnProcess
from pathlib import Path

import msgspec
import pytest

from mt5crs_shared.configuration.structs import (
    Config,
    GlobalConfig,
    StrategyConfig,
    SupervisorConfig,
)
from mt5crs_shared.market.symbol_spec import SymbolSpec
from mt5crs_shared.market.ticks import Tick
from mt5crs_shared.market.wire import format_iso
from mt5crs_shared.messages import (
    Beat,
    Fence,
    FromGateway,
    Lease,
    OrderAnswer,
    PositionClosed,
    QueryOrder,
    Register,
    Registered,
    Submit,
    Touched,
)
from mt5crs_shared.process.black_box.last_words import read_last_words
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage import ledger_queries, ledger_schema
from mt5crs_shared.storage.ledger_schema import LedgerError
from mt5crs_shared.trading.orders import Code, Fill, Order, OrderResult
from tests.integration.processes import (
    DEADLINE,
    GatewayCaller,
    Publisher,
    Supervisor,
    granted,
    make_spec,
    spawn_child,
    wait_for,
)

EURUSD = SymbolSpec("EURUSD", 100_000.0, 5, 0.01, 0.01, 100.0, "USD", "EUR")
START_US = 1_700_000_000_000_000


def tick(milliseconds: int, bid: float = 1.1, ask: float = 1.1001) -> Tick:
    return Tick("EURUSD", START_US + milliseconds * 1_000, bid, ask)


class Installation:
    """A tape and a gateway that can be killed, in a folder of their own."""

    def __init__(self, var: Path, stack: ExitStack) -> None:
        self.var = var
        self.publisher = stack.enter_context(Publisher())
        self.supervisor = stack.enter_context(Supervisor(var))
        self._stack = stack
        self.config = Config(
            path=str(var / "strategies.yaml"),
            strategies=(
                StrategyConfig("euro", "EURUSD", magic=7),
                StrategyConfig("idle", "EURUSD", magic=8),
            ),
            globals=GlobalConfig(
                zmq_market_url=self.publisher.url, supervisor=SupervisorConfig(heartbeat=0.05)
            ),
            symbols={"EURUSD": EURUSD},
        )
        self.epoch = 0
        self.clock = 0

    def start(self, kind: str = "gateway") -> SpawnProcess:
        """Start the next gateway, or the tape."""
        if kind == "gateway":
            self.epoch += 1
            spec = make_spec("gateway", self.config, self.var, self.epoch)
        else:
            spec = make_spec("tape", self.config, self.var)
        return self._stack.enter_context(spawn_child(spec))

    def start_both(self) -> SpawnProcess:
        """Start tape and gateway, and publish until both take part in the market."""
        gateway = self.start()
        self.start("tape")
        self.supervisor.ready("gateway")
        self.supervisor.ready("tape")
        self.tick_until(lambda: self.watched("tape") > 0 and self.watched("gateway") > 0)
        return gateway

    def tick_until(self, condition: Callable[[], bool]) -> Tick:
        """Publish harmless ticks until something is so; the last one is returned."""
        last: list[Tick] = []

        def look() -> bool:
            self.clock += 1
            last.append(tick(self.clock))
            self.publisher.publish(last[-1])
            return condition()

        wait_for(look, "the ticks to arrive")
        return last[-1]

    def publish(self, *ticks: Tick) -> None:
        """Publish ticks that follow on those before."""
        self.clock = max(self.clock, (ticks[-1].time_us - START_US) // 1_000)
        self.publisher.publish(*ticks)

    def watched(self, name: str) -> int:
        """Ticks that a child has had, by its newest beat."""
        epoch = self.epoch if name == "gateway" else 1
        for message in reversed(self.supervisor.read()):
            if isinstance(message, Beat) and (message.name, message.epoch) == (name, epoch):
                return message.progress
        return 0

    def beat(self) -> Beat:
        """The newest beat of a gateway that has caught up."""
        return self.supervisor.beat("gateway", lambda b: b.phase == "running", self.epoch)

    def leased(self, order: Order) -> Submit:
        """An order of a strategy that holds a lease."""
        return Submit(order, granted(self.var, order.strategy, order.epoch))

    def caller(self, epoch: int = 1, strategy: str = "euro") -> GatewayCaller:
        """The socket of a strategy."""
        return self._stack.enter_context(GatewayCaller(self.var, strategy, epoch))


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Installation]:
    with ExitStack() as stack:
        yield Installation(tmp_path / "var", stack)


def buy(on: Tick, epoch: int = 1, **fields: float) -> Order:
    return Order(
        order_id=f"euro:{on.time_us}:0:OPEN",
        strategy="euro",
        epoch=epoch,
        symbol="EURUSD",
        magic=7,
        action="OPEN",
        side="BUY",
        lots=0.1,
        tick=on,
        stop_loss=fields.get("stop_loss", 0.0),
        take_profit=fields.get("take_profit", 0.0),
    )


def result_of(answer: FromGateway) -> OrderResult:
    assert isinstance(answer, OrderAnswer)
    return answer.result


def closing_fill(answer: FromGateway) -> Fill:
    assert isinstance(answer, PositionClosed)
    assert answer.fill is not None
    return answer.fill


def kill(process: SpawnProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(DEADLINE)


def test_an_order_is_filled_once_whatever_dies(system: Installation) -> None:
    gateway = system.start_both()
    with system.caller() as euro:
        assert euro.ask(Register("euro", 1)) == Registered("euro", None, 0.0)
        on = system.tick_until(lambda: True)
        filled = result_of(euro.ask(system.leased(buy(on))))
        assert filled.fill is not None
        assert (filled.code, filled.fill.price, filled.fill.ticket) == (
            Code.FILLED,
            on.ask,
            7_000_001,
        )
        assert result_of(euro.ask(system.leased(buy(on)))) == filled
        kill(gateway)
        # Sent to a gateway that is dead: asked again once there is another one.
        system.start()
        assert result_of(euro.ask(system.leased(buy(on)))) == filled
        assert result_of(euro.ask(QueryOrder("euro", filled.order_id))) == filled
        unseen = result_of(euro.ask(QueryOrder("euro", "never sent")))
        assert unseen.code is Code.NOT_SEEN
        registered = system.caller(2).ask(Register("euro", 2))
        assert isinstance(registered, Registered)
        assert registered.position is not None
        assert registered.position.ticket == filled.fill.ticket
    beat = system.beat()
    assert beat.account is not None
    assert beat.account.balance == 10_000.0
    assert [(m.strategy, m.deals) for m in beat.account.strategies] == [("euro", 1), ("idle", 0)]
    with ledger_schema.open_ledger(VarPaths(system.var).ledger) as db:
        assert [deal.fill for deal in ledger_queries.deals(db)] == [filled.fill]


def test_a_stop_hit_while_the_gateway_was_dead_is_found_on_the_tape(system: Installation) -> None:
    gateway = system.start_both()
    euro = system.caller()
    on = system.tick_until(lambda: True)
    opened = result_of(euro.ask(system.leased(buy(on, stop_loss=1.09, take_profit=1.15))))
    assert opened.fill is not None
    kill(gateway)
    taped = system.watched("tape")
    first = tick(system.clock + 10, 1.0885, 1.0886)
    system.publish(first, tick(system.clock + 11, 1.2, 1.2001))
    wait_for(lambda: system.watched("tape") >= taped + 2, "the tape to record")
    system.start()
    # Its socket tells nobody until the strategy has spoken to the new process.
    euro.ask(Register("euro", 1))
    fill = closing_fill(euro.receive())
    assert (fill.code, fill.price, fill.time_us) == (Code.STOP_LOSS, 1.0885, first.time_us)
    # The strategy comes to that tick later and hears the same.
    assert closing_fill(euro.ask(Touched("euro", 1, fill.ticket, first))) == fill


def test_the_strategy_may_be_first_to_see_the_touch(system: Installation) -> None:
    system.start_both()
    euro = system.caller()
    on = system.tick_until(lambda: True)
    opened = result_of(euro.ask(system.leased(buy(on, take_profit=1.105))))
    assert opened.fill is not None
    touching = tick(system.clock + 10, 1.106, 1.1061)
    fill = closing_fill(euro.ask(Touched("euro", 1, opened.fill.ticket, touching)))
    assert (fill.code, fill.price, fill.profit) == (Code.TAKE_PROFIT, 1.105, 49.0)
    seen = system.watched("gateway")
    system.publish(touching)
    wait_for(lambda: system.watched("gateway") > seen, "the gateway to see it")
    beat = system.supervisor.beat(
        "gateway", lambda b: b.account is not None and b.account.balance == 10_049.0
    )
    assert beat.account is not None
    assert beat.account.strategies[0].deals == 2


def test_a_replaced_process_is_refused(system: Installation) -> None:
    gateway = system.start_both()
    old, supervisor, new = system.caller(1), system.caller(0, "supervisor"), system.caller(2)
    assert isinstance(old.ask(Register("euro", 1)), Registered)
    supervisor.send(Fence("euro", 2))
    on = tick(1)
    wait_for(
        lambda: getattr(old.ask(Register("euro", 1)), "refused", "") != "", "the fence to stand"
    )
    assert result_of(old.ask(system.leased(buy(on, epoch=1)))).code is Code.FENCED
    kill(gateway)
    system.start()
    assert result_of(old.ask(system.leased(buy(on, epoch=1)))).code is Code.FENCED
    assert result_of(new.ask(system.leased(buy(on, epoch=2)))).code is Code.FILLED


def test_rubbish_and_vanished_clients_do_no_harm(system: Installation) -> None:
    system.start()
    system.supervisor.ready("gateway")
    with system.caller(1, "noise") as noise:
        noise.send_raw(b"\xff\x00rubbish")
        noise.send_raw(b"two", b"frames")
        noise.send_raw(b"")
        noise.send(Register("idle", 1))
    euro = system.caller()
    assert result_of(euro.ask(system.leased(buy(tick(1))))).code is Code.FILLED


def test_without_a_tape_it_serves_and_says_what_it_misses(system: Installation) -> None:
    gateway = system.start()
    system.supervisor.ready("gateway")
    beat = system.supervisor.beat("gateway", lambda b: "the tape" in b.degraded)
    assert beat.phase == "recovering"
    assert result_of(system.caller().ask(system.leased(buy(tick(1))))).code is Code.FILLED
    system.start("tape")
    assert system.beat().account is not None
    gateway.terminate()
    gateway.join(DEADLINE)
    assert gateway.exitcode == 0


def test_a_damaged_ledger_stops_it_for_good_and_is_left_alone(system: Installation) -> None:
    ledger = VarPaths(system.var).ledger
    ledger.write_bytes(b"this is no ledger " * 500)
    before = ledger.read_bytes()
    gateway = system.start()
    gateway.join(DEADLINE)
    # Its word on the socket may not leave in time; what it has written down is there.
    failed = read_last_words(VarPaths(system.var).words_file("gateway"), 1)
    assert failed is not None
    assert failed.permanent
    assert "ledger.db" in failed.reason
    assert "move the file away" in failed.reason
    assert gateway.exitcode == 1
    assert ledger.read_bytes() == before
    with pytest.raises(LedgerError):
        ledger_schema.open_ledger(ledger)


def test_nobody_trades_or_fences_in_anothers_name(system: Installation) -> None:
    system.start()
    system.supervisor.ready("gateway")
    with system.caller(1, "idle") as forger:
        forger.send(system.leased(buy(tick(1))))
        forger.send(Fence("euro", 2**62))
        forger.send(Register("euro", 2**63 - 1))
        forger.send_raw(b"\x91" * 100_000)
        # Answered, so that all before it was looked at.
        assert result_of(forger.ask(QueryOrder("idle", "none"))).code is Code.NOT_SEEN
    euro = system.caller()
    assert euro.ask(Register("euro", 1)) == Registered("euro", None, 0.0)
    assert result_of(euro.ask(system.leased(buy(tick(1))))).code is Code.FILLED


def test_the_gateway_believes_nothing_that_it_can_check(system: Installation) -> None:
    """A process that has a strategy's own identity, and tries to make money of nothing."""
    system.start_both()
    euro = system.caller()
    on = system.tick_until(lambda: True)
    seen = system.watched("gateway")
    system.tick_until(lambda: system.watched("gateway") > seen + 2)

    def code_of(order: Order, lease: Lease | None = None) -> tuple[Code, str]:
        request = Submit(order, lease) if lease else system.leased(order)
        result = result_of(euro.ask(request))
        return result.code, result.detail

    cheap = msgspec.structs.replace(on, bid=0.5, ask=0.5001)
    forged = msgspec.structs.replace(buy(cheap), order_id="cheap")
    assert code_of(forged) == (
        Code.UNKNOWN_TICK,
        f"0.5/0.5001 at {format_iso(on.time_us)} was not seen here, and is out of reach of"
        " 1.1 to 1.1001 around then",
    )
    large = msgspec.structs.replace(buy(on), order_id="large", lots=1.0)
    assert code_of(large) == (Code.BAD_VOLUME, "1 lots; its max_position_size is 0.1")
    other = msgspec.structs.replace(buy(on), order_id="other", magic=2**40)
    assert code_of(other)[0] is Code.UNKNOWN_STRATEGY
    good = granted(system.var, "euro")
    made_up = msgspec.structs.replace(good, until=good.until + 1.0)
    assert code_of(buy(on), made_up)[0] is Code.NO_LEASE
    assert "ended" in code_of(buy(on), granted(system.var, "euro", 1, -1.0))[1]
    assert "of epoch 2" in code_of(buy(on), granted(system.var, "euro", 2))[1]
    assert "without a lease" in result_of(euro.ask(Submit(buy(on)))).detail
    # None of which stands in the way of the order itself.
    opened = result_of(euro.ask(system.leased(buy(on, take_profit=1.105))))
    assert opened.fill is not None
    dear = msgspec.structs.replace(on, bid=9.0, ask=9.0001)
    answer = euro.ask(Touched("euro", 1, opened.fill.ticket, dear))
    assert isinstance(answer, PositionClosed)
    assert answer.fill is None
    closing = msgspec.structs.replace(
        buy(dear), order_id="dear", action="CLOSE", side="SELL", ticket=opened.fill.ticket
    )
    assert code_of(closing)[0] is Code.UNKNOWN_TICK
    beat = system.beat()
    assert beat.account is not None
    assert beat.account.balance == 10_000.0


@pytest.mark.parametrize("epoch", [2**62, 2**53, 2**52])
def test_nobody_fences_a_strategy_off_for_ever(system: Installation, epoch: int) -> None:
    """Not even somebody who can prove to be what he says."""
    system.start()
    system.supervisor.ready("gateway")
    with system.caller(0, "supervisor") as supervisor, system.caller(epoch) as forger:
        supervisor.send(Fence("euro", epoch))
        forger.send(Register("euro", epoch))
        forger.send(Submit(buy(tick(1), epoch)))
        forger.send(Touched("euro", epoch, 1, tick(1)))
        assert result_of(forger.ask(QueryOrder("euro", "none"))).code is Code.NOT_SEEN
    euro = system.caller()
    assert euro.ask(Register("euro", 1)) == Registered("euro", None, 0.0)
    assert result_of(euro.ask(system.leased(buy(tick(1))))).code is Code.FILLED


def test_numbers_that_no_file_holds_are_that_messages_fault(system: Installation) -> None:
    system.start()
    system.supervisor.ready("gateway")
    euro = system.caller()
    for huge in (2**63 - 1, 2**64 - 1):
        for field in ("magic", "occurrence", "ticket"):
            order = msgspec.structs.replace(buy(tick(1)), **{field: huge})
            euro.send(system.leased(order))
        late = msgspec.structs.replace(tick(1), time_us=huge)
        euro.send(system.leased(buy(late)))
        euro.send(Touched("euro", 1, huge, tick(1)))
        euro.send(Touched("euro", 1, 7_000_001, late))
    assert result_of(euro.ask(QueryOrder("euro", "none"))).code is Code.NOT_SEEN
    assert result_of(euro.ask(system.leased(buy(tick(1))))).code is Code.FILLED

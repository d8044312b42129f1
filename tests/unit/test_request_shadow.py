"""What a paper account would have sent: written beside its deals, in the configured dialect."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from mt5crs_services.gateway.brokers.bridge.account.evidence import Comments
from mt5crs_services.mt5_gateway.protocol import decode_request
from mt5crs_services.mt5_gateway.requests import SendOrder
from mt5crs_shared.configuration.execution_structs import ExecutionConfig
from mt5crs_shared.storage import ledger_schema, shadow_log
from mt5crs_shared.storage.shadow_log import RequestRecord
from mt5crs_shared.trading.operator_requests import ClosePositions
from mt5crs_supervisor.cli import cli
from tests.unit.gateway_cases import Office, config, order, tick


class PaperOffice(Office):
    """A paper account that writes what it would have sent."""

    def __init__(self, folder: Path, dialect: str = "open_close", shadow: bool = True) -> None:
        settings = config(latency_ms=0.0)
        execution = ExecutionConfig(dialect=dialect, shadow=shadow)  # type: ignore[arg-type]
        changed = msgspec.structs.replace(settings.globals, execution=execution)
        super().__init__(folder / "ledger.db", msgspec.structs.replace(settings, globals=changed))

    @property
    def written(self) -> list[RequestRecord]:
        with ledger_schema.open_ledger(self.path) as db:
            return shadow_log.read_requests(db)

    def frames(self) -> list[bytes]:
        rows = self.ledger._db.execute("SELECT request FROM shadow_requests ORDER BY id")
        return [frame for (frame,) in rows]


def test_an_opening_and_a_closing_as_the_dialect_has_them(tmp_path: Path) -> None:
    one = PaperOffice(tmp_path)
    held = one.open(tick(0), stop_loss=1.09, take_profit=1.12)
    one.submit(order(tick(1_000), "SELL", ticket=held.ticket))
    opening, closing = one.written
    assert opening.request.pop("uuid") != closing.request.pop("uuid")
    assert opening.request == {
        "action": "OPEN",
        "symbol": "EURUSD",
        "type": "BUY",
        "volume": 0.1,
        "price": 0.0,
        "sl": 1.09,
        "tp": 1.12,
        "magic": 7,
        "comment": Comments("").of(order(tick(0)).order_id),
    }
    assert (closing.request["action"], closing.request["type"]) == ("CLOSE", "SELL")
    # The paper book's ticket: the broker gives another one.
    assert closing.request["ticket"] == held.ticket
    assert (opening.strategy, opening.dialect) == ("euro", "open_close")
    assert closing.time_us - opening.time_us == 1_000


@pytest.mark.parametrize("dialect", ["trade", "order_send", "expert_advisor"])
def test_every_dialect_is_shown(tmp_path: Path, dialect: str) -> None:
    one = PaperOffice(tmp_path, dialect)
    one.open(tick(0), stop_loss=1.09)
    (found,) = one.written
    assert found.dialect == dialect
    assert "EURUSD" in json.dumps(found.request)


def test_our_own_gateways_frames_are_shown_as_what_they_say(tmp_path: Path) -> None:
    one = PaperOffice(tmp_path, "windows_gateway")
    one.open(tick(0), stop_loss=1.09)
    (frame,) = one.frames()
    _, request = decode_request(frame)
    assert isinstance(request, SendOrder)
    assert (request.symbol, request.lots, request.stop_loss) == ("EURUSD", 0.1, 1.09)
    (found,) = one.written
    assert found.request["body"]["symbol"] == "EURUSD"


@pytest.mark.parametrize(("dialect", "requests"), [("open_close", 1), ("expert_advisor", 2)])
def test_a_stop_is_a_request_only_where_the_gateway_would_guard_it(
    tmp_path: Path, dialect: str, requests: int
) -> None:
    one = PaperOffice(tmp_path, dialect)
    one.feed(tick(0))
    one.open(tick(0), stop_loss=1.09)
    one.feed(tick(1_000, 1.08, 1.0801))
    one.settle()
    assert len(one.fills()) == 2
    assert len(one.written) == requests


def test_flatten_is_a_request(tmp_path: Path) -> None:
    one = PaperOffice(tmp_path)
    one.feed(tick(0))
    held = one.open(tick(0))
    one.core.handle(ClosePositions((held.ticket,), "somebody"), caught_up=True)
    _, closing = one.written
    assert (closing.request["type"], closing.request["ticket"]) == ("SELL", held.ticket)
    assert (closing.request["magic"], closing.request["volume"]) == (7, 0.1)


def test_what_is_refused_and_what_is_repeated_is_no_further_request(tmp_path: Path) -> None:
    one = PaperOffice(tmp_path)
    one.submit(order(tick(0), stop_loss=1.2))
    buy = order(tick(1))
    one.submit(buy)
    one.restart()
    one.submit(buy)
    assert [found.order_id for found in one.written] == [buy.order_id]


def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    one = PaperOffice(tmp_path, shadow=False)
    one.open(tick(0))
    assert one.core.shadow is None
    assert one.written == []


def deals_and_orders(one: Office) -> list[Any]:
    return [
        one.ledger._db.execute(
            "SELECT id, order_id, price, profit, balance, code FROM deals ORDER BY id"
        ).fetchall(),
        one.ledger._db.execute(
            "SELECT id, order_id, request, status, code, detail, result FROM orders ORDER BY id"
        ).fetchall(),
    ]


def test_the_deals_are_those_of_an_account_without_a_shadow(tmp_path: Path) -> None:
    books = []
    for shadow in (False, True):
        folder = tmp_path / str(shadow)
        folder.mkdir()
        one = PaperOffice(folder, shadow=shadow)
        held = one.open(tick(0), stop_loss=1.09)
        one.submit(order(tick(1_000), "SELL", ticket=held.ticket))
        one.submit(order(tick(2_000), "SELL", stop_loss=1.0))
        books.append(deals_and_orders(one))
    assert books[0] == books[1]


def test_what_is_shown(tmp_path: Path) -> None:
    one = PaperOffice(tmp_path)
    one.open(tick(0))
    one.open(tick(0), "SELL", "other")

    def said(*arguments: str) -> str:
        place = ["--var-dir", str(tmp_path)]
        return CliRunner().invoke(cli, ["compare", *arguments, *place]).output

    lines = said("--requests").splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("2023-11-14 22:13:20  euro  euro:")
    assert json.loads(lines[1])["action"] == "OPEN"
    assert [r["strategy"] for r in json.loads(said("--requests", "--json"))] == ["euro", "other"]
    assert [r["strategy"] for r in json.loads(said("--requests", "other", "--json"))] == ["other"]
    assert len(json.loads(said("--requests", "-n", "1", "--json"))) == 1
    assert "is one of paper" in said()
    assert "No request is written down" in said("--requests", "--since", "2100-01-01")

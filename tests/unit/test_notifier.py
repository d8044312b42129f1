"""Who is told what and when, in which words; nothing twice when the notifier dies in between."""

from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mt5crs_services.gateway.ledger.ledger import Ledger
from mt5crs_services.notifier import composing, delivery, policy
from mt5crs_services.notifier.alive import EVERY, AliveSignal
from mt5crs_services.notifier.composing import Composed
from mt5crs_services.notifier.courier import Courier
from mt5crs_services.notifier.delivery import DeliveryError
from mt5crs_services.notifier.outbox import Outbox, QueuedLine
from mt5crs_services.notifier.server import Notifier
from mt5crs_shared.configuration.notify_structs import (
    DestinationConfig,
    NotifyConfig,
    NotifyRuleConfig,
    QuietHoursConfig,
)
from mt5crs_shared.configuration.structs import RetentionConfig
from mt5crs_shared.events import Restart
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.storage.event_files import EventWriter
from mt5crs_shared.storage.outbox_file import OutboxError, read_messages
from mt5crs_shared.storage.story import StoryCursor, StoryLine
from mt5crs_shared.trading.locks import OPERATOR, TradingLock, TradingState

PHONE = DestinationConfig("phone", "env:PHONE")
MAIL = DestinationConfig("mail", "env:MAIL")


def line(name: str = "euro", kind: str = "died", detail: str = "exit code 1") -> StoryLine:
    return StoryLine("2026-11-26T03:10:05.000Z", name, kind, detail)


# Who is told


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("died", {"phone": False, "mail": False}),
        ("quarantined", {"phone": True, "mail": True}),
        ("reload", {"phone": False, "mail": False}),
        ("locked", {"phone": False, "mail": False}),
        ("state", {}),
        ("deal", {}),
        ("refused", {}),
    ],
)
def test_without_rules_whatever_calls_for_a_look_is_told(kind: str, told: dict[str, bool]) -> None:
    assert policy.told_to(line(kind=kind), NotifyConfig([PHONE, MAIL])) == told


def test_a_line_that_several_rules_want_told_is_told_once_and_urgent_if_one_says_so() -> None:
    rules = [
        NotifyRuleConfig(["deal"], ["eur*"], ["mail"]),
        NotifyRuleConfig(["deal"], ["euro"], urgent=True),
        NotifyRuleConfig(["deal"], ["pound"], ["phone"]),
    ]
    config = NotifyConfig([PHONE, MAIL], rules)
    assert policy.told_to(line("euro", "deal"), config) == {"phone": True, "mail": True}
    assert policy.told_to(line("euros", "deal"), config) == {"mail": False}
    assert policy.told_to(line("euro", "died"), config) == {}


# When


@pytest.mark.parametrize(
    ("begin", "end", "now", "quiet"),
    [
        ("22:00", "07:00", "22:00", True),
        ("22:00", "07:00", "03:00", True),
        ("22:00", "07:00", "07:00", False),
        ("22:00", "07:00", "21:59", False),
        ("12:00", "13:00", "12:30", True),
        ("12:00", "13:00", "13:00", False),
    ],
)
def test_quiet_hours_are_those_of_their_zone(begin: str, end: str, now: str, quiet: bool) -> None:
    athens = QuietHoursConfig(begin, end, "Europe/Athens")
    moment = datetime.fromisoformat(f"2026-01-05T{now}:00+02:00").astimezone(UTC)
    assert policy.is_quiet(athens, moment) is quiet
    assert not policy.is_quiet(None, moment)


@given(some.integers(0, 10_000), some.booleans())
def test_the_more_was_told_the_longer_the_next_waits(recent: int, urgent: bool) -> None:
    wait = policy.wait_before_message(min(recent, 500), urgent)
    assert policy.GATHER <= wait <= (policy.LONGEST_URGENT if urgent else policy.LONGEST)
    assert wait <= policy.wait_before_message(min(recent, 500) + 1, urgent)
    assert policy.FIRST_RETRY <= policy.wait_before_retry(recent + 1) <= policy.LONGEST_RETRY


# In which words


def test_fifty_deaths_are_one_message() -> None:
    deaths = [line(f"s{number:02}", detail=f"exit code {number}") for number in range(50)]
    composed = composing.compose([*deaths, line("s07", "quarantined", "given up")], "desk")
    assert composed.title == "mt5crs desk: 50 died, quarantined"
    lines = composed.body.splitlines()
    assert len(lines) == 5
    assert lines[0].endswith("s00 died: exit code 0")
    assert lines[-1] == "and 47 more died: s03, s04, s05, s06, s07, s08, s09, s10, …"
    assert "s07 quarantined: given up" in lines[3]


def test_what_is_said_again_and_again_is_said_once() -> None:
    composed = composing.compose([line()] * 4, "desk")
    assert composed.title == "mt5crs desk: 4 died"
    assert composed.body.endswith("euro died (4 times): exit code 1")
    assert "\n" not in composed.body


# Where secrets stand


def test_a_secret_is_read_from_the_environment_or_a_file_of_the_user_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHONE", " tgram://1/2 ")
    assert delivery.address_in("env:PHONE") == "tgram://1/2"
    with pytest.raises(DeliveryError, match="no NOBODY in the environment"):
        delivery.address_in("env:NOBODY")
    file = tmp_path / "phone"
    file.write_text("tgram://1/2\n")
    file.chmod(0o640)
    with pytest.raises(DeliveryError, match="chmod 600"):
        delivery.address_in(f"file:{file}")
    file.chmod(0o600)
    assert delivery.address_in(f"file:{file}") == "tgram://1/2"
    with pytest.raises(DeliveryError, match="cannot be read"):
        delivery.address_in(f"file:{tmp_path / 'none'}")


@pytest.mark.parametrize(
    "address",
    [
        "tgram://123456789:abcdefg_hijk/12315544/",
        "mailto://user:pass%20word@mail.example.com?to=someone@example.com",
        "json://user:pass word@127.0.0.1:8080/secret/path?key=token1",
    ],
)
def test_an_error_gives_no_secret_away(address: str) -> None:
    said = delivery.without_secrets(f"POST {address} failed: pass word, token1", address)
    for secret in ("abcdefg", "12315544", "pass word", "pass%20word", "someone", "token1", "path"):
        assert secret not in said or secret not in address
    assert said.startswith("POST ")


def test_an_address_that_nobody_knows_is_refused_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PHONE", "tgrm://123456789:abcdefg/1231")
    with pytest.raises(DeliveryError, match=r"knows no such address \(tgrm\)$"):
        delivery.send("env:PHONE", Composed("a", "b"), urgent=False)
    monkeypatch.setenv("PHONE", "123456789:abcdefg")
    with pytest.raises(DeliveryError, match=r"\(no scheme\)$"):
        delivery.send("env:PHONE", Composed("a", "b"), urgent=False)
    with pytest.raises(DeliveryError, match="neither with http"):
        delivery.fetch("env:PHONE")


# Each once


class Service:
    """A service that answers when the test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[Composed, bool]] = []
        self.flying: Future[None] | None = None

    def send(self, message: Composed, urgent: bool) -> "Future[None]":
        self.sent.append((message, urgent))
        self.flying = Future()
        return self.flying

    def answer(self, error: Exception | None = None) -> None:
        assert self.flying is not None
        if error is not None:
            self.flying.set_exception(error)
        else:
            self.flying.set_result(None)


class Post:
    """An outbox, a courier for the phone, and the service behind it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.service = Service()
        self.epoch = 0
        self.again()

    def again(self) -> None:
        """Another process, after the last one was killed."""
        self.epoch += 1
        self.outbox = Outbox(self.path, self.epoch, RetentionConfig())
        self.courier = Courier("phone", "desk", self.outbox, self.service.send)

    def put(self, *lines: StoryLine, urgent: bool = False, event: int = 1) -> None:
        entries = [QueuedLine("phone", found, urgent) for found in lines]
        self.outbox.add(entries, StoryCursor(event))

    def states(self) -> list[tuple[str, int]]:
        return [(found.state, found.attempts) for found in read_messages(self.path)]


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path / "notifier.outbox")
    yield made
    made.outbox.close()


def test_what_happens_together_is_one_message(post: Post) -> None:
    post.put(line("one"))
    post.courier.on_turn(0.0, quiet=False)
    post.put(line("two"), event=2)
    post.courier.on_turn(policy.GATHER - 1.0, quiet=False)
    assert post.service.sent == []
    post.courier.on_turn(policy.GATHER, quiet=False)
    ((message, urgent),) = post.service.sent
    assert "one died" in message.body and "two died" in message.body and not urgent
    post.service.answer()
    post.courier.on_turn(policy.GATHER + 1.0, quiet=False)
    assert post.states() == [("SENT", 1)]
    post.courier.on_turn(1e6, quiet=False)
    assert len(post.service.sent) == 1
    assert post.outbox.cursor() == StoryCursor(2)


def test_at_night_only_what_is_urgent_is_told_and_the_rest_in_the_morning(post: Post) -> None:
    post.put(line("one"))
    post.put(line("two", "quarantined"), urgent=True)
    for now in (0.0, policy.GATHER):
        post.courier.on_turn(now, quiet=True)
    post.service.answer()
    post.courier.on_turn(100.0, quiet=True)
    post.courier.on_turn(30_000.0, quiet=True)
    assert [message.title for message, _ in post.service.sent] == ["mt5crs desk: quarantined"]
    post.courier.on_turn(30_001.0, quiet=False)
    post.courier.on_turn(30_001.0 + 2.0 * policy.GATHER, quiet=False)
    assert post.service.sent[-1][0].title == "mt5crs desk: died"


def test_what_fails_is_tried_again_later_and_later(post: Post) -> None:
    post.put(line())
    post.courier.on_turn(0.0, quiet=False)
    now = policy.GATHER
    post.courier.on_turn(now, quiet=False)
    post.service.answer(DeliveryError("401"))
    post.courier.on_turn(now, quiet=False)
    assert post.courier.trouble == "phone cannot be told: 401"
    post.courier.on_turn(now + policy.FIRST_RETRY - 0.1, quiet=False)
    assert len(post.service.sent) == 1
    now += policy.FIRST_RETRY
    post.courier.on_turn(now, quiet=False)
    post.service.answer(DeliveryError("401"))
    post.courier.on_turn(now, quiet=False)
    assert len(post.service.sent) == 2
    now += policy.wait_before_retry(2)
    post.courier.on_turn(now, quiet=False)
    post.service.answer()
    post.courier.on_turn(now, quiet=False)
    assert post.courier.trouble == ""
    assert post.states() == [("SENT", 3)]


def test_a_process_that_dies_while_it_sends_leaves_a_message_that_says_so(post: Post) -> None:
    post.put(line())
    post.courier.on_turn(0.0, quiet=False, farewell=True)
    assert post.states() == [("SENDING", 1)]
    post.again()
    post.courier.on_turn(0.0, quiet=False)
    first, second = (message for message, _ in post.service.sent)
    assert second.title == first.title
    assert second.body == f"{first.body}\n(message 1, perhaps for the second time)"
    post.service.answer()
    post.courier.on_turn(1.0, quiet=False)
    assert post.states() == [("SENT", 2)]


def test_what_was_sent_is_not_sent_by_the_next_process(post: Post) -> None:
    post.put(line())
    post.courier.on_turn(0.0, quiet=False, farewell=True)
    post.service.answer()
    post.courier.on_turn(1.0, quiet=False)
    post.again()
    post.courier.on_turn(1e6, quiet=False, farewell=True)
    assert len(post.service.sent) == 1


def test_a_process_that_was_replaced_writes_nothing_any_more(post: Post) -> None:
    before = post.outbox
    post.again()
    with pytest.raises(OutboxError, match="taken over"):
        before.add([], StoryCursor(7))
    before.close()
    assert post.outbox.cursor() is None


def test_what_waits_for_a_destination_that_is_gone_is_dropped(post: Post) -> None:
    post.put(line())
    post.courier.on_turn(0.0, quiet=False, farewell=True)
    post.put(line("two"), event=2)
    post.outbox.drop_others(["mail"])
    assert post.states() == [("DROPPED", 1)]
    assert post.outbox.waiting("phone") == []
    assert post.outbox.unsent("phone") is None


def test_a_year_of_messages_is_pruned(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "o", 1, RetentionConfig(rows=1_000))
    for number in range(60):
        outbox.add([QueuedLine("mail", line(), False)] * 100, StoryCursor(number))
        outbox.make("mail", Composed("a", "b"), False, [w.id for w in outbox.waiting("mail")])
        unsent = outbox.unsent("mail")
        assert unsent is not None
        outbox.end(unsent.id)
    (count,) = outbox.db.execute("SELECT count(*) FROM lines").fetchone()
    assert count < 2_500
    outbox.close()


def test_the_living_fetch_their_address_every_minute() -> None:
    fetched: list[Future[None]] = []

    def fetch() -> "Future[None]":
        fetched.append(Future())
        return fetched[-1]

    alive = AliveSignal(fetch)
    alive.on_turn(0.0)
    alive.on_turn(EVERY + 1.0)
    assert len(fetched) == 1, "the first has not come back"
    fetched[0].set_exception(DeliveryError("refused"))
    alive.on_turn(EVERY + 2.0)
    assert alive.trouble == "alive_url: refused" and len(fetched) == 2
    fetched[1].set_result(None)
    alive.on_turn(EVERY + 3.0)
    assert alive.trouble == "" and len(fetched) == 2


def test_what_happens_before_the_gateway_has_made_the_ledger_is_told(tmp_path: Path) -> None:
    paths = VarPaths(tmp_path / "var")
    paths.create()
    events = EventWriter(paths.events)
    events.write(Restart("euro", "before anybody was to be told"))
    paths.ledger.touch()
    notifier = Notifier.__new__(Notifier)
    notifier._config = NotifyConfig([PHONE])
    notifier._paths, notifier._reader, notifier._first_event = paths, None, None
    notifier._trouble = ""
    notifier._outbox = Outbox(paths.outbox, 1, RetentionConfig())
    notifier._look()
    assert "empty as yet" in notifier._trouble
    events.write(Restart("euro", "asked by the operator"))
    paths.ledger.unlink()
    ledger = Ledger(paths.ledger, "USD", 1_000.0)
    ledger.change_locks([TradingLock(OPERATOR, "euro", TradingState.HALTED, "ann", "", 1.0)], [])
    ledger.close()
    notifier._look()
    assert notifier._trouble == ""
    told = [waiting.line for waiting in notifier._outbox.waiting("phone")]
    assert sorted(line.kind for line in told) == ["locked", "restart"]
    assert "asked by the operator" in str(told)

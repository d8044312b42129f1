"""Whether the bridge of a configuration answers, in which dialect, and for which account.

Nothing that is asked can trade: an expert advisor takes for a trade whatever holds "action" or
"magic", so it is asked for a price first, and for nothing else where it answers that.
"""

import time

import msgspec
import zmq

from mt5crs_services.gateway.brokers.bridge.bridge_link import Arrival, BridgeLink
from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    Dialect,
    FarAccount,
    quoted,
)
from mt5crs_services.gateway.brokers.bridge.dialects.known import DIALECTS, dialect_named
from mt5crs_shared.configuration.structs import Config
from mt5crs_shared.sockets.curve import KeyFileError

CONNECTED_WITHIN = 2.0
"""Seconds within which a bridge has to take a connection."""

ADVISOR = "expert_advisor"


class BridgeProbe(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        url: Where.
        fault: What is wrong; empty: nothing.
        advice: What to do about it.
        said: What is right.
    """

    url: str
    fault: str = ""
    advice: str = ""
    said: str = ""


def probe_bridge(config: Config) -> BridgeProbe:
    """Ask the bridge that orders would be sent to."""
    settings = config.globals
    url = settings.execution_url
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    poller = zmq.Poller()
    try:
        link = BridgeLink(
            context, url, settings.execution.timeout, poller, keys=settings.execution_keys
        )
        try:
            return _probe(config, url, _Asker(link, poller))
        finally:
            link.close()
    except KeyFileError as error:
        return BridgeProbe(url, str(error), "see global.secret_key and global.execution.server_key")
    finally:
        context.destroy(linger=0)


class _Asker:
    """Asks one thing after the other."""

    def __init__(self, link: BridgeLink, poller: zmq.Poller) -> None:
        self._link = link
        self._poller = poller

    def connected(self) -> bool:
        end = time.monotonic() + CONNECTED_WITHIN
        while not self._link.ready:
            if time.monotonic() > end:
                return False
            self._link.tend()
            time.sleep(0.02)  # A connection that is made wakes nobody.
        return True

    @property
    def refusal(self) -> str:
        """Why the last handshake failed; empty: it did not."""
        return self._link.refusal

    def ask(self, body: bytes) -> bytes | None:
        """The answer; None: there is none in time."""
        if not self.connected() or not self._link.send("question", body, deals=False):
            return None
        while True:
            for message in self._link.turn():
                return message.body if message.arrival is Arrival.ANSWERED else None
            self._poller.poll(round(1000 * min(self._link.next_due(), 0.2)))


def _probe(config: Config, url: str, asker: _Asker) -> BridgeProbe:
    settings = config.globals
    wanted = settings.execution.dialect
    if not asker.connected():
        if asker.refusal:
            return BridgeProbe(url, asker.refusal, "docs/windows.md says which key goes where")
        advice = "start the bridge; see zmq_execution_host, zmq_execution_port and the firewall"
        return BridgeProbe(url, "nobody takes a connection there", advice)
    advisor = dialect_named(ADVISOR)
    answer = asker.ask(advisor.ping())
    if answer is not None and _answers(advisor, answer):
        if wanted != ADVISOR:
            return BridgeProbe(url, "an expert advisor answers there", _advice(ADVISOR))
        return BridgeProbe(url, said=f"answers as {ADVISOR}; it cannot say which account it is")
    dialect = dialect_named(wanted)
    answer = asker.ask(dialect.ping())
    if answer is None:
        seconds = f"{settings.execution.timeout:g} s"
        advice = "look whether it is busy, or serves another client: one at a time"
        return BridgeProbe(url, f"no answer within {seconds}", advice)
    if not _answers(dialect, answer):
        return _other(url, wanted, answer, asker)
    if not dialect.shows_account:
        return BridgeProbe(url, said=f"answers as {wanted}; it cannot say which account it is")
    return _account(config, url, dialect, asker)


def _account(config: Config, url: str, dialect: Dialect, asker: _Asker) -> BridgeProbe:
    settings = config.globals
    try:
        found = dialect.read_account(asker.ask(dialect.account()) or b"")
        positions = dialect.read_positions(asker.ask(dialect.positions()) or b"")
    except BadReplyError as error:
        return BridgeProbe(url, str(error), "look at the bridge's own log")
    if found.currency and found.currency != settings.account_currency:
        fault = f"the account is in {found.currency}, not {settings.account_currency}"
        return BridgeProbe(url, fault, f"account_currency: {found.currency}")
    account = settings.account
    if not found.login and not settings.execution.trust_account:
        advice = "execution.trust_account: true trades it all the same"
        return BridgeProbe(url, "it does not say which account it trades", advice)
    if found.login and account and (found.login, found.server) != (account.login, account.server):
        fault = f"it trades account {found.login} at {found.server}, not {account.login} at"
        advice = "log the terminal into the right account, or correct global.account"
        return BridgeProbe(url, f"{fault} {account.server}", advice)
    said = f"answers as {dialect.name}: {_kind(found)}, balance {found.balance:,.2f}"
    return BridgeProbe(url, said=f"{said}, {len(positions)} positions open")


def _kind(found: FarAccount) -> str:
    kind = "an account" if found.demo is None else "a DEMO account" if found.demo else "REAL money"
    return f"{kind}, {found.login} at {found.server}" if found.login else kind


def _other(url: str, wanted: str, answer: bytes, asker: _Asker) -> BridgeProbe:
    """Whether it answers in another dialect."""
    for dialect in (make() for make in DIALECTS):
        if dialect.name in (wanted, ADVISOR):
            continue
        said = asker.ask(dialect.ping())
        if said is not None and _answers(dialect, said):
            return BridgeProbe(url, f"it answers as {dialect.name}", _advice(dialect.name))
    fault = f"it does not answer as {wanted}: {quoted(answer)}"
    return BridgeProbe(url, fault, "docs/live.md says what each dialect looks like")


def _answers(dialect: Dialect, answer: bytes) -> bool:
    try:
        dialect.read_ping(answer)
    except BadReplyError:
        return False
    return True


def _advice(dialect: str) -> str:
    return f"execution.dialect: {dialect}"

"""The dialect ``windows_gateway``: that of `mt5crs-gateway`, our own program beside a terminal.

It keeps a journal of orders, finds out itself what became of them, and answers a repeated id with
the first result; so an order has one id here, however often it is asked for.
"""

import msgspec

from mt5crs_services.gateway.brokers.bridge.dialects.dialect import (
    BadReplyError,
    Closing,
    DealVerdict,
    DealWord,
    FarAccount,
    FarDeal,
    FarPosition,
    HandFate,
    Instruction,
    SettledFate,
    dealt_word,
)
from mt5crs_services.gateway.brokers.bridge.dialects.return_codes import code_in_words
from mt5crs_services.mt5_gateway.answers import (
    AnyAnswer,
    DealsReport,
    GatewayFailure,
    OrderReport,
    PositionsReport,
    TerminalReport,
)
from mt5crs_services.mt5_gateway.protocol import ProtocolError, decode_answer, encode_message
from mt5crs_services.mt5_gateway.requests import (
    LONGEST_WHO,
    AskDeals,
    AskOrder,
    AskPositions,
    AskTerminal,
    SendOrder,
    SettleOrder,
)

_QUESTION = "question"
"""The id of whatever cannot trade."""


class WindowsGatewayDialect:
    """See the module. It remembers whose orders it sends: the journal and the account."""

    name = "windows_gateway"
    closing = Closing.BY_TICKET
    shows_account = True
    drops_stops = False

    def __init__(self) -> None:
        self._journal = ""
        self._login = 0

    def ping(self) -> bytes:
        """See `Dialect.ping`."""
        return encode_message(_QUESTION, AskTerminal())

    def order(self, instruction: Instruction) -> bytes:
        """See `Dialect.order`."""
        name = _name(instruction)
        order = SendOrder(
            order_id=name,
            journal=self._journal,
            login=self._login,
            action="CLOSE" if instruction.ticket else "OPEN",
            symbol=instruction.symbol,
            side=instruction.side,
            lots=instruction.lots,
            magic=instruction.magic,
            price=instruction.price,
            stop_loss=instruction.stop_loss,
            take_profit=instruction.take_profit,
            ticket=instruction.ticket,
            comment=instruction.comment,
        )
        return encode_message(name, order)

    def positions(self) -> bytes:
        """See `Dialect.positions`."""
        return encode_message(_QUESTION, AskPositions())

    def account(self) -> bytes:
        """See `Dialect.account`."""
        return self.ping()

    def deals(self, since_us: int) -> bytes:
        """See `TellsDeals.deals`."""
        return encode_message(_QUESTION, AskDeals(since_us))

    def read_deals(self, body: bytes) -> list[FarDeal]:
        """See `TellsDeals.read_deals`."""
        said = _answer(body, _QUESTION)
        if not isinstance(said, DealsReport) or said.login != self._login:
            raise BadReplyError(_unexpected("its deals", said))
        return [
            FarDeal(
                number=each.deal,
                time_us=each.time_us,
                trade=each.kind in ("BUY", "SELL"),
                kind=each.kind,
                position=each.position,
                magic=each.magic,
                profit=each.profit,
                commission=each.commission + each.fee,
                swap=each.swap,
                entry=each.entry,
                reason=each.reason,
                lots=each.lots,
                price=each.price,
                comment=each.comment,
            )
            for each in said.deals
        ]

    def read_ping(self, body: bytes) -> None:
        """See `Dialect.read_ping`."""
        _answer(body, _QUESTION)

    def read_order(self, body: bytes, instruction: Instruction) -> DealWord:
        """See `Dialect.read_order`."""
        said = _answer(body, _name(instruction))
        if isinstance(said, GatewayFailure):
            # Nothing was sent to the broker.
            return DealWord(DealVerdict.REFUSED, detail=_failure(said))
        return self._word(said, instruction)

    def fate(self, instruction: Instruction) -> bytes:
        """See `TellsFates.fate`."""
        return encode_message(_QUESTION, AskOrder(_name(instruction)))

    def read_fate(self, body: bytes, instruction: Instruction) -> DealWord | None:
        """See `TellsFates.read_fate`."""
        said = _answer(body, _QUESTION)
        if isinstance(said, OrderReport) and said.status == "NOT_SEEN":
            return None
        return self._word(said, instruction)

    def settle(self, fate: HandFate) -> bytes:
        """See `TellsFates.settle`."""
        who = fate.who[:LONGEST_WHO]
        word = SettleOrder(fate.comment, 0, who, fate.lots, fate.price, fate.ticket)
        return encode_message(_QUESTION, word)

    def read_settle(self, body: bytes) -> SettledFate | None:
        """See `TellsFates.read_settle`."""
        said = _answer(body, _QUESTION)
        if not isinstance(said, OrderReport):
            raise BadReplyError(_unexpected("an order", said))
        match said.status:
            case "PENDING" | "UNKNOWN":
                return None
            case "NOT_SEEN":
                return SettledFate(None)
            case _:
                return SettledFate(said.status != "REJECTED")

    def _word(self, said: AnyAnswer, instruction: Instruction) -> DealWord:
        if not isinstance(said, OrderReport):
            raise BadReplyError(_unexpected("an order", said))
        words = said.detail or said.comment
        detail = code_in_words(said.retcode, words) if said.retcode else words
        match said.status:
            case "FILLED" | "PARTIAL":
                word = dealt_word(said.ticket, said.lots, said.price, instruction)
                # Without a deal it is somebody's word, who has not told what it made.
                told = said.deal and word.verdict is DealVerdict.DONE
                profit = said.profit if told else None
                return msgspec.structs.replace(word, profit=profit)
            case "REJECTED":
                return DealWord(DealVerdict.REFUSED, detail=detail)
            case "NOT_SEEN" | "PENDING" | "UNKNOWN":
                return DealWord(DealVerdict.UNKNOWN, said.ticket, detail=detail)

    def read_positions(self, body: bytes) -> list[FarPosition]:
        """See `Dialect.read_positions`."""
        said = _answer(body, _QUESTION)
        if not isinstance(said, PositionsReport):
            raise BadReplyError(_unexpected("its positions", said))
        if said.login != self._login:
            raise BadReplyError("the terminal is being logged into another account")
        return [
            FarPosition(
                ticket=each.ticket,
                symbol=each.symbol,
                side=each.side,
                lots=each.lots,
                open_price=each.open_price,
                stop_loss=each.stop_loss,
                take_profit=each.take_profit,
                magic=each.magic,
                comment=each.comment,
            )
            for each in said.positions
        ]

    def read_account(self, body: bytes) -> FarAccount:
        """See `Dialect.read_account`."""
        said = _answer(body, _QUESTION)
        if not isinstance(said, TerminalReport):
            raise BadReplyError(_unexpected("its account", said))
        account = said.account
        if account is None or not said.connected:
            why = said.trouble or "the terminal has no connection to the broker"
            raise BadReplyError(f"the gateway beside the terminal says: {why}")
        self._journal, self._login = said.journal, account.login
        return FarAccount(
            balance=account.balance,
            equity=account.equity,
            margin=account.margin,
            free_margin=account.margin_free,
            currency=account.currency,
            login=account.login,
            server=account.server,
            demo=account.trade_mode != "REAL",
            netting=account.margin_mode != "HEDGING",
        )


def _name(instruction: Instruction) -> str:
    """The order's id there: the same for every attempt."""
    return instruction.comment


def _answer(body: bytes, request_id: str) -> AnyAnswer:
    try:
        said_id, said = decode_answer(body)
    except ProtocolError as error:
        raise BadReplyError(f"the gateway beside the terminal answered {error}") from error
    if said_id != request_id:
        raise BadReplyError(f"request {request_id} was answered for {said_id!r}")
    return said


def _unexpected(asked: str, said: AnyAnswer) -> str:
    what = _failure(said) if isinstance(said, GatewayFailure) else type(said).__name__
    return f"the gateway beside the terminal was asked for {asked}, and said {what}"


def _failure(said: GatewayFailure) -> str:
    return ": ".join(part for part in (said.code, said.what, said.where, said.todo) if part)

"""The command line's way to the gateway, past the supervisor: it works while that is away."""

import time

import msgspec
import zmq

from mt5crs_shared.control.asking import ControlTimeout, NotRunning
from mt5crs_shared.control.states import State
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.messages import FromGateway
from mt5crs_shared.process.installation import load_installation
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import LARGE, open_socket
from mt5crs_shared.trading.locks import OPERATOR
from mt5crs_shared.trading.operator_requests import FromOperator, TradingReport
from mt5crs_supervisor.operator import orphans
from mt5crs_supervisor.operator.control import ControlClient
from mt5crs_supervisor.processes.instance_lock import holder

ASK_AGAIN = 0.25
"""Seconds without an answer after which the same is asked again; it does no harm."""

_decode = msgspec.msgpack.Decoder(FromGateway).decode


class GatewayDown(Mt5crsError):  # noqa: N818 - a state of affairs
    """There is no gateway until the operator restarts it. Nothing was done; the command ends."""


class TradingControl:
    """Asks the gateway; its word means that what was asked is on the disk.

    Args:
        paths: The ``var`` folder of the installation.
        within: Seconds to wait for that word, the gateway's respawns included.
    """

    def __init__(self, paths: VarPaths, within: float = 15.0) -> None:
        self._paths = paths
        self._within = within

    def ask(self, request: FromOperator) -> TradingReport:
        """Have something done, and hear how trading stands then.

        Raises:
            NotRunning: There is no gateway, and no supervisor that would bring one back.
            GatewayDown: There is none until somebody restarts it.
            ControlTimeout: There was no answer in time; it may have been done.
            InstallationError: The file that tells us apart from strangers cannot be read.
        """
        try:
            installation = load_installation(self._paths.installation)
        except FileNotFoundError:
            raise self._not_running() from None
        with zmq.Context() as context, open_socket(context, zmq.DEALER, LARGE) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            # Of this question alone: a late answer to another one must not be taken for its own.
            socket.setsockopt(zmq.IDENTITY, installation.identity(OPERATOR, time.time_ns() >> 10))
            socket.setsockopt(zmq.IMMEDIATE, 1)
            socket.setsockopt(zmq.RECONNECT_IVL, 10)
            socket.connect(self._paths.endpoint("gateway"))
            deadline = time.monotonic() + self._within
            while (answer := self._answer(socket, request)) is None:
                if holder(self._paths) is None:
                    if not self._gateway_lives():
                        raise self._not_running()
                else:
                    self._refuse_if_given_up()
                if time.monotonic() > deadline:
                    raise ControlTimeout(
                        f"the gateway has not answered within {self._within:g} s, and may have done"
                        " it all the same: `locks` and `positions` say so"
                    )
            return answer

    @staticmethod
    def _answer(socket: "zmq.Socket[bytes]", request: FromOperator) -> TradingReport | None:
        """Ask, and wait a while."""
        # It cannot leave before there is a connection, and is not kept until there is one.
        if not socket.poll(round(ASK_AGAIN * 1000), zmq.POLLOUT):
            return None
        socket.send(msgspec.msgpack.encode(request))
        if not socket.poll(round(ASK_AGAIN * 1000)):
            return None
        answer = _decode(socket.recv())
        return answer if isinstance(answer, TradingReport) else None

    def _refuse_if_given_up(self) -> None:
        """See that there is, or will be, a gateway.

        Raises:
            GatewayDown: There is none until somebody restarts it.
        """
        try:
            gateway = ControlClient(self._paths.var, timeout=1.0).status().child("gateway")
        except (NotRunning, ControlTimeout):
            return
        if gateway is not None and gateway.state in (State.QUARANTINED, State.STOPPED):
            raise GatewayDown(
                f"nothing was done: the gateway is {gateway.state} ({gateway.last_error}), and no"
                " order leaves; `restart gateway` brings it back, and all orders with it"
            )

    def _gateway_lives(self) -> bool:
        return "gateway" in orphans.living_orphans(self._paths)

    def _not_running(self) -> NotRunning:
        return NotRunning(
            f"no system is running on {self._paths.var}: no order leaves; `locks` shows what is"
            " held back, `positions` what is open"
        )

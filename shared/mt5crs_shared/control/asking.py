"""Asking the supervisor: one JSON question, one JSON answer, on its control socket."""

import time
from collections.abc import Callable

import msgspec
import zmq

from mt5crs_shared.control.status_report import StatusReport
from mt5crs_shared.errors import Mt5crsError
from mt5crs_shared.process.paths import VarPaths
from mt5crs_shared.sockets.opening import LARGE, open_socket

PATIENCE = 0.25
"""Seconds without an answer after which a client looks whether there still is a supervisor."""


class StatusRequest(msgspec.Struct, frozen=True, tag="status"):
    """How is everybody? Answered with a `StatusReport`."""


class NotRunning(Mt5crsError):  # noqa: N818 - a state of affairs, and the name of an exit code
    """There is no supervisor on this ``var`` folder. The command says so and ends with code 3."""


class ControlTimeout(Mt5crsError):  # noqa: N818 - as above
    """The supervisor lives but did not answer in time. The command ends with code 5."""


def ask_control(
    paths: VarPaths,
    question: bytes,
    timeout: float,
    while_waiting: Callable[[], None] = lambda: None,
) -> bytes:
    """Put a question and wait for its answer; both are JSON.

    Args:
        paths: The ``var`` folder of the installation.
        question: A request of the control API.
        timeout: Seconds to wait.
        while_waiting: Called now and then without an answer; it may raise, and ends the waiting.

    Raises:
        ControlTimeout: There was no answer in time.
    """
    with zmq.Context() as context, open_socket(context, zmq.REQ, LARGE) as client:
        client.setsockopt(zmq.LINGER, 0)
        client.setsockopt(zmq.SNDTIMEO, round(timeout * 1000))
        client.connect(paths.endpoint("control"))
        try:
            client.send(question)
        except zmq.Again as error:
            # Somebody else listens there, who has refused the handshake.
            raise ControlTimeout("what answers on its socket is no supervisor") from error
        deadline = time.monotonic() + timeout
        while not client.poll(round(PATIENCE * 1000)):
            while_waiting()
            if time.monotonic() > deadline:
                raise ControlTimeout(f"the supervisor did not answer within {timeout:g} s")
        return client.recv()


def ask_status(paths: VarPaths, timeout: float) -> StatusReport:
    """How everybody is, asked by who only looks on.

    Raises:
        ControlTimeout: There was no answer in time, or none that can be read.
    """
    answer = ask_control(paths, msgspec.json.encode(StatusRequest()), timeout)
    try:
        return msgspec.json.decode(answer, type=StatusReport)
    except msgspec.MsgspecError as error:
        raise ControlTimeout(f"the supervisor's answer cannot be read: {error}") from error

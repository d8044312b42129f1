"""What is told of a socket's connection, and made anew by us where libzmq does not."""

import socket
import struct
import threading
import time

import zmq

from mt5crs_shared.sockets import connection
from mt5crs_shared.sockets.connection import Connection
from mt5crs_shared.sockets.opening import SMALL, open_socket
from tests.system import free_port, wait_for


def test_an_oversized_message_ends_a_connection_that_is_made_again() -> None:
    with zmq.Context() as context, context.socket(zmq.ROUTER) as peer:
        peer.setsockopt(zmq.LINGER, 0)
        port = peer.bind_to_random_port("tcp://127.0.0.1")
        dealer = open_socket(context, zmq.DEALER, SMALL)
        line = Connection(dealer, f"tcp://127.0.0.1:{port}")
        dealer.send(b"one")
        sender, _ = peer.recv_multipart()
        peer.send_multipart([sender, bytes(SMALL + 1)])
        changes: list[bool] = []

        def look() -> list[bool]:
            changes.extend(line.changes())
            line.mend()
            time.sleep(0.02)  # between two looks
            return changes

        wait_for(lambda: look() == [True, False, True], "a new connection")
        dealer.send(b"two")
        sender, said = peer.recv_multipart()
        assert said == b"two"
        peer.send_multipart([sender, bytes(SMALL)])
        assert len(dealer.recv()) == SMALL
        line.close()


def test_one_that_ends_every_connection_is_told_of() -> None:
    """A busy reader loses what a peer with CURVE has said before its end: it only sees the end."""
    reset = struct.pack("ii", 1, 0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def end_each() -> None:
            while True:
                peer, _ = server.accept()
                with peer:
                    if over.is_set():
                        return
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)

        ending = threading.Thread(target=end_each)
        ending.start()
        port = server.getsockname()[1]
        with zmq.Context() as context:
            line = Connection(open_socket(context, zmq.DEALER, SMALL), f"tcp://127.0.0.1:{port}")

            def told() -> bool:
                list(line.changes())
                line.mend()
                return line.refusal == connection.ENDS_EARLY

            try:
                wait_for(told, "a word of it")
            finally:
                line.close()
                over.set()
                with socket.create_connection(("127.0.0.1", port)):
                    ending.join()


def test_a_connection_that_nobody_looks_at_holds_up_nothing() -> None:
    """A few thousand events wait, and the socket ends at once all the same."""
    with zmq.Context() as context:
        socket_ = open_socket(context, zmq.DEALER, SMALL)
        socket_.setsockopt(zmq.RECONNECT_IVL, 1)
        line = Connection(socket_, f"tcp://127.0.0.1:{free_port()}")
        begun = time.monotonic()
        while time.monotonic() - begun < 3.0:
            time.sleep(0.1)  # while libzmq tries again, a thousand times a second
        ended = threading.Thread(target=line.close, daemon=True)
        ended.start()
        ended.join(10.0)
        assert not ended.is_alive()

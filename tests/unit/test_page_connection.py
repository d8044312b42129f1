"""Connections that ask nothing, or read nothing, against a real server: they keep nobody out."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import uvicorn

from mt5crs_services.page.access import connection
from mt5crs_services.page.access.connection import AskingConnection

GET = b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: desk\r\nContent-Length: 9\r\n\r\n"


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answers a GET at once, a POST when it is there in full; /flood without an end."""
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            continue
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while scope["path"] == "/flood":
        await send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
        await asyncio.sleep(0)  # to whoever has gone, uvicorn sends without waiting
    await send({"type": "http.response.body", "body": b"well"})


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            application, http=AskingConnection, ws="none", lifespan="off", log_config=None
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve([listener]))
        yield listener.getsockname()[1]
        server.should_exit = server.force_exit = True
        await task


async def answer(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(GET)
    said = await asyncio.wait_for(reader.readuntil(b"well"), 10.0)
    writer.close()
    return said


def run(scene: Callable[[int], Awaitable[None]]) -> None:
    async def served() -> None:
        async with serving() as port:
            await asyncio.wait_for(scene(port), 60.0)

    asyncio.run(served())


@pytest.mark.parametrize("said", [b"", GET[:20], POST])
def test_however_many_ask_nothing_one_that_asks_is_answered(
    monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connection, "MOST", 10)

    async def scene(port: int) -> None:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        for _, writer in idle:
            writer.write(said)
        assert (await answer(port)).startswith(b"HTTP/1.1 200")
        for _, writer in idle:
            writer.close()

    run(scene)


@pytest.mark.parametrize("said", [b"", GET[:20], POST, GET + GET[:20]])
def test_one_that_asks_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.2)

    async def scene(port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(reader.readexactly(10_000), 20.0)

    run(scene)


def test_one_that_does_not_read_is_cut_off_and_one_that_reads_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    asked = GET.replace(b"/ ", b"/flood ")

    async def scene(port: int) -> None:
        loop = asyncio.get_running_loop()
        deaf = socket.create_connection(("127.0.0.1", port))
        deaf.setblocking(False)
        await loop.sock_sendall(deaf, asked)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(asked)
        until, read = loop.time() + 2.0, 0
        # As much as would fill all that the system keeps for the deaf one, however slow it is.
        while loop.time() < until or read < 64 << 20:
            some = await asyncio.wait_for(reader.read(65_536), 10.0)
            assert some, "it reads"
            read += len(some)
        # What was under way still comes, and then the end.
        with contextlib.suppress(ConnectionResetError):
            while await loop.sock_recv(deaf, 65_536):
                continue
        writer.close()
        deaf.close()

    run(scene)

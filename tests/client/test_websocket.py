"""The client's side of a WebSocket, byte by byte."""

import asyncio
import base64
import hashlib
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatctl.websocket import NotWebSocket, WebSocket, connect
from tests.client.fakechatd import DEADLINE_S, FakeChatd, fake_chatd

MAX_BYTES = 1000
Serve = Callable[[Reader, Writer], Awaitable[None]]

TEXT, MORE, BINARY, CLOSE, PING, PONG = 0x81, 0x80, 0x82, 0x88, 0x89, 0x8A
FIRST, MIDDLE = 0x01, 0x00


def accepted(request: bytes) -> bytes:
    """RFC 6455, section 4.2.2."""
    (key,) = [
        line.split(b": ")[1] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key")
    ]
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest()
    lines = (
        b"HTTP/1.1 101 Switching Protocols",
        b"upgrade: websocket",
        b"SEC-WEBSOCKET-ACCEPT:  " + base64.b64encode(digest),
    )
    return b"\r\n".join(lines) + b"\r\n\r\n"


@asynccontextmanager
async def served(folder: Path, serve: Serve) -> AsyncIterator[str]:
    path = str(folder / "s")

    async def on_connection(reader: Reader, writer: Writer) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_unix_server(on_connection, path):
        async with asyncio.timeout(DEADLINE_S):
            yield path


@asynccontextmanager
async def talking(folder: Path, *answers: bytes) -> AsyncIterator[WebSocket]:
    """Connected to a server that sends these bytes and hangs up."""

    async def serve(reader: Reader, writer: Writer) -> None:
        writer.write(accepted(await reader.readuntil(b"\r\n\r\n")))
        for answer in answers:
            writer.write(answer)
            await writer.drain()

    async with served(folder, serve) as path:
        socket = await connect(path, "/ws", MAX_BYTES)
        yield socket
        await socket.close()


def frame(head: int, payload: bytes = b"") -> bytes:
    return bytes([head, len(payload)]) + payload


async def test_texts_whole_and_in_pieces_come_in_order(tmp_path: Path) -> None:
    long = b"x" * 700
    async with talking(
        tmp_path,
        frame(TEXT, b"one") + frame(PONG) + frame(FIRST, b"t"),
        frame(MIDDLE, b"w") + frame(PONG, b"meanwhile") + frame(MORE, b"o"),
        bytes([TEXT, 126, 700 >> 8, 700 & 255]) + long,
        bytes([TEXT, 127]) + (5).to_bytes(8, "big") + b"three" + frame(TEXT),
        frame(CLOSE),
    ) as socket:
        assert [await socket.receive() for _ in range(6)] == [b"one", b"two", long, b"three", b"", None]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (frame(BINARY, b"x"), "out of order"),
        (frame(MORE, b"x"), "out of order"),
        (frame(FIRST, b"a") + frame(TEXT, b"b"), "out of order"),
        (bytes([TEXT, 0x81]) + b"maskx", "none of a server"),
        (bytes([0xC1, 1]) + b"x", "none of a server"),
        (bytes([PING, 126, 0, 200]), "too long"),
        (bytes([0x09, 1]) + b"x", "too long"),
        (bytes([TEXT, 127]) + (1 << 62).to_bytes(8, "big"), "over 1000 bytes"),
        (bytes([FIRST, 126, 3, 0xE0]) + b"x" * 992 + frame(MORE, b"123456789"), "over 1000 bytes"),
    ],
)
async def test_what_no_server_sends_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    async with talking(tmp_path, data) as socket:
        with pytest.raises(NotWebSocket, match=why):
            await socket.receive()


@pytest.mark.parametrize("data", [b"", b"\x81", b"\x81\x05abc", bytes([TEXT, 126, 0])])
async def test_connection_cut_anywhere_is_over(tmp_path: Path, data: bytes) -> None:
    async with talking(tmp_path, data) as socket:
        assert await socket.receive() is None


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "HTTP status 404"),
        (b"HTTP/1.1 101 Yes\r\nSec-WebSocket-Accept: abc\r\n\r\n", "another connection"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "does not speak HTTP"),
        (b"x" * 100_000, "does not speak HTTP"),
    ],
)
async def test_handshake_of_anything_else_is_refused(tmp_path: Path, answer: bytes, why: str) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        await reader.read()

    async with served(tmp_path, serve) as path:
        with pytest.raises(NotWebSocket, match=why):
            await connect(path, "/ws", MAX_BYTES)


async def test_server_that_hangs_up_at_once_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with served(tmp_path, serve) as path:
        with pytest.raises(EOFError):
            await connect(path, "/ws", MAX_BYTES)
    with pytest.raises(OSError, match="No such file"):
        await connect(str(tmp_path / "none"), "/ws", MAX_BYTES)


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeChatd]:
    async with fake_chatd(tmp_path / "fake") as running:
        yield running


@pytest.mark.parametrize("size", [0, 1, 80, 125, 126, 65_000, 70_000])
async def test_texts_of_every_length_reach_a_server_of_another_make(fake: FakeChatd, size: int) -> None:
    fake.answer = lambda _method, params: params
    socket = await connect(str(fake.path), "/ws", 1_000_000)
    text = "ä" * (size // 2)
    await socket.send(f'{{"jsonrpc": "2.0", "id": 1, "method": "echo", "params": {{"text": "{text}"}}}}')
    await socket.receive()
    assert fake.calls == [("echo", {"text": text})]
    await fake.sockets[0].ping(b"are you there")
    await fake.push()
    assert await socket.receive() == b'{"jsonrpc": "2.0", "method": "events", "params": {"events": []}}'
    await socket.close()
    assert await socket.receive() is None

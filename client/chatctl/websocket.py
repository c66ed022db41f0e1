"""The client's side of a WebSocket (RFC 6455) over a Unix socket: text messages and nothing more.

A library for it takes longer to import than all the rest of `chat` takes to start.
"""

import asyncio
import base64
import contextlib
import hashlib
import os

MAX_HEAD_BYTES = 16 * 1024
CLOSE_S = 0.5

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # section 1.3
_SWITCHING_PROTOCOLS = 101

_FIN, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F  # section 5.2
_CONTINUATION, _TEXT, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x8, 0x9, 0xA
_LENGTH_16, _LENGTH_64 = 126, 127
_MAX_CONTROL_BYTES = 125  # section 5.5


class NotWebSocket(Exception):
    """What answers does not speak it, or not to us; `str()` says how so."""


class WebSocket:
    """`max_bytes` of one message."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_bytes: int) -> None:
        self._reader = reader
        self._writer = writer
        self._max_bytes = max_bytes
        self._sending = asyncio.Lock()

    async def send(self, text: str) -> None:
        """Raises ConnectionError."""
        await self._send(_TEXT, text.encode())

    async def receive(self) -> bytes | None:
        """A text message; None once the connection is over. Raises NotWebSocket; then only close() helps."""
        message, expected = b"", _TEXT
        try:
            while True:
                final, opcode, payload = await self._read_frame(self._max_bytes - len(message))
                if opcode == _PING:
                    await self._send(_PONG, payload)
                elif opcode == _CLOSE:
                    return None
                elif opcode != _PONG:
                    if opcode != expected:
                        raise NotWebSocket("its frames are out of order")
                    message, expected = message + payload, _CONTINUATION
                    if final:
                        return message
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def _read_frame(self, most: int) -> tuple[bool, int, bytes]:
        head, size = await self._reader.readexactly(2)
        if head & _RESERVED or size & _MASKED:
            raise NotWebSocket("its frames are none of a server")
        if size >= _LENGTH_16:
            size = int.from_bytes(await self._reader.readexactly(2 if size == _LENGTH_16 else 8), "big")
        opcode = head & _OPCODE
        if opcode & _CLOSE and (size > _MAX_CONTROL_BYTES or not head & _FIN):
            raise NotWebSocket("its control frames are too long")
        if size > most and not opcode & _CLOSE:
            raise NotWebSocket(f"a message is over {self._max_bytes} bytes")
        return bool(head & _FIN), opcode, await self._reader.readexactly(size)

    async def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size < _LENGTH_16:
            length = bytes([_MASKED | size])
        elif size < 1 << 16:
            length = bytes([_MASKED | _LENGTH_16]) + size.to_bytes(2, "big")
        else:
            length = bytes([_MASKED | _LENGTH_64]) + size.to_bytes(8, "big")
        mask = os.urandom(4)
        async with self._sending:
            self._writer.write(bytes([_FIN | opcode]) + length + mask + _masked(payload, mask))
            await self._writer.drain()

    async def close(self) -> None:
        """Without waiting long for the other side to take it."""
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._send(_CLOSE, b"")
        self._writer.close()
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._writer.wait_closed()


def _masked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    stream = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


async def connect(path: str, target: str, max_bytes: int) -> WebSocket:
    """Raises OSError, EOFError when the other side hangs up, or NotWebSocket."""
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_HEAD_BYTES)
    try:
        await _shake_hands(reader, writer, target)
    except BaseException:
        writer.close()
        raise
    return WebSocket(reader, writer, max_bytes)


async def _shake_hands(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> None:
    key = base64.b64encode(os.urandom(16))
    request = (
        f"GET {target} HTTP/1.1\r\nHost: chatd\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key.decode()}\r\n\r\n"
    )
    writer.write(request.encode())
    await writer.drain()
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise NotWebSocket("it does not speak HTTP") from error
    status, *lines = head.split(b"\r\n")
    version, _, rest = status.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest[:3].isdigit():
        raise NotWebSocket("it does not speak HTTP")
    if int(rest[:3]) != _SWITCHING_PROTOCOLS:
        raise NotWebSocket(f"HTTP status {int(rest[:3])}")
    parts = (line.partition(b":") for line in lines)
    fields = {name.strip().lower(): value.strip() for name, _, value in parts}
    expected = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    if fields.get(b"sec-websocket-accept") != expected:
        raise NotWebSocket("its handshake is of another connection")

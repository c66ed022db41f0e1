"""A daemon's local API from the outside: raw HTTP, and one WebSocket with its answers and events apart."""

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, UnixConnector, WSMsgType

DEADLINE_S = 15.0

Json = dict[str, Any]


class Closed(Exception):
    """The daemon closed the WebSocket; `code` is the close frame's, None without one."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Local:
    """One WebSocket. `answers` and `events` hold what came and was not asked for yet."""

    def __init__(self, websocket: ClientWebSocketResponse, hello: Json) -> None:
        self.websocket = websocket
        self.hello = hello
        self.answers: dict[Any, Json] = {}
        self.events: list[Json] = []
        self.heard: list[Json] = []
        """Every event that ever came, asked for or not."""

        self.order: list[str] = []
        """What came, in order: `answer` or `events`."""

        self._numbers = itertools.count(1)

    async def post(self, method: str, **params: Any) -> int:
        """Ask without waiting; the number under which the answer will stand."""
        number = next(self._numbers)
        await self.websocket.send_str(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        )
        return number

    async def receive(self) -> None:
        """Take one thing that came. Raises Closed."""
        message = await self.websocket.receive(DEADLINE_S)
        if message.type is not WSMsgType.TEXT:
            raise Closed(self.websocket.close_code)
        document = json.loads(message.data)
        if "method" in document:
            assert document["method"] == "events"
            self.events += document["params"]["events"]
            self.heard += document["params"]["events"]
            self.order.append("events")
        else:
            self.answers[document["id"]] = document
            self.order.append("answer")

    async def answer(self, number: int) -> Json:
        while number not in self.answers:
            await self.receive()
        return self.answers.pop(number)

    async def call(self, method: str, **params: Any) -> Any:
        answer = await self.answer(await self.post(method, **params))
        assert "result" in answer, answer
        return answer["result"]

    async def messages(self, count: int) -> list[Json]:
        """The next `count` messages told by events, in order; other events are left out."""
        found: list[Json] = []
        while len(found) < count:
            while self.events and len(found) < count:
                event = self.events.pop(0)
                if event["topic"] == "message":
                    found.append(event)
            if len(found) < count:
                await self.receive()
        return found

    async def event(self, topic: str, **data: Any) -> Json:
        """The next event of a topic with these values; what came before it is left out."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if event["topic"] == topic and data.items() <= event["data"].items():
                    return event
            await self.receive()


@asynccontextmanager
async def websocket(path: Path) -> AsyncIterator[Local]:
    async with (
        ClientSession(connector=UnixConnector(str(path))) as session,
        session.ws_connect("http://chatd/ws", max_msg_size=0) as link,
    ):
        hello = json.loads((await link.receive(DEADLINE_S)).data)
        assert hello["method"] == "hello"
        yield Local(link, hello["params"])


def exchange(path: Path, data: bytes) -> bytes:
    """Send bytes, hang up our side, read until the daemon hangs up its own."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(DEADLINE_S)
        link.connect(str(path))
        link.sendall(data)
        return _read_all(link)


def send_and_leave(path: Path, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.connect(str(path))
        link.sendall(data)


def http(path: Path, line: str, body: bytes = b"", *headers: str) -> tuple[int, dict[str, str], bytes]:
    """One raw HTTP request: status, headers in lower case, body."""
    head = [line, "Host: chatd", "Connection: close", f"Content-Length: {len(body)}", *headers, "", ""]
    answer = exchange(path, "\r\n".join(head).encode() + body)
    top, _, rest = answer.partition(b"\r\n\r\n")
    status, *fields = top.decode("latin-1").split("\r\n")
    named = (field.partition(":") for field in fields)
    return int(status.split()[1]), {name.lower(): value.strip() for name, _, value in named}, rest


def _read_all(link: socket.socket) -> bytes:
    received = b""
    while True:
        try:
            data = link.recv(65536)
        except ConnectionResetError:
            return received
        if not data:
            return received
        received += data


def websocket_frame(text: str) -> bytes:
    """A client's text frame (RFC 6455, section 5.2), masked with zeros."""
    payload = text.encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0x80 | 126]) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


WEBSOCKET_UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: chatd\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


def deaf_subscriber(path: Path, since: int | None = None) -> socket.socket:
    """Subscribes and never reads what comes. The caller closes it."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(DEADLINE_S)
    link.connect(str(path))
    link.sendall(WEBSOCKET_UPGRADE)
    link.recv(4096)
    request = {"jsonrpc": "2.0", "id": 1, "method": "events.subscribe", "params": [since]}
    link.sendall(websocket_frame(json.dumps(request)))
    return link


async def gather_calls(local: Local, calls: list[tuple[str, Json]]) -> list[Json]:
    """All at once over one WebSocket; the answers in the order of the calls."""
    numbers: list[int] = []

    async def ask() -> None:
        for method, params in calls:
            numbers.append(await local.post(method, **params))

    asking = asyncio.create_task(ask())
    answers = []
    for place in range(len(calls)):
        while len(numbers) <= place:
            await local.receive()
        answers.append(await local.answer(numbers[place]))
    await asking
    return answers

"""A chatd that does as it is told: a WebSocket whose answers and events a test writes out."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

PEER_ID = "k3f9" + "a" * 48
OTHER_ID = "zz27" + "b" * 48

DEADLINE_S = 15


@dataclass(frozen=True)
class HangUp:
    code: int = 1000


HANG_UP = HangUp()


@dataclass(frozen=True)
class Refusal:
    error: "Json"


Json = dict[str, Any]
Answer = Callable[[str, Json], Any]


def snapshot(seq: int = 0, peer_id: str = PEER_ID, rooms: tuple[str, ...] = ("lobby",)) -> Json:
    return {
        "seq": seq,
        "identity": {"peer_id": peer_id, "public_key": "00", "username": "ann"},
        "rooms": [{"room": room, "room_id": "", "peers": 0, "members": []} for room in rooms],
        "peers": [],
    }


def message(seq: int, text: str = "hello", **fields: Any) -> Json:
    data = {
        "seq": seq,
        "id": f"id{seq}",
        "room": "lobby",
        "author": OTHER_ID,
        "username": "bob",
        "text": text,
        "time_ms": 1_772_535_600_000,
        "time": "2026-03-03T11:00:00.000Z",
    }
    return {"seq": seq, "topic": "message", "data": {**data, **fields}}


class FakeChatd:
    """`answer` gives the result for a method and its parameters; a str is sent as it is, None not at all,
    a Refusal as an error, and at a HangUp the connection is closed with its code."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.snapshot: Any = snapshot()
        self.answer: Answer = lambda _method, _params: {}
        self.after_subscribe: list[Json] = []
        self.calls: list[tuple[str, Json]] = []
        self.last_id: Any = None
        """Of the last request, for who answers it later."""

        self.sockets: list[web.WebSocketResponse] = []
        self.hello: Any = {"api_version": "1.0.0"}
        self.status = 101
        self.lingers = False
        """Whether it reads nothing more once it has answered, not even that the client closes."""

        self._called = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()

    async def stop(self) -> None:
        for socket in list(self.sockets):
            await socket.close()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = None

    async def called(self, method: str) -> None:
        """Once a client has asked for it."""
        while method not in [name for name, _ in self.calls]:
            self._called.clear()
            await asyncio.wait_for(self._called.wait(), DEADLINE_S)

    async def push(self, *events: Json) -> None:
        """Events, to whoever is connected."""
        for socket in self.sockets:
            await self._notify(socket, list(events))

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self.status != 101:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if self.hello is not None:
            await socket.send_json({"jsonrpc": "2.0", "method": "hello", "params": self.hello})
        self.sockets.append(socket)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    await self._on_request(socket, json.loads(frame.data))
                if self.lingers:
                    await asyncio.Event().wait()  # until the server is stopped
        finally:
            self.sockets.remove(socket)
        return socket

    async def _on_request(self, socket: web.WebSocketResponse, request: Json) -> None:
        method, params = request["method"], request.get("params", {})
        self.calls.append((method, params))
        self.last_id = request["id"]
        self._called.set()
        subscribing = method == "events.subscribe"
        result = self.snapshot if subscribing else self.answer(method, params)
        if isinstance(result, HangUp):
            await socket.close(code=result.code)
        elif isinstance(result, str):
            await socket.send_str(result)
        elif isinstance(result, Refusal):
            await socket.send_json({"jsonrpc": "2.0", "id": request["id"], "error": result.error})
        elif result is not None:
            await socket.send_json({"jsonrpc": "2.0", "id": request["id"], "result": result})
        if subscribing and self.after_subscribe:
            await self._notify(socket, self.after_subscribe)

    @staticmethod
    async def _notify(socket: web.WebSocketResponse, events: list[Json]) -> None:
        await socket.send_json({"jsonrpc": "2.0", "method": "events", "params": {"events": events}})


@asynccontextmanager
async def fake_chatd(path: Path) -> AsyncIterator[FakeChatd]:
    fake = FakeChatd(path)
    await fake.start()
    try:
        yield fake
    finally:
        await fake.stop()

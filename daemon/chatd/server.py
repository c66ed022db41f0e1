"""The local API's door: aiohttp on a Unix socket, POST /rpc and the WebSocket /ws, for the owner only."""

import asyncio
import json
import logging
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from contextvars import ContextVar
from pathlib import Path

import structlog
from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_exceptions import HttpProcessingError

from chatcore import api
from chatd.feed import Feed
from chatd.jsonrpc import Dispatcher, Handler
from chatd.methods import Methods
from chatd.taken import refuse_socket

MAX_REQUESTS_PER_SOCKET = 64
"""Calls one WebSocket may have under way; the next waits."""

MAX_WEBSOCKETS = 256
MAX_PAGES_OVER_HTTP = 4
"""Long answers to POST /rpc that are made or not read yet; a batch's may have 94 MB. A WebSocket has one."""

SEND_TIMEOUT_S = 30.0
"""Who does not take what it is sent within it is cut off; a subscriber may come back from its last `seq`."""

STALL_S = 3.0
"""Who takes no further piece of an answer to POST /rpc within it is cut off: others may wait for a page, and
clients give up after 10 s."""

PIECE_BYTES = 256 * 1024

SHUTDOWN_S = 1.0
"""What clients get to take our goodbye when the daemon stops."""

_UCRED = struct.Struct("3i")  # pid, uid, gid: unix(7), SO_PEERCRED

log = structlog.get_logger()

_SILENT = logging.Logger("aiohttp.server", level=logging.CRITICAL + 1)
"""aiohttp writes a traceback for each malformed request; our own failures are logged by `_plain_errors`."""

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    def __init__(self, methods: Methods, feed: Feed) -> None:
        self.methods = methods
        self.feed = feed
        self.handlers: dict[str, Handler] = {name: methods.handler(name) for name in api.METHODS}
        self._dispatcher = Dispatcher(self.handlers)
        self._conversations: set[_Conversation] = set()
        self._pages = asyncio.Semaphore(MAX_PAGES_OVER_HTTP)
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._path = Path()

    async def start(self, path: Path) -> None:
        """Raises SocketTaken or OSError."""
        _clear(path)
        app = web.Application(middlewares=[_owner_only, _plain_errors], client_max_size=api.MAX_REQUEST_BYTES)
        app.router.add_post("/rpc", self._handle_rpc)
        app.router.add_get("/ws", self._handle_websocket)
        self._runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_S, logger=_SILENT
        )
        await self._runner.setup()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old_mask = os.umask(0o177)  # born 0600: no moment in which others could connect
        try:
            listener.bind(str(path))
        finally:
            os.umask(old_mask)
        self._path = path
        self._site = web.SockSite(self._runner, listener, backlog=128)
        await self._site.start()

    async def stop(self) -> None:
        """Nobody new first, or clients that we hang up on would be back before we are gone."""
        if self._site is not None:
            await self._site.stop()
            self._path.unlink(missing_ok=True)
        async with asyncio.TaskGroup() as tasks:
            for conversation in self._conversations:
                tasks.create_task(conversation.end())
        if self._runner is not None:
            await self._runner.cleanup()

    async def _handle_rpc(self, request: web.Request) -> web.StreamResponse:
        try:
            text = (await request.read()).decode()
        except UnicodeDecodeError:
            text = ""  # not JSON either way
        async with AsyncExitStack() as held:
            answer = await self._dispatcher.answer(text, lambda: held.enter_async_context(self._pages))
            if answer is None:
                return web.Response(status=204)
            return await _deliver(request, answer)

    async def _handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        if len(self._conversations) >= MAX_WEBSOCKETS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_WEBSOCKETS} WebSockets are open; close one\n")
        # The first size that aiohttp refuses.
        websocket = web.WebSocketResponse(max_msg_size=api.MAX_REQUEST_BYTES + 1, compress=False)
        await websocket.prepare(request)
        async with asyncio.TaskGroup() as tasks:
            conversation = _Conversation(self, websocket, request.transport, tasks)
            self._conversations.add(conversation)
            try:
                await conversation.run()
            finally:
                self._conversations.discard(conversation)
        return websocket


_asked: ContextVar[list[AsyncIterator[list[bytes]]]] = ContextVar("asked")
"""Subscriptions made by the requests of one text; a batch's run in tasks of their own."""


class _Conversation:
    """One WebSocket: a greeting, then requests in, responses out, and after `events.subscribe` its events."""

    def __init__(
        self,
        server: Server,
        websocket: web.WebSocketResponse,
        transport: asyncio.Transport | None,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._websocket = websocket
        self._transport = transport
        self._feed = server.feed
        self._methods = server.methods
        self._tasks = tasks
        self._slots = asyncio.Semaphore(MAX_REQUESTS_PER_SOCKET)
        self._pages = asyncio.Lock()
        """Until one long answer is read, the next is not made."""

        self._dispatcher = Dispatcher({**server.handlers, "events.subscribe": self._subscribe})
        self._events: asyncio.Task[None] | None = None
        self._ended = False

    async def run(self) -> None:
        await self._send(_notification(api.HELLO_NOTIFICATION, json.dumps(self._methods.hello()).encode()))
        async for message in self._websocket:
            if message.type is not WSMsgType.TEXT:
                await self._websocket.close(code=WSCloseCode.UNSUPPORTED_DATA, message=b"send text")
                break
            await self._slots.acquire()
            self._tasks.create_task(self._answer(message.data))
        self._ended = True
        self._end_events()

    async def end(self) -> None:
        """Say goodbye; whoever does not take it in time is cut off."""
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                await self._websocket.close(code=WSCloseCode.GOING_AWAY, message=b"the daemon is stopping")
        except TimeoutError:
            self._drop()

    async def _answer(self, text: str) -> None:
        asked: list[AsyncIterator[list[bytes]]] = []
        _asked.set(asked)
        try:
            async with AsyncExitStack() as held:
                answer = await self._dispatcher.answer(text, lambda: held.enter_async_context(self._pages))
                if answer is not None:
                    await self._send(answer)
        finally:
            self._slots.release()
        if asked and not self._ended:  # only now: events follow the answer that announces them
            self._end_events()  # of another request to subscribe that was answered meanwhile
            self._events = self._tasks.create_task(self._follow(asked[-1]))

    async def _subscribe(self, params: api.SubscribeParams) -> api.Subscribed:
        self._end_events()  # before the new ones begin, or what happens in between is told twice
        _asked.get().append(self._feed.subscribe(params.since, params.topics))
        return self._methods.snapshot(self._feed.seq)

    def _end_events(self) -> None:
        if self._events is not None:
            self._events.cancel()

    async def _follow(self, subscription: AsyncIterator[list[bytes]]) -> None:
        async for events in subscription:
            text = _notification(api.EVENTS_NOTIFICATION, b'{"events":[%b]}' % b",".join(events))
            events.clear()  # what a client does not read is held once, as it goes out
            await self._send(text)

    async def _send(self, text: bytes | bytearray) -> None:
        """Whoever is gone, or reads nothing for too long, is not worth an error."""
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._websocket.send_frame(text, WSMsgType.TEXT)  # type: ignore[arg-type]  # takes all bytes
        except (ConnectionError, TimeoutError):
            self._drop()

    def _drop(self) -> None:
        self._end_events()
        transport = self._transport
        if transport is not None:
            transport.abort()


async def _deliver(request: web.Request, answer: bytearray) -> web.StreamResponse:
    """Until it is read, but for what the socket holds. Raises ConnectionError."""
    response = web.StreamResponse()
    response.content_type, response.charset = "application/json", "utf-8"
    response.content_length = len(answer)
    rest = memoryview(answer)
    try:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await response.prepare(request)
            while rest:
                async with asyncio.timeout(STALL_S):
                    await response.write(rest[:PIECE_BYTES])
                rest = rest[PIECE_BYTES:]
            async with asyncio.timeout(STALL_S):
                await response.write_eof()
    except TimeoutError as error:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("it does not read its answer") from error
    return response


def _notification(method: str, params: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","method":"%b","params":%b}' % (method.encode(), params)


@web.middleware
async def _owner_only(request: web.Request, handler: Next) -> web.StreamResponse:
    """The folder's mode keeps others out already; a descriptor passed along would not."""
    link = None if request.transport is None else request.transport.get_extra_info("socket")
    if link is None:
        raise web.HTTPForbidden(text="no socket to check")
    _, uid, _ = _UCRED.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    if uid not in (0, os.geteuid()):
        raise web.HTTPForbidden(text="this socket serves its owner only; start a daemon of your own: chatd\n")
    return await handler(request)


_HTTP_HINTS = {
    400: "this is no opening of a WebSocket; use a WebSocket client for /ws, or POST /rpc",
    404: "no such path; use POST /rpc or the WebSocket /ws",
    405: "wrong HTTP method; use POST /rpc or the WebSocket /ws",
    413: f"a request may have {api.MAX_REQUEST_BYTES} bytes; split it",
}


@web.middleware
async def _plain_errors(request: web.Request, handler: Next) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        hint = _HTTP_HINTS.get(error.status)
        if hint is None:
            raise
        return web.Response(status=error.status, text=f"{hint}\n")
    except ConnectionError:
        raise  # the client went away; there is nobody to tell
    except (web.RequestPayloadError, HttpProcessingError):
        return web.Response(status=400, text="the request's body is not what its headers say\n")
    except Exception:
        log.exception("request_failed", path=request.path)
        return web.Response(status=500, text="this is a bug; see the daemon's log\n")


def _clear(path: Path) -> None:
    """Make way for our socket. Raises SocketTaken or OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if refuse_socket(path):
        path.unlink()

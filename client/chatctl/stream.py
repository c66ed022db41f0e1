"""A WebSocket to the daemon that outlives the daemon's restarts: calls and events over one connection.

It comes back by itself and subscribes from the last message it saw, so that none is missed and none comes
twice. Whoever iterates over the updates must not call in between: unread updates hold back answers.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chatctl import jsonrpc, reach, websocket
from chatctl.env import Place
from chatctl.failures import DaemonUnreachable, TimedOut
from chatctl.jsonrpc import NotJsonRpc, Params
from chatctl.rpc import DEFAULT_TIMEOUT_S, MAX_ANSWER_BYTES
from chatctl.websocket import NotWebSocket, WebSocket

if TYPE_CHECKING:
    from chatcore.api import Subscribed

MAX_UNREAD_UPDATES = 1024
"""Beyond it we stop reading, and the daemon keeps our place or sends us back to it."""

BACKOFF_FIRST_S = 0.1
BACKOFF_MOST_S = 2.0


@dataclass(frozen=True, slots=True)
class Event:
    topic: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Away:
    """The daemon is gone; the stream tries to reach it again until closed."""

    why: DaemonUnreachable


@dataclass(frozen=True, slots=True)
class Back:
    """Connected again. Not `resumed`: another identity or another store answers now, history starts anew."""

    snapshot: "Subscribed"
    resumed: bool


Update = Event | Away | Back


class Stream:
    def __init__(self, place: Place, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        reach.check_length(place)
        self._place = place
        self._timeout_s = timeout_s
        self._socket: WebSocket | None = None
        self._runner: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._updates: asyncio.Queue[Update | Exception] = asyncio.Queue(MAX_UNREAD_UPDATES)
        self._seen: int | None = None
        self._peer_id = ""

    async def open(self) -> "Subscribed":
        """The snapshot; updates follow it without a hole. Raises DaemonUnreachable, BadAnswer or TimedOut."""
        snapshot = await self._connect()
        self._resume(snapshot)
        self._runner = asyncio.create_task(self._run())
        return snapshot

    async def close(self) -> None:
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        if self._socket is not None:
            await self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._socket is not None

    async def updates(self) -> AsyncIterator[Update]:
        while True:
            update = await self._updates.get()
            if isinstance(update, Exception):
                raise update
            yield update

    async def call(self, method: str, params: Params | None = None) -> Any:
        """Raises RpcRefused, DaemonUnreachable, BadAnswer or TimedOut."""
        socket = self._socket
        if socket is None:
            raise DaemonUnreachable(
                self._place.socket, "the daemon is away", f"start it: {self._place.start}"
            )
        number = next(self._numbers)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = answer
        try:
            async with self._deadline():
                await socket.send(jsonrpc.request(number, method, params))
                return await answer
        except ConnectionError as error:
            raise reach.went_away(self._place) from error
        finally:
            del self._pending[number]

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            where = self._place.socket
            raise TimedOut(
                f"no answer from the daemon at {where}", self._timeout_s, "it may still do it"
            ) from error

    async def _run(self) -> None:
        try:
            await self._follow()
        except Exception as error:  # noqa: BLE001 - a bug ends whoever reads the updates, not only this task
            await self._updates.put(error)

    async def _follow(self) -> None:
        while True:
            failure = await self._serve()
            self._socket = None
            for answer in self._pending.values():
                if not answer.done():
                    answer.set_exception(failure)
            await self._updates.put(Away(failure))
            snapshot = await self._reconnect()
            await self._updates.put(Back(snapshot, self._resume(snapshot)))

    def _resume(self, snapshot: "Subscribed") -> bool:
        """Whether the numbers seen so far still count here."""
        peer_id, seq = snapshot["identity"]["peer_id"], snapshot["seq"]
        resumed = self._seen is not None and self._peer_id == peer_id and seq >= self._seen
        if not resumed:
            self._peer_id, self._seen = peer_id, seq
        return resumed

    async def _serve(self) -> DaemonUnreachable:
        """Reads until the connection ends; says why it did."""
        assert self._socket is not None
        try:
            while True:
                await self._on_document(await self._receive(self._socket))
        except DaemonUnreachable as failure:
            await self._socket.close()
            return failure

    async def _reconnect(self) -> "Subscribed":
        delay = BACKOFF_FIRST_S
        while True:
            await asyncio.sleep(delay)  # at first too: a daemon that stops may accept for a moment longer
            try:
                return await self._connect()
            except (DaemonUnreachable, TimedOut):
                delay = min(delay * 2, BACKOFF_MOST_S)

    async def _connect(self) -> "Subscribed":
        async with self._deadline():
            socket = await self._open_socket()
            try:
                snapshot = await self._subscribe(socket)
            except ConnectionError as error:
                await socket.close()
                raise reach.went_away(self._place) from error
            except BaseException:
                await socket.close()
                raise
        self._socket = socket
        return snapshot

    async def _open_socket(self) -> WebSocket:
        try:
            return await websocket.connect(self._place.socket, "/ws", MAX_ANSWER_BYTES)
        except OSError as error:
            raise reach.unreachable(self._place, error) from error
        except EOFError as error:
            raise reach.went_away(self._place) from error
        except NotWebSocket as error:
            raise reach.bad_answer(self._place, str(error)) from error

    async def _subscribe(self, socket: WebSocket) -> "Subscribed":
        number = next(self._numbers)
        params = {} if self._seen is None else {"since": self._seen}
        await socket.send(jsonrpc.request(number, "events.subscribe", params))
        while (document := await self._receive(socket)).get("id") != number:
            await self._on_document(document)
        try:
            snapshot: Subscribed = jsonrpc.result_of(document)
            int(snapshot["seq"]), str(snapshot["identity"]["peer_id"]), list(snapshot["rooms"])
        except (NotJsonRpc, KeyError, TypeError, ValueError) as error:
            raise reach.bad_answer(self._place, "it does not know events.subscribe") from error
        return snapshot

    async def _receive(self, socket: WebSocket) -> dict[str, Any]:
        try:
            data = await socket.receive()
            if data is None:
                raise reach.went_away(self._place)
            return jsonrpc.parse(data)
        except (NotWebSocket, NotJsonRpc) as error:
            raise reach.bad_answer(self._place, str(error)) from error

    async def _on_document(self, document: dict[str, Any]) -> None:
        if document.get("method") == "events":
            for event in _events_of(document):
                await self._on_event(event)
            return
        number = document.get("id")
        answer = self._pending.get(number) if type(number) is int else None
        if answer is None or answer.done():
            return  # its caller has given up
        try:
            answer.set_result(jsonrpc.result_of(document))
        except Exception as error:  # noqa: BLE001 - handed on to the caller as it is
            answer.set_exception(error)

    async def _on_event(self, event: dict[str, Any]) -> None:
        topic, seq, data = event.get("topic"), event.get("seq"), event.get("data")
        if not isinstance(topic, str) or type(seq) is not int or not isinstance(data, dict):
            return  # of a newer daemon
        if topic == "message":
            if self._seen is not None and seq <= self._seen:
                return
            self._seen = seq
        await self._updates.put(Event(topic, data))


def _events_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    params = document.get("params")
    events = params.get("events") if isinstance(params, dict) else None
    return [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []

"""A WebSocket to the daemon that outlives the daemon's restarts: calls and events over one connection.

It comes back by itself and subscribes from the last message it saw, so that none is missed and none comes
twice. Whoever iterates over the updates must not call in between: unread updates hold back answers.
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chatctl import jsonrpc, reach
from chatctl.backoff import Backoff
from chatctl.failures import ApiMismatch, DaemonUnreachable, TimedOut
from chatctl.jsonrpc import Params
from chatctl.limits import DEFAULT_TIMEOUT_S
from chatctl.link import Link
from chatctl.place import Place

if TYPE_CHECKING:
    from chatcore.api import Subscribed

MAX_UNREAD_UPDATES = 1024
"""Beyond it we stop reading, and the daemon keeps our place or sends us back to it."""


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
    """`topics`: as events.subscribe takes them, all by default. `since`: the last message seen in an earlier
    life; what came after it comes first."""

    def __init__(
        self,
        place: Place,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        *,
        topics: Collection[str] | None = None,
        since: int | None = None,
    ) -> None:
        reach.check_length(place)
        self._place = place
        self._timeout_s = timeout_s
        self._link: Link | None = None
        self._linked = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._updates: asyncio.Queue[Update | Exception | None] = asyncio.Queue(MAX_UNREAD_UPDATES)
        self._topics = None if topics is None else list(topics)
        self._seen = since
        self._peer_id = ""

    async def open(self) -> "Subscribed":
        """The snapshot; updates follow it without a hole.

        Raises DaemonUnreachable, BadAnswer, ApiMismatch, TimedOut, or RpcRefused for topics it does not know.
        """
        snapshot = await self._connect()
        self._resume(snapshot)
        self._runner = asyncio.create_task(self._run())
        return snapshot

    async def close(self) -> None:
        """Updates end, and calls under way fail."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner
        while self._updates.full():
            self._updates.get_nowait()
        self._updates.put_nowait(None)  # whoever waits for an update waits no longer
        self._fail_calls(reach.closed_here(self._place))
        if self._link is not None:
            await self._link.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        return self._link is not None

    async def until_connected(self) -> None:
        """Returns at once while it is."""
        await self._linked.wait()

    async def updates(self) -> AsyncIterator[Update]:
        """Ends when the stream is closed."""
        while (update := await self._updates.get()) is not None:
            if isinstance(update, Exception):
                raise update
            yield update

    async def call(self, method: str, params: Params | None = None) -> Any:
        """Raises RpcRefused, DaemonUnreachable, BadAnswer, TimedOut, or BadUsage for what none takes."""
        if self._link is None:
            raise DaemonUnreachable(
                self._place.socket, "the daemon is away", f"start it: {self._place.start}"
            )
        link, number = self._link, next(self._numbers)
        answer = self._pending[number] = asyncio.get_running_loop().create_future()
        try:
            async with self._deadline():
                await link.send(number, method, params)
                return await answer
        finally:
            del self._pending[number]

    @contextlib.asynccontextmanager
    async def _deadline(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_s):
                yield
        except TimeoutError as error:
            raise reach.timed_out(self._place, self._timeout_s) from error

    async def _run(self) -> None:
        try:
            await self._follow()
        except Exception as error:  # noqa: BLE001 - a bug ends whoever reads the updates, not only this task
            await self._updates.put(error)

    async def _follow(self) -> None:
        while True:
            failure = await self._serve()
            self._link = None
            self._linked.clear()
            self._fail_calls(failure)
            await self._updates.put(Away(failure))
            snapshot = await self._reconnect()
            await self._updates.put(Back(snapshot, self._resume(snapshot)))

    def _fail_calls(self, failure: DaemonUnreachable) -> None:
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(failure)

    def _resume(self, snapshot: "Subscribed") -> bool:
        """Whether the numbers seen so far still count here."""
        peer_id, seq = snapshot["identity"]["peer_id"], snapshot["seq"]
        resumed = self._seen is not None and self._peer_id in ("", peer_id) and seq >= self._seen
        self._peer_id = peer_id
        if not resumed:
            self._seen = seq
        return resumed

    async def _serve(self) -> DaemonUnreachable:
        """Reads until the connection ends; says why it did."""
        assert self._link is not None
        try:
            while True:
                await self._on_document(await self._link.receive())
        except DaemonUnreachable as failure:
            await self._link.close()
            return failure

    async def _reconnect(self) -> "Subscribed":
        backoff = Backoff()
        while True:
            await backoff.pause()  # at first too: a daemon that stops may accept for a moment longer
            try:
                return await self._connect()
            except ApiMismatch:
                raise  # waiting will not mend it
            except (DaemonUnreachable, TimedOut):
                pass

    async def _connect(self) -> "Subscribed":
        link: Link | None = None
        try:
            async with self._deadline():
                link = await Link.open(self._place)
                snapshot = await self._subscribe(link)
        except BaseException:
            if link is not None:
                await link.close()
            raise
        self._link = link
        self._linked.set()
        return snapshot

    async def _subscribe(self, link: Link) -> "Subscribed":
        wanted = {"since": self._seen, "topics": self._topics}
        params = {name: value for name, value in wanted.items() if value is not None}
        snapshot: Subscribed = await link.ask("events.subscribe", params)
        try:
            int(snapshot["seq"]), str(snapshot["identity"]["peer_id"]), list(snapshot["rooms"])
        except (KeyError, TypeError, ValueError) as error:
            raise reach.bad_answer(self._place, "it does not know events.subscribe") from error
        return snapshot

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

"""`Chatd`: a daemon for Python programs, such as bots. Calls and events, across the daemon's restarts.

Not in chatctl.rpc, which each command line starts with and which must not bring asyncio along.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncGenerator, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from chatcore.names import LOBBY, room_name
from chatctl import reach
from chatctl.backoff import Backoff
from chatctl.failures import DaemonUnreachable, MaybeDone, RpcRefused
from chatctl.jsonrpc import Params
from chatctl.limits import DEFAULT_TIMEOUT_S
from chatctl.link import Link
from chatctl.place import locate
from chatctl.stream import Back, Event, Stream

if TYPE_CHECKING:
    from chatcore.api import IdentityInfo, Message, Peer, Room, RoomChange, Sent, Status

DEFAULT_PATIENCE_S = 60.0
CLIENT_ID_BYTES = 16
MAX_CALLS_AT_ONCE = 16
"""Further ones wait: each has a connection of its own, which the daemon keeps for other programs too."""


class Chatd:
    """Use it in `async with`; any number of calls and iterations may go on at once.

    `home` and `socket` say which daemon, as chatctl's flags do; without them CHATD_HOME, CHATD_SOCKET or the
    usual place. `timeout_s` is how long an answer may take, `patience_s` how long a daemon may be away, as it
    is while it restarts. Iterations wait for it without end.
    """

    def __init__(
        self,
        home: str | None = None,
        *,
        socket: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        patience_s: float = DEFAULT_PATIENCE_S,
    ) -> None:
        self._place = locate(home, socket, os.environ)
        reach.check_length(self._place)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        self._calls = asyncio.Semaphore(MAX_CALLS_AT_ONCE)
        self._streams: set[Stream] = set()
        self.identity: IdentityInfo = {"peer_id": "", "public_key": "", "username": ""}
        """Who the node is; known once entered."""

    async def __aenter__(self) -> Self:
        """Raises DaemonUnreachable, BadAnswer, RpcRefused or TimedOut."""
        self.identity = await self.call("identity.show")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in list(self._streams):
            await stream.close()

    # Calls

    async def call(self, method: str, params: Params | None = None) -> Any:
        """Any method of docs/rpc.md. Waits for a daemon that is away, and does nothing twice.

        Raises RpcRefused, DaemonUnreachable, BadAnswer or TimedOut, and BadUsage for what no daemon takes.
        """
        return await self._ask(method, params, again=False)

    async def send(self, text: str, room: str = LOBBY, *, client_id: str | None = None) -> "Sent":
        """Say something. Said once, even when the daemon goes away in between and it has to be asked again;
        with a `client_id` of your own also when you ask again. Raises as `call`."""
        params = {"text": text, "room": room, "client_id": client_id or secrets.token_hex(CLIENT_ID_BYTES)}
        sent: Sent = await self._ask("message.send", params, again=True)
        return sent

    async def history(
        self,
        room: str = LOBBY,
        *,
        limit: int = 50,
        before: int | str | None = None,
        after: int | str | None = None,
    ) -> "list[Message]":
        """A page, oldest first. Raises as `call`."""
        params = {"room": room, "limit": limit, "before": before, "after": after}
        found: list[Message] = await self._ask("message.history", params, again=True)
        return found

    async def status(self) -> "Status":
        found: Status = await self._ask("node.status", None, again=True)
        return found

    async def peers(self) -> "list[Peer]":
        found: list[Peer] = await self._ask("peer.list", None, again=True)
        return found

    async def rooms(self) -> "list[Room]":
        found: list[Room] = await self._ask("room.list", None, again=True)
        return found

    async def join(self, room: str) -> "RoomChange":
        change: RoomChange = await self._ask("room.join", {"room": room}, again=True)
        return change

    async def leave(self, room: str) -> "RoomChange":
        change: RoomChange = await self.call("room.leave", {"room": room})
        return change

    async def _ask(self, method: str, params: Params | None, *, again: bool) -> Any:
        """`again`: to ask twice is no harm."""
        backoff = Backoff(self._patience_s)
        while True:
            try:
                return await self._ask_once(method, params)
            except DaemonUnreachable as failure:
                hopeless = not failure.transient or (isinstance(failure, MaybeDone) and not again)
                if hopeless or backoff.is_over:
                    raise
            except RpcRefused as refusal:
                if refusal.kind != "stopping" or backoff.is_over:
                    raise
            await backoff.pause()

    async def _ask_once(self, method: str, params: Params | None) -> Any:
        """Over a new connection: nobody knows of a kept one whether the daemon is still behind it."""
        link: Link | None = None
        async with self._calls:
            try:
                async with asyncio.timeout(self._timeout_s):
                    link = await Link.open(self._place)
                    return await link.ask(method, params)
            except TimeoutError as error:
                raise reach.timed_out(self._place, self._timeout_s) from error
            finally:
                if link is not None:
                    await link.close()  # outside the deadline, which is for the answer

    # Events

    async def messages(
        self,
        room: str | None = None,
        *,
        mentions: bool = False,
        own: bool = False,
        since: int | None = None,
    ) -> "AsyncGenerator[Message, None]":
        """Each message from now on, or after the one numbered `since` (a message's `seq`), once each, in the
        order in which they came to the node: while it catches up, older ones (`time_ms`) follow newer ones.

        Those of one `room` if it is named; only what names this node with `mentions`; what this node says
        itself only with `own`, so that a bot does not answer itself. Raises as `events`, and BadName.
        """
        wanted = None if room is None else room_name(room)
        topic = "mention" if mentions else "message"
        async with contextlib.aclosing(self.events([topic], since=since)) as events:
            async for event in events:
                message: Message = event.data  # type: ignore[assignment]  # a message's event holds one
                ours = message["author"] == self.identity["peer_id"]
                if (own or not ours) and wanted in (None, message["room"]):
                    yield message

    async def events(
        self, topics: Collection[str] | None = None, *, since: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Everything that happens, or what is of these topics (docs/rpc.md), across restarts of the daemon.

        Messages are not missed while it is away; of the rest only what is so then. `since`: start behind that
        message. Raises DaemonUnreachable, BadAnswer, ApiMismatch, TimedOut or RpcRefused.
        """
        stream = await self._opened(topics, since)
        try:
            async for update in stream.updates():
                if isinstance(update, Event):
                    yield update
                elif isinstance(update, Back):
                    self.identity = update.snapshot["identity"]
        finally:
            self._streams.discard(stream)
            await stream.close()

    async def _opened(self, topics: Collection[str] | None, since: int | None) -> Stream:
        backoff = Backoff(self._patience_s)
        while True:
            stream = Stream(self._place, self._timeout_s, topics=topics, since=since)
            self._streams.add(stream)
            try:
                self.identity = (await stream.open())["identity"]
            except BaseException as failure:
                self._streams.discard(stream)
                await stream.close()
                transient = isinstance(failure, DaemonUnreachable) and failure.transient
                if not transient or backoff.is_over:
                    raise
            else:
                return stream
            await backoff.pause()

"""Sockets: listening, dialling, and the pool of connections there are.

Performs Send, CloseLink and Dial. Knows connections, not what is said on them.
"""

import asyncio
from collections.abc import Callable

from chatcore.addresses import Scope, home_of, host_at, host_bytes, nearness
from chatcore.clock import Now
from chatcore.codec import encode_message
from chatcore.config import LinkConfig
from chatcore.errors import HandshakeFailed, RemoteError, SelfDialed, TooSlow, Unreachable
from chatcore.events import Dial, DialFailed, Input, Priority, ReadingPaused, Send
from chatcore.handshake import Credentials
from chatcore.ids import LinkId
from chatcore.messages import Hello
from chatcore.names import join_address, split_address
from chatd.connection import Connection
from chatd.dialling import MAX_ADDRESSES, NoneLeft, connect

MAX_CALLERS = 128
"""Callers that have not yet proved who they are; the oldest makes way for a new one. Whom we call is not
among them, or a flood of callers could cut us off from everybody."""

MAX_CALLERS_OF_ONE_HOME = 8
"""Of them from one IPv4 address or one /64 of IPv6, so that one subscriber does not push out all others."""

DIAL_TIMEOUT_S = 10.0


class Links:
    """All connections of this daemon. `post` takes the inputs, `hello` says what we tell a new peer."""

    _group: asyncio.TaskGroup

    def __init__(
        self,
        credentials: Credentials,
        config: LinkConfig,
        *,
        post: Callable[[Input], None],
        now: Callable[[], Now],
        hello: Callable[[], Hello],
    ) -> None:
        self.credentials = credentials
        self.config = config
        self.post = post
        self.now = now
        self.hello = hello
        self.bytes_in = 0
        self.bytes_out = 0
        self.degraded = 0
        """Messages announced instead of sent, because the link's queue was full."""

        self.dropped = 0
        self._last_id = 0
        self._open: dict[LinkId, Connection] = {}
        self._strangers: dict[Connection, None] = {}
        self._dirty: dict[Connection, None] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._tried: dict[str, dict[str, RemoteError]] = {}
        """For each name being dialled, which of its addresses have answered in vain, and why in vain."""

        self._server: asyncio.Server | None = None
        self._stopping = False
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self.reading = True
        self.listening: tuple[str, ...] = ()
        """Every address that is listened on; a host name may have several."""

        self.called_from: set[Scope] = set()
        """From how far away peers have called since the start, and shaken hands."""

        self.own_calls: set[str] = set()
        """Where calls of ours come from that have reached ourselves; the node keeps the addresses few."""

    # Listening and dialling

    async def listen(self, host: str, port: int) -> str:
        """Take the port, answer nobody yet. The address in use, `host:port`. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, start_serving=False)
        names = [socket.getsockname() for socket in self._server.sockets]
        self.listening = tuple(join_address(name[0], name[1]) for name in names)
        return self.listening[0]

    async def serve(self, group: asyncio.TaskGroup) -> None:
        """Answer and dial from now on; `group` owns the dials."""
        self._group = group
        if self._server is not None:
            await self._server.start_serving()

    def dial(self, output: Dial) -> None:
        task = self._group.create_task(self._dial(output), name=f"dial {output.address}")
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)

    async def _dial(self, output: Dial) -> None:
        address = output.address
        loop = asyncio.get_running_loop()
        host, port = split_address(address)
        try:
            async with asyncio.timeout(DIAL_TIMEOUT_S):
                if host_bytes(host) is not None:  # also one with the network of a link-local address
                    await loop.create_connection(lambda: Connection(self, output), host, port)
                    return
                sock = await connect(host, port, self._tried.get(address, ()))
                await loop.create_connection(lambda: Connection(self, output), sock=sock)
        except NoneLeft:
            self._end_dial(output, self._last_of_others(address) or self._last(address))
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            # That one of a name's addresses is our own says nothing of those where nobody answers.
            self._end_dial(output, self._last_of_others(address) or Unreachable(_why(error)))

    def _last(self, name: str) -> RemoteError:
        return next(reversed(self._tried.get(name, {}).values()), Unreachable("it has no address"))

    def _last_of_others(self, name: str) -> RemoteError | None:
        """Why the last address in vain was so, our own left out."""
        errors = reversed(self._tried.get(name, {}).values())
        return next((error for error in errors if not isinstance(error, SelfDialed)), None)

    def handle_dial_failed(self, output: Dial, there: str, error: RemoteError) -> None:
        """Somebody answered at `there` and it is no link.

        Of a name, the other addresses are tried at once, `MAX_ADDRESSES` in all: one of them may be our own,
        another an old one, and a name server may have new ones each time.
        """
        tried = self._tried.setdefault(output.address, {})
        is_name = host_bytes(host_at(output.address)) is None
        if self._stopping or not is_name or there in tried:
            self._end_dial(output, error)
        else:
            tried[there] = error
            if len(tried) < MAX_ADDRESSES:
                self.dial(output)
            else:
                self._end_dial(output, self._last_of_others(output.address) or error)

    def _end_dial(self, output: Dial, error: RemoteError) -> None:
        self._tried.pop(output.address, None)
        self.post(DialFailed(output.address, error, output.expected))

    # What connections tell

    def add_stranger(self, connection: Connection) -> None:
        if self._stopping:
            connection.abort()
            return
        if connection.inbound:
            callers = [other for other in self._strangers if other.inbound]
            home = home_of(host_at(connection.address))
            near = [
                other for other in callers if home is not None and home == home_of(host_at(other.address))
            ]
            if len(near) >= MAX_CALLERS_OF_ONE_HOME:
                self._dismiss(near[0], "too many connections from one address wait for their handshake")
            elif len(callers) >= MAX_CALLERS:
                self._dismiss(callers[0], "too many connections wait for their handshake")
        self._strangers[connection] = None

    def _dismiss(self, caller: Connection, why: str) -> None:
        self.forget_stranger(caller)  # now: its end may come after many more callers
        caller.fail(HandshakeFailed(why))

    def forget_stranger(self, connection: Connection) -> None:
        self._strangers.pop(connection, None)

    def add_link(self, connection: Connection) -> LinkId:
        self._last_id += 1
        link = LinkId(self._last_id)
        self.forget_stranger(connection)
        self._tried.pop(connection.dialled or "", None)
        self._open[link] = connection
        if connection.inbound:
            self.called_from.add(nearness(host_at(connection.address)))
        self._all_closed.clear()
        return link

    def remove(self, connection: Connection) -> None:
        self.forget_stranger(connection)
        self._dirty.pop(connection, None)
        if connection.link is not None:
            self._open.pop(connection.link, None)
        if not self._open:
            self._all_closed.set()

    # What the node asks

    def send(self, output: Send) -> None:
        encoded = encode_message(output.message)
        instead = None if output.instead is None else encode_message(output.instead)
        for link in output.links:
            connection = self._open.get(link)
            if connection is None or not connection.writing:
                continue
            if connection.outbox.put(encoded, output.priority):
                self._dirty[connection] = None
            elif instead is not None and connection.outbox.put(instead, Priority.CONTROL):
                self._dirty[connection] = None
                self.degraded += 1
                connection.watch_slowness()
            elif output.priority is Priority.CONTROL:
                # What we said of rooms and pings must arrive, or the link is no good.
                connection.fail(TooSlow())
            else:
                self.dropped += 1
                connection.watch_slowness()

    def flush(self) -> None:
        """Let everything go that was queued since; one encryption and one write per link."""
        while self._dirty:
            connection, _ = self._dirty.popitem()
            connection.flush()

    def close(self, link: LinkId, error: RemoteError) -> None:
        connection = self._open.get(link)
        if connection is not None:
            connection.close_after_flush(error)

    def pause(self, link: LinkId, *, paused: bool) -> None:
        """Stop reading one link: it has more under way than its share."""
        connection = self._open.get(link)
        if connection is not None:
            connection.held = paused
            connection.update_reading()
            self.post(ReadingPaused(link, paused or not self.reading))

    def pause_all(self, *, paused: bool) -> None:
        """Stop reading everybody: the disk is behind."""
        if self.reading == paused:
            self.reading = not paused
            for link, connection in self._open.items():
                connection.update_reading()
                self.post(ReadingPaused(link, paused or connection.held))

    async def stop(self, deadline_s: float) -> None:
        """Stop listening and dialling; wait for links that are closing to get their last words out."""
        self._stopping = True
        if self._server is not None:
            self._server.close()
        for task in self._dials:
            task.cancel()
        for stranger in list(self._strangers):
            stranger.abort()
        try:
            async with asyncio.timeout(deadline_s):
                await self._all_closed.wait()
        except TimeoutError:
            for connection in list(self._open.values()):
                connection.abort()


def _why(error: Exception) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {DIAL_TIMEOUT_S:.0f} s"
        case ConnectionRefusedError():
            return "connection refused: nobody listens there"
        case OSError(strerror=str(text)) if text:
            return text.lower()
        case _:
            return str(error) or type(error).__name__

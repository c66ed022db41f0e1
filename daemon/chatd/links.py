"""Sockets: listening, dialling, and one Session with one outbox per connection.

Turns what happens on them into node inputs and performs Send, CloseLink and Dial. Runs no task per link: the
event loop calls in when bytes come or may go.
"""

import asyncio
import secrets
from collections.abc import Callable
from typing import cast

from chatcore.clock import Now
from chatcore.codec import MAX_PLAINTEXT_BYTES, encode_message
from chatcore.config import LinkConfig
from chatcore.errors import HandshakeFailed, RemoteError, SelfDialed, TooSlow, Unreachable
from chatcore.events import (
    Dial,
    DialFailed,
    Input,
    LinkDown,
    LinkUp,
    Priority,
    ReadingPaused,
    Received,
    Send,
    StrangerRefused,
)
from chatcore.handshake import Credentials
from chatcore.ids import LinkId
from chatcore.messages import Hello
from chatcore.names import join_address, split_address
from chatcore.session import (
    BytesReceived,
    Established,
    Failed,
    FramesWaiting,
    MessagesReceived,
    NextTurn,
    Opened,
    SendEncoded,
    Session,
    SessionInput,
    StreamEnded,
    WriteBytes,
)
from chatd.outbox import Outbox

MAX_CALLERS = 128
"""Callers that have not yet proved who they are; the oldest makes way for a new one. Whom we call is not
among them, or a flood of callers could cut us off from everybody."""

WRITE_BUFFER_BYTES = 256 * 1024
"""What may wait in the transport; the rest waits in the outbox, where priorities still count."""

SLOW_AFTER_S = 30.0
DIAL_TIMEOUT_S = 10.0
LINGER_S = 2.0


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
        self._server: asyncio.Server | None = None
        self._stopping = False
        self._all_closed = asyncio.Event()
        self._all_closed.set()
        self.reading = True
        self.own_calls: set[str] = set()
        """Where calls of ours come from that have reached ourselves; the node keeps the addresses few."""

    # Listening and dialling

    async def listen(self, host: str, port: int) -> str:
        """Take the port, answer nobody yet. The address in use, `host:port`. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), host, port, start_serving=False)
        name = self._server.sockets[0].getsockname()
        return join_address(name[0], name[1])

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
                await loop.create_connection(lambda: Connection(self, output), host, port)
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            self.post(DialFailed(address, Unreachable(_why(error))))

    # What connections tell

    def add_stranger(self, connection: "Connection") -> None:
        if self._stopping:
            connection.abort()
            return
        callers = [other for other in self._strangers if other.inbound]
        if connection.inbound and len(callers) >= MAX_CALLERS:
            self.forget_stranger(callers[0])  # now: its end may come after many more callers
            callers[0].fail(HandshakeFailed("too many connections wait for their handshake"))
        self._strangers[connection] = None

    def forget_stranger(self, connection: "Connection") -> None:
        self._strangers.pop(connection, None)

    def add_link(self, connection: "Connection") -> LinkId:
        self._last_id += 1
        link = LinkId(self._last_id)
        self.forget_stranger(connection)
        self._open[link] = connection
        self._all_closed.clear()
        return link

    def remove(self, connection: "Connection") -> None:
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
                connection.fail(
                    TooSlow()
                )  # what we said of rooms and pings must arrive, or the link is no good
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


class Connection(asyncio.Protocol):
    """One socket. `dial` is what the node asked for, None when the other side called."""

    def __init__(self, links: Links, dial: Dial | None = None) -> None:
        self._links = links
        self._dialled = None if dial is None else dial.address
        self._hello = links.hello()
        self._session = Session(
            links.credentials,
            self._hello,
            dialler=dial is not None,
            ephemeral=secrets.token_bytes(32),
            expected=None if dial is None else dial.expected,
        )
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._slow: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._writable = True
        self._error: RemoteError | None = None
        self._address = ""
        self.outbox = Outbox()
        self.link: LinkId | None = None
        self._half_closed = False
        self._frames_wait = False
        self.inbound = dial is None
        self.closing = False
        self.held = False

    # The event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        peer = transport.get_extra_info("peername") or ("unknown", 0)
        self._address = join_address(peer[0], peer[1])
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(
            self._links.config.handshake_s,
            self.fail,
            HandshakeFailed(f"no handshake within {self._links.config.handshake_s:.0f} s"),
        )
        self._links.add_stranger(self)
        self._feed(Opened())

    def data_received(self, data: bytes) -> None:
        self._links.bytes_in += len(data)
        if not self.closing:
            self._feed(BytesReceived(data))

    def eof_received(self) -> bool:
        if not self.closing:
            self._feed(StreamEnded())
        return False

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self.closing = True
        for timer in (self._deadline, self._slow, self._linger):
            if timer is not None:
                timer.cancel()
        self._links.remove(self)
        error = self._error or HandshakeFailed("the connection was lost")
        if self.link is not None:
            self._links.post(LinkDown(self.link, error))
        elif self._dialled is not None:
            self._links.post(DialFailed(self._dialled, error))
        elif self._address in self._links.own_calls:
            self._links.own_calls.remove(self._address)  # the end that dialled has told already
        else:
            self._links.post(StrangerRefused(self._address, error))

    def pause_writing(self) -> None:
        self._writable = False
        self.watch_slowness()

    def resume_writing(self) -> None:
        self._writable = True
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        self.flush()

    # Session in, session out

    def _feed(self, event: SessionInput) -> None:
        for output in self._session.handle(event, self._links.now()):
            match output:
                case WriteBytes(data):
                    self._write(data)
                case MessagesReceived(messages):
                    assert self.link is not None, "messages before the session was established"
                    self._links.post(Received(self.link, messages))
                case Established():
                    self._handle_established(output)
                case FramesWaiting():
                    self._frames_wait = True
                    self.update_reading()
                    asyncio.get_running_loop().call_soon(self._next_turn)
                case Failed(error):
                    if isinstance(error, SelfDialed):
                        self._links.own_calls.add(self._own_address())
                    self.fail(error)

    def _next_turn(self) -> None:
        self._frames_wait = False
        if not self.closing:
            self._feed(NextTurn())
            self.update_reading()

    @property
    def writing(self) -> bool:
        """Whether messages may still be queued."""
        return self._error is None and not self.closing

    def _own_address(self) -> str:
        assert self._transport is not None, "failed before it was connected"
        name = self._transport.get_extra_info("sockname")
        return join_address(name[0], name[1])

    def _handle_established(self, event: Established) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.link = self._links.add_link(self)
        self.update_reading()
        self._links.post(
            LinkUp(
                self.link,
                event.peer_id,
                event.hello,
                address=self._address,
                dialled=self._dialled,
                told=self._hello.rooms,
                binding=event.binding,
            )
        )

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._links.bytes_out += len(data)
            self._transport.write(data)

    def flush(self) -> None:
        while self._writable and self.outbox:
            self._feed(SendEncoded(self.outbox.take(MAX_PLAINTEXT_BYTES)))
        if self._error is not None and not self.outbox:
            self._half_close()

    def update_reading(self) -> None:
        if self._transport is None or self.closing:
            return
        if self.held or self._frames_wait or not self._links.reading:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def watch_slowness(self) -> None:
        """Whoever does not read within `SLOW_AFTER_S` is dropped; what it misses it can ask for later."""
        if self._slow is None:
            loop = asyncio.get_running_loop()
            self._slow = loop.call_later(SLOW_AFTER_S, self.fail, TooSlow())

    # Ends

    def close_after_flush(self, error: RemoteError) -> None:
        if self._error is None:
            self._error = error
        self.flush()

    def _half_close(self) -> None:
        """We have said our last; what the other side said before it hears that is still read."""
        if self.closing or self._half_closed or self._transport is None:
            return
        self._half_closed = True
        try:
            self._transport.write_eof()
        except OSError:  # it is gone already
            self.abort()
            return
        self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def fail(self, error: RemoteError) -> None:
        if self._error is None:
            self._error = error
        self._close()

    def _close(self) -> None:
        if self.closing or self._transport is None:
            return
        self.closing = True
        self._transport.close()  # sends what is buffered first, which a peer that does not read would put off
        if self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER_S, self._transport.abort)

    def abort(self) -> None:
        self.closing = True
        if self._transport is not None:
            self._transport.abort()


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

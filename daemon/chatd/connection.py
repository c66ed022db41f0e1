"""One socket with its Session and its outbox: what comes on it becomes node inputs, what is queued goes out.

Runs no task: the event loop calls in when bytes come or may go.
"""

import asyncio
import secrets
from typing import Protocol, cast

from chatcore.clock import Now
from chatcore.codec import MAX_PLAINTEXT_BYTES
from chatcore.config import LinkConfig
from chatcore.errors import HandshakeFailed, RemoteError, SelfDialed, TooSlow
from chatcore.events import (
    Dial,
    Input,
    LinkDown,
    LinkUp,
    ReadingPaused,
    Received,
    StrangerRefused,
    WritingPaused,
)
from chatcore.handshake import Credentials
from chatcore.ids import LinkId
from chatcore.messages import Hello
from chatcore.names import join_address
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

WRITE_BUFFER_BYTES = 256 * 1024
"""What may wait in the transport; the rest waits in the outbox, where priorities still count."""

SLOW_AFTER_S = 30.0
LINGER_S = 2.0


class Pool(Protocol):
    """What a connection asks of and tells whoever keeps it."""

    credentials: Credentials
    config: LinkConfig
    reading: bool
    bytes_in: int
    bytes_out: int
    own_calls: set[str]

    def post(self, event: Input, /) -> None: ...
    def now(self) -> Now: ...
    def hello(self) -> Hello: ...
    def handle_dial_failed(self, output: Dial, there: str, error: RemoteError, /) -> None: ...
    def add_stranger(self, connection: "Connection") -> None: ...
    def add_link(self, connection: "Connection") -> LinkId: ...
    def remove(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """One socket. `dial` is what the node asked for, None when the other side called."""

    def __init__(self, pool: Pool, dial: Dial | None = None) -> None:
        self._pool = pool
        self._dial = dial
        self._hello = pool.hello()
        self._session = Session(
            pool.credentials,
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
        self.address = ""
        """Of the other end."""

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
        self.address = join_address(peer[0], peer[1])
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(
            self._pool.config.handshake_s,
            self.fail,
            HandshakeFailed(f"no handshake within {self._pool.config.handshake_s:.0f} s"),
        )
        self._pool.add_stranger(self)
        self._feed(Opened())

    def data_received(self, data: bytes) -> None:
        self._pool.bytes_in += len(data)
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
        self._pool.remove(self)
        error = self._error or HandshakeFailed("the connection was lost")
        if self.link is not None:
            self._pool.post(LinkDown(self.link, error))
        elif self._dial is not None:
            self._pool.handle_dial_failed(self._dial, self.address, error)
        elif self.address in self._pool.own_calls:
            self._pool.own_calls.remove(self.address)  # the end that dialled has told already
        else:
            self._pool.post(StrangerRefused(self.address, error))

    def pause_writing(self) -> None:
        self._writable = False
        self.watch_slowness()
        self._tell_writing()

    def resume_writing(self) -> None:
        self._writable = True
        if self._slow is not None:
            self._slow.cancel()
            self._slow = None
        self.flush()
        if self._writable:
            self._tell_writing()

    def _tell_writing(self) -> None:
        if self.link is not None and not self.closing:
            self._pool.post(WritingPaused(self.link, not self._writable))

    # Session in, session out

    def _feed(self, event: SessionInput) -> None:
        for output in self._session.handle(event, self._pool.now()):
            match output:
                case WriteBytes(data):
                    self._write(data)
                case MessagesReceived(messages):
                    assert self.link is not None, "messages before the session was established"
                    self._pool.post(Received(self.link, messages))
                case Established():
                    self._handle_established(output)
                case FramesWaiting():
                    self._frames_wait = True
                    self.update_reading()
                    asyncio.get_running_loop().call_soon(self._next_turn)
                case Failed(error):
                    if isinstance(error, SelfDialed):
                        self._pool.own_calls.add(join_address(*self._own_name()))
                    self.fail(error)

    def _next_turn(self) -> None:
        self._frames_wait = False
        if not self.closing:
            self._feed(NextTurn())
            self.update_reading()

    @property
    def dialled(self) -> str | None:
        """The address that the node asked for."""
        return None if self._dial is None else self._dial.address

    @property
    def writing(self) -> bool:
        """Whether messages may still be queued."""
        return self._error is None and not self.closing

    def _own_name(self) -> tuple[str, int]:
        assert self._transport is not None, "failed before it was connected"
        name = self._transport.get_extra_info("sockname") or ("", 0)
        return name[0], name[1]

    def _handle_established(self, event: Established) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self.link = self._pool.add_link(self)
        self.update_reading()
        self._pool.post(
            LinkUp(
                self.link,
                event.peer_id,
                event.hello,
                address=self.address,
                dialled=self.dialled,
                told=self._hello.rooms,
                binding=event.binding,
                local=self._own_name()[0],
            )
        )
        if not self._pool.reading:  # or it would be dropped as silent
            self._pool.post(ReadingPaused(self.link, paused=True))

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._pool.bytes_out += len(data)
            self._transport.write(data)

    def flush(self) -> None:
        while self._writable and self.outbox:
            self._feed(SendEncoded(self.outbox.take(MAX_PLAINTEXT_BYTES)))
        if self._error is not None and not self.outbox:
            self._half_close()

    def update_reading(self) -> None:
        if self._transport is None or self.closing:
            return
        if self.held or self._frames_wait or not self._pool.reading:
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

"""A peer made of the core's Session and an asyncio stream: says to a daemon whatever a test wants heard."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Self

from chatcore import PROTOCOL_MINOR
from chatcore.clock import COUNTER_BITS, Now
from chatcore.codec import encode_message
from chatcore.envelopes import Body, Chat, Envelope, open_envelope, seal
from chatcore.errors import RemoteError
from chatcore.frames import encode_frame
from chatcore.handshake import Credentials
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.messages import Graft, Hello, Ihave, LinkMessage, Neighbor, NeighborReply, Ping, Pong, Publish
from chatcore.names import LOBBY, room_id, split_address
from chatcore.session import (
    BytesReceived,
    Established,
    Failed,
    MessagesReceived,
    Opened,
    SendEncoded,
    Session,
    SessionInput,
    StreamEnded,
    WriteBytes,
)

READ_BYTES = 64 * 1024
DEADLINE_S = 15.0
NOW = Now(0.0, 0)


def credentials(
    identity: Identity | None = None, network: str = "main", network_key: bytes | None = None
) -> Credentials:
    identity = identity or Identity(secrets.token_bytes(32))
    return Credentials(identity, network, secrets.token_bytes(32), network_key)


def hello(
    network: str = "main", *, username: str = "peer", rooms: frozenset[RoomId] | None = None, port: int = 0
) -> Hello:
    rooms = frozenset({room_id(network, LOBBY)}) if rooms is None else rooms
    return Hello(PROTOCOL_MINOR, (), network, "test", port, username, rooms)


def said(
    author: Identity, body: Body | str, *, room: str = LOBBY, stamp: int | None = None, network: str = "main"
) -> Envelope:
    """An envelope as `author` signs it, now unless told otherwise."""
    stamp = time.time_ns() // 1_000_000 << COUNTER_BITS if stamp is None else stamp
    return seal(author, room_id(network, room), stamp, "peer", Chat(body) if isinstance(body, str) else body)


def publish(envelopes: Iterable[Envelope], hops: int = 8) -> list[Publish]:
    return [Publish.of(envelope, hops) for envelope in envelopes]


class Peer:
    """Open once `dial` has given it. `received` grows as messages come; `failed` says why the link ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session) -> None:
        self._reader = reader
        self._session = session
        self.writer = writer
        self.established: Established | None = None
        self.failed: RemoteError | None = None
        self.received: list[LinkMessage] = []
        self._reading: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def dial(
        cls, address: str, identity: Credentials | None = None, greeting: Hello | None = None
    ) -> AsyncIterator[Self]:
        """Connect and shake hands. Raises the RemoteError that ends the handshake."""
        reader, writer = await asyncio.open_connection(*split_address(address))
        session = Session(
            identity or credentials(), greeting or hello(), dialler=True, ephemeral=secrets.token_bytes(32)
        )
        peer = cls(reader, writer, session)
        try:
            peer._feed(Opened())
            peer._reading = asyncio.create_task(peer._read())
            await peer.until(lambda: peer.established is not None or peer.failed is not None)
            if peer.failed is not None:
                raise peer.failed
            yield peer
        finally:
            if peer._reading is not None:
                peer._reading.cancel()
            await hang_up(writer)

    async def _read(self) -> None:
        while self.failed is None:
            try:
                data = await self._reader.read(READ_BYTES)
            except ConnectionError:
                data = b""
            self._feed(BytesReceived(data) if data else StreamEnded())

    def _feed(self, event: SessionInput) -> None:
        for output in self._session.handle(event, NOW):
            match output:
                case WriteBytes(data):
                    self.writer.write(data)
                case Established():
                    self.established = output
                case MessagesReceived(messages):
                    self.received += messages
                    self._be_a_neighbour(messages)
                case Failed(error):
                    self.failed = error
        self._changed.set()

    def _be_a_neighbour(self, messages: Sequence[LinkMessage]) -> None:
        """Say yes to whoever wants to push messages to us, and ask for what is announced."""
        replies: list[LinkMessage] = [
            NeighborReply(message.room, accepted=True, members=())
            for message in messages
            if isinstance(message, Neighbor)
        ]
        replies += [Graft(message.ids) for message in messages if isinstance(message, Ihave)]
        if replies:
            self._feed(SendEncoded([encode_message(reply) for reply in replies]))

    async def until(self, condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
        """Wait for something this peer hears to make it so. Raises TimeoutError."""
        async with asyncio.timeout(deadline_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def closed(self) -> RemoteError:
        """Wait until the other side has ended the link; why, as far as it said."""
        await self.until(lambda: self.failed is not None)
        assert self.failed is not None
        return self.failed

    async def send(self, *messages: LinkMessage) -> None:
        await self.send_encoded([encode_message(message) for message in messages])

    async def send_encoded(self, encoded: Sequence[bytes]) -> None:
        self._feed(SendEncoded(encoded))
        await self.writer.drain()

    async def send_raw(self, data: bytes) -> None:
        """Bytes straight onto the stream, past the session."""
        self.writer.write(data)
        await self.writer.drain()

    def sealed(self, plaintext: bytes) -> bytes:
        """A whole frame that decrypts to `plaintext`, whatever that is."""
        return encode_frame(bytes(self._session._noise.encrypt(plaintext)))

    async def settle(self) -> None:
        """Until the other side has taken everything sent before, and its answers are in `received`.

        A signature check or a commit may still be under way there.
        """
        nonce = secrets.randbits(64)
        await self.send(Ping(nonce))
        await self.until(lambda: self._has_answered(nonce) or self.failed is not None)

    def _has_answered(self, nonce: int) -> bool:
        return any(isinstance(item, Pong) and item.nonce == nonce for item in self.received)

    def stop_reading(self) -> None:
        """From now on the other side's words stay in the kernel's buffers, then in its own."""
        if self._reading is not None:
            self._reading.cancel()
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well

    def payloads(self) -> set[bytes]:
        """Of everything published to us so far."""
        return {message.payload for message in self.received if isinstance(message, Publish)}

    def texts(self) -> list[str]:
        """Of the chat messages heard so far."""
        return [text for message in self.received if (text := _text(message)) is not None]


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close, and come back once the kernel has been told: a test may look at another process next."""
    writer.close()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(DEADLINE_S):
            await writer.wait_closed()


def _text(message: LinkMessage) -> str | None:
    if not isinstance(message, Publish):
        return None
    body = open_envelope(message.payload, message.signature).body
    return body.text if isinstance(body, Chat) else None

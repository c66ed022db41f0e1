"""Two ends of a stream in memory, and a second implementation of the handshake, from docs/protocol.md."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgpack
import nacl.signing
from noise.connection import Keypair, NoiseConnection

from chatcore.codec import encode_message
from chatcore.errors import RemoteError
from chatcore.handshake import Credentials
from chatcore.identity import Identity
from chatcore.ids import PeerId
from chatcore.messages import Hello, LinkMessage
from chatcore.session import (
    BytesReceived,
    Established,
    Failed,
    FramesWaiting,
    MessagesReceived,
    Opened,
    SendEncoded,
    Session,
    SessionInput,
    SessionOutput,
    StreamEnded,
    WriteBytes,
)
from tests.support.core import START, hello

KEY = bytes(range(32))

Kind = TypeVar("Kind")


def credentials(identity: Identity, network: str = "main", network_key: bytes | None = None) -> Credentials:
    """With a Noise key of its own for each identity."""
    static = hashlib.sha256(b"static" + identity.public_key).digest()
    return Credentials(identity, network, static, network_key)


class End:
    """One session and what came of it. `written` is what it wants to send and the test has not yet taken."""

    def __init__(
        self,
        whose: Credentials,
        greeting: Hello | None = None,
        *,
        dialler: bool,
        expected: PeerId | None = None,
        ephemeral: bytes | None = None,
    ) -> None:
        greeting = greeting or hello(network=whose.network)
        if ephemeral is None:
            ephemeral = hashlib.sha256(b"ephemeral" + bytes([dialler]) + whose.peer_id).digest()
        self.session = Session(whose, greeting, dialler=dialler, ephemeral=ephemeral, expected=expected)
        self.written = b""
        self.waiting = False
        self.established: Established | None = None
        self.messages: list[LinkMessage] = []
        self.error: RemoteError | None = None

    def handle(self, event: SessionInput) -> Sequence[SessionOutput]:
        outputs = self.session.handle(event, START)
        self.waiting = any(isinstance(output, FramesWaiting) for output in outputs)
        for output in outputs:
            assert self.error is None, "an output after Failed"
            match output:
                case WriteBytes(data):
                    self.written += data
                case Established():
                    assert self.established is None, "established twice"
                    self.established = output
                case MessagesReceived(messages):
                    assert self.established is not None, "messages before the hello"
                    self.messages += messages
                case Failed(error):
                    self.error = error
        return outputs

    def open(self) -> "End":
        self.handle(Opened())
        return self

    def feed(self, data: bytes) -> None:
        self.handle(BytesReceived(data))

    def hang_up(self) -> None:
        self.handle(StreamEnded())

    def say(self, *messages: LinkMessage) -> None:
        self.handle(SendEncoded([encode_message(message) for message in messages]))

    def take(self) -> bytes:
        data, self.written = self.written, b""
        return data


def exchange(one: End, other: End, cut: Callable[[bytes], list[bytes]] = lambda data: [data]) -> None:
    """Carry bytes to and fro, in the pieces that `cut` makes, until nothing more is said."""
    while one.written or other.written:
        for source, target in ((one, other), (other, one)):
            for piece in cut(source.take()):
                target.feed(piece)


def pair(
    dialling: Credentials,
    listening: Credentials,
    *,
    expected: PeerId | None = None,
    greetings: tuple[Hello | None, Hello | None] = (None, None),
) -> tuple[End, End]:
    """A dialler and a listener whose stream is open; nothing is said yet but the first frame."""
    dialler = End(dialling, greetings[0], dialler=True, expected=expected).open()
    return dialler, End(listening, greetings[1], dialler=False).open()


def linked(dialling: Credentials, listening: Credentials) -> tuple[End, End]:
    dialler, listener = pair(dialling, listening)
    exchange(dialler, listener)
    assert dialler.established is not None
    assert listener.established is not None
    return dialler, listener


# The second implementation: docs/protocol.md and the noiseprotocol library, and nothing of ours


class ByTheBook:
    """One side of the handshake as docs/protocol.md has it."""

    def __init__(
        self, seed: bytes, *, dialler: bool, network: str = "main", network_key: bytes | None = None
    ) -> None:
        name = b"Noise_XXpsk3_25519_ChaChaPoly_SHA256" if network_key else b"Noise_XX_25519_ChaChaPoly_SHA256"
        tag = hashlib.blake2b(
            network.encode(), digest_size=8, key=network_key or b"", person=b"chatd-net"
        ).digest()
        self.preface = b"chatd" + bytes([1, 1 if network_key else 0]) + tag
        self.identity = nacl.signing.SigningKey(seed)
        self.noise = NoiseConnection.from_name(name)
        if dialler:
            self.noise.set_as_initiator()
        else:
            self.noise.set_as_responder()
        if network_key:
            self.noise.set_psks(psk=network_key)
        self.noise.set_prologue(self.preface)
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, hashlib.sha256(seed).digest())
        self.static: bytes = self.noise.noise_protocol.keypairs["s"].public_bytes
        self.noise.start_handshake()

    def proof(self, static: bytes | None = None) -> bytes:
        signed = self.identity.sign(b"chatd noise static key 1\0" + (static or self.static))
        return bytes(msgpack.packb([bytes(self.identity.verify_key), signed.signature]))

    def write(self, payload: bytes = b"") -> bytes:
        return bytes(self.noise.write_message(payload))

    def read(self, message: bytes) -> bytes:
        return bytes(self.noise.read_message(message))

    def seal(self, *messages: list[object]) -> bytes:
        return frame(self.noise.encrypt(msgpack.packb(list(messages))))

    def open(self, body: bytes) -> list[list[object]]:
        batch: list[list[object]] = msgpack.unpackb(self.noise.decrypt(body))
        return batch

    def peer_of(self, proof: bytes) -> bytes:
        """The public key whose owner signed the other side's static key; raises when nobody did."""
        public_key, signature = msgpack.unpackb(proof)
        static = self.noise.noise_protocol.keypairs["rs"].public_bytes
        nacl.signing.VerifyKey(public_key).verify(b"chatd noise static key 1\0" + static, signature)
        return bytes(public_key)


def frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


def frames(stream: bytes) -> list[bytes]:
    """The bodies of whole frames."""
    bodies = []
    while stream:
        size = int.from_bytes(stream[:4], "big")
        assert len(stream) >= 4 + size, "half a frame"
        bodies.append(stream[4 : 4 + size])
        stream = stream[4 + size :]
    return bodies


def hello_fields(network: str = "main", username: str = "book") -> list[object]:
    return [0, 0, [], network, "by the book", 0, username, []]

"""Noise XX with a preface and an identity proof: three frames that turn a stream into a secured link.

Frame 1 and 2 open with a preface in clear, so that a stranger, another version or another network can be told
from each other and named before any cryptography; Noise binds the preface as its prologue. Inside frames 2
and 3 each side's Ed25519 identity signs its Noise static key (as libp2p-noise does).
"""

import hashlib

from cryptography.exceptions import InvalidTag
from noise.connection import Keypair, NoiseConnection
from noise.exceptions import NoiseHandshakeError, NoiseInvalidMessage, NoiseValueError

from chatcore import PROTOCOL_MAJOR
from chatcore.errors import (
    HandshakeFailed,
    Malformed,
    NetworkMismatch,
    NotChatd,
    SelfDialed,
    VersionMismatch,
)
from chatcore.identity import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Identity, peer_id_of, verify
from chatcore.ids import PeerId
from chatcore.wire import pack, unpack_array

NOISE_NAME = b"Noise_XX_25519_ChaChaPoly_SHA256"
NOISE_NAME_WITH_KEY = b"Noise_XXpsk3_25519_ChaChaPoly_SHA256"
PROOF_CONTEXT = b"chatd noise static key 1\0"
KEY_BYTES = 32

MAGIC = b"chatd"
FLAG_NETWORK_KEY = 1
TAG_BYTES = 8
PREFACE_BYTES = len(MAGIC) + 2 + TAG_BYTES

# What the libraries below raise for bytes that a peer chose.
_NOISE_ERRORS = (
    InvalidTag,
    NoiseInvalidMessage,
    NoiseHandshakeError,
    NoiseValueError,
    ValueError,
    IndexError,
)


class Credentials:
    """What every handshake of this process needs; the proof is signed once.

    `noise_private` is 32 random bytes that live as long as the process; `network_key`, where the network has
    one, is 32 bytes every member holds.
    """

    def __init__(
        self, identity: Identity, network: str, noise_private: bytes, network_key: bytes | None = None
    ) -> None:
        self.peer_id = identity.peer_id
        self.network = network
        self.noise_private = noise_private
        self.network_key = network_key
        head = MAGIC + bytes([PROTOCOL_MAJOR, FLAG_NETWORK_KEY if network_key else 0])
        self.preface = head + self._tag()
        self.open_preface = head + (bytes(TAG_BYTES) if network_key else self._tag())
        """What strangers are shown: the tag of a network with a key would let them ask again with it."""

        noise_public = _noise_public(noise_private)
        self.proof = pack([identity.public_key, identity.sign(PROOF_CONTEXT, noise_public)])

    def _tag(self) -> bytes:
        """Keyed by the network key: who has not even seen a member's first frame gets no answer."""
        name = self.network.encode()
        return hashlib.blake2b(
            name, digest_size=TAG_BYTES, key=self.network_key or b"", person=b"chatd-net"
        ).digest()

    def check_preface(self, frame: bytes) -> bytes:
        """The Noise message behind the other side's preface.

        Raises:
            NotChatd, VersionMismatch, NetworkMismatch: in this order.
        """
        if len(frame) < PREFACE_BYTES or not frame.startswith(MAGIC):
            raise NotChatd
        major, flags = frame[len(MAGIC)], frame[len(MAGIC) + 1]
        if major != PROTOCOL_MAJOR:
            raise VersionMismatch(major, PROTOCOL_MAJOR)
        if frame[:PREFACE_BYTES] != self.preface:
            raise NetworkMismatch(
                self.network,
                they_use_key=bool(flags & FLAG_NETWORK_KEY),
                we_use_key=self.network_key is not None,
            )
        return frame[PREFACE_BYTES:]


def _noise_public(private: bytes) -> bytes:
    noise = NoiseConnection.from_name(NOISE_NAME)
    noise.set_keypair_from_private_bytes(Keypair.STATIC, private)
    public: bytes = noise.noise_protocol.keypairs["s"].public_bytes
    return public


class Handshake:
    """One handshake; `ephemeral` is 32 fresh random bytes. Frames come in order, or HandshakeFailed does."""

    def __init__(self, credentials: Credentials, *, dialler: bool, ephemeral: bytes) -> None:
        self._credentials = credentials
        key = credentials.network_key
        self.noise = NoiseConnection.from_name(NOISE_NAME_WITH_KEY if key else NOISE_NAME)
        if dialler:
            self.noise.set_as_initiator()
        else:
            self.noise.set_as_responder()
        if key:
            self.noise.set_psks(psk=key)
        self.noise.set_prologue(credentials.preface)
        self.noise.set_keypair_from_private_bytes(Keypair.STATIC, credentials.noise_private)
        self.noise.start_handshake()
        self._state = self.noise.noise_protocol.handshake_state  # Noise drops it once it is done
        self._state.e = self.noise.noise_protocol.dh_fn.klass.from_private_bytes(ephemeral)
        self.peer_id: PeerId | None = None
        self.public_key = b""

    def write_first(self) -> bytes:
        return self._credentials.preface + self._write(b"")

    def read_first(self, frame: bytes) -> None:
        self._read(self._credentials.check_preface(frame))

    def write_second(self) -> bytes:
        return self._credentials.preface + self._write(self._credentials.proof)

    def read_second(self, frame: bytes) -> None:
        self._check_proof(self._read(self._credentials.check_preface(frame)))

    def write_third(self) -> bytes:
        return self._write(self._credentials.proof)

    def read_third(self, frame: bytes) -> None:
        self._check_proof(self._read(frame))

    def _write(self, payload: bytes) -> bytes:
        try:
            return bytes(self.noise.write_message(payload))
        except _NOISE_ERRORS as error:
            raise HandshakeFailed("a key that cannot be used") from error

    def _read(self, message: bytes) -> bytes:
        try:
            return bytes(self.noise.read_message(message))
        except _NOISE_ERRORS as error:
            raise HandshakeFailed("the handshake does not decrypt") from error

    def _check_proof(self, payload: bytes) -> None:
        try:
            fields = unpack_array(payload)
        except Malformed as error:
            raise HandshakeFailed("an identity proof that does not decode") from error
        public_key, signature = (*fields, None, None)[:2]
        if (
            type(public_key) is not bytes
            or type(signature) is not bytes
            or len(public_key) != PUBLIC_KEY_BYTES
            or len(signature) != SIGNATURE_BYTES
            or not verify(public_key, signature, PROOF_CONTEXT, self._state.rs.public_bytes)
        ):
            raise HandshakeFailed("an identity proof that does not hold")
        self.peer_id = peer_id_of(public_key)
        self.public_key = public_key
        if self.peer_id == self._credentials.peer_id:
            raise SelfDialed

"""Ed25519 identity: who a node is, and how anybody checks what it said.

Knows keys and signatures; refuses to know files and randomness (the seed is passed in).
"""

import hashlib
from functools import lru_cache

import nacl.bindings
import nacl.exceptions

from chatcore.errors import BadKeyFile
from chatcore.ids import PeerId

SEED_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
KEY_FILE_MAX_BYTES = 1024

_KEY_FILE_MAGIC = "chatd-ed25519-1"


class Identity:
    """A private key and what follows from it. The seed never shows in a repr."""

    __slots__ = ("_secret_key", "_seed", "peer_id", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self._seed = seed
        self.public_key, self._secret_key = nacl.bindings.crypto_sign_seed_keypair(seed)
        self.peer_id = peer_id_of(self.public_key)

    def sign(self, context: bytes, data: bytes) -> bytes:
        """64 bytes over `context || data`; with a context per purpose no signature serves another."""
        return nacl.bindings.crypto_sign(context + data, self._secret_key)[:SIGNATURE_BYTES]

    def to_key_file(self) -> str:
        """One line: format, seed in hex, and the peer id that proves the seed was not damaged."""
        return f"{_KEY_FILE_MAGIC} {self._seed.hex()} {self.peer_id}\n"

    @classmethod
    def from_key_file(cls, text: str) -> "Identity":
        """The identity that `to_key_file` wrote.

        Raises:
            BadKeyFile: the text is not such a line, or its seed does not give the peer id beside it.
        """
        fields = text.split()
        if len(fields) != 3 or fields[0] != _KEY_FILE_MAGIC:
            raise BadKeyFile("it is not a chatd key file")
        try:
            identity = cls(bytes.fromhex(fields[1]))
        except ValueError as error:
            raise BadKeyFile("its key is damaged") from error
        if str(identity.peer_id) != fields[2]:
            raise BadKeyFile("its key is damaged: it does not fit the peer id beside it")
        return identity

    def __repr__(self) -> str:
        return f"Identity({self.peer_id.short})"


@lru_cache(maxsize=4096)
def peer_id_of(public_key: bytes) -> PeerId:
    return PeerId(hashlib.sha256(public_key).digest())


def verify(public_key: bytes, signature: bytes, context: bytes, data: bytes) -> bool:
    """Whether `signature` is `public_key`'s over `context || data`.

    libsodium refuses small-order keys and non-canonical signatures (RFC 8032, section 8.4). It runs outside
    the interpreter lock, so a thread pool can check batches beside the event loop.
    """
    try:
        nacl.bindings.crypto_sign_open(signature + context + data, public_key)
    except nacl.exceptions.BadSignatureError:
        return False
    return True

"""PeerId, RoomId, MessageId: 32-byte digests that cannot be taken for one another by a type checker.

As bytes they are cheap dictionary keys. As text, message and room ids are hexadecimal; a peer id, which
people read to each other, is lower-case base32 without padding (RFC 4648). Ten characters are the short form.
"""

import base64
import binascii
from typing import NewType, Self

DIGEST_BYTES = 32
SHORT_CHARS = 10
PEER_ID_CHARS = 52

LinkId = NewType("LinkId", int)
"""A local number for one connection; never on the wire, never reused in a process."""


class _Digest(bytes):
    __slots__ = ()

    def __new__(cls, value: bytes) -> Self:
        if len(value) != DIGEST_BYTES:
            raise ValueError(f"{cls.__name__} takes {DIGEST_BYTES} bytes, not {len(value)}")
        return super().__new__(cls, value)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The id that `str()` printed. Raises ValueError for anything else."""
        parsed = cls(bytes.fromhex(text))
        if str(parsed) != text:
            raise ValueError(f"{text!r} is not how a {cls.__name__} is written")
        return parsed

    def __str__(self) -> str:
        return self.hex()

    @property
    def short(self) -> str:
        return str(self)[:SHORT_CHARS]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.short})"


class PeerId(_Digest):
    """SHA-256 of an Ed25519 public key."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        if len(text) != PEER_ID_CHARS:
            raise ValueError(f"a peer id is written in {PEER_ID_CHARS} characters")
        try:
            parsed = cls(base64.b32decode(text.upper() + "===="))
        except binascii.Error as error:
            raise ValueError(f"{text!r} is not base32") from error
        if str(parsed) != text:  # the last character carries only one bit; the spare bits must be zero
            raise ValueError(f"{text!r} is not canonical base32")
        return parsed

    def __str__(self) -> str:
        return base64.b32encode(self).decode("ascii").rstrip("=").lower()


class RoomId(_Digest):
    """A public room's id hashes its network and name; a private room's will be random."""

    __slots__ = ()


class MessageId(_Digest):
    """BLAKE2b-256 of a signed payload, byte for byte as its author wrote it."""

    __slots__ = ()

"""Signed envelopes: what an author says in a room, in the very bytes the author signed.

The payload is kept as received and never re-encoded; its hash is the message's id, so there is no canonical
form to get wrong. Kinds below 128 are durable (stored, repaired), the others are gone once seen. Unknown
kinds and trailing fields, of a newer minor version, are carried on and ignored.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from chatcore.clock import MAX_STAMP
from chatcore.errors import Malformed, TextEmpty, TextNotUnicode, TextTooLong
from chatcore.identity import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Identity, verify
from chatcore.ids import DIGEST_BYTES, MessageId, RoomId
from chatcore.names import MAX_USERNAME_BYTES
from chatcore.texts import MAX_TEXT_BYTES
from chatcore.wire import pack, unpack_array

SIGNING_CONTEXT = b"chatd envelope 1\0"

MAX_PAYLOAD_BYTES = 20 * 1024
"""A text, the header's ~180 bytes, and room for fields not invented yet."""

MAX_INTERVAL_S = 3600

KIND_CHAT = 1
KIND_JOIN = 128
KIND_LEAVE = 129
KIND_ANNOUNCE = 130
MAX_KIND = 255
FIRST_EPHEMERAL_KIND = 128


@dataclass(frozen=True, slots=True)
class Chat:
    """Somebody says something. 1 to 16,384 bytes of UTF-8."""

    text: str


@dataclass(frozen=True, slots=True)
class Join:
    """The author has come into the room."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The author leaves the room, or stops."""


@dataclass(frozen=True, slots=True)
class Announce:
    """The author is still here, and will say so again within `interval_s` seconds."""

    interval_s: int


@dataclass(frozen=True, slots=True)
class UnknownBody:
    """A kind of a newer minor version."""

    kind: int


Body = Chat | Join | Leave | Announce | UnknownBody


class Envelope(NamedTuple):
    """One decoded envelope. A tuple, because a busy node makes tens of thousands a second."""

    id: MessageId
    room: RoomId
    author: bytes
    """The author's public key, 32 bytes."""

    stamp: int
    """Hybrid logical clock; see `clock.py`."""

    username: str
    body: Body
    durable: bool
    payload: bytes
    signature: bytes

    def is_signed(self) -> bool:
        """Whether the author signed exactly this payload. The one slow call here (~50 us)."""
        return verify(self.author, self.signature, SIGNING_CONTEXT, self.payload)


def message_id(payload: bytes) -> MessageId:
    return MessageId(hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest())


def check_text(text: str) -> None:
    """Raises TextEmpty, TextTooLong or TextNotUnicode; what a person may send, before it is signed."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise TextNotUnicode from None
    if not any(char.isprintable() and not char.isspace() for char in text):
        raise TextEmpty
    if size > MAX_TEXT_BYTES:
        raise TextTooLong(size, MAX_TEXT_BYTES)


def seal(identity: Identity, room: RoomId, stamp: int, username: str, body: Body) -> Envelope:
    """Encode and sign. The caller has checked the text and the username."""
    kind, fields = _encode_body(body)
    payload = pack([kind, room, identity.public_key, stamp, username, *fields])
    return Envelope(
        id=message_id(payload),
        room=room,
        author=identity.public_key,
        stamp=stamp,
        username=username,
        body=body,
        durable=kind < FIRST_EPHEMERAL_KIND,
        payload=payload,
        signature=identity.sign(SIGNING_CONTEXT, payload),
    )


def _encode_body(body: Body) -> tuple[int, list[Any]]:
    match body:
        case Chat(text):
            return KIND_CHAT, [text]
        case Join():
            return KIND_JOIN, []
        case Leave():
            return KIND_LEAVE, []
        case Announce(interval_s):
            return KIND_ANNOUNCE, [interval_s]
        case UnknownBody(kind):
            raise ValueError(f"kind {kind} has no encoding here")


def open_envelope(payload: bytes, signature: bytes, known_id: MessageId | None = None) -> Envelope:
    """Decode without checking the signature; `known_id` saves hashing the payload again.

    Raises:
        Malformed: any field missing, of the wrong type, or over its cap.
    """
    if len(payload) > MAX_PAYLOAD_BYTES or len(signature) != SIGNATURE_BYTES:
        raise Malformed("an envelope over its size")
    fields = unpack_array(payload)
    if len(fields) < 5:
        raise Malformed("an envelope without its header")
    kind, room, author, stamp, username = fields[:5]
    if (
        type(kind) is not int
        or not 0 <= kind <= MAX_KIND
        or type(room) is not bytes
        or len(room) != DIGEST_BYTES
        or type(author) is not bytes
        or len(author) != PUBLIC_KEY_BYTES
        or type(stamp) is not int
        or not 0 <= stamp <= MAX_STAMP
        or type(username) is not str
        or not 1 <= len(username.encode()) <= MAX_USERNAME_BYTES
    ):
        raise Malformed("an envelope whose header is wrong")
    return Envelope(
        id=known_id or message_id(payload),
        room=RoomId(room),
        author=author,
        stamp=stamp,
        username=username,
        body=_decode_body(kind, fields),
        durable=kind < FIRST_EPHEMERAL_KIND,
        payload=payload,
        signature=signature,
    )


def _decode_body(kind: int, fields: list[Any]) -> Body:
    if kind == KIND_CHAT:
        text = fields[5] if len(fields) > 5 else None
        if type(text) is not str or not 1 <= len(text.encode()) <= MAX_TEXT_BYTES:
            raise Malformed("a chat message without its text")
        return Chat(text)
    if kind == KIND_JOIN:
        return Join()
    if kind == KIND_LEAVE:
        return Leave()
    if kind == KIND_ANNOUNCE:
        interval = fields[5] if len(fields) > 5 else None
        if type(interval) is not int or not 1 <= interval <= MAX_INTERVAL_S:
            raise Malformed("an announcement without its interval")
        return Announce(interval)
    return UnknownBody(kind)

"""The ports through which the core may look at what is stored; it never writes through them.

LMDB stands behind them in the daemon, sorted lists in tests. All calls are short, as the event loop may wait.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.own import OwnMessage


class Sum(NamedTuple):
    """Of a range: all ids, as big-endian numbers, added modulo 2^256, and how many there are."""

    total: int
    size: int


class Piece(NamedTuple):
    """A part of a range, from `lower` up to the piece before it."""

    lower: bytes
    sum: Sum


class Signed(NamedTuple):
    """A message as its author signed it."""

    id: MessageId
    payload: bytes
    signature: bytes


class SignedPage(NamedTuple):
    """Of a range, newest first. What is below `lower` was not looked at; then that is above the range's."""

    messages: list[Signed]
    lower: bytes


class Index(Protocol):
    """Ranges run from `lower` up to, but not with, `upper`, over a room's keys: stamp (8 bytes) and id."""

    def known(self, ids: Sequence[MessageId]) -> set[MessageId]:
        """Those of `ids` that are stored."""
        ...

    def known_short(self, shorts: Sequence[bytes]) -> set[bytes]:
        """Those of `shorts` that some stored message's id begins with."""
        ...

    def fingerprint(self, room: RoomId, lower: bytes, upper: bytes) -> Sum: ...

    def split(self, room: RoomId, lower: bytes, upper: bytes, sizes: Sequence[int]) -> list[Piece]:
        """The whole range in pieces, newest first, each of about the given size; the last has what is left.

        Large sizes may be rounded to where it is cheap to cut. Fewer pieces come when the range is used up.
        """
        ...

    def keys(self, room: RoomId, lower: bytes, upper: bytes, most: int) -> list[bytes]:
        """The newest `most` of a range, newest first."""
        ...

    def messages(self, ids: Sequence[MessageId], most_bytes: int) -> list[Envelope]:
        """Those that are stored, in the order asked, until their payloads would exceed `most_bytes`."""
        ...

    def signed(self, room: RoomId, lower: bytes, upper: bytes, most: int, most_bytes: int) -> SignedPage:
        """The newest `most` of a range, as long as their payloads do not exceed `most_bytes`, as they are
        handed on: without a look at what they say, which would take twice the time. What is damaged is left
        out; where there is nothing else for long, the page ends with the range."""
        ...

    def floor(self, room: RoomId) -> int:
        """The least stamp that is kept in `room`: what is older has been removed, and must not come back."""
        ...


class OwnLog(Protocol):
    """What became of our own messages, the last of them at least."""

    def find(self, message_id: MessageId) -> OwnMessage | None: ...

    def by_client(self, room: RoomId, client_id: str) -> OwnMessage | None: ...

    def waiting(self, most: int) -> list[tuple[OwnMessage, Envelope]]:
        """The last `most` that nobody has confirmed, oldest first; those handed to nobody before others."""
        ...

    def by_short(self, short: bytes) -> OwnMessage | None:
        """By the first bytes of its id."""
        ...

    def unsent(self) -> int:
        """How many were handed to nobody."""
        ...

    def unconfirmed(self) -> int:
        """How many nobody has confirmed."""
        ...

    def unconfirmed_after(
        self, number: int, most: int
    ) -> tuple[list[tuple[int, OwnMessage, Envelope]], int | None]:
        """Of those numbered above `number` that nobody has confirmed, the first `most`, with their numbers;
        and the number that was looked up to, None when that is all."""
        ...

    def last(self) -> int:
        """The greatest number of any; 0 when there is none."""
        ...

    def waiting_after(self, number: int, upto: int) -> tuple[list[tuple[OwnMessage, bytes]], int | None]:
        """Of those numbered above `number`, up to `upto`, some that nobody has confirmed, with their keys in
        their rooms; and the number that was looked up to, None when that is all."""
        ...


class NoOwnLog:
    """Of a node that keeps nothing."""

    def find(self, _: MessageId) -> OwnMessage | None:
        return None

    def by_client(self, _: RoomId, __: str) -> OwnMessage | None:
        return None

    def waiting(self, _: int) -> list[tuple[OwnMessage, Envelope]]:
        return []

    def by_short(self, _: bytes) -> OwnMessage | None:
        return None

    def unsent(self) -> int:
        return 0

    def unconfirmed(self) -> int:
        return 0

    def unconfirmed_after(self, _: int, __: int) -> tuple[list[tuple[int, OwnMessage, Envelope]], int | None]:
        return [], None

    def last(self) -> int:
        return 0

    def waiting_after(self, _: int, __: int) -> tuple[list[tuple[OwnMessage, bytes]], int | None]:
        return [], None

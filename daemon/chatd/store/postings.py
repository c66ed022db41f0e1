"""The bytes of the search index: segments of some thousand messages, and for each word in one who holds it.

Pure layout. Within a segment the messages are numbered by time, so that the highest number is the newest.
"""

import struct
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from chatd.store import records
from chatd.store.records import RecordDamaged

SEGMENT_BYTES = 4
"""A segment's number begins the keys of its words, so that each segment is written behind the last."""

_NUMBERS, _BITS = b"\0", b"\1"
_SEGMENT = struct.Struct(">QQQQI")


class Place(NamedTuple):
    """Where a message stands in the order of searches: its stamp, then this node's number for it."""

    stamp: int
    seq: int


class Segment(NamedTuple):
    """The messages with `first_seq <= seq <= last_seq` that are still there, and the span of their stamps."""

    number: int
    first_seq: int
    last_seq: int
    oldest: int
    newest: int
    size: int
    """As many as were written; those removed since are in none of its words."""

    @property
    def key(self) -> bytes:
        return self.number.to_bytes(SEGMENT_BYTES, "big")

    def encode(self) -> bytes:
        return records.seal(_SEGMENT.pack(*self[1:]))


def decode_segment(key: bytes, value: bytes) -> Segment:
    """Raises RecordDamaged."""
    body = records.unseal(value)
    if len(key) != SEGMENT_BYTES or len(body) != _SEGMENT.size:
        raise RecordDamaged("a segment of the wrong size")
    return Segment(int.from_bytes(key, "big"), *_SEGMENT.unpack(body))


class Order:
    """Which messages a segment holds, by time: stamps and sequence numbers in two arrays."""

    def __init__(self, stamps: "array[int]", offsets: "array[int]", first_seq: int) -> None:
        self._stamps = stamps
        self._offsets = offsets
        self._first_seq = first_seq

    @classmethod
    def of(cls, places: Sequence[Place], first_seq: int) -> "Order":
        """`places` are sorted."""
        stamps = array("Q", [place.stamp for place in places])
        return cls(stamps, array("I", [place.seq - first_seq for place in places]), first_seq)

    @classmethod
    def decode(cls, value: bytes, segment: Segment) -> "Order":
        """Raises RecordDamaged."""
        body = records.unseal(value)
        if len(body) != 12 * segment.size:
            raise RecordDamaged("a segment's order of the wrong size")
        stamps, offsets = array("Q", body[: 8 * segment.size]), array("I", body[8 * segment.size :])
        _to_little_endian(stamps, offsets)
        return cls(stamps, offsets, segment.first_seq)

    def encode(self) -> bytes:
        stamps, offsets = self._stamps[:], self._offsets[:]
        _to_little_endian(stamps, offsets)
        return records.seal(stamps.tobytes() + offsets.tobytes())

    def __len__(self) -> int:
        return len(self._stamps)

    def place(self, number: int) -> Place:
        return Place(self._stamps[number], self._first_seq + self._offsets[number])

    def number_of(self, place: Place) -> int:
        """Of the first message not before `place`."""
        number = bisect_left(self._stamps, place.stamp)
        while number < len(self._stamps) and self.place(number) < place:
            number += 1
        return number


def _to_little_endian(*arrays: "array[int]") -> None:
    if sys.byteorder == "big":
        for items in arrays:
            items.byteswap()


def encode_holders(numbers: Sequence[int], count: int) -> bytes:
    """Who of `count` messages holds a word: rising numbers, two bytes each, or a bit for each message."""
    if 2 * len(numbers) < (count + 7) // 8:
        return _NUMBERS + struct.pack(f"<{len(numbers)}H", *numbers)
    bits = bytearray((count + 7) // 8)
    for number in numbers:
        bits[number >> 3] |= 1 << (number & 7)
    return _BITS + bits


def decode_holders(value: bytes) -> int:
    """As one number with a bit for each message. Never fails: a hit is checked against its message anyway."""
    return holders_of_any((value,))


def holders_of_any(values: Iterable[bytes]) -> int:
    """The same of many words at once, each of which few messages hold."""
    bits, few = 0, bytearray()
    for value in values:
        if value[:1] == _BITS:
            bits |= int.from_bytes(value[1:], "little")
        else:
            few += value[1 : 1 + (max(0, len(value) - 1) & ~1)]
    numbers = array("H", bytes(few))
    _to_little_endian(numbers)
    found = bytearray(1 + (max(numbers, default=0) >> 3))
    for number in numbers:
        found[number >> 3] |= 1 << (number & 7)
    return bits | int.from_bytes(found, "little")


def without(value: bytes, gone: int, count: int) -> bytes | None:
    """The same holders but for those in `gone`; None when nobody is left."""
    left = decode_holders(value) & ~gone & ((1 << count) - 1)
    return encode_holders(list(newest_first(left))[::-1], count) if left else None


def newest_first(bits: int) -> Iterator[int]:
    """The numbers of the bits that are set, from the highest."""
    while bits:
        number = bits.bit_length() - 1
        yield number
        bits ^= 1 << number

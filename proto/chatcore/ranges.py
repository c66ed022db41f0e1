"""Ranges of a room's history as two nodes speak of them: their bounds, and fingerprints of what is there."""

import hashlib

from chatcore.clock import COUNTER_BITS, MAX_SKEW_MS, MAX_STAMP, Now
from chatcore.ids import RoomId
from chatcore.index import Index, Sum
from chatcore.messages import FINGERPRINT_BYTES, ROOM_TAG_BYTES

STAMP_BYTES = 8

Bounds = tuple[bytes, bytes]


def room_tag(room: RoomId) -> bytes:
    return room[:ROOM_TAG_BYTES]


def floor(index: Index, room: RoomId) -> bytes:
    """The bound below which nothing is kept any more."""
    stamp = index.floor(room)
    return stamp.to_bytes(STAMP_BYTES, "big") if stamp else b""


def horizon(now: Now) -> bytes:
    """The bound above which no message is taken: its stamp would be too far ahead."""
    stamp = min(MAX_STAMP, (now.wall_ms + MAX_SKEW_MS + 1) << COUNTER_BITS)
    return stamp.to_bytes(STAMP_BYTES, "big")


def fingerprint(found: Sum) -> bytes:
    """Short, and hides the sum: equal fingerprints of other sets take 2^64 tries, or ids whose sums agree.

    The latter an author of tens of thousands of messages could find (Wagner's generalized birthday); all it
    would gain is that two nodes that hold just those messages of its own do not exchange them.
    """
    said = found.total.to_bytes(32, "big") + found.size.to_bytes(8, "big")
    return hashlib.blake2b(said, digest_size=FINGERPRINT_BYTES).digest()


NOTHING = fingerprint(Sum(0, 0))
"""Who has nothing needs no details: it will fetch the range."""

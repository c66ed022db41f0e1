"""The Index port over a sorted list: what the core reads in tests and in the simulator."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.index import Piece, Signed, SignedPage, Sum
from chatcore.messages import SHORT_ID_BYTES

_MODULUS = 2**256


class SortedIndex:
    """`envelopes` may be shared by many: a message is the same everywhere."""

    __slots__ = ("_keys", "_shorts", "_totals", "envelopes", "floors", "ids")

    def __init__(self, envelopes: dict[MessageId, Envelope] | None = None) -> None:
        self.ids: set[MessageId] = set()
        self._shorts: set[bytes] = set()
        self.envelopes = {} if envelopes is None else envelopes
        self.floors: dict[RoomId, int] = {}
        self._keys: dict[RoomId, list[bytes]] = {}
        self._totals: dict[RoomId, int] = {}

    def add(self, envelope: Envelope) -> bool:
        """False when it was there before."""
        if envelope.id in self.ids:
            return False
        envelope = self.envelopes.setdefault(envelope.id, envelope)
        self.ids.add(envelope.id)
        self._shorts.add(envelope.id[:SHORT_ID_BYTES])
        keys = self._keys.setdefault(envelope.room, [])
        insort(keys, key_of(envelope))
        self._totals[envelope.room] = self._totals.get(envelope.room, 0) + int.from_bytes(envelope.id, "big")
        return True

    def remove(self, envelope: Envelope) -> None:
        self.ids.remove(envelope.id)
        self._shorts.remove(envelope.id[:SHORT_ID_BYTES])
        keys = self._keys[envelope.room]
        del keys[bisect_left(keys, key_of(envelope))]
        self._totals[envelope.room] -= int.from_bytes(envelope.id, "big")

    def all_keys(self, room: RoomId) -> list[bytes]:
        """In the order everybody sees."""
        return self._keys.get(room, [])

    # The port

    def known(self, ids: Sequence[MessageId]) -> set[MessageId]:
        return self.ids.intersection(ids)

    def known_short(self, shorts: Sequence[bytes]) -> set[bytes]:
        return self._shorts.intersection(shorts)

    def fingerprint(self, room: RoomId, lower: bytes, upper: bytes) -> Sum:
        keys, first, last = self._span(room, lower, upper)
        if last - first == len(keys):
            return Sum(self._totals.get(room, 0) % _MODULUS, len(keys))
        return Sum(_total(keys[first:last]), last - first)

    def split(self, room: RoomId, lower: bytes, upper: bytes, sizes: Sequence[int]) -> list[Piece]:
        keys, first, last = self._span(room, lower, upper)
        pieces: list[Piece] = []
        for size in sizes:
            if last - first <= size:
                break
            pieces.append(Piece(keys[last - size], Sum(_total(keys[last - size : last]), size)))
            last -= size
        return [*pieces, Piece(lower, Sum(_total(keys[first:last]), last - first))]

    def keys(self, room: RoomId, lower: bytes, upper: bytes, most: int) -> list[bytes]:
        keys, first, last = self._span(room, lower, upper)
        return keys[max(first, last - most) : last][::-1]

    def messages(self, ids: Sequence[MessageId], most_bytes: int) -> list[Envelope]:
        found: list[Envelope] = []
        for item in ids:
            if item in self.ids:
                envelope = self.envelopes[item]
                most_bytes -= len(envelope.payload)
                if most_bytes < 0:
                    break
                found.append(envelope)
        return found

    def signed(self, room: RoomId, lower: bytes, upper: bytes, most: int, most_bytes: int) -> SignedPage:
        keys, first, last = self._span(room, lower, upper)
        ids = [MessageId(key[8:]) for key in self.keys(room, lower, upper, most)]
        found = self.messages(ids, most_bytes)
        page = [Signed(item.id, item.payload, item.signature) for item in found]
        return SignedPage(page, lower if len(page) == last - first else keys[last - len(page)])

    def floor(self, room: RoomId) -> int:
        return self.floors.get(room, 0)

    def _span(self, room: RoomId, lower: bytes, upper: bytes) -> tuple[list[bytes], int, int]:
        keys = self._keys.get(room, [])
        return keys, bisect_left(keys, lower), bisect_left(keys, upper)


def key_of(envelope: Envelope) -> bytes:
    return envelope.stamp.to_bytes(8, "big") + envelope.id


def _total(keys: Iterable[bytes]) -> int:
    return sum([int.from_bytes(key[8:], "big") for key in keys]) % _MODULUS

"""How often a peer may come into rooms and leave them: each time costs us a look at who our neighbours are.

What comes too often is put off, never lost: it is what the peer says of itself. Knows links and rooms by id.
"""

from chatcore.ids import LinkId, RoomId
from chatcore.limits import TokenBucket
from chatcore.messages import MAX_ROOMS

MOVES_PER_S = 4.0
MOVES_BURST = 2 * MAX_ROOMS
"""Rooms that one peer comes into or leaves: a program may join as many as there may be, and leave them."""


class Moves:
    def __init__(self) -> None:
        self._allowed: dict[LinkId, TokenBucket] = {}
        self._put_off: dict[LinkId, frozenset[RoomId]] = {}

    def take(self, link: LinkId, count: int, mono: float) -> bool:
        """Whether it may move so often now; what was put off is settled then."""
        bucket = self._allowed.setdefault(link, TokenBucket(MOVES_PER_S, MOVES_BURST, mono))
        allowed = bucket.take(mono, max(1, count))
        if allowed:
            self._put_off.pop(link, None)
        return allowed

    def put_off(self, link: LinkId, rooms: frozenset[RoomId]) -> None:
        """Where it says that it is, to be believed later; the last word counts."""
        self._put_off[link] = rooms

    def due(self) -> dict[LinkId, frozenset[RoomId]]:
        """What was put off, once."""
        due, self._put_off = self._put_off, {}
        return due

    def handle_link_gone(self, link: LinkId) -> None:
        self._allowed.pop(link, None)
        self._put_off.pop(link, None)

"""Which of our own messages a linked member has stored, as equal fingerprints show.

Knows neither fingerprints nor links. A comparison may show it of thousands at once, so a part is looked at at
a time; what does not fit is shown again by the next comparison.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from chatcore.ids import PeerId, RoomId
from chatcore.index import OwnLog
from chatcore.own import OwnMessage

MAX_WALKS = 16
"""Of a member through what is ours in a room, at a time."""

MAX_RANGES = 64
"""In one walk: what one answer has parts."""


@dataclass(frozen=True, slots=True)
class Shared:
    """From `lower` up to, but not with, `upper` a member has stored what we have, and nothing else."""

    peer: PeerId
    room: RoomId
    lower: bytes
    upper: bytes


@dataclass(slots=True)
class _Walk:
    upto: int
    """Numbered higher is what was said after that was shown."""

    ranges: list[Shared] = field(default_factory=list)
    at: int = 0


class Walks:
    def __init__(self, log: OwnLog) -> None:
        self._log = log
        self._walks: dict[tuple[PeerId, RoomId], _Walk] = {}

    def __bool__(self) -> bool:
        return bool(self._walks)

    def add(self, shared: Iterable[Shared], upto: int) -> None:
        """`upto`: the number of the last message of our own that was surely compared."""
        for item in shared:
            walk = self._walks.get((item.peer, item.room))
            if walk is None and len(self._walks) < MAX_WALKS:
                walk = self._walks[item.peer, item.room] = _Walk(upto)
            if walk is not None and not walk.at and len(walk.ranges) < MAX_RANGES:
                walk.ranges.append(item)

    def step(self) -> Iterator[tuple[OwnMessage, PeerId]]:
        """Go on with the walk that has waited longest: what of ours waits, and who has it."""
        if not self._walks:
            return
        key = next(iter(self._walks))
        walk = self._walks.pop(key)
        found, reached = self._log.waiting_after(walk.at, walk.upto)
        if reached is not None:
            walk.at = reached
            self._walks[key] = walk
        for own, place in found:
            if any(own.room == item.room and item.lower <= place < item.upper for item in walk.ranges):
                yield own, key[0]

    def clear(self) -> None:
        self._walks.clear()

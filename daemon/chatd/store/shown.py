"""A page of what people are shown, past whatever lies between that they are not: kinds of a newer version,
people they blocked.

What is passed over is told from a few bytes of its record, as there may be very much of it. Decides nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from chatcore.envelopes import KIND_CHAT, Chat
from chatcore.ids import RoomId
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.lmdbtypes import Table, Txn
from chatd.store.reading import Point, room_entries

MAX_PASSED_OVER = 200_000
"""For one page; about 4 us each, with little else to do."""

DECODED_WORK = 10
"""What passing over a message counts for that only decoding tells of, as when it is packed unusually."""

STEP = 10_000
"""Passed over in one snapshot, about 40 ms: a map about to grow waits for it to end."""

Shows = Callable[[bool, bytes], bool]
"""Whether a message is shown: if it is a chat message, and its author's key."""

Follow = Callable[[Txn, bytes, bytes], Stored | None]


@dataclass(slots=True)
class ShownPage:
    """`upto`: how far was looked. `passed`: what passing over has cost so far."""

    room: RoomId
    limit: int
    before: Point | None
    after: Point | None
    shows: Shows
    found: list[Stored] = field(default_factory=list)
    """In the order they are met: the newest first, with `after` the oldest."""

    upto: Point | None = None
    passed: int = 0

    @property
    def gave_up(self) -> bool:
        return len(self.found) < self.limit and self.passed >= MAX_PASSED_OVER

    def step(self, txn: Txn, index: Table, log: Table, follow: Follow) -> bool:
        """Whether there may be more."""
        before, after = self.before, self.after
        if self.upto is not None:
            before, after = (self.upto, None) if after is None else (before, self.upto)
        most = min(MAX_PASSED_OVER, self.passed + STEP)
        with txn.cursor(index) as cursor:
            for key, number in room_entries(cursor, self.room, before, after):
                self.upto = Point(records.stamp_of(key), records.id_of(key))
                self._look(txn, log, key, number, follow)
                if len(self.found) == self.limit:
                    return False
                if self.passed >= most:
                    return self.passed < MAX_PASSED_OVER
        self.passed = min(self.passed, MAX_PASSED_OVER - 1)  # it came to the end
        return False

    def _look(self, txn: Txn, log: Table, key: bytes, number: bytes, follow: Follow) -> None:
        header = records.peek(txn.get(number, db=log, default=b""))
        if header is not None and not self.shows(header[0] == KIND_CHAT, header[1]):
            self.passed += 1
            return
        stored = follow(txn, key, number)
        if stored is None or not self.shows(isinstance(stored.envelope.body, Chat), stored.envelope.author):
            self.passed += DECODED_WORK
        else:
            self.found.append(stored)

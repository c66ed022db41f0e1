"""How far each room was read, and what came since. Knows numbers and names of rooms only, and no clock."""

from collections.abc import Sequence
from dataclasses import dataclass

IDLE_S = 120.0
"""Without a key pressed for so long, nobody is taken to be reading."""

MAX_SHOWN = 99


@dataclass(slots=True)
class Count:
    """`messages` of others, those that name us among them; `lines` are our own from elsewhere as well."""

    messages: int = 0
    mentions: int = 0
    lines: int = 0

    def __str__(self) -> str:
        return f"{MAX_SHOWN}+" if self.messages > MAX_SHOWN else str(self.messages)


class Unread:
    """`read` are the marks: the `seq` of the last message read in each room; kept up to date in place.

    `seq` is the last one there is.
    """

    def __init__(self, read: dict[str, int], seq: int) -> None:
        self._read = read
        self._counts: dict[str, Count] = {}
        self.seq = seq

    def start_over(self, seq: int) -> None:
        """Another store answers, and there are no marks any more."""
        self._counts.clear()
        self.seq = seq

    def mark(self, room: str) -> int:
        """What came with a `seq` above it is new. A room never seen before has nothing new."""
        return self._read.setdefault(room, self.seq)

    def of(self, room: str) -> Count:
        return self._counts.get(room, Count())

    def heard(self, seq: int) -> None:
        """A message came, in whatever room."""
        self.seq = max(self.seq, seq)

    def arrived(self, room: str, seq: int, *, ours: bool = False, names_us: bool = False) -> None:
        """A message, in a room that is not looked at."""
        self._read.setdefault(room, seq - 1)
        count = self._counts.setdefault(room, Count())
        count.lines += 1
        count.messages += not ours
        count.mentions += names_us

    def forget(self, room: str) -> None:
        """It was left."""
        self._counts.pop(room, None)

    def opened(self, room: str, seq: int = 0) -> None:
        """All there is in this room is before the person's eyes. `seq`: shown, though not heard of yet."""
        self._counts.pop(room, None)
        self._read[room] = max(self._read.pop(room, 0), self.seq, seq)  # at the end: read last

    def next_after(self, room: str, order: Sequence[str]) -> str | None:
        """Where to look next: rooms in which we were named before others, each in turn after this one."""
        at = order.index(room) + 1 if room in order else 0
        others = [*order[at:], *order[:at]]
        named = [other for other in others if self.of(other).mentions]
        return next(iter([*named, *(other for other in others if self.of(other).messages)]), None)


class Attention:
    """Whether somebody sits there, by the keys that are pressed. Times are seconds of any one clock."""

    def __init__(self, now: float) -> None:
        self._key = now
        self._ruled = False

    def key_pressed(self, now: float) -> None:
        self._key = now
        self._ruled = False

    def is_first_unseen(self, now: float) -> bool:
        """Whether what comes now is the first that nobody sees coming."""
        if self._ruled or now - self._key < IDLE_S:
            return False
        self._ruled = True
        return True

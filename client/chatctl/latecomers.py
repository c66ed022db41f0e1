"""Messages that come long after they were said: a few are shown in their order, of many it is told how many.

A node that was away gets the newest messages of a room first and then page after page of what was before. On
a screen each page would stand below what was said after it. Knows times only as numbers it is given; with a
clock that is ahead, what was said at one moment may be taken for late, and is told a little later.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcore.api import Message

LATE_MS = 10_000
"""Younger than this, a message that stands before one already shown was said at the same moment."""

OLD_MS = 600_000
"""As far as clocks may differ (docs/protocol.md). What is older was not said just now, whatever they show."""

QUIET_S = 1.5
"""Without another one for so long, what came is told."""

LONGEST_WAIT_S = 30.0
MAX_SHOWN = 20
MAX_ROOMS = 4096
"""Of which the newest message is known; beyond, those heard of longest ago are forgotten."""


@dataclass(slots=True)
class Late:
    """What came late in one room: `messages` by time, or none of them where there are more than MAX_SHOWN."""

    room: str
    count: int = 0
    mentions: int = 0
    messages: "list[Message]" = field(default_factory=list)


class Latecomers:
    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._waiting: dict[str, Late] = {}
        self._first = self._last = 0.0

    @property
    def due(self) -> float | None:
        """When to flush; None while nothing waits."""
        return min(self._first + LONGEST_WAIT_S, self._last + QUIET_S) if self._waiting else None

    def passed(self, message: "Message") -> None:
        """It stands on the screen, or was counted."""
        room, said_ms = message["room"], message["time_ms"]
        self._newest[room] = max(self._newest.pop(room, 0), said_ms)
        if len(self._newest) > MAX_ROOMS:
            del self._newest[next(iter(self._newest))]

    def is_late(self, message: "Message", wall_ms: int) -> bool:
        """Whether it was said a while ago, and before something that has passed."""
        return message["time_ms"] < min(self._newest.get(message["room"], 0), wall_ms - LATE_MS)

    def is_old(self, message: "Message", wall_ms: int) -> bool:
        """Whether it is late, or would be if this were not the first of its room."""
        return self.is_late(message, wall_ms) or message["time_ms"] < wall_ms - OLD_MS

    def has(self, room: str) -> bool:
        """Whether something of this room waits to be told."""
        return room in self._waiting

    def add(self, message: "Message", now: float, *, names_us: bool = False) -> None:
        if not self._waiting:
            self._first = now
        self._last = now
        late = self._waiting.setdefault(message["room"], Late(message["room"]))
        late.count += 1
        late.mentions += names_us
        if late.count <= MAX_SHOWN:
            late.messages.append(message)
        else:
            late.messages.clear()

    def flush(self) -> list[Late]:
        """What waits, by room."""
        waiting, self._waiting = self._waiting, {}
        for late in waiting.values():
            late.messages.sort(key=_said_ms)  # stable: what came together of one moment is in order already
        return list(waiting.values())

    def forget(self) -> None:
        """Another store answers."""
        self._newest.clear()
        self._waiting.clear()


def _said_ms(message: "Message") -> int:
    return message["time_ms"]

"""Messages that come after what was said later: a few are shown in their order, of many it is told how many.

A node that was away gets the newest messages of a room first and then page after page of what was before. On
a screen each page would stand below what was said after it. Knows times only as numbers it is given.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatcore.api import Message

MOMENT_MS = 2000
"""What was said at the same moment may come in any order, and nobody needs to be told so."""

MOMENT_S = 0.3
"""So long what was said at one moment waits to be put in order; it comes within that, or soon."""

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
    """What came late in one room: `messages` by time, or none of them where there are more than MAX_SHOWN.

    `before`: whether they were said more than a moment before what stands above. `passed`: how many others
    stand on the screen, at most as many came after them.
    """

    room: str
    count: int = 0
    mentions: int = 0
    before: bool = False
    passed: int = 0
    messages: "list[Message]" = field(default_factory=list)


class Latecomers:
    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        self._waiting: dict[str, Late] = {}
        self._first = self._last = 0.0

    @property
    def due(self) -> float | None:
        """When to flush; None while nothing waits."""
        if not self._waiting:
            return None
        quiet_s = QUIET_S if any(late.before for late in self._waiting.values()) else MOMENT_S
        return min(self._first + LONGEST_WAIT_S, self._last + quiet_s)

    def passed(self, message: "Message") -> None:
        """It stands on the screen, or was counted."""
        room, said_ms = message["room"], message["time_ms"]
        self._newest[room] = max(self._newest.pop(room, 0), said_ms)
        self._passed[room] = self._passed.get(room, 0) + 1
        if len(self._newest) > MAX_ROOMS:
            forgotten = next(iter(self._newest))
            del self._newest[forgotten], self._passed[forgotten]

    def is_late(self, message: "Message") -> bool:
        """Whether it was said before something that has passed."""
        return message["time_ms"] < self._newest.get(message["room"], 0)

    def is_old(self, message: "Message", wall_ms: int) -> bool:
        """Whether it was not said just now."""
        said_ms = message["time_ms"]
        return said_ms < self._newest.get(message["room"], 0) - MOMENT_MS or said_ms < wall_ms - OLD_MS

    def has(self, room: str) -> bool:
        """Whether something of this room waits to be told."""
        return room in self._waiting

    def add(self, message: "Message", now: float, *, names_us: bool = False) -> None:
        if not self._waiting:
            self._first = now
        self._last = now
        late = self._waiting.setdefault(message["room"], Late(message["room"]))
        late.count += 1
        late.before = late.before or message["time_ms"] < self._newest.get(message["room"], 0) - MOMENT_MS
        late.mentions += names_us
        if late.count <= MAX_SHOWN:
            late.messages.append(message)
        else:
            late.messages.clear()

    def flush(self) -> list[Late]:
        """What waits, by room."""
        waiting, self._waiting = self._waiting, {}
        for late in waiting.values():
            late.passed = self._passed.get(late.room, 0)
            late.messages.sort(key=_said_ms)  # stable: what came together of one moment is in order already
        return list(waiting.values())

    def forget(self) -> None:
        """Another store answers."""
        self._newest.clear()
        self._passed.clear()
        self._waiting.clear()


def _said_ms(message: "Message") -> int:
    return message["time_ms"]

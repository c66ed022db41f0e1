"""Whom a room's history is fetched from: who fills its gaps, and of whom each id is asked.

One link fills at a time, the others wait in line; an id is asked of one link first. Both end when it is slow,
so that nobody keeps us from what others have. Knows links and ids, not what is said on the links.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chatcore.ids import LinkId, MessageId

FREE_S = 2.0
"""A gap that nobody fills for so long is whoever's asks first: the next in line may be gone."""

LOOK_S = 5.0
LEAST_BYTES_PER_S = 5 * 1024
"""Whoever brings less over `LOOK_S`, while others wait, gives up its turn. The slowest line that is worth
waiting for has 40 kbit/s."""

ASK_ANOTHER_S = 2.0
"""An id asked for so long ago may be asked of anybody else as well."""

FORGET_S = 60.0
MAX_CLAIMS = 32_768
"""Ids that were asked for and did not come, and how long they are remembered; the oldest make way."""


@dataclass(slots=True)
class _Turn:
    link: LinkId
    looked: float
    came_bytes: int = 0


@dataclass(eq=False, slots=True)
class _Asking:
    """A session with one link, as far as ids go."""

    link: LinkId
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _Claim:
    by: _Asking
    since: float


class Turns:
    """Of one room."""

    def __init__(self) -> None:
        self._turn: _Turn | None = None
        self._freed = 0.0
        self._line: dict[LinkId, None] = {}
        """Who could not fill when it was its moment, in that order."""

        self._asking: dict[LinkId, _Asking] = {}
        self._claims: dict[MessageId, _Claim] = {}

    # Gaps

    def take(self, link: LinkId, mono: float) -> bool:
        """Whether it may fill: it does already, or nobody does and nobody waits before it. Else it waits."""
        if self._turn is not None:
            mine = self._turn.link == link
        else:
            first = next(iter(self._line), link)
            mine = first == link or mono - self._freed >= FREE_S
            if mine:
                self._line.pop(link, None)
                self._turn = _Turn(link, mono)
        if not mine:
            self.wait(link)
        return mine

    def wait(self, link: LinkId) -> None:
        self._line.setdefault(link, None)

    def is_engaged(self, link: LinkId) -> bool:
        """It has the turn, or will be asked when that comes."""
        return link in self._line or (self._turn is not None and self._turn.link == link)

    def next_in_line(self) -> LinkId | None:
        """Who may fill now, if it has not gone."""
        return None if self._turn is not None else next(iter(self._line), None)

    def note_came(self, link: LinkId, ids: Iterable[MessageId], size: int) -> None:
        for item in ids:
            self._claims.pop(item, None)
        if self._turn is not None and self._turn.link == link:
            self._turn.came_bytes += size

    def due(self) -> float | None:
        """When `look` is to see how much came, or whether the turn was taken."""
        if self._turn is not None:
            return self._turn.looked + LOOK_S if self._line else None
        return self._freed + FREE_S if len(self._line) > 1 else None

    def look(self, mono: float) -> None:
        """Whoever brought too little meanwhile gives up its turn; who is first in line and does not take it
        goes to the end of the line."""
        turn, due = self._turn, self.due()
        if due is None or due > mono:
            return
        if turn is None:
            first = next(iter(self._line))
            del self._line[first]
            self._line[first] = None
            self._freed = mono
            return
        if turn.came_bytes < LEAST_BYTES_PER_S * (mono - turn.looked):
            self._turn, self._freed = None, mono
        turn.looked, turn.came_bytes = mono, 0

    def release(self, link: LinkId, mono: float, *, waits: bool) -> None:
        """Its session has ended; `waits` for a turn still."""
        asking = self._asking.pop(link, None)
        if asking is not None:
            asking.ended = True
        if self._turn is not None and self._turn.link == link:
            self._turn, self._freed = None, mono
        if not waits:
            self._line.pop(link, None)

    # Ids

    def claim(self, ids: Iterable[MessageId], link: LinkId, mono: float) -> list[MessageId]:
        """Those that it may be asked for. Of whoever had them claimed before and ended, it is not asked again
        at once: it shall not hold them by asking anew and anew."""
        asking = self._asking.setdefault(link, _Asking(link))
        mine: list[MessageId] = []
        for item in ids:
            held = self._claims.setdefault(item, _Claim(asking, mono))
            free = held.by.ended and held.by.link != link
            if held.by is asking or free or mono - held.since >= ASK_ANOTHER_S:
                mine.append(item)
        self._forget(mono)
        return mine

    def _forget(self, mono: float) -> None:
        while self._claims:
            oldest = next(iter(self._claims))
            if len(self._claims) <= MAX_CLAIMS and mono - self._claims[oldest].since < FORGET_S:
                return
            del self._claims[oldest]

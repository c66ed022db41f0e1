"""Messages announced to us and not yet come: whom to ask for each, and when."""

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from chatcore.config import GossipConfig
from chatcore.ids import LinkId
from chatcore.recent import ShortId

MAX_MISSING = 8192
"""In a full table whoever announced most makes way: else the links of one host could fill it for all others.
What makes way is left to eager copies and history repair."""

MAX_MISSING_OF_LINK = 1024
"""Of those that one link was the first to announce; beyond, it is not believed until some have come."""

MAX_ANNOUNCERS = 16

AWAITED_S = 1.0
"""So long history repair leaves what was announced to its announcers: some rounds of asking. Who announces
and does not deliver would else keep a message from us for as long as it likes."""

MAX_GIVEN_UP = 8192
"""Ids remembered that did not come: announced anew, nobody need wait for them."""


@dataclass(slots=True)
class Wanted:
    first: LinkId
    announcers: deque[LinkId]
    since: float
    due: float
    awaited_until: float
    """By then it should have come by its announcers; history repair need not fetch it before."""

    asked: list[LinkId] = field(default_factory=list)


class Missing:
    def __init__(self, config: GossipConfig) -> None:
        self._config = config
        self._wanted: dict[ShortId, Wanted] = {}
        self._heap: list[tuple[float, ShortId]] = []
        self._of_link: dict[LinkId, dict[ShortId, None]] = {}
        """What each link was the first to announce, in order."""

        self._given_up: OrderedDict[ShortId, None] = OrderedDict()
        """The last ones; given up last comes last."""

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, short: ShortId) -> bool:
        return short in self._wanted

    def awaits(self, short: ShortId, mono: float) -> bool:
        wanted = self._wanted.get(short)
        return wanted is not None and mono < wanted.awaited_until

    def announce(self, short: ShortId, link: LinkId, mono: float) -> None:
        wanted = self._wanted.get(short)
        if wanted is not None:
            if len(wanted.announcers) < MAX_ANNOUNCERS and link not in wanted.announcers:
                wanted.announcers.append(link)
        elif self._make_room(link):
            self._of_link.setdefault(link, {})[short] = None
            awaited_until = mono if short in self._given_up else mono + AWAITED_S
            due = mono + self._config.graft_after_s
            self._wanted[short] = Wanted(link, deque([link]), mono, due, awaited_until)
            self._push(short)

    def _make_room(self, link: LinkId) -> bool:
        """For one more that it announces; in a full table the newest of whoever announced most makes way."""
        of_it = len(self._of_link.get(link, ()))
        if of_it >= MAX_MISSING_OF_LINK:
            return False
        if len(self._wanted) >= MAX_MISSING:
            most = max(self._of_link, key=lambda other: len(self._of_link[other]))
            if len(self._of_link[most]) <= of_it:
                return False
            self.give_up(next(reversed(self._of_link[most])))
        return True

    def arrived(self, short: ShortId) -> Wanted | None:
        """It came, by whatever road."""
        wanted = self._wanted.pop(short, None)
        if wanted is not None:
            of_link = self._of_link[wanted.first]
            del of_link[short]
            if not of_link:
                del self._of_link[wanted.first]
        return wanted

    def next_due(self) -> float | None:
        while self._heap:
            due, short = self._heap[0]
            wanted = self._wanted.get(short)
            if wanted is not None and wanted.due == due:
                return due
            heapq.heappop(self._heap)  # it came, or was put off
        return None

    def pop_due(self, mono: float) -> list[tuple[ShortId, Wanted]]:
        """What has waited long enough; each must be put off or given up."""
        found: list[tuple[ShortId, Wanted]] = []
        while True:
            due = self.next_due()
            if due is None or due > mono:
                return found
            short = heapq.heappop(self._heap)[1]
            found.append((short, self._wanted[short]))

    def put_off(self, short: ShortId, until: float) -> None:
        self._wanted[short].due = until
        self._push(short)

    def give_up(self, short: ShortId) -> None:
        self.arrived(short)
        self._given_up[short] = None
        self._given_up.move_to_end(short)
        if len(self._given_up) > MAX_GIVEN_UP:
            self._given_up.popitem(last=False)

    def _push(self, short: ShortId) -> None:
        heapq.heappush(self._heap, (self._wanted[short].due, short))

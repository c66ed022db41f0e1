"""Answering what peers ask about history, so that no asker takes more of our time than its share.

Knows links and what they asked; each waits in a line of its own until there is time for it. The core has no
clock, so work is counted in what was looked at, at measured prices.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from chatcore.ids import LinkId, RoomId
from chatcore.index import Index
from chatcore.limits import Meter
from chatcore.messages import Compare, Compared, FetchIds, FetchRange, History, Listed
from chatcore.reconcile import ANSWER_S, PAGE_MESSAGES, answer, serve_ids, serve_range

QUESTION_US = 50
RANGE_US = 150
PART_US = 90
ID_US = 12
MESSAGE_US = 5
"""Microseconds a question, a range compared, a part of an answer, an id looked for and a message of a range
take. Measured with 50,000 messages in LMDB: one range that does not lie on the blocks' bounds 150-270, split
in 16 parts 1,500 more, a page of 128 messages 500-700, 128 ids 1,500-2,500."""

LINK_US_PER_S = 100_000.0
"""What one link's questions may take. A newcomer that asks for each page as the one before is on its disk
gets 5,000 messages a second for a quarter of it."""

ALL_US_PER_S = 200_000.0
AT_ONCE_US = 2_000
"""Of one link and of all. No more is saved while the event loop is busy, so a slow or busy machine
spends less than these shares, and what its owner asks waits for one such turn at a time."""

MAX_WAITING = 32
"""Of one link. An honest one has 16 sessions, each with a comparison and a page under way, at the most."""

STALE_S = ANSWER_S - 2.0
"""Who asked so long ago has given up before our answer is there."""

Question = Compare | FetchIds | FetchRange


@dataclass(frozen=True, slots=True)
class Served:
    link: LinkId
    room: RoomId
    question: Question
    reply: Compared | History


@dataclass(slots=True)
class _Line:
    meter: Meter
    waiting: deque[tuple[float, RoomId, Question]] = field(default_factory=deque)
    paused: bool = False


class Serving:
    def __init__(self, index: Index) -> None:
        self._index = index
        self._lines: OrderedDict[LinkId, _Line] = OrderedDict()
        """Who was served longest ago comes first."""

        self._all: Meter | None = None

    def ask(self, link: LinkId, room: RoomId, question: Question, mono: float) -> bool:
        """Whether it is taken; it then waits for `serve`."""
        waiting = self._line(link, mono).waiting
        while waiting and waiting[0][0] + STALE_S <= mono:
            waiting.popleft()
        if len(waiting) >= MAX_WAITING:
            return False
        if isinstance(question, FetchIds):
            question = FetchIds(question.token, question.room, question.ids[:PAGE_MESSAGES])
        waiting.append((mono, room, question))
        return True

    def _line(self, link: LinkId, mono: float) -> _Line:
        found = self._lines.get(link)
        if found is None:
            found = self._lines[link] = _Line(Meter(LINK_US_PER_S, AT_ONCE_US, mono))
        return found

    def serve(self, mono: float) -> Iterator[Served]:
        """As much as there is time for now, in turns."""
        every = self._all = self._all or Meter(ALL_US_PER_S, AT_ONCE_US, mono)
        while every.ready(mono) and (link := self._next(mono)) is not None:
            line = self._lines[link]
            self._lines.move_to_end(link)
            asked, room, question = line.waiting.popleft()
            if asked + STALE_S <= mono:
                continue
            reply = self._answer(room, question)
            price = _price(question, reply)
            line.meter.charge(price)
            every.charge(price)
            yield Served(link, room, question, reply)

    def _next(self, mono: float) -> LinkId | None:
        return next(
            (
                link
                for link, line in self._lines.items()
                if line.waiting and not line.paused and line.meter.ready(mono)
            ),
            None,
        )

    def _answer(self, room: RoomId, question: Question) -> Compared | History:
        match question:
            case Compare():
                return answer(self._index, room, question)
            case FetchIds():
                return serve_ids(self._index, room, question)
            case FetchRange():
                return serve_range(self._index, room, question)

    def due(self) -> float | None:
        """When `serve` has something to do again."""
        times = [line.meter.ready_at() for line in self._lines.values() if line.waiting and not line.paused]
        if not times or self._all is None:
            return None
        return max(min(times), self._all.ready_at())

    def handle_writing(self, link: LinkId, mono: float, *, paused: bool) -> None:
        """Nothing is read from disk for a peer that does not take what it was sent already."""
        self._line(link, mono).paused = paused

    def handle_link_gone(self, link: LinkId) -> None:
        self._lines.pop(link, None)


def _price(question: Question, reply: Compared | History) -> int:
    match question, reply:
        case Compare(), Compared(answers=answers):
            parts = sum(1 for found in answers for part in found if not isinstance(part, Listed))
            return QUESTION_US + RANGE_US * len(answers) + PART_US * parts
        case FetchIds(ids=ids), _:
            return QUESTION_US + ID_US * len(ids)
        case _, History(messages=messages):
            return QUESTION_US + MESSAGE_US * len(messages)
        case _:
            raise AssertionError("a question with another's answer")

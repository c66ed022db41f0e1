"""Answering what peers ask about history, so that no asker takes more of our time than its share.

Knows links and what they asked; each waits in a line of its own until there is time for it. One question at a
time is looked up. What was looked at has its measured price; a disk that takes longer costs what it takes.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from chatcore.answering import PAGE_MESSAGES
from chatcore.events import JobId, LookUp
from chatcore.ids import LinkId, RoomId
from chatcore.limits import Meter
from chatcore.messages import Compare, Compared, FetchIds, FetchRange, History, Listed
from chatcore.reconcile import ANSWER_S

QUESTION_US = 50
RANGE_US = 150
PART_US = 90
ID_US = 12
MESSAGE_US = 3
"""Microseconds a question, a range compared, a part of an answer, an id looked for and a message of a range
take. Measured with 50,000 messages in LMDB: one range that does not lie on the blocks' bounds 150-270, split
in 16 parts 1,500 more, a page of 128 messages 400, 128 ids 1,500-2,500."""

LINK_US_PER_S = 100_000.0
"""What one link's questions may take. A newcomer that asks for each page as the one before is on its disk
gets 5,000 messages a second for a sixth of it."""

ALL_US_PER_S = 200_000.0
AT_ONCE_US = 2_000
"""Of one link and of all. No more is saved while nobody asks, or others are busy, so a slow or busy machine
spends less than these shares."""

SLOW_US = 10_000
"""What takes longer is paid for by the time it took; less may be a busy machine's doing."""

MOST_US = 500_000
"""Of one question: a process that was stopped for an hour meanwhile owes nobody hours of silence."""

MAX_WAITING = 32
"""Of one link. An honest one has 16 sessions, each with a comparison and a page under way, at the most."""

STALE_S = ANSWER_S - 2.0
"""Who asked so long ago has given up before our answer is there."""

Question = Compare | FetchIds | FetchRange


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked up, since `at`."""

    job: JobId
    at: float
    link: LinkId
    room: RoomId
    question: Question
    asking: bool
    """Whether we were beginning to ask it the same when it asked."""


@dataclass(slots=True)
class _Line:
    meter: Meter
    waiting: deque[tuple[float, RoomId, Question, bool]] = field(default_factory=deque)
    paused: bool = False


class Serving:
    def __init__(self) -> None:
        self._lines: OrderedDict[LinkId, _Line] = OrderedDict()
        """Who was served longest ago comes first."""

        self._all: Meter | None = None
        self._last_job = 0
        self._asked: Asked | None = None

    def ask(
        self, link: LinkId, room: RoomId, question: Question, mono: float, *, asking: bool = False
    ) -> bool:
        """Whether it is taken; it then waits for `next`."""
        waiting = self._line(link, mono).waiting
        while waiting and waiting[0][0] + STALE_S <= mono:
            waiting.popleft()
        if len(waiting) >= MAX_WAITING:
            return False
        if isinstance(question, FetchIds):
            question = FetchIds(question.token, question.room, question.ids[:PAGE_MESSAGES])
        waiting.append((mono, room, question, asking))
        return True

    def _line(self, link: LinkId, mono: float) -> _Line:
        found = self._lines.get(link)
        if found is None:
            found = self._lines[link] = _Line(Meter(LINK_US_PER_S, AT_ONCE_US, mono))
        return found

    def next(self, mono: float) -> LookUp | None:
        """What is to be looked up now, of each link in turn; then `done` is told what was found.

        What nothing is heard of for as long as anybody waits for an answer is given up.
        """
        every = self._all = self._all or Meter(ALL_US_PER_S, AT_ONCE_US, mono)
        if self._asked is not None and self._asked.at + ANSWER_S <= mono:
            self._asked = None
        while self._asked is None and every.ready(mono) and (link := self._next(mono)) is not None:
            self._lines.move_to_end(link)
            asked, room, question, asking = self._lines[link].waiting.popleft()
            if mono < asked + STALE_S:
                self._last_job += 1
                self._asked = Asked(JobId(self._last_job), mono, link, room, question, asking)
                return LookUp(self._asked.job, room, question)
        return None

    def done(self, job: JobId, reply: Compared | History | None, mono: float) -> Asked | None:
        """Who asked, and may have gone meanwhile; None when it was given up. A slow disk makes it dearer."""
        asked = self._asked
        if asked is None or asked.job != job:
            return None
        self._asked = None
        least = QUESTION_US if reply is None else _price(asked.question, reply)
        took = 1_000_000 * (mono - asked.at)
        price = max(least, min(took, MOST_US)) if took > SLOW_US else least
        if self._all is not None:
            self._all.charge(price)
        if (line := self._lines.get(asked.link)) is not None:
            line.meter.charge(price)
        return asked

    def _next(self, mono: float) -> LinkId | None:
        return next(
            (
                link
                for link, line in self._lines.items()
                if line.waiting and not line.paused and line.meter.ready(mono)
            ),
            None,
        )

    def due(self) -> float | None:
        """When `next` has something to say again, if nothing else happens."""
        if self._asked is not None:
            return None
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

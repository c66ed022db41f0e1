"""Finding what two nodes' histories do not share, by range-based set reconciliation (Meyer 2023).

Whoever lacks something asks: it sends fingerprints of ranges, and is told the other side's fingerprints of
parts of those that differ, or the ids where there are few (`answering`). Knows one link and one room; when to
ask, and whom, `repair` says.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from chatcore.answering import PAGE_MESSAGES
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.index import Index
from chatcore.messages import (
    MAX_COMPARED_RANGES,
    Compare,
    Compared,
    FetchIds,
    FetchRange,
    History,
    Listed,
    Part,
    Range,
)
from chatcore.ranges import NOTHING, Bounds, fingerprint, room_tag

MAX_ROUNDS = 10
"""Comparisons in one session: 16-way splits tell 64 * 16^8 messages apart in as many."""

MAX_PAGES = 64
SESSION_S = 60.0
"""Then somebody else is asked for the rest, so that nobody can hold us up for long."""

ANSWER_S = 10.0
MAX_USELESS_PAGES = 3
MAX_OVERTAKEN_PAGES = 16
"""In one session. What is pushed meanwhile is soon over, and the rest is found by the next comparison."""

MAX_STORING = 2
"""Pages on their way to disk; below that the next is asked for, so that a round trip and a commit
overlap."""


class BadHistory(Exception):
    """An answer that does not fit its question; `why` is for people."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Gap:
    """A range of which we have nothing and the other side has something."""

    lower: bytes
    upper: bytes
    count: int
    """Of what it says it has there, less what came; never negative."""


Lacking = Callable[[Collection[MessageId]], list[MessageId]]
"""Those that are neither here nor on their way."""


@dataclass(eq=False, slots=True)
class Session:
    """What we ask one peer about one room. Newest first; what is left at its end the next one will find."""

    link: LinkId
    room: RoomId
    token: int
    started: float
    todo: list[Range]
    """Where we differ, newest first."""

    comparing: tuple[Range, ...] = ()
    compare_due: float = 0.0
    wanted: list[MessageId] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    """Newest first."""

    fetching: FetchIds | FetchRange | None = None
    fetch_due: float = 0.0
    storing: int = 0
    """Pages that are here and on their way to disk."""

    rounds: int = 0
    pages: int = 0
    useless: int = 0
    overtaken: int = 0
    brought: int = 0
    differed: bool = False
    own: int = 0
    """Of what it brought, what we said ourselves."""

    lacked: bool = False
    """The other side has, or says it has, what is not stored here."""

    put_off: bool = False
    """Ids were left to another session."""

    elsewhere: bool = False
    """Something that it has as well is under way from somebody else."""

    broken: bool = False
    """It did not have what it listed."""

    apart: bool = False
    """Its floor lies above our horizon, so nothing was compared."""

    alike: list[Bounds] = field(default_factory=list)
    """Where the other side has what we have, as its last answer shows."""

    waits: bool = False
    """Gaps were left as somebody else has the turn to fill them."""

    # Asking

    def next_questions(self, mono: float, *, may_fill: bool) -> Iterator[Compare | FetchIds | FetchRange]:
        """At most one comparison and one fetch are under way."""
        spent = mono - self.started >= SESSION_S
        if self.todo and not self.comparing and self.rounds < MAX_ROUNDS and not spent:
            self.comparing, self.todo = (
                tuple(self.todo[:MAX_COMPARED_RANGES]),
                self.todo[MAX_COMPARED_RANGES:],
            )
            self.rounds += 1
            self.compare_due = mono + ANSWER_S
            yield Compare(self.token, room_tag(self.room), self.comparing)
        if self.fetching is None and self.storing < MAX_STORING and self.pages < MAX_PAGES and not spent:
            fetch = self._next_fetch(may_fill=may_fill)
            if fetch is not None:
                self.fetching = fetch
                self.fetch_due = mono + ANSWER_S
                self.pages += 1
                yield fetch

    def _next_fetch(self, *, may_fill: bool) -> FetchIds | FetchRange | None:
        if self.wanted:
            return FetchIds(self.token, room_tag(self.room), tuple(self.wanted[:PAGE_MESSAGES]))
        if self.gaps and may_fill:
            gap = self.gaps[0]
            return FetchRange(self.token, room_tag(self.room), gap.lower, gap.upper)
        return None

    def drop_come(self, lacking: Lacking) -> None:
        """The next page is asked without what came by another road."""
        while self.wanted:
            asked = self.wanted[:PAGE_MESSAGES]
            left = lacking(asked)
            self.wanted[:PAGE_MESSAGES] = left
            if left:
                return

    def drop_below(self, floor: bytes) -> None:
        """What has been removed here since it was compared is not asked for."""
        while self.fetching is None and self.gaps and self.gaps[-1].lower < floor:
            gap = self.gaps.pop()
            if gap.upper > floor:
                self.gaps.append(Gap(floor, gap.upper, gap.count))

    @property
    def waiting(self) -> bool:
        """For an answer, or for the disk."""
        return bool(self.comparing) or self.fetching is not None or self.storing > 0

    @property
    def left(self) -> bool:
        return bool(self.todo or self.wanted or self.gaps)

    @property
    def outstanding(self) -> int:
        """Messages that it says it has, and that are still to come; what is not compared yet is not among
        them."""
        return len(self.wanted) + sum(gap.count for gap in self.gaps)

    @property
    def is_complete(self) -> bool:
        """All that it has is here."""
        return not (self.left or self.put_off or self.waits or self.elsewhere or self.broken or self.apart)

    def overdue(self, mono: float) -> bool:
        return (bool(self.comparing) and self.compare_due <= mono) or (
            self.fetching is not None and self.fetch_due <= mono
        )

    def due(self) -> float | None:
        """When an answer is overdue. The disk has no deadline."""
        times = [self.compare_due] if self.comparing else []
        return min([*times, *([self.fetch_due] if self.fetching is not None else [])], default=None)

    # Answers

    def on_compared(self, message: Compared, index: Index, lacking: Lacking) -> list[MessageId]:
        """The ids that we lack, for somebody to be asked for. Raises BadHistory."""
        asked, self.comparing = self.comparing, ()
        if not message.answers or len(message.answers) > len(asked):
            raise BadHistory("an answer to more, or less, than was asked")
        self.todo[:0] = asked[len(message.answers) :]
        listed: list[MessageId] = []
        deeper: list[Range] = []
        self.alike = []
        for question, parts in zip(asked, message.answers, strict=False):
            if not parts:
                ours = index.fingerprint(self.room, question.lower, question.upper)
                if fingerprint(ours) == question.fingerprint:  # still
                    self.alike.append((question.lower, question.upper))
            # Of all that we could take it keeps nothing; what it keeps is too far ahead for us.
            below = parts == (Part(question.lower, NOTHING, 0),)
            self.apart = self.apart or (self.rounds == 1 and below)
            listed += self._on_parts(question, parts, index, deeper)
        self.todo[:0] = deeper
        self.differed = self.differed or bool(deeper or listed or self.gaps)
        self.lacked = self.lacked or bool(self.gaps) or not index.known(listed).issuperset(listed)
        found = lacking(listed)
        self.elsewhere = self.elsewhere or len(found) < len(set(listed) - index.known(listed))
        return found

    def _on_parts(
        self, question: Range, parts: tuple[Part | Listed, ...], index: Index, deeper: list[Range]
    ) -> list[MessageId]:
        listed: list[MessageId] = []
        upper = question.upper
        for part in parts:
            if not question.lower <= part.lower < upper:
                raise BadHistory("parts that are not in order")
            self.differed = True
            if isinstance(part, Listed):
                listed += part.ids
            elif part.count:
                ours = index.fingerprint(self.room, part.lower, upper)
                if not ours.size:
                    self._add_gap(part.lower, upper, part.count)
                elif (print_ := fingerprint(ours)) != part.fingerprint:
                    deeper.append(Range(part.lower, upper, print_))
                else:
                    self.alike.append((part.lower, upper))
            upper = part.lower
        return listed

    def _add_gap(self, lower: bytes, upper: bytes, count: int) -> None:
        """Newest first, though what lies above it may have been compared later: filled in another order, a
        history would be full of holes that each further comparison has to find."""
        at = sum(gap.lower >= upper for gap in self.gaps)
        if at and self.gaps[at - 1].lower == upper:
            above = self.gaps[at - 1]
            self.gaps[at - 1] = Gap(lower, above.upper, above.count + count)
        else:
            self.gaps.insert(at, Gap(lower, upper, count))

    def on_history(self, message: History) -> None:
        """The page is what was asked for. Raises BadHistory."""
        asked, self.fetching = self.fetching, None
        if isinstance(asked, FetchIds):
            came = {item.id for item in message.messages}
            self.broken = self.broken or not came
            if not came.issubset(asked.ids):
                raise BadHistory("messages that were not asked for")
            tried = set(asked.ids)
            # What fits no page comes with the next; of nothing at all it has none.
            done = came or tried
            self.wanted = [item for item in self.wanted if item not in done]
        elif isinstance(asked, FetchRange):
            if not asked.lower <= message.lower < asked.upper:
                raise BadHistory("a page of another range")
            if message.lower > asked.lower and not message.messages:
                raise BadHistory("a page of nothing")
            at = next(at for at, gap in enumerate(self.gaps) if gap.upper == asked.upper)
            gap = self.gaps[at]
            rest = Gap(gap.lower, message.lower, max(0, gap.count - len(message.messages)))
            self.gaps[at : at + 1] = [rest] if message.lower > gap.lower else []

    def handle_page_done(self, brought: int) -> None:
        """What the page held is on disk: so many were new."""
        self.storing -= 1
        self.brought += brought
        self.useless = 0 if brought else self.useless + 1

    def handle_page_overtaken(self) -> None:
        """All that it held was missing when it was asked for, and had come by other roads when it came."""
        self.storing -= 1
        self.overtaken += 1

    @property
    def is_useless(self) -> bool:
        """It goes on bringing nothing."""
        return self.useless >= MAX_USELESS_PAGES or self.overtaken >= MAX_OVERTAKEN_PAGES

"""How a newcomer learns who is in a room: it asks its first neighbours, who answer once with what they hold.

Settles who is asked and who is answered. Refuses to know who is in the room and whether it is true.
"""

from collections.abc import Iterable, Sequence

from chatcore.events import Output, Priority, Send
from chatcore.ids import LinkId, RoomId
from chatcore.limits import TokenBucket
from chatcore.messages import MAX_ROSTER_WORDS, Roster, RosterRequest, ToldWord

WELCOMERS = 2
"""Neighbours asked: one may be new here itself, or keep silent."""

MAX_WORDS = 1024
"""In one answer: the members heard last. With some 230 bytes each about 240 kB; the others are heard of at
their next refresh."""

ANSWER_EVERY_S = 60.0
"""To one link, which is new to the room once; who asks again had better wait for the refreshes."""

ANSWERS_PER_S = 1.0
ANSWER_BURST = 10
"""In one room, to all links: who comes and goes all the time cannot make us send without end."""


class Welcome:
    def __init__(self, room: RoomId, mono: float) -> None:
        self._room = room
        self._left = WELCOMERS
        self._owing: dict[LinkId, int] = {}
        """Who was asked, and how many words each may still send."""

        self._answered: dict[LinkId, float] = {}
        self._answers = TokenBucket(ANSWERS_PER_S, ANSWER_BURST, mono)

    def handle_alone(self) -> None:
        """No neighbour is left: what we know grows old, so the next ones are asked again."""
        self._left = WELCOMERS

    def ask(self, came: Iterable[LinkId]) -> list[Output]:
        """New neighbours; the first of all are asked who is here."""
        asked = [link for link in came if link not in self._owing][: self._left]
        self._left -= len(asked)
        self._owing |= dict.fromkeys(asked, MAX_WORDS)
        return [Send(tuple(asked), RosterRequest(self._room), Priority.CONTROL)] if asked else []

    def may_answer(self, link: LinkId, mono: float) -> bool:
        last = self._answered.get(link)
        if (last is not None and mono - last < ANSWER_EVERY_S) or not self._answers.take(mono):
            return False
        self._answered[link] = mono
        return True

    def answer(self, link: LinkId, words: Sequence[ToldWord]) -> list[Output]:
        """In small frames, behind what people say now."""
        starts = range(0, max(1, len(words)), MAX_ROSTER_WORDS)
        return [
            Send(
                (link,),
                Roster(
                    self._room,
                    last=start + MAX_ROSTER_WORDS >= len(words),
                    words=tuple(words[start : start + MAX_ROSTER_WORDS]),
                ),
                Priority.HISTORY,
            )
            for start in starts
        ]

    def expects(self, link: LinkId, roster: Roster) -> bool:
        """Whether we asked for it; it then counts as received."""
        left = self._owing.get(link)
        if left is None or len(roster.words) > left:
            return False
        if roster.last:
            del self._owing[link]
        else:
            self._owing[link] = left - len(roster.words)
        return True

    def handle_link_gone(self, link: LinkId) -> None:
        """Instead of one that still owed us an answer, the next neighbour is asked."""
        if self._owing.pop(link, None) is not None:
            self._left = min(self._left + 1, WELCOMERS)
        self._answered.pop(link, None)

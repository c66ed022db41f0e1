"""Finding members of a room whom no neighbour is linked with: a question that walks from peer to peer.

Whoever it comes to names the members it knows, in the room or not, and hands it on to one more; answers go
back the way it came. Knows links and rooms; dials nothing itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chatcore.clock import Now
from chatcore.counters import Counters
from chatcore.events import Output, Priority, Send
from chatcore.ids import LinkId, RoomId
from chatcore.limits import TokenBucket
from chatcore.links import Link, Links
from chatcore.messages import RoomRequest, RoomResponse
from chatcore.records import PeerRecord
from chatcore.rng import Rng
from chatcore.room import Room
from chatcore.vetting import Vetting

WALK_HOPS = 6
"""Peers one walk comes to, as far as HyParView's join walks (Leitao et al. 2007, section 5.1)."""

MAX_WALKS = 8
"""Links a question sets out on at once; with more, a random choice."""

ASK_FIRST_S = 5.0
ASK_MOST_S = 300.0
"""A room with too few neighbours asks again after 5 s, doubling to 5 min."""

MAX_ROOMS_ASKED = 8
"""Rooms that ask at one time; the others ask at the next occasion, a shuffle at the latest."""

ENOUGH = 2
"""Members known that end a walk: one of them may be who asks."""

SAMPLE = 8
"""Records in an answer."""

MAX_QUESTIONS = 1024
QUESTION_S = 10.0
"""Questions whose answers are waited for, and how long. When full the oldest makes way: its answers find no
way back, and whoever asked will ask again."""

REQUESTS_PER_S = 4.0
REQUESTS_BURST = 32
"""Questions taken from one link; those beyond are dropped, and count as refused."""


@dataclass(frozen=True, slots=True)
class Found:
    """Members of a room of ours."""

    room: RoomId
    members: tuple[PeerRecord, ...]


@dataclass(slots=True)
class _Question:
    room: RoomId
    back: LinkId | None
    """Where answers go; None when we asked ourselves."""

    until: float
    answers: dict[LinkId, int] = field(default_factory=dict)
    """How many answers may still come from each link it was handed to."""


@dataclass(slots=True)
class _Need:
    """A room with too few neighbours. `alone` when no linked peer at all is in it."""

    alone: bool
    ask_at: float
    pause_s: float = ASK_FIRST_S


class Search:
    def __init__(
        self,
        fanout: int,
        *,
        rooms: Mapping[RoomId, Room],
        links: Links,
        vetting: Vetting,
        counters: Counters,
        rng: Rng,
    ) -> None:
        self._few = max(2, fanout // 2)
        self._rooms = rooms
        self._links = links
        self._vetting = vetting
        self._counters = counters
        self._rng = rng
        self._needs: dict[RoomId, _Need] = {}
        self._asked: dict[RoomId, float] = {}
        """When each room may ask again, however its needs change."""

        self._questions: dict[int, _Question] = {}
        self._allowed: dict[LinkId, TokenBucket] = {}

    # Our own questions

    def ask(self, changed: Iterable[RoomId], now: Now) -> list[Output]:
        """Ask for members of those rooms that have too few neighbours and have not asked lately.
        `changed`: where that may be otherwise than it was; some may be left by now."""
        self._note_needs(changed, now)
        if not self._links:
            return []
        due = [room for room, need in self._needs.items() if need.ask_at <= now.mono]
        return [output for room in due[:MAX_ROOMS_ASKED] for output in self._ask(room, now)]

    def _note_needs(self, changed: Iterable[RoomId], now: Now) -> None:
        for left in self._needs.keys() - self._rooms.keys():
            del self._needs[left]
        for left in self._asked.keys() - self._rooms.keys():
            del self._asked[left]
        for room_id, room in [(of, self._rooms[of]) for of in changed if of in self._rooms]:
            if len(room.active) >= self._few:
                self._needs.pop(room_id, None)
                continue
            need = self._needs.get(room_id)
            alone = not room.active and not room.linked
            if need is None or alone > need.alone:
                # Linked members may yet become neighbours, and tell of others.
                soonest = now.mono if alone else now.mono + ASK_FIRST_S
                # A peer that comes and goes must not make us ask each time.
                self._needs[room_id] = _Need(alone, max(soonest, self._asked.get(room_id, soonest)))
            else:
                need.alone = alone

    def _ask(self, room: RoomId, now: Now) -> list[Output]:
        need = self._needs[room]
        self._asked[room] = now.mono + ASK_FIRST_S
        need.ask_at = now.mono + need.pause_s
        need.pause_s = min(2 * need.pause_s, ASK_MOST_S)
        nonce = self._rng.getrandbits(64)
        question = self._remember(nonce, room, None, now)
        links = list(self._links)
        chosen = self._rng.sample(links, min(MAX_WALKS, len(links)))
        return [self._hand_on(question, nonce, WALK_HOPS, link) for link in chosen]

    # Questions and answers on their way

    def on_request(self, link: Link, request: RoomRequest, now: Now) -> list[Output]:
        allowed = self._allowed.setdefault(link.link, TokenBucket(REQUESTS_PER_S, REQUESTS_BURST, now.mono))
        if not allowed.take(now.mono):
            self._counters.blame(link.link, "room_request_rate")
            return []
        outputs: list[Output] = []
        known: list[PeerRecord] = []
        question = self._question(request.nonce, now)
        if question is None:  # else it has come to us on another road, and was answered
            question = self._remember(request.nonce, request.room, link.link, now)
            known = self._known(request.room, link)
        if known:
            members = tuple(self._rng.sample(known, min(SAMPLE, len(known))))
            outputs.append(Send((link.link,), RoomResponse(request.nonce, members), Priority.CONTROL))
        hops = min(request.hops, WALK_HOPS - 1)
        others = [other for other in self._links if other is not link and other.link not in question.answers]
        if hops > 0 and len(known) < ENOUGH and others:
            (chosen,) = self._rng.sample(others, 1)
            outputs.append(self._hand_on(question, request.nonce, hops, chosen))
        return outputs

    def _known(self, room_id: RoomId, asker: Link) -> list[PeerRecord]:
        room = self._rooms.get(room_id)
        listed = () if room is None else room.known
        known = {record.peer_id: record for record in listed if record.scope >= asker.scope}
        for link in self._links.in_room(room_id):
            record = link.record_for(asker.scope)
            if record is not None:
                known[link.peer_id] = record
        known.pop(asker.peer_id, None)
        return list(known.values())

    def _hand_on(self, question: _Question, nonce: int, hops: int, link: Link) -> Output:
        question.answers[link.link] = hops
        return Send((link.link,), RoomRequest(question.room, nonce, hops - 1), Priority.CONTROL)

    def on_response(self, link: Link, response: RoomResponse, now: Now) -> tuple[list[Output], Found | None]:
        """Raises ForgedRecord."""
        question = self._question(response.nonce, now)
        if question is None or not question.answers.get(link.link):
            self._counters.blame(link.link, "unasked_members")
            return [], None
        question.answers[link.link] -= 1
        members = self._vetting.vet(link, response.members, now, asked=True)
        if question.back is None:
            return [], Found(question.room, members)
        back = self._links.get(question.back)
        if back is None:
            return [], None
        told = tuple(record for record in members if record.scope >= back.scope)
        answer = RoomResponse(response.nonce, told)
        return [Send((question.back,), answer, Priority.CONTROL)] if told else [], None

    def _question(self, nonce: int, now: Now) -> _Question | None:
        question = self._questions.get(nonce)
        return None if question is None or question.until <= now.mono else question

    def _remember(self, nonce: int, room: RoomId, back: LinkId | None, now: Now) -> _Question:
        self._questions.pop(nonce, None)
        if len(self._questions) >= MAX_QUESTIONS:
            del self._questions[next(iter(self._questions))]
        self._questions[nonce] = question = _Question(room, back, now.mono + QUESTION_S)
        return question

    def handle_link_gone(self, link: LinkId) -> None:
        self._allowed.pop(link, None)

"""Keeping histories whole: whom to compare ours with and when, and what is fetched once at a time.

Joins reconcile, which finds the differences with one peer, and gossip, which checks what comes of them like
any other message. Remembers of a peer only how soon to ask it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chatcore.catchup import CatchUp
from chatcore.clock import Now
from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.errors import Malformed
from chatcore.events import JobId, Output, Priority, RepairDue, Send, SetTimer
from chatcore.gossip import Gossip
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.index import Index
from chatcore.limits import TokenBucket
from chatcore.links import Link, Links
from chatcore.messages import (
    MAX_TOKEN,
    Compare,
    Compared,
    FetchIds,
    FetchRange,
    History,
    HistoryMessage,
    Range,
)
from chatcore.reconcile import (
    BadHistory,
    Session,
    answer,
    fingerprint,
    floor,
    horizon,
    room_tag,
    serve_ids,
    serve_range,
)
from chatcore.rng import Rng
from chatcore.room import Room

MAX_SESSIONS = 16
"""At a time, over all links and rooms; others wait."""

STAGGER_S = 0.25
"""A new link waits up to so long: the links of a node that just started do not all ask at once."""

FRUITLESS_S = 1.0
FRUITLESS_MOST_S = 30.0
"""Before a peer is asked again that differs and had nothing for us: twice as long each time."""

LOOK_AGAIN_S = 2.0
"""After ids were left to another session, or to the announcer they wait for."""

BAD_PAUSE_S = 60.0
"""Before a peer is asked again whose answers did not come, or did not fit."""

COMPARES_PER_S = 50.0
COMPARES_AT_ONCE = 200
PAGES_PER_S = 200.0
PAGES_AT_ONCE = 50
"""What one link may ask of us: each takes up to some milliseconds. One that waits for each page to be on its
own disk does not come near."""

Key = tuple[LinkId, RoomId]


@dataclass(slots=True)
class _Pace:
    """When a peer may be asked again about a room, and how often in a row it had nothing for us."""

    not_before: float
    fruitless: int = 0


@dataclass(slots=True)
class _Allowance:
    compares: TokenBucket
    pages: TokenBucket
    token: int | None = None
    """Of the last session it opened."""


class Repair:
    def __init__(
        self,
        config: GossipConfig,
        *,
        rooms: Mapping[RoomId, Room],
        gossip: Gossip,
        links: Links,
        catch_up: CatchUp,
        index: Index,
        counters: Counters,
        rng: Rng,
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._gossip = gossip
        self._links = links
        self._catch_up = catch_up
        self._index = index
        self._counters = counters
        self._rng = rng
        self._sessions: dict[Key, Session] = {}
        self._due: dict[Key, float] = {}
        self._paces: dict[Key, _Pace] = {}
        self._allowances: dict[LinkId, _Allowance] = {}
        self._asked: dict[MessageId, Session] = {}
        """Ids under way: nothing is asked of two peers at once."""

        self._filling: dict[RoomId, Session] = {}
        """Who fetches whole ranges of a room: one session at a time."""

        self._checking: dict[JobId, Session] = {}
        self._storing: dict[JobId, Session] = {}
        self._round_at = 0.0
        self._timer_at: float | None = None
        self._last_token = 0

    # When, and with whom

    def handle_started(self, now: Now) -> list[Output]:
        self._put_off_round(now.mono)
        return self._go_on(now)

    def handle_met(self, met: Iterable[tuple[Link, RoomId]], now: Now) -> list[Output]:
        """Links that have come to share a room with us. Who dialled asks; if there is a difference, so will
        the other. A restored node asks in any case: that there is no difference is what it waits to know."""
        for link, room in met:
            if link.outbound or self._catch_up.waiting:
                self._plan((link.link, room), now.mono + self._rng.uniform(0.0, STAGGER_S))
        return self._go_on(now)

    def handle_due(self, now: Now) -> list[Output]:
        self._timer_at = None
        for session in [item for item in self._sessions.values() if item.overdue(now.mono)]:
            self._fail(session, "silent_history", now)
        if self._round_at <= now.mono:
            self._put_off_round(now.mono)
            for room in self._rooms.values():
                members = room.linked
                if members:
                    self._plan((self._rng.sample(members, 1)[0], room.id), now.mono)
        return self._go_on(now)

    def _put_off_round(self, mono: float) -> None:
        self._round_at = mono + self._config.repair_every_s * self._rng.uniform(0.8, 1.2)

    def _plan(self, key: Key, at: float) -> None:
        pace = self._paces.get(key)
        if pace is not None:
            at = max(at, pace.not_before)
        self._due[key] = min(at, self._due.get(key, at))

    def _go_on(self, now: Now) -> list[Output]:
        """Open what is due, and come back for the rest."""
        outputs: list[Output] = []
        for key in [key for key, at in self._due.items() if at <= now.mono]:
            if key not in self._sessions and len(self._sessions) < MAX_SESSIONS:
                del self._due[key]
                outputs += self._open(key, now)
        return outputs + self._come_back(now)

    def _come_back(self, now: Now) -> list[Output]:
        waiting = [] if len(self._sessions) >= MAX_SESSIONS else list(self._due.items())
        times = [at for key, at in waiting if key not in self._sessions]
        times += [at for item in self._sessions.values() if (at := item.due()) is not None]
        at = min([*times, self._round_at])
        if self._timer_at is not None and now.mono < self._timer_at <= at:
            return []
        self._timer_at = at
        return [SetTimer(RepairDue(), at)]

    def _open(self, key: Key, now: Now) -> list[Output]:
        link, room = self._links.get(key[0]), key[1]
        if link is None or room not in self._rooms or room not in link.rooms:
            return []
        lower, upper = floor(self._index, room), horizon(now)
        ours = fingerprint(self._index.fingerprint(room, lower, upper))
        self._last_token = self._last_token % MAX_TOKEN + 1
        session = Session(key[0], room, self._last_token, now.mono, [Range(lower, upper, ours)])
        self._sessions[key] = session
        self._counters.repairs += 1
        return self._ask_on(session, now)

    # Asking

    def _ask_on(self, session: Session, now: Now) -> list[Output]:
        """Its next questions, or its end."""
        may_fill = self._filling.setdefault(session.room, session) is session if session.gaps else True
        questions = session.next_questions(now.mono, may_fill=may_fill)
        outputs: list[Output] = [Send((session.link,), item, Priority.HISTORY) for item in questions]
        if not session.waiting:
            session.put_off = session.put_off or not may_fill
            self._finish(session, now)
        return outputs

    def _finish(self, session: Session, now: Now) -> None:
        """Who brought something shows that others may lack it, or have more."""
        self._forget(session)
        key, mono = (session.link, session.room), now.mono
        pace = self._paces.setdefault(key, _Pace(mono))
        if session.brought or not session.differed:
            pace.fruitless, pace.not_before = 0, mono
        else:
            pause = min(FRUITLESS_MOST_S, FRUITLESS_S * 2**pace.fruitless)
            pace.fruitless, pace.not_before = min(pace.fruitless + 1, 16), mono + pause
        if session.brought:
            for link in self._rooms[session.room].active if session.room in self._rooms else ():
                if link != session.link:
                    self._plan((link, session.room), mono)
            if session.left:
                self._plan(key, mono)
        if session.put_off:
            self._plan(key, mono + LOOK_AGAIN_S)
        others = [item for item in self._sessions.values() if item.room == session.room]
        if not (session.lacked or session.left or any(item.brought for item in others)):
            self._catch_up.note_whole(session.room)
        if session.lacked and self._catch_up.waiting:
            self._plan(key, mono)  # until there is nothing left to find

    def _fail(self, session: Session, why: str, now: Now) -> None:
        self._counters.repairs_failed += 1
        self._counters.blame(session.link, why)
        self._forget(session)
        self._paces[session.link, session.room] = _Pace(now.mono + BAD_PAUSE_S)
        self._ask_another(session, now)

    def _ask_another(self, session: Session, now: Now) -> None:
        """What one peer has left open, another may answer."""
        room = self._rooms.get(session.room)
        others = [link for link in room.linked if link != session.link] if room else []
        if others and (session.differed or session.left or session.comparing):
            self._plan((self._rng.sample(others, 1)[0], session.room), now.mono)

    def _forget(self, session: Session) -> None:
        self._sessions.pop((session.link, session.room), None)
        if self._filling.get(session.room) is session:
            del self._filling[session.room]
        for item in [item for item, of in self._asked.items() if of is session]:
            del self._asked[item]
        for jobs in (self._checking, self._storing):
            for job in [job for job, of in jobs.items() if of is session]:
                del jobs[job]

    # Messages

    def on_message(self, link: Link, message: HistoryMessage, now: Now) -> list[Output]:
        """Raises Malformed for a page that holds what is no envelope."""
        match message:
            case Compare() | FetchIds() | FetchRange():
                return self._on_question(link, message, now)
            case Compared() | History():
                return self._on_answer(link, message, now)

    def _on_question(self, link: Link, message: Compare | FetchIds | FetchRange, now: Now) -> list[Output]:
        room = self._room_of(link, message.room)
        if room is None:
            self._counters.refused["not_in_room"] += 1
            return []
        allowance = self._allowance(link.link, now.mono)
        bucket = allowance.compares if isinstance(message, Compare) else allowance.pages
        if not bucket.take(now.mono):
            self._counters.blame(link.link, "history_rate")
            return []
        match message:
            case Compare():
                return self._on_compare(link, room, message, allowance, now)
            case FetchIds():
                page = serve_ids(self._index, room, message)
                return [Send((link.link,), page, Priority.HISTORY)]
            case FetchRange():
                page = serve_range(self._index, room, message)
                return [Send((link.link,), page, Priority.BULK)]

    def _on_compare(
        self, link: Link, room: RoomId, message: Compare, allowance: _Allowance, now: Now
    ) -> list[Output]:
        reply = answer(self._index, room, message)
        outputs: list[Output] = []
        if allowance.token != message.token:
            allowance.token = message.token
            session = self._sessions.get((link.link, room))
            # To a first question of ours that is under way, it will answer with what it has now.
            asking = session is not None and session.rounds == 1 and bool(session.comparing)
            if any(reply.answers) and not asking:  # it may have what we lack
                self._plan((link.link, room), now.mono)
                outputs = self._go_on(now)
        # Behind our own question, so that the other side sees that we ask already.
        return [*outputs, Send((link.link,), reply, Priority.HISTORY)]

    def _room_of(self, link: Link, tag: bytes) -> RoomId | None:
        return next((room for room in link.rooms if room_tag(room) == tag and room in self._rooms), None)

    def _allowance(self, link: LinkId, mono: float) -> _Allowance:
        found = self._allowances.get(link)
        if found is None:
            found = self._allowances[link] = _Allowance(
                TokenBucket(COMPARES_PER_S, COMPARES_AT_ONCE, mono),
                TokenBucket(PAGES_PER_S, PAGES_AT_ONCE, mono),
            )
        return found

    def _on_answer(self, link: Link, message: Compared | History, now: Now) -> list[Output]:
        session = next(
            (
                item
                for item in self._sessions.values()
                if item.link == link.link and item.token == message.token
            ),
            None,
        )
        expected = session is not None and (
            bool(session.comparing) if isinstance(message, Compared) else session.fetching is not None
        )
        if session is None or not expected:
            self._counters.blame(link.link, "unasked_history")
            return []
        outputs: list[Output] = []
        try:
            if isinstance(message, Compared):
                self._on_compared(session, message)
            else:
                outputs += self._on_history(session, message, now)
        except BadHistory:
            self._fail(session, "bad_history", now)
            return [*outputs, *self._go_on(now)]
        except Malformed:
            self._fail(session, "bad_history", now)
            raise
        return [*outputs, *self._ask_on(session, now), *self._go_on(now)]

    def _on_compared(self, session: Session, message: Compared) -> None:
        found = session.on_compared(message, self._index, self._gossip.lacking)
        for item in found:
            self._asked.setdefault(item, session)
        session.wanted = [item for item in session.wanted if self._asked.get(item) is session]
        session.put_off = session.put_off or len(session.wanted) < len(found)

    def _on_history(self, session: Session, message: History, now: Now) -> list[Output]:
        if not message.messages and session.wanted:
            self._counters.promises_broken += len(session.wanted)
        session.on_history(message)
        outputs, job = self._gossip.on_history(session.link, message.messages, now)
        session.storing += 1
        if job is not None:
            self._checking[job] = session
        elif not session.handle_page_done(0):
            raise BadHistory("pages that bring nothing new")
        return outputs

    # Pages on their way to disk

    def handle_checked(self, job: JobId, persist: JobId | None, now: Now) -> list[Output]:
        """The signatures of a batch were checked; what held is stored by `persist`."""
        session = self._checking.pop(job, None)
        if session is None:
            return []
        if persist is None:
            return self._handle_page_done(session, 0, now)
        self._storing[persist] = session
        return []

    def handle_committed(self, job: JobId, stored: int, now: Now) -> list[Output]:
        session = self._storing.pop(job, None)
        if session is None:
            return []
        self._counters.repaired += stored
        link, room = self._links.get(session.link), self._rooms.get(session.room)
        asks: list[Output] = []
        if stored:
            self._catch_up.note_behind(session.room)
            asks = room.handle_brought(link, now) if link is not None and room is not None else []
        return [*asks, *self._handle_page_done(session, stored, now)]

    def handle_commit_failed(self, job: JobId, now: Now) -> list[Output]:
        """Our own disk's fault: the next round tries again."""
        session = self._storing.pop(job, None)
        if session is not None:
            self._forget(session)
        return self._come_back(now) if session is not None else []

    def _handle_page_done(self, session: Session, brought: int, now: Now) -> list[Output]:
        if session.handle_page_done(brought):
            outputs = self._ask_on(session, now)
        else:
            self._finish(session, now)
            outputs = []
        return [*outputs, *self._go_on(now)]

    # Links go

    def handle_link_gone(self, link: LinkId, now: Now) -> list[Output]:
        self._allowances.pop(link, None)
        for table in (self._due, self._paces):
            for key in [key for key in table if key[0] == link]:
                del table[key]
        lost = [item for item in self._sessions.values() if item.link == link]
        for session in lost:
            self._forget(session)
            self._ask_another(session, now)
        return self._go_on(now) if lost else []

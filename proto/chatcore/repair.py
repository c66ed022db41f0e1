"""Keeping histories whole: whom to compare ours with, and what is fetched once at a time.

Joins reconcile, which finds the differences with one peer, and gossip, which checks what comes of them like
any other message. When a peer is asked again the agenda knows.
"""

from collections.abc import Iterable, Mapping
from functools import partial

from chatcore.agenda import LOOK_AGAIN_S, Agenda, Key
from chatcore.catchup import CatchUp
from chatcore.clock import Now
from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.errors import Malformed
from chatcore.events import JobId, LookedUp, Output, Priority, RepairDue, Send, ServeDue, SetTimer
from chatcore.gossip import Gossip
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.index import Index
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
from chatcore.ranges import Bounds, fingerprint, floor, horizon, room_tag
from chatcore.reconcile import BadHistory, Session
from chatcore.rng import Rng
from chatcore.room import Room
from chatcore.serving import Asked, Serving
from chatcore.shared import Shared
from chatcore.turns import ASK_ANOTHER_S, Turns

MAX_SESSIONS = 16
"""At a time, over all links and rooms; others wait."""

STAGGER_S = 0.25
"""A new link waits up to so long: the links of a node that just started do not all ask at once."""


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
        self._agenda = Agenda()
        self._serving = Serving()
        self._serve_at: float | None = None
        self._changes = self._changes_before = 0
        """What was looked up before the last change, and comes after it, proves nothing of how things are."""

        self._tokens: dict[LinkId, int] = {}
        """Of the last session each peer opened."""

        self.shared: list[Shared] = []
        self.served: list[MessageId] = []
        """Until somebody looks: where members were found to have what we have, and what they were sent."""

        self._turns: dict[RoomId, Turns] = {}
        self._checking: dict[JobId, Session] = {}
        self._storing: dict[JobId, Session] = {}
        self._whole: set[RoomId] = set()
        """Rooms of which the last comparison that ended found nothing that we lack."""

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
        met = list(met)
        for link, room in met:
            if room in self._rooms and {item.link for item, _ in met}.issuperset(self._rooms[room].linked):
                self._changes += 1
                self._whole.discard(room)  # nobody was linked, and something may have been said
            if link.outbound or self._catch_up.waiting:
                self._agenda.plan((link.link, room), now.mono + self._rng.uniform(0.0, STAGGER_S))
        return self._go_on(now)

    def handle_due(self, now: Now) -> list[Output]:
        self._timer_at = None
        for session in [item for item in self._sessions.values() if item.overdue(now.mono)]:
            self._fail(session, "silent_history", now)
        for room_id, turns in self._turns.items():
            turns.look(now.mono)
            self._wake(room_id, now.mono)
        if self._round_at <= now.mono:
            self._put_off_round(now.mono)
            for room in self._rooms.values():
                members = room.linked
                if members:
                    self._agenda.plan((self._rng.sample(members, 1)[0], room.id), now.mono)
        return self._go_on(now)

    def _put_off_round(self, mono: float) -> None:
        self._round_at = mono + self._config.repair_every_s * self._rng.uniform(0.8, 1.2)

    def _go_on(self, now: Now) -> list[Output]:
        """Open what is due, and come back for the rest."""
        outputs: list[Output] = []
        for key in self._agenda.due(now.mono):
            if key not in self._sessions and len(self._sessions) < MAX_SESSIONS:
                self._agenda.take(key)
                outputs += self._open(key, now)
        return outputs + self._come_back(now)

    def _come_back(self, now: Now) -> list[Output]:
        times = [at for turns in self._turns.values() if (at := turns.due()) is not None]
        times += [at for item in self._sessions.values() if (at := item.due()) is not None]
        planned = self._agenda.next_at(self._sessions) if len(self._sessions) < MAX_SESSIONS else None
        at = min([*times, self._round_at, *([] if planned is None else [planned])])
        if self._timer_at is not None and now.mono < self._timer_at <= at:
            return []
        self._timer_at = at
        return [SetTimer(RepairDue(), at)]

    def _open(self, key: Key, now: Now) -> list[Output]:
        link, room = self._links.get(key[0]), key[1]
        lower, upper = floor(self._index, room), horizon(now)
        is_gone = link is None or room not in self._rooms or room not in link.rooms
        # Or our clock is far behind what we removed: there is no range to ask about.
        if is_gone or lower >= upper:
            self._turns_of(room).release(key[0], now.mono, waits=False)
            self._wake(room, now.mono)  # who was behind it in line
            return []
        ours = fingerprint(self._index.fingerprint(room, lower, upper))
        self._last_token = self._last_token % MAX_TOKEN + 1
        session = Session(key[0], room, self._last_token, now.mono, [Range(lower, upper, ours)])
        self._sessions[key] = session
        self._counters.repairs += 1
        return self._ask_on(session, now)

    # How far it is

    def is_whole(self, room_id: RoomId, now: Now) -> bool:
        """Whether a linked member was found to have nothing that we lack, and none since to have more.

        Nobody knows that of what lies beyond our own clock, if it is ours that is behind: most say so.
        """
        room = self._rooms.get(room_id)
        linked = [link for of in room.linked if (link := self._links.get(of)) is not None] if room else []
        ahead = sum(link.is_ahead(now) for link in linked)
        return room_id in self._whole and 2 * ahead <= len(linked)

    def outstanding(self, room: RoomId) -> int:
        """How many messages of a room are known to be missing, and being asked for just now."""
        found = [session.outstanding for session in self._sessions.values() if session.room == room]
        return max(found, default=0)  # two members most likely have the same

    # Asking

    def _ask_on(self, session: Session, now: Now) -> list[Output]:
        """Its next questions, or its end."""
        may_fill = not session.gaps or self._turns_of(session.room).take(session.link, now.mono)
        session.drop_below(floor(self._index, session.room))
        if session.wanted and session.fetching is None and now.mono - session.started >= ASK_ANOTHER_S:
            session.drop_come(partial(self._gossip.lacking, now=now))
        questions = session.next_questions(now.mono, may_fill=may_fill)
        outputs: list[Output] = [Send((session.link,), item, Priority.HISTORY) for item in questions]
        if not session.waiting:
            session.waits = not may_fill
            self._finish(session, now)
        return outputs

    def _finish(self, session: Session, now: Now) -> None:
        """Who brought something shows that others may lack it, or have more."""
        key, mono = (session.link, session.room), now.mono
        self._forget(session, mono)
        put_off = session.put_off or session.waits
        if put_off and not session.brought:
            self._agenda.note_put_off(key, mono)
        elif session.brought or not session.differed:
            self._agenda.note_useful(key, mono)
        else:
            self._agenda.note_fruitless(key, mono)
            if session.is_useless:
                self._agenda.plan(key, mono)  # there is more, which may be of use
        if session.brought:
            for link in self._rooms[session.room].active if session.room in self._rooms else ():
                if link != session.link and not self._turns_of(session.room).is_engaged(link):
                    self._agenda.plan((link, session.room), mono)
            if session.left and not session.waits and not self._let_another_fill(session, mono):
                self._agenda.plan(key, mono)
        if session.put_off:  # who waits for its turn is woken when that comes
            self._agenda.plan(key, mono + LOOK_AGAIN_S)
        self._wake(session.room, mono)
        others = [item for item in self._sessions.values() if item.room == session.room]
        if session.is_complete:
            self._whole.add(session.room)
        elif session.lacked:
            self._changes += 1
            self._whole.discard(session.room)
        if session.is_complete and not any(item.own for item in [session, *others]):
            self._catch_up.note_whole(session.room)
        if session.lacked and self._catch_up.waiting:
            self._agenda.plan(key, mono)  # until there is nothing left to find

    def _let_another_fill(self, session: Session, mono: float) -> bool:
        """Whoever was asked for as much as one session may bring comes again after somebody else, if there is
        anybody."""
        turns, room = self._turns_of(session.room), self._rooms.get(session.room)
        if room is None:
            return False
        if turns.next_in_line() is None:
            others = [
                link
                for link in room.linked
                if link != session.link and self._agenda.may_ask((link, room.id), mono)
            ]
            if not others:
                return False
            turns.wait(*self._rng.sample(others, 1))
        turns.wait(session.link)
        return True

    def _wake(self, room: RoomId, mono: float) -> None:
        """The turn to fill is free: whoever waits longest is asked now."""
        link = self._turns_of(room).next_in_line()
        if link is not None and (link, room) not in self._sessions:
            self._agenda.plan_at_once((link, room), mono)

    def _turns_of(self, room: RoomId) -> Turns:
        return self._turns.setdefault(room, Turns())

    def _fail(self, session: Session, why: str, now: Now) -> None:
        self._counters.repairs_failed += 1
        self._counters.blame(session.link, why)
        self._forget(session, now.mono)
        self._agenda.note_bad((session.link, session.room), now.mono)
        self._wake(session.room, now.mono)
        self._ask_another(session, now)

    def _ask_another(self, session: Session, now: Now) -> None:
        """What one peer has left open, another may answer."""
        room = self._rooms.get(session.room)
        others = [link for link in room.linked if link != session.link] if room else []
        if others and (session.differed or session.left or session.comparing):
            self._agenda.plan((self._rng.sample(others, 1)[0], session.room), now.mono)

    def _forget(self, session: Session, mono: float) -> None:
        self._sessions.pop((session.link, session.room), None)
        self._turns_of(session.room).release(session.link, mono, waits=session.waits)
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
        session = self._sessions.get((link.link, room))
        # To a first question of ours that is under way, it will answer with what it has now.
        asking = session is not None and session.rounds == 1 and bool(session.comparing)
        if not self._serving.ask(link.link, room, message, now.mono, asking=asking):
            self._counters.blame(link.link, "history_rate")
            return []
        return self._serve(now)

    def handle_serve_due(self, now: Now) -> list[Output]:
        self._serve_at = None
        return self._serve(now)

    def handle_writing(self, link: LinkId, now: Now, *, paused: bool) -> list[Output]:
        """Whether what is queued for a link waits for the peer to read."""
        self._serving.handle_writing(link, now.mono, paused=paused)
        return self._serve(now)

    def handle_looked_up(self, event: LookedUp, now: Now) -> list[Output]:
        asked = self._serving.done(event.job, event.reply, now.mono)
        outputs = self._answer(asked, event, now) if asked is not None else []
        return [*outputs, *self._serve(now)]

    def _answer(self, asked: Asked, found: LookedUp, now: Now) -> list[Output]:
        link, reply = self._links.get(asked.link), found.reply
        if reply is None or link is None or asked.room not in link.rooms or asked.room not in self._rooms:
            return []
        outputs: list[Output] = []
        if isinstance(reply, Compared):
            fresh = self._changes_before == self._changes
            if fresh:
                self._note_shared(asked.link, asked.room, found.alike)
            # Behind our own question, so that the other side sees that we ask already.
            outputs += self._ask_back(asked, reply, now, fresh=fresh)
        else:
            self.served += [message.id for message in reply.messages]
        bulk = isinstance(asked.question, FetchRange)
        return [*outputs, Send((asked.link,), reply, Priority.BULK if bulk else Priority.HISTORY)]

    def _serve(self, now: Now) -> list[Output]:
        if (look_up := self._serving.next(now.mono)) is not None:
            self._changes_before = self._changes
            return [look_up]
        due = self._serving.due()
        if due is not None and (self._serve_at is None or not now.mono < self._serve_at <= due):
            self._serve_at = due
            return [SetTimer(ServeDue(), due)]
        return []

    def _note_shared(self, link_id: LinkId, room: RoomId, bounds: Iterable[Bounds]) -> None:
        link = self._links.get(link_id)
        if link is not None:
            self.shared += [Shared(link.peer_id, room, lower, upper) for lower, upper in bounds]

    def _ask_back(self, asked: Asked, reply: Compared, now: Now, *, fresh: bool) -> list[Output]:
        """Whoever is told of a difference, in the first answer of its session, may have what we lack."""
        if self._tokens.get(asked.link) == reply.token:
            return []
        self._tokens[asked.link] = reply.token
        if fresh and not any(reply.answers):
            self._whole.add(asked.room)
        if asked.asking or not any(reply.answers):
            return []
        self._agenda.plan((asked.link, asked.room), now.mono)
        return self._go_on(now)

    def _room_of(self, link: Link, tag: bytes) -> RoomId | None:
        return next((room for room in self._rooms if room in link.rooms and room_tag(room) == tag), None)

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
                self._on_compared(session, message, now)
            else:
                outputs += self._on_history(session, message, now)
        except BadHistory:
            self._fail(session, "bad_history", now)
            return [*outputs, *self._go_on(now)]
        except Malformed:
            self._fail(session, "bad_history", now)
            raise
        return [*outputs, *self._go_on_with(session, now)]

    def _on_compared(self, session: Session, message: Compared, now: Now) -> None:
        lacking = partial(self._gossip.lacking, now=now)
        found = session.on_compared(message, self._index, lacking)
        self._note_shared(session.link, session.room, session.alike)
        claimed = self._turns_of(session.room).claim(found, session.link, now.mono)
        session.wanted += claimed
        session.put_off = session.put_off or len(claimed) < len(found)

    def _on_history(self, session: Session, message: History, now: Now) -> list[Output]:
        session.on_history(message)
        came = [item.id for item in message.messages]
        size = sum(len(item.payload) for item in message.messages)
        self._turns_of(session.room).note_came(session.link, came, size)
        outputs, job = self._gossip.on_history(session.link, message.messages, now)
        session.storing += 1
        if job is not None:
            self._checking[job] = session
        elif self._gossip.lacking(came, now):
            session.handle_page_done(0)
            if session.is_useless:
                raise BadHistory("pages of what is not taken")
        else:
            session.handle_page_overtaken()
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

    def handle_committed(self, job: JobId, stored: int, now: Now, *, own: int = 0) -> list[Output]:
        """`own`: how many of them we said ourselves."""
        self._changes += bool(own)
        session = self._storing.pop(job, None)
        if session is None:
            return []
        self._counters.repaired += stored
        session.own += own
        link, room = self._links.get(session.link), self._rooms.get(session.room)
        asks: list[Output] = []
        if own:
            self._catch_up.note_behind(session.room)
        if stored:
            asks = room.handle_brought(link, now) if link is not None and room is not None else []
        return [*asks, *self._handle_page_done(session, stored, now)]

    def handle_commit_failed(self, job: JobId, now: Now) -> list[Output]:
        """Our own disk's fault: the next round tries again."""
        session = self._storing.pop(job, None)
        if session is not None:
            self._forget(session, now.mono)
        return self._come_back(now) if session is not None else []

    def _handle_page_done(self, session: Session, brought: int, now: Now) -> list[Output]:
        session.handle_page_done(brought)
        return self._go_on_with(session, now)

    def _go_on_with(self, session: Session, now: Now) -> list[Output]:
        outputs: list[Output] = []
        if session.is_useless:
            self._finish(session, now)
        else:
            outputs = self._ask_on(session, now)
        return [*outputs, *self._go_on(now)]

    # Links and rooms go

    def handle_link_gone(self, link: LinkId, now: Now) -> list[Output]:
        self._serving.handle_link_gone(link)
        self._tokens.pop(link, None)
        self._agenda.forget_link(link)
        for turns in self._turns.values():
            turns.release(link, now.mono, waits=False)
        return self._lose([item for item in self._sessions.values() if item.link == link], now)

    def handle_parted(self, parted: Iterable[tuple[LinkId, RoomId]], now: Now) -> list[Output]:
        """Links that no longer share a room with us; whoever of the two left it, no answers are to come."""
        lost = []
        for key in parted:
            link, room = key
            self._agenda.forget(key)
            if room in self._turns:
                self._turns[room].release(link, now.mono, waits=False)
            if key in self._sessions:
                lost.append(self._sessions[key])
        return self._lose(lost, now)

    def _lose(self, lost: Iterable[Session], now: Now) -> list[Output]:
        for session in lost:
            self._forget(session, now.mono)
            self._wake(session.room, now.mono)
            self._ask_another(session, now)
        return self._go_on(now) if lost else []

"""What our own people ask: nothing is acknowledged before its commit.

Knows nothing of links: swarms and gossip say who is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import assert_never

from chatcore.clock import Now
from chatcore.commits import (
    Commits,
    Discouraging,
    Importing,
    Keeping,
    Moving,
    Noting,
    Pinning,
    Sending,
    Settling,
)
from chatcore.counters import Counters
from chatcore.discouraged import Discouraged, DiscouragedList, over
from chatcore.envelopes import Chat, Envelope, check_text
from chatcore.errors import (
    BadClientId,
    ClockApart,
    LocalError,
    NotInRoom,
    OutboxFull,
    StoreFailed,
    TooManyRooms,
)
from chatcore.events import (
    BlockPeer,
    CommitFailed,
    Committed,
    ImportMessages,
    ImportReply,
    JoinRoom,
    LeaveRoom,
    MessageAdded,
    NamePeer,
    Notice,
    Output,
    Persist,
    PersonReply,
    PinMessage,
    PinReply,
    Rejected,
    Replied,
    RoomChanged,
    RoomRecord,
    RoomReply,
    Send,
    SendText,
    SentReply,
    SetTimer,
    StateChanged,
    StatesDue,
    StoredMessage,
)
from chatcore.gossip import Gossip
from chatcore.ids import PeerId, RoomId
from chatcore.links import Link
from chatcore.messages import MAX_ROOMS, REFUSED_EXPIRED, REFUSED_FUTURE, Refused
from chatcore.names import room_id, room_name
from chatcore.nickname import Nickname
from chatcore.outbox import MAX_UNSENT, Outbox
from chatcore.own import MAX_CLIENT_ID_CHARS, OwnMessage
from chatcore.people import People, Person, blocking, naming
from chatcore.recent import ShortId
from chatcore.room import Room
from chatcore.shunned import Shunned
from chatcore.swarms import Swarms

STATES_WAIT_S = 0.25
"""That a message was handed over may be written a little later, with what is confirmed meanwhile."""

STATES_RETRY_S = 5.0


class Requests:
    def __init__(
        self,
        network: str,
        *,
        nickname: Nickname,
        rooms: Mapping[RoomId, Room],
        swarms: Swarms,
        gossip: Gossip,
        outbox: Outbox,
        people: People,
        discouraged: DiscouragedList,
        shunned: Shunned,
        counters: Counters,
        now: Now,
    ) -> None:
        self._network = network
        self._rooms = rooms
        self._swarms = swarms
        self._gossip = gossip
        self._outbox = outbox
        self._people = people
        self._nickname = nickname
        self._discouraged = discouraged
        self._shunned = shunned
        self._counters = counters
        self._commits = Commits()
        self._by_client: dict[tuple[RoomId, str], Sending] = {}
        self._sending = 0
        self._noting = False
        self._states_timed = False
        self._states_not_before = now.mono
        self._clock_told = False

    # Requests

    def handle(
        self,
        event: SendText | JoinRoom | LeaveRoom | ImportMessages | PinMessage | BlockPeer | NamePeer,
        now: Now,
    ) -> list[Output]:
        try:
            match event:
                case SendText():
                    return self._handle_send_text(event, now)
                case JoinRoom():
                    return self._handle_join(event)
                case LeaveRoom():
                    return self._handle_leave(event)
                case ImportMessages():
                    return self._handle_import(event)
                case PinMessage(request, record):
                    return [self._commits.persist(Pinning(request, record))]
                case BlockPeer() | NamePeer():
                    return self._handle_settle(event, now)
        except LocalError as error:
            return [Rejected(event.request, error)]

    def _handle_send_text(self, event: SendText, now: Now) -> list[Output]:
        room = self._joined(event.room)
        check_text(event.text)
        if event.client_id is None:
            return [self._seal(event, room, now)]
        _check_client_id(event.client_id)
        under_way = self._by_client.get((room.id, event.client_id))
        if under_way is not None:
            under_way.requests.append(event.request)
            return []
        said = self._outbox.find_by_client(room.id, event.client_id)
        if said is not None:
            return [Replied(event.request, SentReply(said, room.name))]
        return [self._seal(event, room, now)]

    def _seal(self, event: SendText, room: Room, now: Now) -> Persist:
        if self._outbox.unsent + self._sending >= MAX_UNSENT:
            raise OutboxFull(MAX_UNSENT)
        self._sending += 1
        envelope = room.seal(Chat(event.text), now)
        own = OwnMessage(envelope.id, room.id, client_id=event.client_id or "")
        sending = Sending([event.request], room, envelope, own)
        if own.client_id:
            self._by_client[room.id, own.client_id] = sending
        return self._commits.persist(sending)

    def _joined(self, text: str, *, leaving: bool = False) -> Room:
        name = room_name(text)
        room = self._rooms.get(room_id(self._network, name))
        if room is None:
            raise NotInRoom(name, leaving=leaving)
        return room

    def _handle_join(self, event: JoinRoom) -> list[Output]:
        name = room_name(event.room)
        record = RoomRecord(room_id(self._network, name), name, joined=True)
        if record.room in self._rooms:
            return [Replied(event.request, RoomReply(name, changed=False))]
        if len(self._rooms) + self._joins_under_way() >= MAX_ROOMS:
            raise TooManyRooms(MAX_ROOMS)
        return [self._commits.persist(Moving(event.request, record))]

    def _joins_under_way(self) -> int:
        return sum(commit.record.joined for commit in self._commits.under_way(Moving))

    def _handle_leave(self, event: LeaveRoom) -> list[Output]:
        room = self._joined(event.room, leaving=True)
        return [self._commits.persist(Moving(event.request, RoomRecord(room.id, room.name, joined=False)))]

    def _handle_import(self, event: ImportMessages) -> list[Output]:
        """A room we are coming into meanwhile must not be noted as one we are not in."""
        moving = {commit.record.room for commit in self._commits.under_way(Moving)}
        rooms = [record for record in event.rooms if record.room not in self._rooms.keys() | moving]
        return [self._commits.persist(Importing(event.request, event.messages, tuple(rooms)))]

    def people_to_be(self) -> Mapping[PeerId, Person]:
        """Once all is on disk that the owner settled."""
        under_way = [commit.person for commit in self._commits.under_way(Settling)]
        return self._people.with_also(under_way)

    def _handle_settle(self, event: BlockPeer | NamePeer, now: Now) -> list[Output]:
        """Judged together with what is on its way, or two requests at once could take one name."""
        known = self.people_to_be()
        forgiven: tuple[Discouraged, ...] = ()
        if isinstance(event, NamePeer):
            person = naming(known, event.peer_id, event.username, event.alias, self._nickname.text)
        else:
            person = blocking(known, event.peer_id, event.username, blocked=event.blocked)
            found = None if event.blocked else self._discouraged.find(event.peer_id, now.mono)
            forgiven = () if found is None else (over(found[0]),)
        return [self._commits.persist(Settling(event.request, person, forgiven))]

    # On their way to disk

    def discourage(self, records: Iterable[Discouraged]) -> Persist:
        return self._commits.persist(Discouraging(tuple(records)))

    def remember(self, record: RoomRecord) -> Persist:
        """A room nobody asked for: note that we are in it."""
        return self._commits.persist(Moving(None, record))

    def keep(self, envelopes: tuple[Envelope, ...], *, history: bool = False) -> Persist:
        """Messages of others, to be stored."""
        return self._commits.persist(Keeping(envelopes, history))

    def handle_committed(self, event: Committed, now: Now) -> list[Output]:
        commit = self._commits.done(event.job)
        match commit:
            case Keeping(envelopes):
                self._counters.received += len(event.stored)
                return [*self._news(event.stored), *self._gossip.handle_kept(envelopes, now)]
            case Sending():
                return self._handle_sent(commit, event.stored, now)
            case Moving():
                return self._handle_moved(commit, now)
            case Importing(request, envelopes):
                self._gossip.witness(envelopes)
                reply = ImportReply(len(event.stored))
                return [Replied(request, reply), *self._news(event.stored)]
            case Pinning(request, record):
                return [Replied(request, PinReply(record))]
            case Noting(own):
                return self._handle_noted(own)
            case Settling():
                return self._handle_settled(commit)
            case Discouraging():
                return []
            case _:
                assert_never(commit)

    def _handle_settled(self, commit: Settling) -> list[Output]:
        person = commit.person
        before = self._people.get(person.peer_id)
        self._people.put(person)
        self._shunned.unsettled = True
        forgiven = bool(commit.forgiven) and self._discouraged.forgive(person.peer_id)
        changed = (before.alias, before.blocked) != (person.alias, person.blocked) or forgiven
        return [Replied(commit.request, PersonReply(person, changed))]

    def _news(self, stored: Iterable[StoredMessage]) -> list[MessageAdded]:
        return [
            MessageAdded(self._rooms[item.envelope.room].name, item)
            for item in stored
            if isinstance(item.envelope.body, Chat) and item.envelope.room in self._rooms
        ]

    def _handle_sent(self, commit: Sending, stored: tuple[StoredMessage, ...], now: Now) -> list[Output]:
        self._counters.sent += 1
        self._sending -= 1
        copies = self._gossip.publish(commit.envelope, commit.room, now)
        own = commit.own
        self._by_client.pop((own.room, own.client_id), None)
        self._outbox.add(own, commit.envelope, max([item.seq for item in stored], default=0))
        if any(isinstance(copy, Send) for copy in copies):
            (own,) = self._outbox.handle_handed([own.id])
        reply = SentReply(own, commit.room.name)
        replies = [Replied(request, reply) for request in commit.requests]
        news = [replace(item, own=own) for item in self._news(stored)]
        return [*copies, *replies, *news]

    def _handle_moved(self, commit: Moving, now: Now) -> list[Output]:
        """Membership as the disk has it now; two requests at once may have asked for the same."""
        record = commit.record
        changed = record.joined != (record.room in self._rooms)
        outputs: list[Output] = []
        if commit.request is not None:
            outputs.append(Replied(commit.request, RoomReply(record.name, changed)))
        if not changed:
            return outputs
        outputs += self._swarms.join(record, now) if record.joined else self._swarms.leave(record, now)
        return [*outputs, RoomChanged(record.name, record.joined)]

    # What became of our own messages

    def on_refused(self, link: Link, message: Refused, now: Now) -> list[Output]:
        """A neighbour does not take a message of ours."""
        if message.reason == REFUSED_FUTURE:
            link.note_refused_ahead(message.detail, now)
            error = ClockApart(link.peer_id.short, message.detail // 1000)
            reason = str(error)
        elif message.reason == REFUSED_EXPIRED:
            reason = (
                f"peer {link.peer_id.short} keeps no messages as old as it: say it again to be heard there"
            )
        else:
            reason = f"peer {link.peer_id.short} refuses it, for reason {message.reason}"
        if not self._outbox.handle_refused(ShortId(message.id), reason, link.rooms):
            return []
        if message.reason != REFUSED_FUTURE or self._clock_told:
            return []
        self._clock_told = True  # once: everybody may say so, of every message
        return [Notice("clock_apart", link.address, error)]

    def save_states(self, now: Now, *, at_once: bool) -> list[Output]:
        """One commit at a time: what comes meanwhile is gathered for the next."""
        if self._noting or now.mono < self._states_not_before:
            return []
        if self._outbox.urgent or at_once:
            changes = self._outbox.take_changes()
            self._noting = bool(changes)
            return [self._commits.persist(Noting(changes))] if changes else []
        if self._states_timed:
            return []
        self._states_timed = True
        return [SetTimer(StatesDue(), now.mono + STATES_WAIT_S)]

    def handle_states_due(self, now: Now) -> list[Output]:
        self._states_timed = False
        return self.save_states(now, at_once=True) if self._outbox.changed else []

    def _handle_noted(self, written: tuple[OwnMessage, ...]) -> list[Output]:
        self._noting = False
        raised = self._outbox.handle_written(written)
        return [StateChanged(self._rooms[own.room].name, own) for own in raised if own.room in self._rooms]

    def handle_commit_failed(self, event: CommitFailed, now: Now) -> list[Output]:
        commit = self._commits.done(event.job)
        error = StoreFailed(event.why, event.hint)
        notice = Notice("commit_failed", "", error)
        match commit:
            case Keeping(envelopes):
                for envelope in envelopes:
                    self._gossip.forget(envelope.id)
                return [notice]
            case Importing(request) | Pinning(request):
                return [notice, Rejected(request, error)]
            case Sending(requests, own=own):
                self._sending -= 1
                self._by_client.pop((own.room, own.client_id), None)
                return [notice, *[Rejected(request, error) for request in requests]]
            case Noting():
                self._noting, self._states_timed = False, True
                self._states_not_before = now.mono + STATES_RETRY_S
                return [notice, SetTimer(StatesDue(), self._states_not_before)]
            case Settling(request):
                return [notice, Rejected(request, error)]
            case Discouraging():
                return [notice]
            case Moving(request):
                return [notice] if request is None else [notice, Rejected(request, error)]
            case _:
                assert_never(commit)


def _check_client_id(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadClientId(MAX_CLIENT_ID_CHARS) from None
    if not 1 <= len(text) <= MAX_CLIENT_ID_CHARS:
        raise BadClientId(MAX_CLIENT_ID_CHARS)

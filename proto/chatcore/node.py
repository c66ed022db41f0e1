"""The router: every input of this node comes in here, and every output leaves here.

Keeps the rooms and what is under way; hands results from one machine to the next in plain sight. The index,
the random source and the time are passed in, so one seed replays a whole network.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from chatcore.addressbook import Address
from chatcore.clock import HybridClock, Now
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.envelopes import Chat, Envelope, check_text
from chatcore.errors import (
    BadSignature,
    ClosedByPeer,
    LocalError,
    Malformed,
    NotInRoom,
    RemoteError,
    Stopping,
    StoreFailed,
    TooManyRooms,
)
from chatcore.events import (
    CommitFailed,
    Committed,
    Connect,
    DialDue,
    DialFailed,
    GraftDue,
    IhaveDue,
    Input,
    JobId,
    JoinRoom,
    LeaveRoom,
    LinkDown,
    LinkUp,
    MessageAdded,
    Notice,
    Output,
    Persist,
    PingDue,
    PresenceDue,
    Priority,
    ReadingPaused,
    Received,
    Rejected,
    Replied,
    RequestId,
    RoomChanged,
    RoomRecord,
    RoomReply,
    RumourDue,
    Send,
    SendText,
    SentReply,
    SetTimer,
    ShuffleDue,
    Started,
    Stop,
    StoredMessage,
    StrangerRefused,
    TimerFired,
    Verified,
)
from chatcore.gossip import Gossip
from chatcore.identity import Identity
from chatcore.ids import LinkId, RoomId
from chatcore.index import Index
from chatcore.links import Link, Links
from chatcore.messages import (
    MAX_ROOMS,
    Disconnect,
    Goodbye,
    Graft,
    Ihave,
    LinkMessage,
    MembershipMessage,
    Neighbor,
    NeighborReply,
    Prune,
    Publish,
    Resume,
    Rooms,
    Shuffle,
    ShuffleReply,
)
from chatcore.names import LOBBY, room_id, room_name
from chatcore.peers import Peers
from chatcore.rng import Rng
from chatcore.room import Room


@dataclass(frozen=True, slots=True)
class _Sending:
    """A message of ours on its way to disk."""

    request: RequestId
    room: Room
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class _Keeping:
    """Messages of others on their way to disk."""

    envelopes: tuple[Envelope, ...]


@dataclass(frozen=True, slots=True)
class _Moving:
    """Coming into a room, or leaving it, once that is on disk."""

    request: RequestId | None
    record: RoomRecord


_Commit = _Sending | _Keeping | _Moving


class Node:
    """Raises nothing for what peers or clients do: a peer's fault closes its link, a client's is Rejected."""

    def __init__(
        self,
        identity: Identity,
        config: NodeConfig,
        *,
        index: Index,
        rng: Rng,
        now: Now,
        clock: HybridClock | None = None,
        rooms: Iterable[RoomRecord] = (),
    ) -> None:
        self.identity = identity
        self.config = config
        self.counters = Counters()
        self.links = Links(config.link, identity.peer_id, rng)
        self.rooms: dict[RoomId, Room] = {}
        self._peers = Peers(config, identity.peer_id, self.links, self.counters, rng)
        self._clock = clock or HybridClock()
        self._gossip = Gossip(
            config.gossip,
            own_key=identity.public_key,
            rooms=self.rooms,
            links=self.links,
            clock=self._clock,
            index=index,
            counters=self.counters,
            mono=now.mono,
        )
        self._rng = rng
        self._last_job = 0
        self._unsettled = False
        self._commits: dict[JobId, _Commit] = {}
        self._stopping = False
        lobby = room_id(config.network, LOBBY)
        known = {record.room: record for record in rooms}
        self._first_lobby = None if lobby in known else RoomRecord(lobby, LOBBY, joined=True)
        for record in known.values():
            if record.joined:
                self._enter(record, now)
        if self._first_lobby is not None:
            self._enter(self._first_lobby, now)

    @property
    def room_ids(self) -> frozenset[RoomId]:
        """What hello tells a new peer."""
        return frozenset(self.rooms)

    def lazy_links(self, room: RoomId) -> int:
        return self._gossip.lazy_links(room)

    def unreached(self) -> list[Address]:
        return self._peers.unreached()

    def handle(self, event: Input, now: Now) -> list[Output]:
        outputs = self._route(event, now)
        if self._unsettled and not self._stopping:
            outputs += self._mend(now)
        return outputs

    def _route(self, event: Input, now: Now) -> list[Output]:
        match event:
            case Received():
                return self._handle_received(event, now)
            case Verified():
                return self._handle_verified(event, now)
            case Committed():
                return self._handle_committed(event, now)
            case CommitFailed():
                return self._handle_commit_failed(event)
            case TimerFired():
                return self._handle_timer(event, now)
            case SendText():
                return self._handle_send_text(event, now)
            case JoinRoom():
                return self._handle_join(event)
            case LeaveRoom():
                return self._handle_leave(event)
            case Connect():
                return self._handle_connect(event, now)
            case LinkUp():
                return self._handle_link_up(event, now)
            case LinkDown():
                return self._handle_link_down(event, now)
            case DialFailed():
                return self._handle_dial_failed(event, now)
            case ReadingPaused():
                return self._handle_paused(event, now)
            case StrangerRefused():
                return self._peers.handle_stranger_refused(event)
            case Started():
                return self._handle_started(now)
            case Stop():
                return self._handle_stop(now)
            case _:
                assert_never(event)

    # Life

    def _handle_started(self, now: Now) -> list[Output]:
        outputs = self._peers.handle_started(now)
        outputs += [self._next_presence(now), self._next_shuffle(now)]
        if self._first_lobby is not None:
            outputs.append(self._persist(_Moving(None, self._first_lobby)))
        return outputs

    def _handle_stop(self, now: Now) -> list[Output]:
        self._stopping = True
        leaving = [output for room in self.rooms.values() for output in self._say_leave(room, now)]
        before = list(self.links)
        outputs = self._peers.handle_stop(now)
        self._forget_links(before)
        return [*leaving, *outputs]

    def _say_leave(self, room: Room, now: Now) -> list[Output]:
        word = room.leave(now)
        return [] if word is None else self._gossip.publish(word, room, now)

    def _handle_timer(self, event: TimerFired, now: Now) -> list[Output]:
        if self._stopping:
            return []
        match event.key:
            case PingDue():
                return self._handle_ping_due(now)
            case DialDue():
                return self._peers.handle_dial_due(now)
            case IhaveDue():
                return self._gossip.handle_ihave_due()
            case GraftDue():
                return self._gossip.handle_graft_due(now)
            case RumourDue():
                return self._gossip.handle_rumour_due()
            case PresenceDue():
                refreshed = [output for room in self.rooms.values() for output in self._refresh(room, now)]
                return [*refreshed, self._next_presence(now)]
            case ShuffleDue():
                return self._handle_shuffle_due(now)
            case _:
                assert_never(event.key)

    def _next_presence(self, now: Now) -> SetTimer:
        # Jitter keeps a room that started together from refreshing together.
        wait = self.config.presence.refresh_s * self._rng.uniform(0.8, 1.0)
        return SetTimer(PresenceDue(), now.mono + wait)

    def _next_shuffle(self, now: Now) -> SetTimer:
        wait = self.config.gossip.shuffle_every_s * self._rng.uniform(0.8, 1.2)
        return SetTimer(ShuffleDue(), now.mono + wait)

    def _handle_shuffle_due(self, now: Now) -> list[Output]:
        self._unsettled = True
        mixed = [output for room in self.rooms.values() for output in room.handle_shuffle_due(now)]
        active = {link for room in self.rooms.values() for link in room.active}
        before = list(self.links)
        retired = self._peers.retire_spares(active, now)
        self._forget_links(before)
        return [*mixed, *retired, self._next_shuffle(now)]

    def _refresh(self, room: Room, now: Now) -> list[Output]:
        outputs, word = room.refresh(now)
        return outputs if word is None else [*outputs, *self._gossip.publish(word, room, now)]

    # Links, and the neighbourhoods made of them

    def _handle_link_up(self, event: LinkUp, now: Now) -> list[Output]:
        before = list(self.links)
        outputs = self._peers.handle_link_up(event, now)
        self._forget_links(before)
        link = self.links.get(event.link)
        if link is not None:
            self._unsettled = True
            if event.told != self.room_ids:
                outputs.append(Send((link.link,), Rooms(self.room_ids), Priority.CONTROL))
            outputs += self._greet(link, link.rooms, now)
        return outputs

    def _greet(self, link: Link, rooms: Iterable[RoomId], now: Now) -> list[Output]:
        shared = [self.rooms[room] for room in rooms if room in self.rooms]
        return [output for room in shared for output in room.greet(link.link, now)]

    def _handle_link_down(self, event: LinkDown, now: Now) -> list[Output]:
        before = list(self.links)
        outputs = self._peers.handle_link_down(event, now)
        self._forget_links(before)
        return outputs

    def _drop(self, link: Link, error: RemoteError, now: Now, *, farewell: bool = True) -> list[Output]:
        before = list(self.links)
        outputs = self._peers.drop(link, error, now, farewell=farewell)
        self._forget_links(before)
        return outputs

    def _handle_ping_due(self, now: Now) -> list[Output]:
        before = list(self.links)
        outputs = self._peers.handle_ping_due(now)
        self._forget_links(before)
        return outputs

    def _forget_links(self, before: Iterable[Link]) -> None:
        """Let every machine know of the links that are no more."""
        for link in before:
            if self.links.get(link.link) is None:
                self._unsettled = True
                self._gossip.handle_link_gone(link.link)
                for room in self.rooms.values():
                    room.handle_link_gone(link)

    def _handle_dial_failed(self, event: DialFailed, now: Now) -> list[Output]:
        record = self._peers.record_at(event.address)
        if record is not None:
            self._unsettled = True
            for room in self.rooms.values():
                room.handle_dead(record)
        return self._peers.handle_dial_failed(event, now)

    def _mend(self, now: Now) -> list[Output]:
        """After anything that may have changed who our neighbours are."""
        self._unsettled = False
        outputs: list[Output] = []
        for room in self.rooms.values():
            asks, wanted = room.mend(now)
            outputs += [*asks, *self._peers.seek(wanted, now)]
            change = room.changed()
            if change:
                outputs += self._gossip.handle_neighbours(room, change)
            word = room.arrive(now)
            if word is not None:
                outputs += self._gossip.publish(word, room, now)
        return outputs

    def _handle_paused(self, event: ReadingPaused, now: Now) -> list[Output]:
        link = self.links.get(event.link)
        if link is not None:
            link.paused = event.paused
            link.heard = now.mono
        return []

    # Messages of others

    def _handle_received(self, event: Received, now: Now) -> list[Output]:
        link = self.links.get(event.link) or self.links.fading(event.link)
        if link is None:
            return []  # let go of meanwhile
        link.heard = now.mono
        publishes: list[Publish] = []
        outputs: list[Output] = []
        for message in event.messages:
            if type(message) is Publish:
                publishes.append(message)
            elif self.links.get(event.link) is link:  # not let go of by a message before
                outputs += self._on_message(link, message, now)
        if publishes:
            try:
                outputs += self._gossip.on_publishes(link, publishes, self._next_job(), now)
            except Malformed as error:
                outputs += self._drop(link, error, now)
        return outputs

    def _on_message(self, link: Link, message: LinkMessage, now: Now) -> list[Output]:
        match message:
            case Ihave() | Graft() | Prune() | Resume():
                return self._gossip.on_message(link, message, now)
            case Neighbor() | NeighborReply() | Disconnect() | Shuffle() | ShuffleReply():
                return self._on_membership(link, message, now)
            case Rooms(rooms):
                return self._on_rooms(link, rooms, now)
            case Goodbye(reason):
                return self._drop(link, ClosedByPeer(reason), now, farewell=False)
            case _:
                return self._peers.on_message(link, message, now)

    def _on_membership(self, link: Link, message: MembershipMessage, now: Now) -> list[Output]:
        room = self.rooms.get(message.room)
        if room is None or message.room not in link.rooms:
            self.counters.refused["not_in_room"] += 1
            return []
        self._unsettled = True
        return room.on_message(link, message, now)

    def _on_rooms(self, link: Link, rooms: frozenset[RoomId], now: Now) -> list[Output]:
        new, left = rooms - link.rooms, link.rooms - rooms
        link.rooms = rooms
        for room in left & self.room_ids:
            self.rooms[room].handle_link_gone(link)
        self._unsettled = True
        return self._greet(link, new, now)

    def _handle_verified(self, event: Verified, now: Now) -> list[Output]:
        checked = self._gossip.handle_verified(event, now)
        outputs = checked.outputs
        if checked.keep:
            outputs.append(self._persist(_Keeping(checked.keep)))
        if checked.forger is not None:
            outputs += self._handle_forgery(checked.forger, now)
        return outputs

    def _handle_forgery(self, source: LinkId, now: Now) -> list[Output]:
        """Honest nodes check before they hand on, so whoever handed us this is not one."""
        link = self.links.get(source)
        error = BadSignature()
        if link is None:
            self.counters.refused[error.kind] += 1
            return []
        return [Notice("forged_message", link.address, error), *self._drop(link, error, now)]

    # The store's answers

    def _next_job(self) -> JobId:
        self._last_job += 1
        return JobId(self._last_job)

    def _persist(self, commit: _Commit) -> Persist:
        job = self._next_job()
        self._commits[job] = commit
        match commit:
            case _Sending():
                return Persist(job, messages=(commit.envelope,))
            case _Keeping(envelopes):
                return Persist(job, messages=envelopes)
            case _Moving():
                return Persist(job, rooms=(commit.record,))
            case _:
                assert_never(commit)

    def _handle_committed(self, event: Committed, now: Now) -> list[Output]:
        commit = self._commits.pop(event.job)
        match commit:
            case _Keeping():
                self.counters.received += len(event.stored)
                return self._news(event.stored)
            case _Sending():
                return self._handle_sent(commit, event.stored, now)
            case _Moving():
                return self._handle_moved(commit, now)
            case _:
                assert_never(commit)

    def _news(self, stored: Iterable[StoredMessage]) -> list[Output]:
        return [
            MessageAdded(self.rooms[item.envelope.room].name, item)
            for item in stored
            if isinstance(item.envelope.body, Chat) and item.envelope.room in self.rooms
        ]

    def _handle_sent(self, commit: _Sending, stored: tuple[StoredMessage, ...], now: Now) -> list[Output]:
        self.counters.sent += 1
        copies = self._gossip.publish(commit.envelope, commit.room, now)
        handed_to = sum(len(copy.links) for copy in copies if isinstance(copy, Send))
        reply = SentReply(commit.envelope, commit.room.name, handed_to)
        return [*copies, Replied(commit.request, reply), *self._news(stored)]

    def _handle_commit_failed(self, event: CommitFailed) -> list[Output]:
        commit = self._commits.pop(event.job)
        error = StoreFailed(event.why)
        notice = Notice("commit_failed", "", error)
        match commit:
            case _Keeping(envelopes):
                for envelope in envelopes:
                    self._gossip.forget(envelope.id)
                return [notice]
            case _Sending(request):
                return [notice, Rejected(request, error)]
            case _Moving(request):
                return [notice] if request is None else [notice, Rejected(request, error)]
            case _:
                assert_never(commit)

    # What our own people ask

    def _handle_send_text(self, event: SendText, now: Now) -> list[Output]:
        try:
            self._check_running()
            room = self._joined(event.room)
            check_text(event.text)
        except LocalError as error:
            return [Rejected(event.request, error)]
        envelope = room.seal(Chat(event.text), now)
        return [self._persist(_Sending(event.request, room, envelope))]

    def _check_running(self) -> None:
        if self._stopping:
            raise Stopping

    def _joined(self, text: str) -> Room:
        name = room_name(text)
        room = self.rooms.get(room_id(self.config.network, name))
        if room is None:
            raise NotInRoom(name)
        return room

    def _handle_join(self, event: JoinRoom) -> list[Output]:
        try:
            self._check_running()
            name = room_name(event.room)
            record = RoomRecord(room_id(self.config.network, name), name, joined=True)
            if record.room in self.rooms:
                return [Replied(event.request, RoomReply(name, changed=False))]
            if len(self.rooms) + self._joins_under_way() >= MAX_ROOMS:
                raise TooManyRooms(MAX_ROOMS)
        except LocalError as error:
            return [Rejected(event.request, error)]
        return [self._persist(_Moving(event.request, record))]

    def _joins_under_way(self) -> int:
        return sum(isinstance(commit, _Moving) and commit.record.joined for commit in self._commits.values())

    def _handle_leave(self, event: LeaveRoom) -> list[Output]:
        try:
            self._check_running()
            room = self._joined(event.room)
        except LocalError as error:
            return [Rejected(event.request, error)]
        record = RoomRecord(room.id, room.name, joined=False)
        return [self._persist(_Moving(event.request, record))]

    def _handle_connect(self, event: Connect, now: Now) -> list[Output]:
        try:
            self._check_running()
        except Stopping as error:
            return [Rejected(event.request, error)]
        return self._peers.handle_connect(event, now)

    def _handle_moved(self, commit: _Moving, now: Now) -> list[Output]:
        """Membership as the disk has it now; two requests at once may have asked for the same."""
        record = commit.record
        changed = record.joined != (record.room in self.rooms)
        outputs: list[Output] = []
        if commit.request is not None:
            outputs.append(Replied(commit.request, RoomReply(record.name, changed)))
        if not changed:
            return outputs
        if record.joined:
            room = self._enter(record, now)
            self._unsettled = True
            outputs += self._tell_rooms()
            for link in self.links:
                outputs += self._greet(link, link.rooms & {room.id}, now)
        else:
            room = self.rooms.pop(record.room)
            outputs += [*self._say_leave(room, now), *self._tell_rooms()]
        return [*outputs, RoomChanged(record.name, record.joined)]

    def _enter(self, record: RoomRecord, now: Now) -> Room:
        room = Room(
            record.name,
            record.room,
            identity=self.identity,
            clock=self._clock,
            config=self.config,
            links=self.links,
            rng=self._rng,
            mono=now.mono,
        )
        self.rooms[record.room] = room
        return room

    def _tell_rooms(self) -> list[Output]:
        links = tuple(link.link for link in self.links)
        return [Send(links, Rooms(self.room_ids), Priority.CONTROL)] if links else []

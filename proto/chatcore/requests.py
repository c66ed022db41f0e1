"""What our own people ask, and what is on its way to disk: nothing is acknowledged before its commit.

Knows nothing of links: swarms and gossip say who is told.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

from chatcore.clock import Now
from chatcore.counters import Counters
from chatcore.envelopes import Chat, Envelope, check_text
from chatcore.errors import LocalError, NotInRoom, StoreFailed, TooManyRooms
from chatcore.events import (
    CommitFailed,
    Committed,
    ImportMessages,
    ImportReply,
    JobId,
    JoinRoom,
    LeaveRoom,
    MessageAdded,
    Notice,
    Output,
    Persist,
    Rejected,
    Replied,
    RequestId,
    RoomChanged,
    RoomRecord,
    RoomReply,
    Send,
    SendText,
    SentReply,
    StoredMessage,
)
from chatcore.gossip import Gossip
from chatcore.ids import RoomId
from chatcore.messages import MAX_ROOMS
from chatcore.names import room_id, room_name
from chatcore.room import Room
from chatcore.swarms import Swarms


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


@dataclass(frozen=True, slots=True)
class _Importing:
    """Messages from a file on their way to disk, and the names of rooms nobody here has been in."""

    request: RequestId
    envelopes: tuple[Envelope, ...]
    rooms: tuple[RoomRecord, ...]


_Commit = _Sending | _Keeping | _Moving | _Importing


class Requests:
    def __init__(
        self,
        network: str,
        *,
        rooms: Mapping[RoomId, Room],
        swarms: Swarms,
        gossip: Gossip,
        counters: Counters,
    ) -> None:
        self._network = network
        self._rooms = rooms
        self._swarms = swarms
        self._gossip = gossip
        self._counters = counters
        self._last_job = 0
        self._commits: dict[JobId, _Commit] = {}

    # Requests

    def handle(self, event: SendText | JoinRoom | LeaveRoom | ImportMessages, now: Now) -> list[Output]:
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
        except LocalError as error:
            return [Rejected(event.request, error)]

    def _handle_send_text(self, event: SendText, now: Now) -> list[Output]:
        room = self._joined(event.room)
        check_text(event.text)
        envelope = room.seal(Chat(event.text), now)
        return [self._persist(_Sending(event.request, room, envelope))]

    def _joined(self, text: str) -> Room:
        name = room_name(text)
        room = self._rooms.get(room_id(self._network, name))
        if room is None:
            raise NotInRoom(name)
        return room

    def _handle_join(self, event: JoinRoom) -> list[Output]:
        name = room_name(event.room)
        record = RoomRecord(room_id(self._network, name), name, joined=True)
        if record.room in self._rooms:
            return [Replied(event.request, RoomReply(name, changed=False))]
        if len(self._rooms) + self._joins_under_way() >= MAX_ROOMS:
            raise TooManyRooms(MAX_ROOMS)
        return [self._persist(_Moving(event.request, record))]

    def _joins_under_way(self) -> int:
        return sum(isinstance(commit, _Moving) and commit.record.joined for commit in self._commits.values())

    def _handle_leave(self, event: LeaveRoom) -> list[Output]:
        room = self._joined(event.room)
        return [self._persist(_Moving(event.request, RoomRecord(room.id, room.name, joined=False)))]

    def _handle_import(self, event: ImportMessages) -> list[Output]:
        """A room we are coming into meanwhile must not be noted as one we are not in."""
        moving = {commit.record.room for commit in self._commits.values() if isinstance(commit, _Moving)}
        rooms = [record for record in event.rooms if record.room not in self._rooms.keys() | moving]
        return [self._persist(_Importing(event.request, event.messages, tuple(rooms)))]

    # On their way to disk

    def remember(self, record: RoomRecord) -> Persist:
        """A room nobody asked for: note that we are in it."""
        return self._persist(_Moving(None, record))

    def keep(self, envelopes: tuple[Envelope, ...]) -> Persist:
        """Messages of others, to be stored."""
        return self._persist(_Keeping(envelopes))

    def _persist(self, commit: _Commit) -> Persist:
        self._last_job += 1
        job = JobId(self._last_job)
        self._commits[job] = commit
        match commit:
            case _Sending():
                return Persist(job, messages=(commit.envelope,))
            case _Keeping(envelopes):
                return Persist(job, messages=envelopes)
            case _Moving():
                return Persist(job, rooms=(commit.record,))
            case _Importing(_, envelopes, rooms):
                return Persist(job, messages=envelopes, rooms=rooms)
            case _:
                assert_never(commit)

    def handle_committed(self, event: Committed, now: Now) -> list[Output]:
        commit = self._commits.pop(event.job)
        match commit:
            case _Keeping():
                self._counters.received += len(event.stored)
                return self._news(event.stored)
            case _Sending():
                return self._handle_sent(commit, event.stored, now)
            case _Moving():
                return self._handle_moved(commit, now)
            case _Importing(request, envelopes):
                self._gossip.witness(envelopes)
                reply = ImportReply(len(event.stored))
                return [Replied(request, reply), *self._news(event.stored)]
            case _:
                assert_never(commit)

    def _news(self, stored: Iterable[StoredMessage]) -> list[Output]:
        return [
            MessageAdded(self._rooms[item.envelope.room].name, item)
            for item in stored
            if isinstance(item.envelope.body, Chat) and item.envelope.room in self._rooms
        ]

    def _handle_sent(self, commit: _Sending, stored: tuple[StoredMessage, ...], now: Now) -> list[Output]:
        self._counters.sent += 1
        copies = self._gossip.publish(commit.envelope, commit.room, now)
        handed_to = sum(len(copy.links) for copy in copies if isinstance(copy, Send))
        reply = SentReply(commit.envelope, commit.room.name, handed_to)
        return [*copies, Replied(commit.request, reply), *self._news(stored)]

    def _handle_moved(self, commit: _Moving, now: Now) -> list[Output]:
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

    def handle_commit_failed(self, event: CommitFailed) -> list[Output]:
        commit = self._commits.pop(event.job)
        error = StoreFailed(event.why)
        notice = Notice("commit_failed", "", error)
        match commit:
            case _Keeping(envelopes):
                for envelope in envelopes:
                    self._gossip.forget(envelope.id)
                return [notice]
            case _Sending(request) | _Importing(request):
                return [notice, Rejected(request, error)]
            case _Moving(request):
                return [notice] if request is None else [notice, Rejected(request, error)]
            case _:
                assert_never(commit)

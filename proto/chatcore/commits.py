"""What is on its way to disk, and why: what is to follow once it is there, or was refused.

A table of jobs; what follows is for `requests` to do.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar, assert_never

from chatcore.discouraged import Discouraged
from chatcore.envelopes import Envelope
from chatcore.events import JobId, Persist, PinRecord, RequestId, RoomRecord
from chatcore.own import OwnMessage
from chatcore.people import Person
from chatcore.room import Room


@dataclass(frozen=True, slots=True)
class Sending:
    """A message of ours on its way to disk. Who asks again with the same client id waits for it as well."""

    requests: list[RequestId]
    room: Room
    envelope: Envelope
    own: OwnMessage


@dataclass(frozen=True, slots=True)
class Keeping:
    """Messages of others on their way to disk."""

    envelopes: tuple[Envelope, ...]
    history: bool


@dataclass(frozen=True, slots=True)
class Moving:
    """Coming into a room, or leaving it, once that is on disk."""

    request: RequestId | None
    record: RoomRecord


@dataclass(frozen=True, slots=True)
class Importing:
    """Messages from a file on their way to disk, and the names of rooms nobody here has been in."""

    request: RequestId
    envelopes: tuple[Envelope, ...]
    rooms: tuple[RoomRecord, ...]


@dataclass(frozen=True, slots=True)
class Pinning:
    """A pin set or taken away, on its way to disk."""

    request: RequestId
    record: PinRecord


@dataclass(frozen=True, slots=True)
class Noting:
    """What is known of our own messages on its way to disk."""

    own: tuple[OwnMessage, ...]


@dataclass(frozen=True, slots=True)
class Settling:
    """What the owner settled about somebody, on its way to disk."""

    request: RequestId
    person: Person
    forgiven: tuple[Discouraged, ...]


@dataclass(frozen=True, slots=True)
class Discouraging:
    """It is in force already."""

    records: tuple[Discouraged, ...]


Commit = Sending | Keeping | Moving | Importing | Pinning | Noting | Settling | Discouraging

_Kind = TypeVar("_Kind")


class Commits:
    """As many as requests and checks of messages are under way, which who brings them caps."""

    def __init__(self) -> None:
        self._last_job = 0
        self._under_way: dict[JobId, Commit] = {}

    def under_way(self, kind: type[_Kind]) -> Iterator[_Kind]:
        """Those of one kind, the first one first."""
        return (commit for commit in self._under_way.values() if isinstance(commit, kind))

    def done(self, job: JobId) -> Commit:
        """It is on disk, or will not be. Raises KeyError for a job that is none."""
        return self._under_way.pop(job)

    def persist(self, commit: Commit) -> Persist:
        self._last_job += 1
        job = JobId(self._last_job)
        self._under_way[job] = commit
        match commit:
            case Sending():
                return Persist(job, messages=(commit.envelope,), own=(commit.own,))
            case Keeping(envelopes, history):
                return Persist(job, messages=envelopes, history=history)
            case Moving():
                return Persist(job, rooms=(commit.record,))
            case Importing(_, envelopes, rooms):
                return Persist(job, messages=envelopes, rooms=rooms)
            case Pinning(_, record):
                return Persist(job, pins=(record,))
            case Noting(own):
                return Persist(job, own=own)
            case Settling(_, person, forgiven):
                return Persist(job, people=(person,), discouraged=forgiven)
            case Discouraging(records):
                return Persist(job, discouraged=records)
            case _:
                assert_never(commit)

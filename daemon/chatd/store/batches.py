"""What goes into the store and what it answers: frozen values, no disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from chatcore.discouraged import Discouraged
from chatcore.envelopes import Envelope
from chatcore.errors import LocalError
from chatcore.events import PinRecord
from chatcore.ids import RoomId
from chatcore.own import OwnMessage
from chatcore.people import Person
from chatcore.records import KnownAddress


class StoreUnusable(LocalError):
    """The store cannot be opened or read; nothing was changed in it."""

    kind = "store_unusable"

    def __init__(self, path: Path, why: str, hint: str) -> None:
        super().__init__(f"the store at {path} cannot be used: {why}", hint)
        self.path = path
        self.why = why


class Stored(NamedTuple):
    """A tuple, like Envelope, because a busy node makes tens of thousands a second."""

    seq: int
    """This node's own numbering, from 1, in the order of arrival."""

    received_ms: int
    """Wall time when it was written."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class RoomEntry:
    room_id: RoomId
    name: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What to keep, all of it or nothing; `job` is the caller's number for it."""

    job: int
    messages: Sequence[Envelope] = ()
    rooms: Sequence[RoomEntry] = ()
    own: Sequence[OwnMessage] = ()
    pins: Sequence[PinRecord] = ()
    people: Sequence[Person] = ()
    discouraged: Sequence[Discouraged] = ()
    addresses: Sequence[KnownAddress] = ()
    forgotten: Sequence[str] = ()
    """Addresses that are known no more."""

    history: bool = False
    """It lets everything else go first."""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """`stored` leaves out messages that were there already; with an `error` nothing of the batch was kept."""

    job: int
    stored: tuple[Stored, ...] = ()
    error: str | None = None
    hint: str = ""
    """What to do about the error, where more is known than that the disk should take it."""


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that is not what was written, by its key: 8 bytes, big-endian, for a message in the log."""

    key: bytes
    why: str


OnResults = Callable[[list[BatchResult]], None]
OnDamage = Callable[[Damaged], None]

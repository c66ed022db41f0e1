"""How the owner's requests are answered."""

from dataclasses import dataclass

from chatcore.errors import LocalError
from chatcore.events.requests import PinRecord, RequestId
from chatcore.own import OwnMessage
from chatcore.people import Person


@dataclass(frozen=True, slots=True)
class SentReply:
    own: OwnMessage
    room: str


@dataclass(frozen=True, slots=True)
class RoomReply:
    room: str
    changed: bool


@dataclass(frozen=True, slots=True)
class RenameReply:
    username: str
    changed: bool


@dataclass(frozen=True, slots=True)
class ConnectReply:
    """`linked` when there is a link already; otherwise the address is being dialled."""

    address: str
    linked: bool


@dataclass(frozen=True, slots=True)
class ImportReply:
    """`stored` counts those that were not there already."""

    stored: int


@dataclass(frozen=True, slots=True)
class PinReply:
    """It is on disk."""

    record: PinRecord


@dataclass(frozen=True, slots=True)
class PersonReply:
    """`changed` is false when it was so before."""

    person: Person
    changed: bool


@dataclass(frozen=True, slots=True)
class EndReply:
    """Whether there was a link, and the addresses that were dialled for ever and are not any more."""

    linked: bool
    addresses: tuple[str, ...]


Reply = SentReply | RoomReply | RenameReply | ConnectReply | ImportReply | PinReply | PersonReply | EndReply


@dataclass(frozen=True, slots=True)
class Replied:
    request: RequestId
    reply: Reply


@dataclass(frozen=True, slots=True)
class Rejected:
    request: RequestId
    error: LocalError

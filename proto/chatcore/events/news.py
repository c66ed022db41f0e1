"""What is told to whoever subscribes."""

from dataclasses import dataclass
from enum import StrEnum

from chatcore.envelopes import Envelope
from chatcore.ids import PeerId
from chatcore.own import OwnMessage


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`seq` is this node's own number for it; rises with every message stored."""

    seq: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class MessageAdded:
    """News: a message is stored, and may be shown. `own` is what is known of it when it is ours."""

    room: str
    stored: StoredMessage
    own: OwnMessage | None = None


@dataclass(frozen=True, slots=True)
class StateChanged:
    """News: a message of our own has come further."""

    room: str
    own: OwnMessage


@dataclass(frozen=True, slots=True)
class PeerChanged:
    """News: a link came up, or went down for `reason`."""

    peer_id: PeerId
    username: str
    address: str
    outbound: bool
    up: bool
    reason: str


class Movement(StrEnum):
    """What became of a member of a room."""

    JOINED = "joined"
    HERE = "here"
    """Was there before us; we hear of it only now."""

    LEFT = "left"
    LOST = "lost"
    """Silent for too long: crashed, or cut off."""

    RENAMED = "renamed"


@dataclass(frozen=True, slots=True)
class MemberChanged:
    """News: somebody came into a room, left it or has another name. `was` is the old one."""

    room: str
    peer_id: PeerId
    username: str
    movement: Movement
    was: str = ""


@dataclass(frozen=True, slots=True)
class Renamed:
    """News: this node has another name."""

    username: str


@dataclass(frozen=True, slots=True)
class RoomChanged:
    """News: this node came into a room or left it."""

    room: str
    joined: bool


News = MessageAdded | StateChanged | PeerChanged | MemberChanged | RoomChanged | Renamed

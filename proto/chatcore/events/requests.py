"""What the owner asks of the node. Each is answered once."""

from dataclasses import dataclass
from typing import NewType

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, PeerId, RoomId

RequestId = NewType("RequestId", int)
"""Chosen by the shell; each request is answered once, by Replied or Rejected."""


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """That this node knows a room by name, and whether it is in it."""

    room: RoomId
    name: str
    joined: bool


@dataclass(frozen=True, slots=True)
class SendText:
    """Asked again with the same `client_id` in the same room, it is answered with the first one's message."""

    request: RequestId
    room: str
    text: str
    client_id: str | None = None


@dataclass(frozen=True, slots=True)
class JoinRoom:
    request: RequestId
    room: str


@dataclass(frozen=True, slots=True)
class LeaveRoom:
    request: RequestId
    room: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Call ourselves so from now on, until the node ends."""

    request: RequestId
    username: str


@dataclass(frozen=True, slots=True)
class ImportMessages:
    """Keep what a person brings from elsewhere; the shell has checked everything about it.

    `rooms` are those of the messages, not to be in them but to know their names.
    """

    request: RequestId
    messages: tuple[Envelope, ...]
    rooms: tuple[RoomRecord, ...]


@dataclass(frozen=True, slots=True)
class PinRecord:
    """That a stored message is kept whatever its age, or (not `pinned`) no longer for that reason."""

    room: RoomId
    stamp: int
    id: MessageId
    pinned: bool


@dataclass(frozen=True, slots=True)
class PinMessage:
    """Nobody else hears of it: a pin is about this node's store."""

    request: RequestId
    record: PinRecord


@dataclass(frozen=True, slots=True)
class Connect:
    request: RequestId
    address: str


@dataclass(frozen=True, slots=True)
class BlockPeer:
    """Hide what somebody says from this node's own people, and do not link with them; or no longer.

    `blocked` False also forgives what a peer was discouraged for. `username` is what it calls itself.
    """

    request: RequestId
    peer_id: PeerId
    username: str
    blocked: bool


@dataclass(frozen=True, slots=True)
class NamePeer:
    """Give somebody a name of the owner's own. Empty: take it away."""

    request: RequestId
    peer_id: PeerId
    username: str
    alias: str


@dataclass(frozen=True, slots=True)
class EndLink:
    """End the link to a peer, do not link with it again at once, and dial an address no more.

    The reverse of Connect. One of the two is None; `text` is what was typed.
    """

    request: RequestId
    peer_id: PeerId | None
    address: str | None
    text: str


Request = (
    SendText
    | JoinRoom
    | LeaveRoom
    | Rename
    | ImportMessages
    | PinMessage
    | Connect
    | BlockPeer
    | NamePeer
    | EndLink
)

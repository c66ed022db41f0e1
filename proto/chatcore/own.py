"""How far a message of our own has come: what is known of it, as a value. Knows no links and no disk."""

from dataclasses import dataclass, replace
from enum import IntEnum

from chatcore.ids import MessageId, PeerId, RoomId

MAX_CONFIRMERS = 64
"""Members counted for one message. Only linked ones confirm, and a daemon keeps 50 links by default."""

MAX_CLIENT_ID_CHARS = 64


class State(IntEnum):
    """In the order in which they replace each other: a state only rises."""

    QUEUED = 0
    """On our disk; no member of the room was linked yet."""

    SENT = 1
    """Handed to at least one neighbour."""

    REFUSED = 2
    """A neighbour said that it does not take it, and none has said that it did."""

    DELIVERED = 3
    """At least one other member has it on disk."""

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class OwnMessage:
    id: MessageId
    room: RoomId
    state: State = State.QUEUED
    confirmed_by: tuple[PeerId, ...] = ()
    """The first of those who confirmed that they stored it."""

    confirmed: int = 0
    reason: str = ""
    """Why it was refused, for people."""

    client_id: str = ""

    def handed(self) -> "OwnMessage":
        return self if self.state >= State.SENT else replace(self, state=State.SENT)

    def refused(self, reason: str) -> "OwnMessage":
        return self if self.state >= State.REFUSED else replace(self, state=State.REFUSED, reason=reason)

    def confirmed_too(self, peer: PeerId) -> "OwnMessage":
        if peer in self.confirmed_by or len(self.confirmed_by) >= MAX_CONFIRMERS:
            return self
        by = (*self.confirmed_by, peer)
        return replace(self, state=State.DELIVERED, confirmed_by=by, confirmed=self.confirmed + 1, reason="")

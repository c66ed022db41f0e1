"""Everything that goes into the node and everything that comes out of it, declared once.

`Node.handle(input, now) -> list[Output]` is the whole interface: timers are outputs, their expiry an
input; slow work (signature checks, commits) leaves as an output and comes back as an input.
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NewType

from chatcore.discouraged import Discouraged
from chatcore.envelopes import Envelope
from chatcore.errors import ChatError, LocalError, RemoteError
from chatcore.ids import LinkId, MessageId, PeerId, RoomId
from chatcore.messages import Hello, LinkMessage
from chatcore.own import OwnMessage
from chatcore.people import Person
from chatcore.records import KnownAddress

RequestId = NewType("RequestId", int)
"""Chosen by the shell; each request is answered once, by Replied or Rejected."""

JobId = NewType("JobId", int)
"""Chosen by the node for work it hands out, unique among work of one type; the result carries it back."""


class Priority(IntEnum):
    """Which message leaves a link first. Within one priority, order is kept."""

    CONTROL = 0
    LIVE = 1
    HISTORY = 2
    BULK = 3


# Timers


@dataclass(frozen=True, slots=True)
class PingDue:
    """Time to ping every link and to drop the silent ones."""


@dataclass(frozen=True, slots=True)
class DialDue:
    """Some address may be tried again."""


@dataclass(frozen=True, slots=True)
class FeelerDue:
    """Time to see whether anybody is at some known address."""


@dataclass(frozen=True, slots=True)
class AddressesDue:
    """Time to write which addresses are known."""


@dataclass(frozen=True, slots=True)
class PresenceDue:
    """Time to refresh our own presence and to reap members gone silent."""


@dataclass(frozen=True, slots=True)
class IhaveDue:
    """Announcements have been gathered for long enough."""


@dataclass(frozen=True, slots=True)
class GraftDue:
    """Something announced should have come by now."""


@dataclass(frozen=True, slots=True)
class RumourDue:
    """Time to tell a few links beyond the neighbourhood what is new."""


@dataclass(frozen=True, slots=True)
class ReceiptDue:
    """Receipts have been gathered for long enough."""


@dataclass(frozen=True, slots=True)
class StatesDue:
    """Time to write what is known of our own messages."""


@dataclass(frozen=True, slots=True)
class ShuffleDue:
    """Time to mix whom we know in each room, and to mend our neighbourhood there."""


@dataclass(frozen=True, slots=True)
class RepairDue:
    """Time to compare histories with somebody, or to stop waiting for an answer."""


@dataclass(frozen=True, slots=True)
class ServeDue:
    """There is time again for what was asked about our history."""


@dataclass(frozen=True, slots=True)
class CatchUpDue:
    """Time to look whether a restored node has caught up."""


TimerKey = (
    PingDue
    | DialDue
    | FeelerDue
    | AddressesDue
    | PresenceDue
    | IhaveDue
    | GraftDue
    | RumourDue
    | ReceiptDue
    | StatesDue
    | ShuffleDue
    | RepairDue
    | ServeDue
    | CatchUpDue
)

# Inputs


@dataclass(frozen=True, slots=True)
class RoomRecord:
    """That this node knows a room by name, and whether it is in it."""

    room: RoomId
    name: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Started:
    """The shell listens and is ready to perform outputs."""


@dataclass(frozen=True, slots=True)
class LinkUp:
    """A link is secured and both sides have said hello. `address` is the remote end of the stream.

    `dialled` is the address this node asked for, None when the other side called; `told` are the rooms our
    own hello named, which may have changed since.
    """

    link: LinkId
    peer_id: PeerId
    hello: Hello
    address: str
    dialled: str | None
    told: frozenset[RoomId]
    binding: bytes
    """Random, and the same at both ends of the link."""

    local: str = ""
    """The IP address of this end of the stream; empty where there is none."""


@dataclass(frozen=True, slots=True)
class LinkDown:
    """The stream is gone; comes once for every LinkUp, whoever closed it."""

    link: LinkId
    error: RemoteError


@dataclass(frozen=True, slots=True)
class ReadingPaused:
    """The shell does not read this link for now, or does again: its silence then proves nothing."""

    link: LinkId
    paused: bool


@dataclass(frozen=True, slots=True)
class WritingPaused:
    """What is sent over this link waits for the peer to read, or does not any more."""

    link: LinkId
    paused: bool


@dataclass(frozen=True, slots=True)
class DialFailed:
    """No LinkUp will come of a Dial: not connected, or not through the handshake."""

    address: str
    error: RemoteError


@dataclass(frozen=True, slots=True)
class StrangerRefused:
    """Somebody who called did not get through the handshake."""

    address: str
    error: RemoteError


@dataclass(frozen=True, slots=True)
class Discovered:
    """All nodes of this network that are announced on the local network now, each as the addresses where it
    may be dialled, best first. It replaces what was said before."""

    nodes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Received:
    link: LinkId
    messages: tuple[LinkMessage, ...]


@dataclass(frozen=True, slots=True)
class Verified:
    """Answers Verify: whether each signature holds, in the order asked."""

    job: JobId
    results: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """`seq` is this node's own number for it; rises with every message stored."""

    seq: int
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class Committed:
    """Answers Persist: all of it is on disk. `stored` leaves out messages the store had already."""

    job: JobId
    stored: tuple[StoredMessage, ...]


@dataclass(frozen=True, slots=True)
class CommitFailed:
    """Answers Persist: none of it was kept. `hint` says what to do, where that is known."""

    job: JobId
    why: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TimerFired:
    key: TimerKey


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


@dataclass(frozen=True, slots=True)
class CatchUpDone:
    """Somebody decided that this restored node has nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Say goodbye to everybody and accept nothing more."""


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
Input = (
    Received
    | Verified
    | Committed
    | CommitFailed
    | TimerFired
    | Started
    | LinkUp
    | LinkDown
    | ReadingPaused
    | WritingPaused
    | DialFailed
    | StrangerRefused
    | Discovered
    | Request
    | CatchUpDone
    | Stop
)

# Outputs


@dataclass(frozen=True, slots=True)
class Send:
    """One message to some links; encoded once. A link whose queue has no room for it gets `instead`."""

    links: tuple[LinkId, ...]
    message: LinkMessage
    priority: Priority
    instead: LinkMessage | None = None


@dataclass(frozen=True, slots=True)
class CloseLink:
    """Flush what is queued, then close. `error` is why, for the log."""

    link: LinkId
    error: RemoteError


@dataclass(frozen=True, slots=True)
class Dial:
    """`expected` is who is known to live there; somebody else there is no link."""

    address: str
    expected: PeerId | None


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Replaces a timer of the same key. `at` is on the monotonic clock, in seconds."""

    key: TimerKey
    at: float


@dataclass(frozen=True, slots=True)
class Verify:
    """Check these envelopes' signatures, all received from one link."""

    job: JobId
    link: LinkId
    envelopes: tuple[Envelope, ...]
    history: bool = False
    """They were said long ago: nobody waits for them as for what is said now."""


@dataclass(frozen=True, slots=True)
class Persist:
    """Keep this, all or nothing, on disk before answering."""

    job: JobId
    messages: tuple[Envelope, ...] = ()
    rooms: tuple[RoomRecord, ...] = ()
    own: tuple[OwnMessage, ...] = ()
    """What is known of our own messages, those in `messages` among them."""

    pins: tuple[PinRecord, ...] = ()
    people: tuple[Person, ...] = ()
    """What the owner settled about them; who has neither name nor block is forgotten."""

    discouraged: tuple[Discouraged, ...] = ()
    """Those with no end are forgotten."""

    history: bool = False
    """As in Verify."""


@dataclass(frozen=True, slots=True)
class SaveAddresses:
    """Keep these for the next start, and forget those. Nobody waits for it, and it may be lost."""

    known: tuple[KnownAddress, ...]
    forgotten: tuple[str, ...]


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


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """This node was restored from a backup, and is now as any other: the shell need not remember it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth a log line that needs nobody's answer: no text, no keys."""

    what: str
    address: str
    error: ChatError


Output = (
    Send
    | CloseLink
    | Dial
    | SetTimer
    | Verify
    | Persist
    | SaveAddresses
    | Replied
    | Rejected
    | MessageAdded
    | StateChanged
    | PeerChanged
    | MemberChanged
    | RoomChanged
    | Renamed
    | CaughtUp
    | Notice
)

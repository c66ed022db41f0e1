"""What two linked nodes say to each other: frozen types, and the limits on what each may hold.

Knows nothing of bytes on the wire: `codec` does.
"""

from dataclasses import dataclass
from typing import NamedTuple

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.records import PeerRecord

MAX_ROOMS = 256
MAX_CAPABILITIES = 32
MAX_CAPABILITY_BYTES = 32
MAX_USER_AGENT_BYTES = 64
MAX_REASON_BYTES = 128
MAX_PEER_RECORDS = 32
MAX_INTRODUCTIONS = 3
MAX_HOPS = 255
SHORT_ID_BYTES = 8
MAX_SHORT_IDS = 1024
MAX_NONCE = 2**64 - 1
MAX_REFUSED_REASON = 255
REFUSED_FUTURE = 1
"""The stamp is too far ahead; the detail says by how many milliseconds, on the sender's clock."""

REFUSED_EXPIRED = 2
"""The stamp lies before what the sender keeps of the room; the detail says by how many milliseconds."""

MAX_WALL_MS = 2**48 - 1
MAX_MINOR = 65_535
MAX_TOKEN = 65_535
ROOM_TAG_BYTES = 8
FINGERPRINT_BYTES = 16
MAX_BOUND_BYTES = 8 + 32
MAX_COMPARED_RANGES = 16
MAX_PARTS = 64
"""In one answer, over all its ranges: each makes who asked look something up."""

MAX_LISTED_IDS = 64
MAX_FETCH_IDS = 256
MAX_HISTORY_MESSAGES = 256
MAX_ROSTER_WORDS = 32
"""In one message, at some 230 bytes each: small enough that what people say now slips in between."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message of each side once the link is secured, and only then."""

    minor: int
    capabilities: tuple[str, ...]
    network: str
    user_agent: str
    listen_port: int
    username: str
    rooms: frozenset[RoomId]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The last message before closing on purpose; `reason` is for people."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ping:
    """`wall_ms` is the sender's clock, in Unix milliseconds; an older version does not say it."""

    nonce: int
    wall_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Pong:
    """As in Ping."""

    nonce: int
    wall_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rooms:
    """The rooms the sender is in from now on; replaces what hello said."""

    rooms: frozenset[RoomId]


@dataclass(frozen=True, slots=True)
class PeerRequest:
    """Whom are you linked with? At most `most` answers."""

    most: int


@dataclass(frozen=True, slots=True)
class PeerResponse:
    peers: tuple[PeerRecord, ...]


@dataclass(frozen=True, slots=True)
class RoomRequest:
    """Who is in this room? Handed on at most `hops` times; `nonce` tells one question from another."""

    room: RoomId
    nonce: int
    hops: int


@dataclass(frozen=True, slots=True)
class RoomResponse:
    """Some members of the room that was asked for; goes back the way the question came."""

    nonce: int
    members: tuple[PeerRecord, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The IP address that the sender sees the receiver's end of this link at."""

    host: str


@dataclass(frozen=True, slots=True)
class Introduction:
    """Where the sender itself may be dialled, nearest first; replaces what it said before."""

    records: tuple[PeerRecord, ...]


class Publish(NamedTuple):
    """A signed envelope on its way through a room, with the hops it may still make."""

    hops: int
    id: MessageId
    payload: bytes
    signature: bytes

    @classmethod
    def of(cls, envelope: Envelope, hops: int) -> "Publish":
        return cls(hops, envelope.id, envelope.payload, envelope.signature)


@dataclass(frozen=True, slots=True)
class Ihave:
    """The sender holds these messages, by their first `SHORT_ID_BYTES` bytes."""

    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Graft:
    """Send these announced messages, and push their authors from now on."""

    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Prune:
    """Stop pushing the authors of these messages: enough copies come from others."""

    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Resume:
    """Push the authors of these messages again. The messages themselves the sender has."""

    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The sender has stored these messages, which the receiver wrote."""

    ids: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """The sender does not take this message, which the receiver wrote, for a reason of `REFUSED_...`."""

    id: bytes
    reason: int
    detail: int


@dataclass(frozen=True, slots=True)
class Neighbor:
    """Let us be active neighbours in a room. `urgent` when the sender has too few to be without."""

    room: RoomId
    urgent: bool


@dataclass(frozen=True, slots=True)
class NeighborReply:
    """The answer; some other members to try with a refusal, and for whoever asked urgently."""

    room: RoomId
    accepted: bool
    members: tuple[PeerRecord, ...]


@dataclass(frozen=True, slots=True)
class Disconnect:
    """No longer active neighbours in a room; the link may stay."""

    room: RoomId


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Some members of a room the sender knows, for as many in return."""

    room: RoomId
    members: tuple[PeerRecord, ...]


@dataclass(frozen=True, slots=True)
class ShuffleReply:
    room: RoomId
    members: tuple[PeerRecord, ...]


# History repair. A *bound* is a stamp (8 bytes, big-endian) and the first bytes of an id, or less where that
# tells messages apart; as bytes it sorts as the messages do. A *token* is the asker's, and comes back.


@dataclass(frozen=True, slots=True)
class Range:
    """The messages from `lower` up to, but not with, `upper`, and the sender's fingerprint of them."""

    lower: bytes
    upper: bytes
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Compare:
    """Where do you have other messages than these? `room` is the first `ROOM_TAG_BYTES` bytes of its id."""

    token: int
    room: bytes
    ranges: tuple[Range, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What the answerer has from `lower` up to the part before: the fingerprint of so many messages."""

    lower: bytes
    fingerprint: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Listed:
    """The same for a few messages: all their ids."""

    lower: bytes
    ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """To each range, as far as it goes: nothing where both have the same, else parts, newest first."""

    token: int
    answers: tuple[tuple[Part | Listed, ...], ...]


@dataclass(frozen=True, slots=True)
class FetchIds:
    """Send these messages."""

    token: int
    room: bytes
    ids: tuple[MessageId, ...]


@dataclass(frozen=True, slots=True)
class FetchRange:
    """Send what you have there, newest first, one page of it."""

    token: int
    room: bytes
    lower: bytes
    upper: bytes


@dataclass(frozen=True, slots=True)
class History:
    """A page of what was asked for. Of a range it holds everything from `lower` on."""

    token: int
    lower: bytes
    messages: tuple[Publish, ...]


# Who is here, for newcomers.


@dataclass(frozen=True, slots=True)
class RosterRequest:
    """Who is in this room? Asked of a neighbour, by somebody who just came."""

    room: RoomId


class ToldWord(NamedTuple):
    """A member's last announcement as that member signed it, and when the teller last heard of the member."""

    age_s: int
    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Roster:
    """Some of the answer; `last` ends it."""

    room: RoomId
    last: bool
    words: tuple[ToldWord, ...]


@dataclass(frozen=True, slots=True)
class UnknownMessage:
    """A type of a newer minor version."""

    type: int


MembershipMessage = Neighbor | NeighborReply | Disconnect | Shuffle | ShuffleReply
RosterMessage = RosterRequest | Roster
HistoryMessage = Compare | Compared | FetchIds | FetchRange | History

LinkMessage = (
    Publish
    | Ihave
    | Graft
    | Prune
    | Resume
    | Receipt
    | Refused
    | MembershipMessage
    | HistoryMessage
    | RosterMessage
    | Hello
    | Goodbye
    | Ping
    | Pong
    | Rooms
    | PeerRequest
    | PeerResponse
    | RoomRequest
    | RoomResponse
    | Seen
    | Introduction
    | UnknownMessage
)

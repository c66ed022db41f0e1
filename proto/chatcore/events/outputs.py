"""Everything that comes out of the node, for the shell to perform."""

from dataclasses import dataclass
from enum import IntEnum

from chatcore.discouraged import Discouraged
from chatcore.envelopes import Envelope
from chatcore.errors import ChatError, RemoteError
from chatcore.events.inputs import JobId
from chatcore.events.news import MemberChanged, MessageAdded, PeerChanged, Renamed, RoomChanged, StateChanged
from chatcore.events.replies import Rejected, Replied
from chatcore.events.requests import PinRecord, RoomRecord
from chatcore.events.timers import TimerKey
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.messages import Compare, FetchIds, FetchRange, LinkMessage
from chatcore.own import OwnMessage
from chatcore.people import Person
from chatcore.records import KnownAddress


class Priority(IntEnum):
    """Which message leaves a link first. Within one priority, order is kept."""

    CONTROL = 0
    LIVE = 1
    HISTORY = 2
    BULK = 3


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
class LookUp:
    """Find the answer to what a peer asks about a room's history, by `chatcore.answering.look_up`."""

    job: JobId
    room: RoomId
    question: Compare | FetchIds | FetchRange


@dataclass(frozen=True, slots=True)
class SaveAddresses:
    """Keep these for the next start, and forget those. Nobody waits for it; a failure comes back as
    AddressesNotSaved."""

    known: tuple[KnownAddress, ...]
    forgotten: tuple[str, ...]


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
    | LookUp
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

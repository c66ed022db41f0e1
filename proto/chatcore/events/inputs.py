"""Everything that goes into the node: what happened on links, on disk and on the clock, and what is asked."""

from dataclasses import dataclass
from typing import NewType

from chatcore.errors import RemoteError
from chatcore.events.news import StoredMessage
from chatcore.events.requests import Request
from chatcore.events.timers import TimerKey
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.messages import Compared, Hello, History, LinkMessage

JobId = NewType("JobId", int)
"""Chosen by the node for work it hands out, unique among work of one type; the result carries it back."""


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
    """No LinkUp will come of a Dial: not connected, or not through the handshake. `expected` is its own."""

    address: str
    error: RemoteError
    expected: PeerId | None = None


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
class LookedUp:
    """Answers LookUp. `alike` are the ranges compared that are the same here, each from its lower bound up to
    its upper. `reply` is None where the store could not be read."""

    job: JobId
    reply: Compared | History | None
    alike: tuple[tuple[bytes, bytes], ...] = ()


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
class AddressesNotSaved:
    """Answers SaveAddresses: neither what is known of these nor that they are gone was kept."""

    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TimerFired:
    key: TimerKey


@dataclass(frozen=True, slots=True)
class CatchUpDone:
    """Somebody decided that this restored node has nothing to wait for."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Say goodbye to everybody and accept nothing more."""


Input = (
    Received
    | Verified
    | LookedUp
    | Committed
    | CommitFailed
    | AddressesNotSaved
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

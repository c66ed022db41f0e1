"""What went over the wire, and how far every tracked message got. Counts; judges nothing."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from chatcore.events import MessageAdded, Movement, RequestId
from chatcore.ids import MessageId, PeerId
from chatcore.messages import Publish

NEVER = -1.0


class Trail:
    """One message's way. The arrays have one place per host that was there when it was said."""

    __slots__ = ("author", "copies", "hops", "id", "said_at", "times", "ttl")

    def __init__(self, message_id: MessageId, author: int, said_at: float, hosts: int, ttl: int) -> None:
        self.id = message_id
        self.author = author
        self.said_at = said_at
        self.ttl = ttl
        self.times = array("d", [NEVER]) * hosts
        """When each host showed it to its people, in simulated seconds; NEVER so far."""

        self.copies = array("i", [0]) * hosts
        """Publish messages that reached each host."""

        self.hops = array("i", [0]) * hosts
        """How many links the first copy had travelled; 0 where none came, or it came by comparing histories,
        which counts none."""


@dataclass(slots=True)
class Traffic:
    """Sums since the start, over all hosts."""

    frames: int = 0
    wire_bytes: int = 0
    """Every byte of every frame: length, ciphertext, tag. Neither TCP's nor IP's headers."""

    messages: Counter[type] = field(default_factory=Counter)
    message_bytes: Counter[type] = field(default_factory=Counter)

    def copy(self) -> "Traffic":
        return Traffic(self.frames, self.wire_bytes, self.messages.copy(), self.message_bytes.copy())

    def __sub__(self, earlier: "Traffic") -> "Traffic":
        return Traffic(
            self.frames - earlier.frames,
            self.wire_bytes - earlier.wire_bytes,
            self.messages - earlier.messages,
            self.message_bytes - earlier.message_bytes,
        )


@dataclass(frozen=True, slots=True)
class Move:
    """A host took somebody on its roster, or off."""

    at: float
    host: int
    peer_id: PeerId
    movement: Movement


class Tally:
    def __init__(self) -> None:
        self.checked: Counter[int] = Counter()
        """Messages that were new at each host, by its index; history and rosters left out."""

        self.follows_members = False
        self.moves: list[Move] = []
        self.traffic = Traffic()
        self.trails: dict[MessageId, Trail] = {}
        self.by_request: dict[RequestId, Trail] = {}

    def track(self, request: RequestId, trail: Trail) -> None:
        """A message is stored at its author and handed to its neighbours: its time runs from here."""
        self.trails[trail.id] = self.by_request[request] = trail

    def received(self, publish: Publish, host: int, *, spread: bool) -> None:
        """A copy reached a host: `spread` by broadcast, or fetched by comparing histories."""
        trail = self.trails.get(publish.id)
        if trail is not None and host < len(trail.copies):
            if spread and not trail.copies[host]:
                trail.hops[host] = trail.ttl - publish.hops + 1
            trail.copies[host] += 1

    def shown(self, news: MessageAdded, host: int, now: float) -> None:
        """A host stored a message and showed it."""
        trail = self.trails.get(news.stored.envelope.id)
        if trail is not None and host < len(trail.times) and trail.times[host] == NEVER:
            trail.times[host] = now

"""The links there are: who is at the other end, is it alive, how far away.

Settles which of two links to one peer stays. Knows nothing of rooms' contents.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from chatcore.addresses import Scope, group_at, home_of, host_at, host_bytes, nearness
from chatcore.clock import MAX_SKEW_MS, Now
from chatcore.config import LinkConfig
from chatcore.events import LinkUp
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.messages import MAX_WALL_MS, Ping, Pong
from chatcore.records import PeerRecord
from chatcore.rng import Rng

PEER_REQUEST_EVERY_S = 10.0
SAME_TIME_S = 5.0

QUIET_SHARE = 0.8
"""Of the time between pings: a link silent for less needs none. So a live link is silent for at most 1.8."""

OUTBOUND_PART = 6
"""One place in so many callers cannot take: 8 of 50, two of 12."""

MAX_OF_ONE_HOME = 8
"""Links to one IPv4 address or one /64 of IPv6: identities cost nothing, addresses do."""

REFUSAL_COUNTS_S = 3600.0
"""So long what a refusal says of a peer's clock is believed: the message may have been an old one."""

ANSWER_SHARE = 0.9
"""Of the same time, to answer in after a sleep."""

MAX_PINGS = 16
"""Of one link that may still be answered; beyond, the oldest never is."""

UNANSWERED_S = 60.0
"""A link that is read and does not answer for so long is closed, whatever else comes: without an answer no
promise is ever proved broken. What may be queued before the answer, 1 MiB, takes so long at 140 kbit/s."""


@dataclass(slots=True)
class Link:
    link: LinkId
    peer_id: PeerId
    username: str
    user_agent: str
    address: str
    dialled: str | None
    rooms: frozenset[RoomId]
    scope: Scope
    """From how far away it comes, which is what it may tell of, and be told."""

    group: bytes
    """Whose network it comes from."""

    local: str
    """The IP address of our own end."""

    binding: bytes
    since: float
    heard: float
    """When anything last came, on the monotonic clock."""

    records: tuple[PeerRecord, ...] = ()
    """Where others may dial this peer, by its own word, nearest first; none while it does not say."""

    paused: bool = False
    """Not read for now, by our own choice."""

    paused_at: float = 0.0
    rtt_s: float | None = None
    pings: dict[int, float] = field(default_factory=dict)
    """Nonces of those that are not answered and when each was sent, in order."""

    unanswered: float | None = None
    """When the first of them was sent, or would have been had we always read."""

    answered: float = -math.inf
    """When the last ping was sent that has been answered."""

    wall_at_zero_ms: float | None = None
    """What the peer's clock showed when our monotonic one stood at zero. So kept, a clock of ours that is set
    right is right at once, and need not wait for the peer to say something."""

    refused_wall_at_zero_ms: float | None = None
    """The same, by how far in the future a message of ours was for it; as of `refused_at`."""

    refused_at: float = -math.inf

    asked_peers: bool = False
    peers_asked: float | None = None

    @property
    def home(self) -> str:
        """Where it was dialled, or says that it listens at the host it comes from; empty where neither is so.

        Anybody can sign that it lives where somebody else does, and be kept away for something else then.
        """
        host = host_bytes(host_at(self.address))
        said = [record.address for record in self.records if host_bytes(host_at(record.address)) == host]
        return self.dialled or (said[0] if said else "")

    @property
    def outbound(self) -> bool:
        return self.dialled is not None

    @property
    def record(self) -> PeerRecord | None:
        """Where we may dial it."""
        return self.records[0] if self.records else None

    def record_for(self, scope: Scope) -> PeerRecord | None:
        """Where somebody of that scope may dial it."""
        return next((record for record in self.records if record.scope >= scope), None)

    def note_refused_ahead(self, ahead_ms: int, now: Now) -> None:
        """A message of ours was so far in the future for this peer: it was said just now, most likely."""
        self.refused_wall_at_zero_ms = now.wall_ms - ahead_ms - now.mono * 1000
        self.refused_at = now.mono

    def clock_ahead_ms(self, now: Now) -> int | None:
        """How far the peer says that its clock is ahead of ours; None when it has not said."""
        at_zero_ms = self.wall_at_zero_ms
        if at_zero_ms is None and now.mono - self.refused_at <= REFUSAL_COUNTS_S:
            at_zero_ms = self.refused_wall_at_zero_ms
        return None if at_zero_ms is None else round(at_zero_ms + now.mono * 1000) - now.wall_ms

    def is_ahead(self, now: Now) -> bool:
        """Whether its clock is so far ahead that what is said there now is not taken here."""
        return (self.clock_ahead_ms(now) or 0) > MAX_SKEW_MS


_NOBODY: dict[LinkId, Link] = {}


class Links:
    def __init__(self, config: LinkConfig, own: PeerId, rng: Rng) -> None:
        self._config = config
        self._own = own
        self._rng = rng
        self._by_link: dict[LinkId, Link] = {}
        self._by_peer: dict[PeerId, Link] = {}
        self._by_room: dict[RoomId, dict[LinkId, Link]] = {}
        self._fading: dict[LinkId, Link] = {}
        self._homes: Counter[bytes | None] = Counter()
        """How many links each subscriber has; None counts all that are no one's."""

    def __len__(self) -> int:
        return len(self._by_link)

    def __iter__(self) -> Iterator[Link]:
        return iter(self._by_link.values())

    def get(self, link: LinkId) -> Link | None:
        return self._by_link.get(link)

    @property
    def peer_ids(self) -> Collection[PeerId]:
        return self._by_peer.keys()

    def in_room(self, room: RoomId) -> Collection[Link]:
        """Those whose peer says that it is in the room."""
        return self._by_room.get(room, _NOBODY).values()

    def to(self, peer_id: PeerId) -> Link | None:
        return self._by_peer.get(peer_id)

    @property
    def full(self) -> bool:
        return len(self._by_link) >= self._config.max_peers

    @property
    def full_for_callers(self) -> bool:
        """Some places are for those we dial: else who calls often enough decides whom we are linked with."""
        most = self._config.max_peers
        return self.full or sum(not link.outbound for link in self) >= most - most // OUTBOUND_PART

    def full_for_home_of(self, address: str) -> bool:
        """Whether its subscriber has all the links that one may have."""
        home = home_of(host_at(address))
        return home is not None and self._homes[home] >= MAX_OF_ONE_HOME

    def add(self, event: LinkUp, mono: float) -> Link:
        link = self.make(event, mono)
        self._by_link[event.link] = link
        self._by_peer[event.peer_id] = link
        self._homes[home_of(host_at(link.address))] += 1
        for room in link.rooms:
            self._by_room.setdefault(room, {})[link.link] = link
        return link

    def handle_rooms(self, link: Link, rooms: frozenset[RoomId]) -> None:
        """The peer is in other rooms now."""
        self._leave_rooms(link, link.rooms - rooms)
        for room in rooms - link.rooms:
            self._by_room.setdefault(room, {})[link.link] = link
        link.rooms = rooms

    def _leave_rooms(self, link: Link, rooms: frozenset[RoomId]) -> None:
        for room in rooms:
            members = self._by_room.get(room, {})
            members.pop(link.link, None)
            if not members:
                self._by_room.pop(room, None)

    def make(self, event: LinkUp, mono: float) -> Link:
        return Link(
            link=event.link,
            peer_id=event.peer_id,
            username=event.hello.username,
            user_agent=event.hello.user_agent,
            address=event.address,
            dialled=event.dialled,
            rooms=event.hello.rooms,
            scope=nearness(host_at(event.address)),
            group=group_at(event.address),
            local=event.local,
            binding=event.binding,
            since=mono,
            heard=mono,
        )

    def fade(self, link: Link) -> None:
        """Let go of for another link to the same peer, who may have said something on it meanwhile."""
        self._fading[link.link] = link

    def fading(self, link: LinkId) -> Link | None:
        return self._fading.get(link)

    def forget(self, link: LinkId) -> None:
        """Its stream is gone: nothing more will come of it."""
        self._fading.pop(link, None)

    def remove(self, link: LinkId) -> Link | None:
        gone = self._by_link.pop(link, None)
        if gone is not None and self._by_peer.get(gone.peer_id) is gone:
            del self._by_peer[gone.peer_id]
        if gone is not None:
            self._leave_rooms(gone, gone.rooms)
            home = home_of(host_at(gone.address))
            self._homes[home] -= 1
            if not self._homes[home]:
                del self._homes[home]
        return gone

    def should_replace(self, old: Link, new: LinkUp, mono: float) -> bool:
        """Which of two links to one peer stays: both ends must decide alike.

        After a simultaneous dial, the one that the lower peer id dialled. When the same side dialled twice,
        it has lost the first one and the newer stays; but two that came up at about the same time, as when
        one peer is dialled by two names, may have come in another order at the other end.
        """
        outbound = new.dialled is not None
        if outbound != old.outbound:
            return outbound == (self._own < new.peer_id)
        if mono - old.since < SAME_TIME_S:
            return new.binding < old.binding
        return True

    def ping(self, link: Link, now: Now) -> Ping:
        nonce = self._rng.getrandbits(64)
        link.pings[nonce] = now.mono
        if len(link.pings) > MAX_PINGS:
            del link.pings[next(iter(link.pings))]
        if link.unanswered is None:
            link.unanswered = now.mono
        return Ping(nonce, _told(now))

    def to_ping(self, mono: float) -> list[Link]:
        """Whoever spoke lately is alive: mostly one side of a quiet link pings, and the other answers."""
        quiet_s = QUIET_SHARE * self._config.ping_every_s
        return [link for link in self if link.rtt_s is None or mono - link.heard >= quiet_s]

    def on_ping(self, link: Link, ping: Ping, now: Now) -> Pong:
        _note_clock(link, ping.wall_ms, now.mono)
        return Pong(ping.nonce, _told(now))

    def on_pong(self, link: Link, pong: Pong, mono: float) -> None:
        sent = link.pings.get(pong.nonce)
        if sent is not None:
            link.rtt_s = mono - sent
            link.answered = sent
            link.pings = {nonce: at for nonce, at in link.pings.items() if at > sent}
            link.unanswered = next(iter(link.pings.values()), None)
            _note_clock(link, pong.wall_ms, mono)

    def doubt(self, mono: float) -> None:
        """We slept, not they: nothing heard before shows that anybody is still there, and who is has had no
        chance to say so. Who says nothing until the pings after the next is silent."""
        limit = mono - self._config.dead_after_s + ANSWER_SHARE * self._config.ping_every_s
        for link in self:
            link.heard = limit
            link.unanswered = None if link.unanswered is None else mono

    def handle_paused(self, link: Link, mono: float, *, paused: bool) -> None:
        """What was not read meanwhile is not held against it."""
        if paused and not link.paused:
            link.paused_at = mono
        elif link.paused and not paused and link.unanswered is not None:
            link.unanswered += mono - max(link.paused_at, link.unanswered)
        link.paused = paused
        link.heard = mono

    def silent(self, mono: float) -> list[Link]:
        limit = self._config.dead_after_s
        return [link for link in self if not link.paused and mono - link.heard > limit]

    def unanswering(self, mono: float) -> list[Link]:
        """Those that talk, and answer no ping."""
        return [
            link
            for link in self
            if link.unanswered is not None and not link.paused and mono - link.unanswered >= UNANSWERED_S
        ]

    def may_ask_peers(self, link: Link, mono: float) -> bool:
        """One answer per link and `PEER_REQUEST_EVERY_S`: what a peer learns in a minute it cannot use."""
        if link.peers_asked is not None and mono - link.peers_asked < PEER_REQUEST_EVERY_S:
            return False
        link.peers_asked = mono
        return True


def _note_clock(link: Link, wall_ms: int | None, mono: float) -> None:
    """It said so half a round trip ago."""
    if wall_ms is not None:
        link.wall_at_zero_ms = wall_ms - (mono - (link.rtt_s or 0.0) / 2) * 1000


def _told(now: Now) -> int:
    """A clock that is out of its mind still has to fit the message."""
    return min(max(now.wall_ms, 0), MAX_WALL_MS)

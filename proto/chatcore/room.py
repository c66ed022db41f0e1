"""One room's swarm: who our neighbours in it are, and who is present.

Joins membership and presence in plain sight; neither knows the other.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from chatcore.clock import HybridClock, Now, is_stale
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.envelopes import Announce, Body, Envelope, Join, Leave, seal
from chatcore.events import MemberChanged, Output, Priority, Send
from chatcore.identity import Identity, peer_id_of
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.links import Link, Links
from chatcore.manners import Manners
from chatcore.membership import Membership
from chatcore.messages import Disconnect, MembershipMessage, NeighborReply, Publish, Shuffle, ShuffleReply
from chatcore.presence import Member, Presence
from chatcore.records import MAX_AGE_S, PeerRecord
from chatcore.rng import Rng
from chatcore.vetting import Vetting


@dataclass(frozen=True, slots=True)
class Change:
    """Neighbours won and lost."""

    came: tuple[LinkId, ...]
    left: tuple[LinkId, ...]

    def __bool__(self) -> bool:
        return bool(self.came or self.left)


class Room:
    def __init__(
        self,
        name: str,
        room_id: RoomId,
        *,
        identity: Identity,
        clock: HybridClock,
        config: NodeConfig,
        links: Links,
        vetting: Vetting,
        counters: Counters,
        rng: Rng,
        mono: float,
    ) -> None:
        self.name = name
        self.id = room_id
        self._identity = identity
        self._clock = clock
        self._config = config
        self._links = links
        self._vetting = vetting
        self._counters = counters
        self._manners = Manners(config.gossip)
        self._membership = Membership(room_id, config.gossip, links, own=identity.peer_id, rng=rng, mono=mono)
        self._presence = Presence(config.presence)
        self._announced = False
        self._told: set[LinkId] = set()
        self._refresh_at = 0.0
        self._greeted: dict[LinkId, float] = {}
        """Until when each link needs no other greeting."""

    @property
    def linked(self) -> list[LinkId]:
        """Every linked peer in the room."""
        return [link.link for link in self._links.in_room(self.id)]

    @property
    def active(self) -> Collection[LinkId]:
        """Those that messages are pushed and announced to."""
        return self._membership.active

    @property
    def known(self) -> Collection[PeerRecord]:
        """Members we may not be linked with."""
        return self._membership.passive

    @property
    def members(self) -> list[Member]:
        return self._presence.members

    def seal(self, body: Body, now: Now) -> Envelope:
        """Something of our own to say here, signed."""
        stamp = self._clock.tick(now.wall_ms)
        return seal(self._identity, self.id, stamp, self._config.username, body)

    # Neighbours

    def mend(self, now: Now) -> tuple[list[Output], list[PeerRecord]]:
        """What brings the active view to its size: requests to linked members, and members to link with."""
        asks, wanted = self._membership.fill(now.mono)
        self._manners.note(asks)
        return asks, wanted

    def changed(self) -> Change:
        """The neighbours won and lost since the last call."""
        active = set(self._membership.active)
        # In the order of links: a set's own order would not be the same in every process.
        change = Change(tuple(sorted(active - self._told)), tuple(sorted(self._told - active)))
        self._told = active
        return change

    def spares(self) -> list[LinkId]:
        """Members we are linked with that are not our neighbours, in a random order."""
        return self._membership.shuffled_spares()

    def handle_fetched(self, envelope: Envelope, link: Link, now: Now) -> list[Output]:
        """A message came over this link because we asked for it there; nobody pushed it."""
        if link.peer_id == peer_id_of(envelope.author):
            return []  # it may have told us alone
        asks = self._membership.handle_fetched(link, now.mono)
        self._manners.note(asks)
        return asks

    def handle_link_gone(self, link: Link) -> None:
        self._manners.handle_link_gone(link.link)
        self._greeted.pop(link.link, None)
        self.handle_gone(link)

    def handle_gone(self, link: Link) -> None:
        """The peer is no longer linked, or no longer in the room."""
        self._membership.handle_link_gone(link)

    def handle_dead(self, peer_id: PeerId) -> None:
        self._membership.handle_dead(peer_id)

    def on_message(self, link: Link, message: MembershipMessage, now: Now) -> list[Output]:
        """Raises ForgedRecord."""
        objection = self._manners.objection(link.link, message, now.mono)
        if objection is None:
            outputs = self._membership.on_message(link, self._vetted(link, message, now), now.mono)
        else:
            self._counters.blame(link.link, objection)
            outputs = []
        if isinstance(message, NeighborReply) and message.accepted and link.link not in self.active:
            # It came too late, or nobody asked: the other side must not go on taking us for its neighbour.
            outputs.append(Send((link.link,), Disconnect(self.id), Priority.CONTROL))
        return outputs

    def _vetted(self, link: Link, message: MembershipMessage, now: Now) -> MembershipMessage:
        """With those members only that are to be taken from that peer."""
        match message:
            case Shuffle(_, members):
                return replace(message, members=self._vetting.vet(link, members, now, asked=False))
            case NeighborReply() | ShuffleReply():
                return replace(message, members=self._vetting.vet(link, message.members, now, asked=True))
            case _:
                return message

    def learn(self, members: Collection[PeerRecord], source: bytes) -> None:
        """Members that somebody of the group `source` told us of."""
        self._membership.learn(members, source)

    def handle_brought(self, link: Link, now: Now) -> list[Output]:
        """Comparing histories with this link brought something new: nobody near us had it."""
        asks = self._membership.handle_fetched(link, now.mono)
        self._manners.note(asks)
        return asks

    def handle_shuffle_due(self, now: Now) -> list[Output]:
        self._membership.forget_signed_before(now.wall_ms / 1000 - MAX_AGE_S)
        outputs = self._membership.handle_shuffle_due(now.mono)
        self._manners.note(outputs)
        return outputs

    # Presence

    def handle_heard(self, envelope: Envelope, now: Now) -> list[Output]:
        """Somebody's message, new and truly theirs: note who is here."""
        author = peer_id_of(envelope.author)
        # What somebody said long ago does not make them present.
        if author == self._identity.peer_id or is_stale(envelope.stamp, now):
            return []
        change = self._presence.handle_envelope(author, envelope, now.mono)
        return [] if change is None else [self._changed(change, joined=self._presence.is_member(author))]

    def arrive(self, now: Now) -> Envelope | None:
        """The word that we are here, once, as soon as there is somebody to tell."""
        if self._announced or not self.active or not self._config.presence.announced:
            return None
        self._announced = True
        self._put_off_refresh(now)
        return self.seal(Join(), now)

    def greet(self, link: LinkId, now: Now) -> list[Output]:
        """To one new neighbour alone, who would else hear of us only at the next refresh."""
        if not self._config.presence.announced or now.mono < self._greeted.get(link, now.mono):
            return []
        # Coming and going costs nothing; a signature for each time would cost us.
        self._greeted[link] = now.mono + self._config.presence.refresh_s
        greeting = self.seal(self._announcement(), now)
        return [Send((link,), Publish.of(greeting, 0), Priority.LIVE)]

    def refresh(self, now: Now) -> tuple[list[Output], Envelope | None]:
        """Who has gone silent, and our own announcement when it is due."""
        gone: list[Output] = [self._changed(member, joined=False) for member in self._presence.reap(now.mono)]
        if not self._announced or now.mono < self._refresh_at:
            return gone, None
        self._put_off_refresh(now)
        return gone, self.seal(self._announcement(), now)

    def _put_off_refresh(self, now: Now) -> None:
        # `refresh` is called up to one configured pause after that, and must not be a whole one late.
        self._refresh_at = now.mono + self._presence.interval_s - self._config.presence.refresh_s

    def leave(self, now: Now) -> Envelope | None:
        if not self._announced:
            return None
        self._announced = False
        return self.seal(Leave(), now)

    def _announcement(self) -> Announce:
        return Announce(round(self._presence.interval_s))

    def _changed(self, member: Member, *, joined: bool) -> MemberChanged:
        return MemberChanged(self.name, member.peer_id, member.username, joined)

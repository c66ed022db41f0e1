"""One room's swarm: which links are in it, how messages spread in it, who is present.

Joins broadcast and presence in plain sight; neither knows the other.
"""

from chatcore.broadcast import Broadcast
from chatcore.clock import HybridClock, Now, is_stale
from chatcore.config import NodeConfig
from chatcore.envelopes import Announce, Body, Envelope, Join, Leave, seal
from chatcore.events import MemberChanged, Output, Priority, Send
from chatcore.identity import Identity, peer_id_of
from chatcore.ids import LinkId, RoomId
from chatcore.links import Links
from chatcore.messages import Publish
from chatcore.presence import Member, Presence
from chatcore.rng import Rng


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
        rng: Rng,
    ) -> None:
        self.name = name
        self.id = room_id
        self._identity = identity
        self._clock = clock
        self._config = config
        self._links = links
        self._broadcast = Broadcast(config.gossip, rng)
        self._presence = Presence(config.presence)
        self._announced = False

    @property
    def neighbours(self) -> list[LinkId]:
        return [link.link for link in self._links if self.id in link.rooms]

    @property
    def members(self) -> list[Member]:
        return self._presence.members

    def seal(self, body: Body, now: Now) -> Envelope:
        """Something of our own to say here, signed."""
        stamp = self._clock.tick(now.wall_ms)
        return seal(self._identity, self.id, stamp, self._config.username, body)

    def publish(self, envelope: Envelope) -> list[Send]:
        return self._broadcast.publish(envelope, self.neighbours)

    def handle_verified(self, envelope: Envelope, hops: int, source: LinkId, now: Now) -> list[Output]:
        """Somebody's message, new and truly theirs: hand it on, and note who is here."""
        outputs: list[Output] = [*self._broadcast.forward(envelope, hops, self.neighbours, source)]
        author = peer_id_of(envelope.author)
        # What somebody said long ago does not make them present.
        if author != self._identity.peer_id and not is_stale(envelope.stamp, now):
            change = self._presence.handle_envelope(author, envelope, now.mono)
            if change is not None:
                outputs.append(self._changed(change, joined=self._presence.is_member(author)))
        return outputs

    def handle_entered(self, now: Now) -> list[Output]:
        """We are in this room: tell whoever is linked already."""
        return self._announce(tuple(self.neighbours), now)

    def handle_neighbour(self, link: LinkId, now: Now) -> list[Output]:
        """A peer of this room is linked: tell it that we are here."""
        return self._announce((link,), now)

    def handle_refresh(self, now: Now) -> list[Output]:
        outputs: list[Output] = [
            self._changed(member, joined=False) for member in self._presence.reap(now.mono)
        ]
        return outputs + self._announce(tuple(self.neighbours), now)

    def handle_leaving(self, now: Now) -> list[Output]:
        self._announced = False
        return [*self.publish(self.seal(Leave(), now))]

    def _announce(self, links: tuple[LinkId, ...], now: Now) -> list[Output]:
        if not links:
            return []
        body = Announce(round(self._config.presence.refresh_s)) if self._announced else Join()
        self._announced = True
        envelope = self.seal(body, now)
        return [Send(links, Publish.of(envelope, self._config.gossip.ttl), Priority.LIVE)]

    def _changed(self, member: Member, *, joined: bool) -> MemberChanged:
        return MemberChanged(self.name, member.peer_id, member.username, joined)

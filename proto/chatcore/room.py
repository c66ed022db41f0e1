"""One room's swarm: who our neighbours in it are, and who is present.

Joins membership and presence in plain sight; neither knows the other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from chatcore.clock import HybridClock, Now, is_future, is_stale, wall_ms_of
from chatcore.config import NodeConfig
from chatcore.counters import Counters
from chatcore.envelopes import Announce, Body, Envelope, Join, Leave, open_envelope, seal
from chatcore.errors import Malformed
from chatcore.events import MemberChanged, Movement, Output, Priority, Send
from chatcore.identity import Identity, peer_id_of
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.links import Link, Links
from chatcore.manners import Manners
from chatcore.membership import Membership
from chatcore.messages import (
    Disconnect,
    MembershipMessage,
    NeighborReply,
    Publish,
    Roster,
    Shuffle,
    ShuffleReply,
    ToldWord,
)
from chatcore.nickname import Nickname
from chatcore.presence import Former, Member, Passage, Presence
from chatcore.records import MAX_AGE_S, Named, PeerRecord
from chatcore.rng import Rng
from chatcore.vetting import Vetting
from chatcore.welcome import MAX_WORDS, Welcome


@dataclass(frozen=True, slots=True)
class Change:
    """Neighbours won and lost."""

    came: tuple[LinkId, ...]
    left: tuple[LinkId, ...]

    def __bool__(self) -> bool:
        return bool(self.came or self.left)


@dataclass(frozen=True, slots=True)
class Told:
    """What a neighbour told of somebody in the room. `heard` is when, on our monotonic clock."""

    envelope: Envelope
    heard: float


class Room:
    def __init__(
        self,
        name: str,
        room_id: RoomId,
        *,
        identity: Identity,
        nickname: Nickname,
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
        self._nickname = nickname
        self._clock = clock
        self._config = config
        self._links = links
        self._vetting = vetting
        self._counters = counters
        self._manners = Manners(config.gossip)
        self._membership = Membership(room_id, config.gossip, links, own=identity.peer_id, rng=rng, mono=mono)
        self._presence = Presence(config.presence)
        self._welcome = Welcome(room_id, mono)
        self._rng = rng
        self._announced = False
        self._told: set[LinkId] = set()
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
    def chosen(self) -> Collection[LinkId]:
        """Of them, those of our own choice."""
        return self._membership.chosen

    @property
    def known(self) -> Collection[PeerRecord]:
        """Members we may not be linked with."""
        return self._membership.passive

    @property
    def members(self) -> list[Member]:
        return self._presence.members

    def former_members(self, now: Now) -> list[Former]:
        """Who was here, and went a while ago."""
        return self._presence.former(now.mono)

    def seal(self, body: Body, now: Now) -> Envelope:
        """Something of our own to say here, signed."""
        stamp = self._clock.tick(now.wall_ms)
        return seal(self._identity, self.id, stamp, self._nickname.text, body)

    # Neighbours

    def mend(self, now: Now) -> tuple[list[Output], list[Named]]:
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
        if not active:
            self._welcome.handle_alone()
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
        self._welcome.handle_link_gone(link.link)
        self.handle_gone(link)

    def handle_gone(self, link: Link) -> None:
        """The peer is no longer linked, or no longer in the room."""
        self._membership.handle_link_gone(link)

    def handle_dead(self, peer_id: PeerId) -> None:
        self._membership.handle_dead(peer_id)

    def on_message(self, link: Link, message: MembershipMessage, now: Now) -> tuple[list[Output], bool]:
        """What to say to it, and whether it was taken. Raises ForgedRecord."""
        objection = self._manners.objection(link.link, message, now.mono)
        if objection is None:
            outputs = self._membership.on_message(link, self._vetted(link, message, now), now.mono)
        else:
            self._counters.blame(link.link, objection)
            outputs = []
        if isinstance(message, NeighborReply) and message.accepted and link.link not in self.active:
            # It came too late, or nobody asked: the other side must not go on taking us for its neighbour.
            outputs.append(Send((link.link,), Disconnect(self.id), Priority.CONTROL))
        return outputs, objection is None

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
        gone = self._tell(self._presence.make_way(author, envelope, self._links.peer_ids))
        return gone + self._tell(self._presence.handle_envelope(author, envelope, now.mono))

    def arrive(self, now: Now) -> Envelope | None:
        """The word that we are here, once, as soon as there is somebody to tell."""
        if self._announced or not self.active or not self._config.presence.announced:
            return None
        self._announced = True
        self._presence.put_off_refresh(now.mono, self._rng)
        return self.seal(Join(), now)

    def greet(self, link: LinkId, now: Now) -> list[Output]:
        """To one new neighbour alone, who would else hear of us only at the next refresh."""
        if not self._config.presence.announced or now.mono < self._greeted.get(link, now.mono):
            return []
        # Coming and going costs nothing; a signature for each time would cost us.
        self._greeted[link] = now.mono + self._config.presence.refresh_s
        greeting = self.seal(self._announcement(), now)  # the promise of before: no other word comes sooner
        return [Send((link,), Publish.of(greeting, 0), Priority.LIVE)]

    def handle_woken(self, now: Now) -> None:
        self._presence.handle_woken(now.mono)

    def refresh(self, now: Now) -> tuple[list[Output], Envelope | None]:
        """Who has gone silent, and our own announcement when it is due."""
        gone = [news for passage in self._presence.reap(now.mono) for news in self._tell(passage)]
        due = self.refresh_at is not None and now.mono >= self.refresh_at
        return gone, self.announce(now) if due else None

    @property
    def refresh_at(self) -> float | None:
        """When we announce ourselves again; None when nobody knows that we are here."""
        return self._presence.refresh_at if self._announced else None

    def announce(self, now: Now) -> Envelope | None:
        """That we are still here, and what we are called; unless nobody knows that we came."""
        if not self._announced:
            return None
        self._presence.promise(now.mono, self._rng)
        return self.seal(self._announcement(), now)

    def leave(self, now: Now) -> Envelope | None:
        if not self._announced:
            return None
        self._announced = False
        return self.seal(Leave(), now)

    def _announcement(self) -> Announce:
        return Announce(self._presence.promised_s)

    def _tell(self, passage: Passage | None) -> list[Output]:
        if passage is None:
            return []
        link = self._links.to(passage.peer_id)
        if link is not None and passage.movement is Movement.RENAMED:
            link.username = passage.username
        return [MemberChanged(self.name, passage.peer_id, passage.username, passage.movement, passage.was)]

    # Rosters, for newcomers

    def ask_roster(self, came: Sequence[LinkId]) -> list[Output]:
        """Of the first neighbours, who is here; who does not say that it is here does not ask."""
        return self._welcome.ask(came) if self._config.presence.announced else []

    def on_roster_request(self, link: Link, now: Now) -> list[Output]:
        if not self._welcome.may_answer(link.link, now.mono):
            self._counters.refused["roster_rate"] += 1
            return []
        words = self._presence.words(MAX_WORDS, now.mono)
        told = [ToldWord(int(age_s), word.payload, word.signature) for age_s, word in words]
        return self._welcome.answer(link.link, told)

    def admit_roster(self, link: Link, roster: Roster, now: Now) -> list[Told]:
        """What in it is worth a signature check. Raises Malformed."""
        if not self._welcome.expects(link.link, roster):
            self._counters.refused["unasked_roster"] += 1
            return []
        told = [
            Told(open_envelope(word.payload, word.signature), now.mono - word.age_s) for word in roster.words
        ]
        return [item for item in told if self._admits(item, now)]

    def _admits(self, told: Told, now: Now) -> bool:
        envelope = told.envelope
        if envelope.room != self.id or not isinstance(envelope.body, Join | Announce):
            raise Malformed("a roster with something else than announcements in its room")
        author = peer_id_of(envelope.author)
        if author == self._identity.peer_id:
            return False
        if is_future(envelope.stamp, now):
            self._counters.refused["future"] += 1
            return False
        said_s = (now.wall_ms - wall_ms_of(envelope.stamp)) / 1000
        return self._presence.wants(author, envelope, now.mono - told.heard, said_s)

    def handle_told(self, told: Told) -> list[Output]:
        """Its signature holds."""
        author = peer_id_of(told.envelope.author)
        return self._tell(self._presence.handle_told(author, told.envelope, told.heard))

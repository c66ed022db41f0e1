"""Who our active neighbours in one room are: two views, as in HyParView (Leitao et al. 2007), hardened.

At least half of the active view we choose ourselves, and nothing another node asks for ever takes those from
us. Links of the room beyond the active view are warm spares. Knows addresses and links; dials nothing itself.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass

from chatcore.config import GossipConfig
from chatcore.events import Output, Priority, Send
from chatcore.ids import LinkId, PeerId, RoomId
from chatcore.links import Link, Links
from chatcore.messages import (
    Disconnect,
    MembershipMessage,
    Neighbor,
    NeighborReply,
    Shuffle,
    ShuffleReply,
)
from chatcore.passiveview import PassiveView
from chatcore.records import Named, PeerRecord
from chatcore.rng import Rng

SAMPLE = 8
"""Records in a reply or a shuffle."""

ASK_AGAIN_S = 10.0
"""Before a member that said no, or did not answer, is asked again."""

URGENT_EVERY_S = 2.0
"""An urgent request may push a neighbour out only so often, per room; own choices it never does."""

SWAP_HALF_LIFE_S = 120.0
"""Mixing: a young node swaps one of its choices at half of its shuffles, an old one hardly ever."""


@dataclass(slots=True)
class Neighbour:
    chosen: bool
    since: float


class Membership:
    def __init__(
        self, room: RoomId, config: GossipConfig, links: Links, *, own: PeerId, rng: Rng, mono: float
    ) -> None:
        self._room = room
        self._config = config
        self._links = links
        self._rng = rng
        self._born = mono
        self._active: dict[LinkId, Neighbour] = {}
        self._passive = PassiveView(own, rng)
        self._asked: dict[LinkId, float] = {}
        self._answered: set[LinkId] = set()
        self._waiting: dict[LinkId, float] = {}
        self._swapping = False
        self._evicted_at = -URGENT_EVERY_S
        self._rescuer: LinkId | None = None
        self._rescued_at = -config.shuffle_every_s

    @property
    def active(self) -> Collection[LinkId]:
        return self._active.keys()

    @property
    def chosen(self) -> list[LinkId]:
        """Neighbours of our own choice."""
        return [link for link, neighbour in self._active.items() if neighbour.chosen]

    @property
    def spares(self) -> list[Link]:
        return [link for link in self._members() if link.link not in self._active]

    @property
    def passive(self) -> Collection[PeerRecord]:
        return self._passive.records

    def _members(self) -> Collection[Link]:
        """Linked peers that are in the room."""
        return self._links.in_room(self._room)

    # How many

    @property
    def _small(self) -> bool:
        """Few enough that everybody is everybody's neighbour."""
        # Some places must be left: the next to come would else find none, and be an island with each other.
        below = min(self._config.full_mesh_below, 2 + self._most - max(1, self._config.fanout // 4))
        linked = len(self._members())
        if 1 + linked >= below:
            return False
        reached = self._links.peer_ids
        unlinked = sum([peer_id not in reached for peer_id in self._passive])
        return 1 + linked + unlinked < below

    @property
    def _to_choose(self) -> int:
        return max(2, -(-self._config.fanout // 2))

    @property
    def _most(self) -> int:
        return self._config.fanout + self._config.fanout // 2

    @property
    def _most_guests(self) -> int:
        """Neighbours that chose us: a little above the average, which keeps degrees even."""
        return self._to_choose + max(1, self._config.fanout // 6)

    def _chosen(self) -> int:
        return len(self.chosen)

    def lacking(self) -> int:
        """Choices still to be made, those being asked not counted."""
        if self._small:
            return 0
        return self._wanted + self._swapping - self._chosen() - len(self._asked)

    @property
    def _wanted(self) -> int:
        """Choices to have; with next to no guests, one more (or two, where the fanout is 12)."""
        guests = len(self._active) - self._chosen()
        return max(self._to_choose, self._to_choose + max(1, self._config.fanout // 6) - guests)

    # Filling the active view

    def fill(self, mono: float) -> tuple[list[Output], list[Named]]:
        """Ask linked members to be neighbours; and the members to link with because spares do not suffice."""
        for asked in (self._asked, self._waiting):
            for link in [link for link, until in asked.items() if until <= mono]:
                del asked[link]
        if self._rescuer not in self._asked:
            self._rescuer = None  # it refused, or went: asked from here on, it is a choice like any other
        free = [
            link for link in self.spares if link.link not in self._asked and link.link not in self._waiting
        ]
        if self._small:
            outputs = [
                self._ask(link, mono)
                for link in free[: max(0, self._most - len(self._active) - len(self._asked))]
            ]
            return outputs, self._unlinked(self._config.full_mesh_below)
        wanted = self.lacking()
        if wanted <= 0:
            return [], []
        # Whom we dialled first: who calls us may have its reasons. For a choice that is to go, nobody else.
        dialled = [link for link in free if link.outbound]
        chosen = self._rng.sample(dialled, min(wanted, len(dialled)))
        others = [link for link in free if not link.outbound]
        needed = wanted - self._swapping - len(chosen)
        chosen += self._rng.sample(others, max(0, min(needed, len(others))))
        return [self._ask(link, mono) for link in chosen], self._unlinked(wanted - len(chosen))

    def _unlinked(self, most: int) -> list[Named]:
        linked = self._links.peer_ids
        unlinked = [item for item in self._passive.named if item.record.peer_id not in linked]
        return self._rng.sample(unlinked, min(most, len(unlinked)))

    def _ask(self, link: Link, mono: float, *, urgent: bool = False) -> Output:
        self._asked[link.link] = mono + ASK_AGAIN_S
        urgent = urgent or len(self._active) < self._config.fanout // 4
        return Send((link.link,), Neighbor(self._room, urgent), Priority.CONTROL)

    def shuffled_spares(self) -> list[LinkId]:
        spares = [link.link for link in self.spares]
        return self._rng.sample(spares, len(spares))

    def handle_fetched(self, link: Link, mono: float) -> list[Output]:
        """We had to ask for a message, and this link had it; no neighbour passed it on, if it is none.

        Then it is asked to be one, beside our choices and never in the place of one: whoever can make
        messages could else choose our neighbours for us.
        """
        if link.link in self._active or self._small or mono - self._rescued_at < self._config.shuffle_every_s:
            return []
        if link.link in self._asked or link.link in self._waiting or self._room not in link.rooms:
            return []
        if self._rescuer in self._asked:
            return []
        self._rescuer = link.link
        return [self._ask(link, mono, urgent=True)]

    # Links come and go

    def handle_link_gone(self, link: Link) -> None:
        """The peer is remembered, unless it left the room: it may come back, and its address was good."""
        self._active.pop(link.link, None)
        self._asked.pop(link.link, None)
        self._answered.discard(link.link)
        self._waiting.pop(link.link, None)
        if self._room not in link.rooms:
            self._passive.forget(link.peer_id)
        elif link.record is not None:
            self.learn((link.record,), link.group)

    def handle_dead(self, peer_id: PeerId) -> None:
        """Nobody answers at its address."""
        self._passive.forget(peer_id)

    def learn(self, records: Collection[PeerRecord], source: bytes) -> None:
        """`source`: the group of who names them."""
        self._passive.learn(records, source)

    def forget_signed_before(self, time: float) -> None:
        self._passive.forget_signed_before(time)

    # What neighbours say

    def on_message(self, link: Link, message: MembershipMessage, mono: float) -> list[Output]:
        match message:
            case Neighbor(_, urgent):
                return self._on_neighbor(link, mono, urgent=urgent)
            case NeighborReply():
                return self._on_reply(link, message, mono)
            case Disconnect():
                self._active.pop(link.link, None)
                self._waiting[link.link] = mono + ASK_AGAIN_S
                return []
            case Shuffle(_, members):
                answer = ShuffleReply(self._room, self._sample(link))
                self.learn(members, link.group)
                return [Send((link.link,), answer, Priority.CONTROL)]
            case ShuffleReply(_, members):
                self.learn(members, link.group)
                return []

    def _on_neighbor(self, link: Link, mono: float, *, urgent: bool) -> list[Output]:
        outputs: list[Output] = []
        accepted = link.link in self._active
        if not accepted:
            outputs, accepted = self._admit(link, mono, urgent=urgent)
        record = link.record
        if record is not None:
            self.learn((record,), link.group)
        # Whom to try instead; and whoever is new, or all but alone, does not know whom else to ask.
        others = self._sample(link) if urgent or not accepted or link.link not in self._answered else ()
        self._answered.add(link.link)
        reply = NeighborReply(self._room, accepted, others)
        return [*outputs, Send((link.link,), reply, Priority.CONTROL)]

    def _admit(self, link: Link, mono: float, *, urgent: bool) -> tuple[list[Output], bool]:
        guests = len(self._active) - self._chosen()
        if link.link in self._asked:  # both asked: both chose
            del self._asked[link.link]
            return self._take(link.link, mono), True
        if len(self._active) < self._most and (self._small or guests < self._most_guests):
            self._active[link.link] = Neighbour(chosen=False, since=mono)
            return [], True
        if urgent and guests and mono - self._evicted_at >= URGENT_EVERY_S:
            self._evicted_at = mono
            self._active[link.link] = Neighbour(chosen=False, since=mono)
            return self._evict_a_guest(but=link.link), True
        return [], False

    def _evict_a_guest(self, *, but: LinkId) -> list[Output]:
        """`but` goes only where there is no other."""
        guests = [of for of, item in self._active.items() if not item.chosen and of != but] or [but]
        evicted = self._rng.sample(guests, 1)[0]
        del self._active[evicted]
        return [Send((evicted,), Disconnect(self._room), Priority.CONTROL)]

    def _on_reply(self, link: Link, reply: NeighborReply, mono: float) -> list[Output]:
        self.learn(reply.members, link.group)
        if self._asked.pop(link.link, None) is None:
            return []  # unasked, or too late: it must not bring back what was given up
        if not reply.accepted:
            self._waiting[link.link] = mono + ASK_AGAIN_S
            return []
        rescued = link.link == self._rescuer
        outputs = self._take(link.link, mono)
        return outputs if rescued or not self._swapping else self._finish_swap(link.link)

    def _take(self, link: LinkId, mono: float) -> list[Output]:
        """Whom we asked agrees: a choice of ours, unless it came to us with messages."""
        rescued = link == self._rescuer
        self._active[link] = Neighbour(chosen=not rescued, since=mono)
        if not rescued:
            return []
        self._rescuer, self._rescued_at = None, mono
        return self._evict_a_guest(but=link) if len(self._active) > self._most else []

    # Mixing

    def handle_shuffle_due(self, mono: float) -> list[Output]:
        outputs: list[Output] = []
        if self._active:
            partner = self._rng.sample(list(self._active), 1)[0]
            link = self._links.get(partner)
            if link is not None:
                outputs.append(Send((partner,), Shuffle(self._room, self._sample(link)), Priority.CONTROL))
        if not self._small and self._chosen() > self._wanted + self._swapping:
            outputs += self._let_go_of_a_choice()
        age = mono - self._born
        if not self._small and self._rng.random() < 0.5 * 0.5 ** (age / SWAP_HALF_LIFE_S):
            self._swapping = True
        return outputs

    def _finish_swap(self, newcomer: LinkId) -> list[Output]:
        """The new choice is there; let go of an old one."""
        self._swapping = False
        others = [of for of, item in self._active.items() if item.chosen and of != newcomer]
        return self._let_go_of_a_choice(newcomer) if len(others) >= self._to_choose else []

    def _let_go_of_a_choice(self, but: LinkId | None = None) -> list[Output]:
        """The slower of two at random: near neighbours are kept longer, and chance still mixes everybody.

        X-BOT (Leitao et al. 2009) biases an overlay by link cost in the same spirit, with more messages.
        """
        chosen = [of for of, item in self._active.items() if item.chosen and of != but]
        old = max(self._rng.sample(chosen, min(2, len(chosen))), key=self._rtt_s)
        del self._active[old]
        return [Send((old,), Disconnect(self._room), Priority.CONTROL)]

    def _rtt_s(self, of: LinkId) -> float:
        link = self._links.get(of)
        # Whoever answers no pings shall not pass for near.
        return math.inf if link is None or link.rtt_s is None else link.rtt_s

    def _sample(self, to: Link) -> tuple[PeerRecord, ...]:
        """Some members for `to`, itself not among them; hearsay as well, or neighbours would be picked from
        friends of friends alone and the overlay clot."""
        known = {record.peer_id: record for record in self.passive if record.scope >= to.scope}
        for member in self._members():
            record = member.record_for(to.scope)
            if record is not None:
                known[record.peer_id] = record
        known.pop(to.peer_id, None)
        return tuple(self._rng.sample(list(known.values()), min(SAMPLE, len(known))))

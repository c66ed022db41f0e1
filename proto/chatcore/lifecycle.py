"""What a link's coming, going and stalling means to every machine of the node, and whom we link with no more.

Decides nothing itself: `peers` says which links are made and ended, the others are told.
"""

from collections.abc import Mapping

from chatcore.clock import Now
from chatcore.conduct import Conduct
from chatcore.dialler import Dialler
from chatcore.errors import RemoteError
from chatcore.events import DialFailed, EndLink, LinkUp, Output, ReadingPaused, WritingPaused
from chatcore.eviction import Eviction
from chatcore.gossip import Gossip
from chatcore.ids import RoomId
from chatcore.links import Link, Links
from chatcore.peers import LinkChange, MadeWay, Peers
from chatcore.repair import Repair
from chatcore.requests import Requests
from chatcore.room import Room
from chatcore.search import Search
from chatcore.shunned import Shunned
from chatcore.swarms import Swarms


class Lifecycle:
    def __init__(
        self,
        links: Links,
        *,
        rooms: Mapping[RoomId, Room],
        peers: Peers,
        dialler: Dialler,
        gossip: Gossip,
        swarms: Swarms,
        search: Search,
        repair: Repair,
        requests: Requests,
        conduct: Conduct,
        shunned: Shunned,
        eviction: Eviction,
    ) -> None:
        self._links = links
        self._rooms = rooms
        self._peers = peers
        self._dialler = dialler
        self._gossip = gossip
        self._swarms = swarms
        self._search = search
        self._repair = repair
        self._requests = requests
        self._conduct = conduct
        self._shunned = shunned
        self._eviction = eviction
        self.stopping = False
        """Then nothing is asked of anybody any more."""

    def handle_end_link(self, event: EndLink, now: Now) -> list[Output]:
        peer_id = event.peer_id
        if event.address is not None:
            found = [link for link in self._links if event.address in (link.dialled, link.address)]
            peer_id = found[0].peer_id if found else None
        link = None if peer_id is None else self._links.to(peer_id)
        if link is not None:
            self._shunned.part(link.peer_id, link.home, now.mono)
        return self._dialler.handle_end_link(event, link)

    def handle_link_up(self, event: LinkUp, now: Now) -> list[Output]:
        outputs = self._make_way(now) if self._peers.needs_place(event, now) else []
        outputs += self.follow(self._peers.handle_link_up(event, now), now)
        link = self._links.get(event.link)
        if link is not None:
            outputs += self._swarms.handle_link_up(link, event.told, now)
        return outputs

    def _make_way(self, now: Now) -> list[Output]:
        """For a caller, by letting go of another; neither of whom we dialled nor of a neighbour we chose."""
        chosen = self._swarms.chosen
        callers = [link for link in self._links if not link.outbound and link.link not in chosen]
        scores = {link.peer_id: self._conduct.score(link.peer_id, now.mono) for link in callers}
        link = self._eviction.make_way(callers, scores, now.mono)
        return [] if link is None else self.drop(link, MadeWay(), now)

    def linked_rooms(self) -> dict[RoomId, str]:
        """Those of ours in which a member is linked, with their names."""
        linked = {room for link in self._links for room in link.rooms}
        return {room.id: room.name for room in self._rooms.values() if room.id in linked}

    def follow(self, change: LinkChange, now: Now) -> list[Output]:
        """Let every machine know of the links that are no more."""
        outputs = change.outputs
        for link in change.gone:
            self._gossip.handle_link_gone(link.link)
            self._conduct.handle_link_gone(link)
            self._search.handle_link_gone(link.link)
            self._swarms.handle_link_gone(link)
            if not self.stopping:
                outputs = [*outputs, *self._repair.handle_link_gone(link.link, now)]
        return outputs

    def drop(self, link: Link, error: RemoteError, now: Now, *, farewell: bool = True) -> list[Output]:
        return self.follow(self._peers.drop(link, error, now, farewell=farewell), now)

    def handle_dial_failed(self, event: DialFailed, now: Now) -> list[Output]:
        # Who was to be there, by its own word: who is known to live there may be somebody else, and well.
        peer_id = event.expected or self._dialler.peer_at(event.address)
        if peer_id is not None:
            self._swarms.handle_dead(peer_id)
        return self._dialler.handle_dial_failed(event, now)

    def handle_paused(self, event: ReadingPaused, now: Now) -> list[Output]:
        link = self._links.get(event.link)
        if link is not None:
            self._links.handle_paused(link, now.mono, paused=event.paused)
            self._conduct.handle_paused(event.link)
        return []

    def handle_writing(self, event: WritingPaused, now: Now) -> list[Output]:
        if self.stopping or self._links.get(event.link) is None:
            return []
        return self._repair.handle_writing(event.link, now, paused=event.paused)

    def judge(self, now: Now) -> list[Output]:
        discouraged = self._conduct.judge(now)
        return [self._requests.discourage(discouraged)] if discouraged else []

    def drop_shunned(self, now: Now) -> list[Output]:
        """Links to those whom we do not link with any more; nor are others told of them by us."""
        self._shunned.unsettled = False
        outputs: list[Output] = []
        for link in list(self._links):
            refusal = self._shunned.refusal(link.peer_id, now.mono)
            if refusal is not None:
                outputs += self.drop(link, refusal, now)
        for peer_id in self._shunned.peer_ids(now.mono):
            self._swarms.handle_dead(peer_id)
        return outputs

"""Whom this node does not link with: blocked by its owner, discouraged by their score, or parted from.

One question for whoever dials and whoever welcomes; the answer is the reason.
"""

from collections.abc import Collection

from chatcore.discouraged import Discouraged, DiscouragedList
from chatcore.errors import PeerBlocked, PeerDiscouraged, PeerParted, RemoteError
from chatcore.ids import PeerId
from chatcore.people import People

PARTED_S = 600.0
"""After `disconnect`: members of a room look for each other, and would else be linked again at once."""

MAX_PARTED = 256
"""Whom it was longest ago makes way."""


class Shunned:
    def __init__(self, people: People, discouraged: DiscouragedList) -> None:
        self._people = people
        self._discouraged = discouraged
        self._parted: dict[PeerId, tuple[float, str]] = {}
        """Until when, and where it lives so far as we know."""

        self.unsettled = False
        """Some link may be to somebody we no longer link with."""

    def refusal(self, peer_id: PeerId, mono: float) -> RemoteError | None:
        if self._people.is_blocked(peer_id):
            return PeerBlocked()
        found = self._discouraged.find(peer_id, mono)
        if found is not None:
            return PeerDiscouraged(found[0].reason, found[1])
        if self._parted.get(peer_id, (mono, ""))[0] > mono:
            return PeerParted()
        return None

    def peer_ids(self, mono: float) -> Collection[PeerId]:
        """All of them."""
        if not (self._people.blocked or len(self._discouraged) or self._parted):
            return ()
        parted = [peer_id for peer_id, (until, _) in self._parted.items() if until > mono]
        return {*self._people.blocked, *self._discouraged.peer_ids(mono), *parted}

    def discouraged(self, mono: float) -> list[Discouraged]:
        return [record for record, _ in self._discouraged.records(mono)]

    def part(self, peer_id: PeerId, address: str, mono: float) -> None:
        self._parted.pop(peer_id, None)
        self._parted[peer_id] = (mono + PARTED_S, address)
        if len(self._parted) > MAX_PARTED:
            del self._parted[next(iter(self._parted))]
        self.unsettled = True

    def reunite(self, address: str, peer_id: PeerId | None) -> None:
        """Whoever lives there was asked for after all."""
        self._parted = {of: item for of, item in self._parted.items() if of != peer_id and item[1] != address}

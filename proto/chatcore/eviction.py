"""Who makes way when all places are taken and somebody calls: as in Bitcoin (`SelectNodeToEvict`).

Some links are safe for each of several reasons, so that whoever would push out all honest ones had to beat
them in every way at once. Given are links that called us; knows nothing of rooms, and closes no link.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from chatcore.ids import LinkId, PeerId
from chatcore.links import Link

SAFE = 4
"""Links, for each reason: Bitcoin keeps 4 to 8 of 125. Below 10 callers nobody has to go."""

EVICT_EVERY_S = 10.0
"""One in so long makes way; other callers are turned away, with addresses to try. The quarter of the links
that is not safe so holds for minutes, however many identities knock."""


class Eviction:
    """`secret` keeps others from computing whose networks are safe."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._next = 0.0

    def make_way(self, callers: Iterable[Link], scores: Mapping[PeerId, float], mono: float) -> Link | None:
        """The one to close; None when all are safe, or somebody had to go lately."""
        if mono < self._next:
            return None
        left = sorted(callers, key=lambda link: link.since)
        left = _without(left, self._of_other_groups(left))
        left = _without(left, _least([link for link in left if link.rtt_s is not None], _round_trip))
        useful = [link for link in left if scores[link.peer_id] > 0.0]
        left = _without(left, _least(useful, lambda link: -scores[link.peer_id]))
        left = left[-(-len(left) // 2) :]  # the longest linked half
        if not left:
            return None
        self._next = mono + EVICT_EVERY_S
        crowds = Counter(link.group for link in left)
        most = max(crowds.values())
        return next(link for link in reversed(left) if crowds[link.group] == most)

    def _of_other_groups(self, links: Iterable[Link]) -> Collection[Link]:
        """The longest linked of some groups; which ones, nobody outside can choose."""
        oldest: dict[bytes, Link] = {}
        for link in links:
            oldest.setdefault(link.group, link)
        return _least(oldest.values(), lambda link: self._hash(link.group))

    def _hash(self, group: bytes) -> bytes:
        return hashlib.blake2b(group, digest_size=8, key=self._secret).digest()


def _round_trip(link: Link) -> float:
    assert link.rtt_s is not None
    return link.rtt_s


def _least(links: Iterable[Link], key: Callable[[Link], Any]) -> Collection[Link]:
    return sorted(links, key=key)[:SAFE]


def _without(links: Iterable[Link], safe: Collection[Link]) -> list[Link]:
    ids: set[LinkId] = {link.link for link in safe}
    return [link for link in links if link.link not in ids]

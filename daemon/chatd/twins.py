"""Whether this node's identity runs somewhere else, too: what its own links tell of that.

Two with one identity are one peer to everybody else, who keeps the link that came last: so each takes the
other's place again and again. An honest peer ends a link for that reason once, when both had dialled.
"""

from collections import Counter
from collections.abc import Iterable

from chatcore.errors import ClosedByPeer
from chatcore.peers import Drop, LinkReplaced

WITHIN_S = 1800.0
"""A node that is turned away dials again within 5 minutes, at most."""

OFTEN = 3

TAKEN = str(ClosedByPeer(str(LinkReplaced())))
"""Why a link ended then, by the other side's word."""

WHY = "peers end the links of this node because another with its identity takes its place"
FIX = "stop one of the two; both run, most likely, since a backup was restored or a home was copied"


def times_replaced(drops: Iterable[Drop], mono: float) -> int:
    """How often lately one peer, the one that did so most, let go of us for another link of ours."""
    peers = Counter(
        drop.link.peer_id for drop in drops if drop.reason == TAKEN and mono - drop.at <= WITHIN_S
    )
    return max(peers.values(), default=0)

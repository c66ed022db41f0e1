"""Which membership messages are in order in one room: questions not too often, answers to questions only.

Sees what we ask and what comes; who becomes a neighbour is for `membership` to say.
"""

from collections.abc import Iterable

from chatcore.config import GossipConfig
from chatcore.events import Output, Send
from chatcore.ids import LinkId
from chatcore.limits import TokenBucket
from chatcore.messages import (
    Disconnect,
    MembershipMessage,
    Neighbor,
    NeighborReply,
    Shuffle,
    ShuffleReply,
)

MAX_UNANSWERED = 2
"""Requests to one peer that may still be answered: one that was given up, and the one after it. Silence does
not save up the right to more."""


NEIGHBOR_PER_S = 0.5
NEIGHBOR_BURST = 4
"""Requests to be our neighbour, from one link; each is answered with addresses. An honest peer asks again
after 10 s. Those beyond are not answered."""

DISCONNECT_PER_S = 0.5
DISCONNECT_BURST = 4
"""From one link: it had to be our neighbour, or ask to be, before each of them."""


class Manners:
    def __init__(self, config: GossipConfig) -> None:
        # Shuffles come with 20% of jitter, and the network may bunch them.
        self._shuffle_pause_s = config.shuffle_every_s / 2
        self._shuffled: dict[LinkId, float] = {}
        self._begging: dict[LinkId, TokenBucket] = {}
        self._parting: dict[LinkId, TokenBucket] = {}
        self._asked: dict[LinkId, int] = {}
        self._mixing: set[LinkId] = set()

    def note(self, outputs: Iterable[Output]) -> None:
        """What we send: each question may be answered once."""
        for output in outputs:
            if isinstance(output, Send) and isinstance(output.message, Neighbor):
                for link in output.links:
                    self._asked[link] = min(self._asked.get(link, 0) + 1, MAX_UNANSWERED)
            elif isinstance(output, Send) and isinstance(output.message, Shuffle):
                self._mixing.update(output.links)

    def objection(self, link: LinkId, message: MembershipMessage, mono: float) -> str | None:
        """Why it is not to be taken, for the counters."""
        match message:
            case NeighborReply():
                return None if self._take_answer(link) else "unasked_neighbor_reply"
            case ShuffleReply():
                if link not in self._mixing:
                    return "unasked_shuffle_reply"
                self._mixing.discard(link)
            case Neighbor():
                bucket = self._begging.setdefault(link, TokenBucket(NEIGHBOR_PER_S, NEIGHBOR_BURST, mono))
                return None if bucket.take(mono) else "neighbor_rate"
            case Disconnect():
                bucket = self._parting.setdefault(link, TokenBucket(DISCONNECT_PER_S, DISCONNECT_BURST, mono))
                return None if bucket.take(mono) else "disconnect_rate"
            case Shuffle():
                last = self._shuffled.get(link)
                if last is not None and mono - last < self._shuffle_pause_s:
                    return "shuffle_rate"
                self._shuffled[link] = mono
        return None

    def _take_answer(self, link: LinkId) -> bool:
        left = self._asked.get(link, 0)
        if left > 1:
            self._asked[link] = left - 1
        elif left == 1:
            del self._asked[link]
        return left > 0

    def handle_link_gone(self, link: LinkId) -> None:
        """Not when it only leaves the room: it could come back at once, with a clean sheet."""
        self._shuffled.pop(link, None)
        self._begging.pop(link, None)
        self._parting.pop(link, None)
        self._asked.pop(link, None)
        self._mixing.discard(link)

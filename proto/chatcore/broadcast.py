"""Spreading a new message in a room: to `fanout` random neighbours, while its hop budget lasts."""

from collections.abc import Sequence

from chatcore.config import GossipConfig
from chatcore.envelopes import Envelope
from chatcore.events import Priority, Send
from chatcore.ids import LinkId
from chatcore.messages import Publish
from chatcore.rng import Rng


class Broadcast:
    def __init__(self, config: GossipConfig, rng: Rng) -> None:
        self._config = config
        self._rng = rng

    def publish(self, envelope: Envelope, neighbours: Sequence[LinkId]) -> list[Send]:
        """Our own message goes to every neighbour: it has no other copies yet."""
        return self._send(envelope, self._config.ttl, tuple(neighbours))

    def forward(
        self, envelope: Envelope, hops: int, neighbours: Sequence[LinkId], source: LinkId
    ) -> list[Send]:
        """Somebody's message, new here. `hops` is what its sender left us, clamped to our own budget."""
        budget = min(hops, self._config.ttl)
        others = [link for link in neighbours if link != source]
        if budget <= 0:
            return []
        if len(others) > self._config.fanout:
            others = self._rng.sample(others, self._config.fanout)
        return self._send(envelope, budget - 1, tuple(others))

    def _send(self, envelope: Envelope, hops: int, links: tuple[LinkId, ...]) -> list[Send]:
        if not links:
            return []
        return [Send(links, Publish.of(envelope, hops), Priority.LIVE)]

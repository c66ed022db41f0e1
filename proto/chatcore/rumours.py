"""What is new, told to a few linked members that are no neighbours, in case nobody else tells them.

Gossipsub's heartbeat does the same (gossipsub-v1.0, "gossip"): announcements to some peers outside the mesh,
of what came during the last three beats.
"""

from collections import deque
from collections.abc import Mapping, Sequence

from chatcore.config import GossipConfig
from chatcore.events import Output, Priority, RumourDue, SetTimer
from chatcore.ids import LinkId, RoomId
from chatcore.messages import MAX_SHORT_IDS, Ihave
from chatcore.recent import Held, Recent, ShortId, in_batches, short_id


class Rumours:
    def __init__(self, config: GossipConfig, recent: Recent) -> None:
        self._config = config
        self._recent = recent
        self._rounds: deque[dict[RoomId, list[ShortId]]] = deque([{}], maxlen=config.rumour_rounds)
        """What came in each of the last rounds, newest first. Of more than MAX_SHORT_IDS in a round of a
        room the rest is told by neighbours only."""

        self._round = 0
        self._told: dict[RoomId, dict[LinkId, int]] = {}
        """The round in which each spare was last told something of a room."""

    def note(self, held: Held, mono: float) -> list[Output]:
        """It came just now."""
        if not held.durable:
            return []
        outputs: list[Output] = [] if any(self._rounds) else [self._timer(mono)]
        shorts = self._rounds[0].setdefault(held.room, [])
        if len(shorts) < MAX_SHORT_IDS:
            shorts.append(short_id(held.publish.id))
        return outputs

    def handle_due(self, spares: Mapping[RoomId, Sequence[LinkId]], mono: float) -> list[Output]:
        """`spares` are each room's linked members that are no neighbours, in a random order."""
        fresh: dict[LinkId, list[ShortId]] = {}
        told = {}
        for room, links in spares.items():
            before = self._told.get(room, {})
            last = {link: before.get(link, -self._config.rumour_rounds) for link in links}
            if any(room in news for news in self._rounds):
                # In turn: chance would leave somebody out for long.
                for link in sorted(links, key=last.__getitem__)[: self._config.rumour_links]:
                    fresh.setdefault(link, []).extend(self._news_for(link, room, self._round - last[link]))
                    last[link] = self._round
            told[room] = last
        self._told = told
        self._round += 1
        self._rounds.appendleft({})
        again = [self._timer(mono)] if any(self._rounds) else []
        return [*in_batches(Ihave, fresh, Priority.LIVE), *again]

    def _news_for(self, link: LinkId, room: RoomId, rounds: int) -> list[ShortId]:
        unheard = [news.get(room, []) for news in list(self._rounds)[:rounds]]
        return [short for shorts in reversed(unheard) for short in shorts if self._lacks(link, short)]

    def _lacks(self, link: LinkId, short: ShortId) -> bool:
        held = self._recent.get(short)
        return held is not None and link not in held.holders

    def _timer(self, mono: float) -> SetTimer:
        return SetTimer(RumourDue(), mono + self._config.rumour_every_s)

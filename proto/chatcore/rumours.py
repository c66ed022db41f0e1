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

        self._told: deque[set[LinkId]] = deque(maxlen=config.rumour_rounds - 1)
        """Who was told in the rounds before this one."""

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
        for room in dict.fromkeys(room for news in self._rounds for room in news):
            # In three rounds six are told, where there are as many, and not the same two.
            by_need = sorted(spares.get(room, ()), key=self._rounds_unheard, reverse=True)
            for link in by_need[: self._config.rumour_links]:
                fresh.setdefault(link, []).extend(self._news_for(link, room))
        self._told.appendleft(set(fresh))
        self._rounds.appendleft({})
        again = [self._timer(mono)] if any(self._rounds) else []
        return [*in_batches(Ihave, fresh, Priority.LIVE), *again]

    def _rounds_unheard(self, link: LinkId) -> int:
        for number, told in enumerate(self._told, 1):
            if link in told:
                return number
        return self._config.rumour_rounds

    def _news_for(self, link: LinkId, room: RoomId) -> list[ShortId]:
        unheard = [news.get(room, []) for news in list(self._rounds)[: self._rounds_unheard(link)]]
        return [short for shorts in reversed(unheard) for short in shorts if self._lacks(link, short)]

    def _lacks(self, link: LinkId, short: ShortId) -> bool:
        held = self._recent.get(short)
        return held is not None and link not in held.holders

    def _timer(self, mono: float) -> SetTimer:
        return SetTimer(RumourDue(), mono + self._config.rumour_every_s)

"""Who feeds us each author's messages, and keeping it so: two roads at a time, the fastest there are.

Plumtree (Leitao 2007) mends a tree when a message is missing. Here a feeder that leaves is replaced at once,
and a road that shows itself faster is taken. Knows what came over which link; forwards nothing.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.events import Output, Priority, Send
from chatcore.identity import peer_id_of
from chatcore.ids import LinkId, RoomId
from chatcore.links import Link
from chatcore.messages import Prune, Resume
from chatcore.recent import Held, Recent, ShortId, in_batches, short_id

MAX_VOICES = 4096
"""Authors remembered; who spoke longest ago makes way, and is fed by whoever pushes when it speaks again."""

MAX_KNOWN_AUTHORS = 64
"""Whose messages a new neighbour is asked not to push, because others do; beyond, it pushes one too many."""

PREFER_S = 0.005
"""An announcement so much earlier than a copy shows a faster road. It already waited up to `ihave_batch_s`;
with less, roads of the same length would take turns."""

SETTLED_S = 0.5
"""Copies that have not come by then will not."""


@dataclass(slots=True)
class _Voice:
    """An author heard in a room."""

    newest: ShortId
    probe: ShortId
    """A message that is looked at again once it has settled."""

    resumed: set[LinkId] = field(default_factory=set)
    """Links asked to push this author that have not done so in time since: they are not asked twice."""


class Feeders:
    def __init__(self, config: GossipConfig, counters: Counters, recent: Recent) -> None:
        self._wanted = config.copies_wanted
        self._counters = counters
        self._recent = recent
        self._voices: OrderedDict[tuple[RoomId, bytes], _Voice] = OrderedDict()

    # Messages

    def handle_new(
        self, held: Held, senders: Iterable[Link], active: Collection[LinkId], mono: float
    ) -> list[Output]:
        """The first copy, and those that came while its signature was checked."""
        short = short_id(held.publish.id)
        voice = self._voices.setdefault((held.room, held.author), _Voice(short, short))
        self._voices.move_to_end((held.room, held.author))
        if len(self._voices) > MAX_VOICES:
            self._voices.popitem(last=False)
        voice.newest = short
        outputs = [output for link in senders for output in self.handle_copy(held, link, active, mono)]
        probe = self._held(held.room, held.author, voice.probe)
        if probe is None or mono - probe.since > SETTLED_S:
            voice.probe = short
            if probe is not None and probe is not held:
                outputs += self._add_feeders(probe, voice, active)
        return outputs

    def handle_copy(self, held: Held, link: Link, active: Collection[LinkId], mono: float) -> list[Output]:
        """Keep who brought it as a feeder, or ask it to stop when there are enough."""
        if link.link not in active or link.link in held.feeders:
            return []  # a spare pushes nothing of itself
        is_author = link.peer_id == peer_id_of(held.author)  # it always pushes, and to everybody
        if len(held.feeders) >= self._wanted and not is_author:
            held.note_alternative(link.link, mono)
            return self._prune(held, link.link)
        voice = self._voices.get((held.room, held.author))
        if voice is None:
            return []
        voice.resumed.discard(link.link)
        faster = [of for of, since in held.alternatives.items() if mono - since > PREFER_S]
        outputs: list[Output] = []
        if held.feeders and not is_author:
            outputs = self._resume(held, voice, faster, active, 1)
        if outputs:
            held.note_alternative(link.link, mono)
            return [*outputs, *self._prune(held, link.link)]
        held.feeders.append(link.link)
        return []

    def handle_announced(self, held: Held, link: LinkId, active: Collection[LinkId], mono: float) -> None:
        if link in active and link not in held.feeders:
            held.note_alternative(link, mono)

    def _add_feeders(self, held: Held, voice: _Voice, active: Collection[LinkId]) -> list[Output]:
        """Of a message that has settled too few copies came: have more pushed from now on."""
        few = self._wanted - sum(link in active for link in held.feeders)
        return self._resume(held, voice, list(held.alternatives), active, max(0, few))

    def _resume(
        self, held: Held, voice: _Voice, links: Iterable[LinkId], active: Collection[LinkId], most: int
    ) -> list[Output]:
        chosen = [link for link in links if link in active and link not in voice.resumed][:most]
        voice.resumed.update(chosen)
        held.feeders += chosen
        for link in chosen:
            held.alternatives.pop(link, None)
        return [Send((link,), Resume((short_id(held.publish.id),)), Priority.CONTROL) for link in chosen]

    def _prune(self, held: Held, link: LinkId) -> list[Output]:
        self._counters.prunes += 1
        return [Send((link,), Prune((short_id(held.publish.id),)), Priority.CONTROL)]

    # Neighbours

    def handle_neighbours(
        self, room: RoomId, *, came: Collection[Link], left: Collection[LinkId], active: Collection[LinkId]
    ) -> list[Output]:
        """Replace feeders that left, and keep newcomers from pushing what is well fed."""
        new = {link.link for link in came}
        resumes: dict[LinkId, list[ShortId]] = {}
        prunes: dict[LinkId, list[ShortId]] = {}
        known = 0
        for short, held, voice in self._newest(room):
            voice.resumed.difference_update(left)
            if any(link in left for link in held.feeders):
                for link in self._replacements(held, voice, left, active):
                    resumes.setdefault(link, []).append(short)
            fed = sum(link in active and link not in new for link in held.feeders)
            if fed >= self._wanted and known < MAX_KNOWN_AUTHORS:
                known += 1
                for newcomer in came:
                    if newcomer.link not in held.feeders and newcomer.peer_id != peer_id_of(held.author):
                        prunes.setdefault(newcomer.link, []).append(short)
        self._counters.prunes += sum(map(len, prunes.values()))
        return [
            *in_batches(Resume, resumes, Priority.CONTROL),
            *in_batches(Prune, prunes, Priority.CONTROL),
        ]

    def _replacements(
        self, held: Held, voice: _Voice, left: Collection[LinkId], active: Collection[LinkId]
    ) -> list[LinkId]:
        """Links to feed us this author in place of those that left."""
        staying = [link for link in held.feeders if link not in left]
        others = [
            link
            for link in held.alternatives
            if link in active and link not in staying and link not in voice.resumed
        ]
        chosen = others[: max(0, self._wanted - len(staying))]
        held.feeders = staying + chosen
        voice.resumed.update(chosen)
        for link in [*chosen, *left]:
            held.alternatives.pop(link, None)
        return chosen

    def _newest(self, room: RoomId) -> Iterator[tuple[ShortId, Held, _Voice]]:
        """Everybody's last message in a room that is still held; who spoke last comes first."""
        for (of, author), voice in reversed(self._voices.items()):
            held = self._held(room, author, voice.newest) if of == room else None
            if held is not None:
                yield voice.newest, held, voice

    def _held(self, room: RoomId, author: bytes, short: ShortId) -> Held | None:
        """None when it has made way, or a message of somebody else with the same short id took its place."""
        held = self._recent.get(short)
        return held if held is not None and (held.room, held.author) == (room, author) else None

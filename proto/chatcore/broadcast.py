"""Spreading messages: eager push on a tree per author, announcements beside it (Plumtree, Leitao 2007).

A new author floods. Whoever has had `copies_wanted` copies asks further senders to stop, for that author
only; they announce ids instead, and what is announced but does not come is fetched. Knows nothing of who is
active in a room: it is told.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chatcore.audits import Audits
from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.envelopes import Envelope
from chatcore.events import GraftDue, IhaveDue, Output, Priority, Send, SetTimer
from chatcore.feeders import Feeders
from chatcore.identity import peer_id_of
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.links import Link
from chatcore.messages import Graft, Ihave, Prune, Resume
from chatcore.missing import Missing, Wanted
from chatcore.recent import Held, Recent, ShortId, in_batches, short_id
from chatcore.rumours import Rumours
from chatcore.trees import Trees

ActiveIn = Callable[[RoomId], Collection[LinkId]]
"""Our active neighbours in a room; none when we are not in it."""

RttOf = Callable[[LinkId], float | None]
"""Seconds to a link and back; None when it is gone."""

MAX_WELCOME_IDS = 64
WELCOME_S = 2.0
"""Announced to a new neighbour, if they came so lately; more is the business of history repair, which does
not flood what is old."""

MAX_RETRANSMISSIONS = 3
"""Of one message to one link; more would let a peer make us send for it."""

MOST_RTT_S = 0.3
"""Of the way to an announcer and back, so much is waited for at most before the next is asked: a way round
the earth, and a mobile link's queue. Who answers pings late could else choose how long we wait."""

MAX_ROUNDS = 3
"""How often each announcer is asked before the message is left to history repair."""


@dataclass(frozen=True, slots=True)
class Spread:
    outputs: list[Output]
    fetched: bool
    """It came because we asked for it."""


class Broadcast:
    def __init__(self, config: GossipConfig, counters: Counters) -> None:
        self._config = config
        self._counters = counters
        self._recent = Recent()
        self._missing = Missing(config)
        self._trees = Trees()
        self._feeders = Feeders(config, counters, self._recent)
        self._announcing: dict[LinkId, list[ShortId]] = {}
        self._audits = Audits()
        self._rumours = Rumours(config, self._recent)

    # Spreading

    def publish(self, envelope: Envelope, active: Collection[LinkId], mono: float) -> list[Output]:
        """Our own: to every active link, pruned or not, because nobody else has it yet."""
        held = self._recent.add(envelope, self._config.ttl, [], mono)
        held.own = True
        if not active:
            return []  # alone
        return [*self._push(held, list(active)), *self._rumours.note(held, mono)]

    def spread(
        self, envelope: Envelope, hops: int, senders: list[Link], active: Collection[LinkId], mono: float
    ) -> Spread:
        """Somebody's, new here and truly theirs. `senders` are all the links it came over until now.

        `hops` is what its sender left us, clamped to our own budget: with none left it is announced only, so
        a low budget costs time and not messages. What is ephemeral then stops.
        """
        budget = min(hops, self._config.ttl)
        held = self._recent.add(envelope, max(0, budget - 1), [link.link for link in senders], mono)
        fetched = self._handle_arrival(short_id(envelope.id), held, active)
        for link in senders:
            self._note_delivered(held, link, mono)
        outputs = self._feeders.handle_new(held, senders, active, mono)
        if budget > 0 or envelope.durable:
            lazy = self._trees.lazy(envelope.room, envelope.author) if budget > 0 else active
            others = [link for link in active if link not in held.holders]
            outputs += self._push(held, [link for link in others if link not in lazy])
            outputs += self._announce(held, [link for link in others if link in lazy], mono)
            outputs += self._rumours.note(held, mono)
        return Spread(outputs, fetched)

    def _push(self, held: Held, links: Sequence[LinkId]) -> list[Output]:
        if not links:
            return []
        held.holders.update(links)
        if held.durable:
            self._counters.forwarded += len(links)
        instead = Ihave((short_id(held.publish.id),))
        return [Send(tuple(links), held.publish, Priority.LIVE, instead=instead)]

    def _announce(self, held: Held, links: Iterable[LinkId], mono: float) -> list[Output]:
        outputs: list[Output] = []
        for link in links:
            if not self._announcing:
                outputs = [SetTimer(IhaveDue(), mono + self._config.ihave_batch_s)]
            self._announcing.setdefault(link, []).append(short_id(held.publish.id))
        return outputs

    def _welcome(self, link: LinkId, room: RoomId, mono: float) -> list[Output]:
        """To a new neighbour: the last messages, of which it may have missed some before it was one."""
        found = self._recent.newest(room, MAX_WELCOME_IDS)
        shorts = tuple(
            [short for short, held in found if link not in held.holders and mono - held.since <= WELCOME_S]
        )
        return [Send((link,), Ihave(shorts), Priority.LIVE)] if shorts else []

    def handle_ihave_due(self) -> list[Output]:
        # Whoever sent or announced it to us meanwhile need not be told.
        fresh = {
            link: [short for short in shorts if self._lacks(link, short)]
            for link, shorts in self._announcing.items()
        }
        self._announcing = {}
        return in_batches(Ihave, fresh, Priority.LIVE)

    def _lacks(self, link: LinkId, short: ShortId) -> bool:
        held = self._recent.get(short)
        return held is not None and link not in held.holders

    def offer(self, envelopes: Sequence[Envelope], links: Collection[LinkId], mono: float) -> list[Output]:
        """Our own that nobody is known to have, to new neighbours."""
        outputs: list[Output] = []
        for envelope in envelopes:
            short = short_id(envelope.id)
            held = self._recent.get(short) or self._recent.add(envelope, self._config.ttl, [], mono)
            held.own = True
            outputs += self._push(held, [link for link in links if link not in held.holders])
        return outputs

    def held(self, message_id: MessageId) -> Held | None:
        """What may still be asked for."""
        return self._recent.get(short_id(message_id))

    # Brought by history repair

    def awaits(self, message_id: MessageId, mono: float) -> bool:
        """It was announced just now, and will be asked for if it does not come by itself."""
        return self._missing.awaits(short_id(message_id), mono)

    def handle_repaired(self, envelope: Envelope) -> None:
        """It is here, and not handed on: histories heal by being compared."""
        self._missing.arrived(short_id(envelope.id))

    # Copies

    def on_copy(self, message_id: MessageId, link: Link, active_in: ActiveIn, mono: float) -> list[Output]:
        """One more copy of what we hold, or held."""
        held = self._recent.get(short_id(message_id))
        if held is None:
            self._handle_arrival(short_id(message_id), None, ())
            return []
        held.holders.add(link.link)
        self._note_delivered(held, link, mono)
        if held.own:
            self._counters.returned += held.durable
            return []
        return self._feeders.handle_copy(held, link, active_in(held.room), mono)

    def _note_delivered(self, held: Held, link: Link, mono: float) -> None:
        """Whoever passes on its own alone delivers nothing."""
        if self._audits.owes(link.link, mono) and link.peer_id != peer_id_of(held.author):
            self._audits.handle_delivered(link.link, mono)

    def on_prune(self, link: LinkId, message: Prune) -> None:
        for short in message.ids:
            held = self._recent.get(ShortId(short))
            if held is not None:
                held.holders.add(link)
                self._trees.prune(held.room, held.author, link)

    def handle_rumour_due(self, spares: Mapping[RoomId, Sequence[LinkId]], mono: float) -> list[Output]:
        return self._rumours.handle_due(spares, mono)

    # Neighbours come and go

    def handle_neighbours(
        self,
        room: RoomId,
        *,
        came: Collection[Link],
        left: Collection[LinkId],
        active: Collection[LinkId],
        mono: float,
    ) -> list[Output]:
        for link in left:
            self._trees.forget(link, room)  # should it come again, both sides begin anew
        outputs = self._feeders.handle_neighbours(room, came=came, left=left, active=active)
        return outputs + [output for link in came for output in self._welcome(link.link, room, mono)]

    def on_resume(self, link: LinkId, message: Resume) -> None:
        for short in map(ShortId, message.ids):
            held = self._recent.get(short)
            if held is not None:
                held.holders.add(link)
                self._trees.graft(held.room, held.author, link)

    # Announcements

    def unknown(self, shorts: Iterable[bytes]) -> list[bytes]:
        """Those that are neither held nor being waited for."""
        return [
            short
            for short in shorts
            if self._recent.get(ShortId(short)) is None and ShortId(short) not in self._missing
        ]

    def on_ihave(self, link: LinkId, message: Ihave, active_in: ActiveIn, mono: float) -> list[Output]:
        before = self._missing.next_due()
        already: ShortId | None = None
        for short in map(ShortId, message.ids):
            held = self._recent.get(short)
            if held is not None:
                held.holders.add(link)
                self._feeders.handle_announced(held, link, active_in(held.room), mono)
                already = short
            else:
                self._missing.announce(short, link, mono)
        audit = [] if already is None else self._audit(link, already, mono)
        return [*audit, *self._graft_timer(before)]

    def _audit(self, link: LinkId, short: ShortId, mono: float) -> list[Output]:
        if not self._audits.handle_announced(link, mono):
            return []
        self._counters.grafts += 1
        return [Send((link,), Graft((short,)), Priority.CONTROL)]

    def handle_graft_due(self, mono: float, rtt_of: RttOf) -> list[Output]:
        """Ask for what should have come by now, each announcer in turn."""
        asks: dict[LinkId, list[ShortId]] = {}
        for short, wanted in self._missing.pop_due(mono):
            link = self._next_announcer(wanted, rtt_of)
            if link is None:
                self._missing.give_up(short)
                continue
            wanted.asked.append(link)
            asks.setdefault(link, []).append(short)
            way_s = min(rtt_of(link) or 0.0, MOST_RTT_S)
            self._missing.put_off(short, mono + self._config.graft_retry_s + way_s)
        self._counters.grafts += sum(map(len, asks.values()))
        return [*in_batches(Graft, asks, Priority.CONTROL), *self._graft_timer(None)]

    def _next_announcer(self, wanted: Wanted, rtt_of: RttOf) -> LinkId | None:
        """The announcer asked least often; None when all are gone or have been asked enough."""
        while wanted.announcers:
            link = wanted.announcers.popleft()
            if rtt_of(link) is not None and wanted.asked.count(link) < MAX_ROUNDS:
                wanted.announcers.append(link)
                return link
        return None

    def _graft_timer(self, before: float | None) -> list[Output]:
        due = self._missing.next_due()
        return [] if due is None or due == before else [SetTimer(GraftDue(), due)]

    def on_graft(self, link: LinkId, message: Graft) -> list[Output]:
        """Asked for what we announced: send it, and push that author to this link from now on."""
        outputs: list[Output] = []
        for short in map(ShortId, message.ids):
            held = self._recent.get(short)
            if held is None:
                continue
            self._trees.graft(held.room, held.author, link)
            served = held.served.get(link, 0)
            if served >= MAX_RETRANSMISSIONS:
                continue
            held.served[link] = served + 1
            outputs += self._push(held, [link])
        return outputs

    def _handle_arrival(self, short: ShortId, held: Held | None, active: Collection[LinkId]) -> bool:
        """It is no longer missing. Who announced it first is noted beside it. Whether we had asked for it."""
        wanted = self._missing.arrived(short)
        if wanted is None:
            return False
        if wanted.asked:
            self._counters.fetched += 1
        elif held is not None:
            for link in wanted.announcers:
                self._feeders.handle_announced(held, link, active, wanted.since)
        return bool(wanted.asked)

    def lazy_links(self, room: RoomId) -> float:
        """Pruned links of a room, for the average author."""
        return self._trees.lazy_links(room)

    def handle_link_gone(self, link: LinkId) -> None:
        self._announcing.pop(link, None)
        self._audits.handle_link_gone(link)
        self._recent.handle_link_gone(link)
        self._trees.forget(link)

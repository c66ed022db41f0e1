"""Messages of others on their road through this node: from a link by way of the signature check into a room.

Joins inbox, broadcast and rooms; none knows the others.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from chatcore.broadcast import Broadcast
from chatcore.clock import HybridClock, Now, wall_ms_of
from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.envelopes import Envelope, open_envelope
from chatcore.events import JobId, Output, Priority, Send, Verified, Verify
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.inbox import Admission, Candidate, Inbox
from chatcore.index import Index
from chatcore.links import Link, Links
from chatcore.messages import (
    REFUSED_EXPIRED,
    REFUSED_FUTURE,
    Graft,
    Ihave,
    Prune,
    Publish,
    Refused,
    Resume,
    Roster,
)
from chatcore.receipts import Receipts, is_author
from chatcore.recent import short_id
from chatcore.room import Change, Room, Told


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of a batch of signature checks. `forger` is the link that brought a message nobody signed,
    `bringers` those that were first with one that is to be kept."""

    outputs: list[Output]
    keep: tuple[Envelope, ...]
    forger: LinkId | None
    history: bool
    bringers: tuple[LinkId, ...]


@dataclass(frozen=True, slots=True)
class _Check:
    link: LinkId
    candidates: list[Candidate]
    history: bool


@dataclass(frozen=True, slots=True)
class _RosterCheck:
    link: LinkId
    told: list[Told]


class Gossip:
    def __init__(
        self,
        config: GossipConfig,
        *,
        own_key: bytes,
        rooms: Mapping[RoomId, Room],
        links: Links,
        clock: HybridClock,
        index: Index,
        counters: Counters,
        mono: float,
    ) -> None:
        self._config = config
        self._rooms = rooms
        self._links = links
        self._clock = clock
        self._counters = counters
        self._index = index
        self._inbox = Inbox(config, index, counters, own_key=own_key, mono=mono)
        self._broadcast = Broadcast(config, counters)
        self._receipts = Receipts(links)
        self._last_job = 0
        self._checks: dict[JobId, _Check | _RosterCheck] = {}

    def publish(self, envelope: Envelope, room: Room, now: Now) -> list[Output]:
        """Our own, to every active neighbour."""
        self._inbox.remember(envelope, now)
        # A room left meanwhile no longer hears of links that go.
        active = [link for link in room.active if self._links.get(link) is not None]
        return self._broadcast.publish(envelope, active, now.mono)

    def witness(self, envelopes: Iterable[Envelope]) -> None:
        """What we say from now on sorts after these, which came by another road."""
        for envelope in envelopes:
            self._clock.witness(envelope.stamp)

    def forget(self, message_id: MessageId) -> None:
        self._inbox.forget(message_id)

    def on_publishes(self, link: Link, publishes: Iterable[Publish], now: Now) -> list[Output]:
        """Raises Malformed."""
        admission = self._inbox.admit(publishes, link.link, self._rooms.keys(), now)
        outputs: list[Output] = []
        for publish in admission.copies:
            outputs += self._broadcast.on_copy(publish.id, link, self._active_in, now.mono)
        if admission.fresh:
            outputs += self._check(link.link, admission.fresh)[0]
        return [*outputs, *self._tell_author(link, admission, now)]

    # To authors: whether we took what they wrote

    def _tell_author(self, link: Link, admission: Admission, now: Now) -> list[Output]:
        """Of what is not new here. The rest is confirmed once it is on disk."""
        refusals: list[Output] = [
            Send((link.link,), refusal, Priority.LIVE)
            for author, refusal in [
                *[(envelope.author, _too_early(envelope, now)) for envelope in admission.early],
                *[(envelope.author, self._expired(envelope)) for envelope in admission.expired],
            ]
            if is_author(author, link.peer_id)
        ]
        theirs = [envelope for envelope in admission.stored if is_author(envelope.author, link.peer_id)]
        copies = [envelope for copy in admission.copies if (envelope := self._by(link, copy)) is not None]
        if copies:  # they may be on their way to disk still
            known = self._index.known([envelope.id for envelope in copies])
            theirs += [envelope for envelope in copies if envelope.id in known]
        return [*refusals, *self._receipts.note(theirs, now.mono)] if theirs else refusals

    def _expired(self, envelope: Envelope) -> Refused:
        floor = self._index.floor(envelope.room)
        detail = max(0, wall_ms_of(floor) - wall_ms_of(envelope.stamp))
        return Refused(short_id(envelope.id), REFUSED_EXPIRED, detail)

    def _by(self, link: Link, copy: Publish) -> Envelope | None:
        """What the peer at the other end of the link wrote itself, and is to be kept."""
        held = self._broadcast.held(copy.id)
        if held is not None and not (held.durable and is_author(held.author, link.peer_id)):
            return None
        envelope = open_envelope(copy.payload, copy.signature, copy.id)
        return envelope if envelope.durable and is_author(envelope.author, link.peer_id) else None

    def handle_kept(self, envelopes: Iterable[Envelope], now: Now) -> list[Output]:
        """They are on disk."""
        return self._receipts.note(envelopes, now.mono)

    def handle_receipt_due(self) -> list[Output]:
        return self._receipts.handle_due()

    # History we asked for

    def on_history(
        self, link: LinkId, publishes: Iterable[Publish], now: Now
    ) -> tuple[list[Output], JobId | None]:
        """A page we asked for: checked like what is pushed, but not handed on. Raises Malformed."""
        admitted = self._inbox.admit_history(publishes, self._rooms.keys(), self._config.ttl, now)
        return self._check(link, admitted, history=True) if admitted else ([], None)

    def _check(
        self, link: LinkId, admitted: list[Candidate], *, history: bool = False
    ) -> tuple[list[Output], JobId]:
        job = self._new_job()
        self._checks[job] = _Check(link, admitted, history)
        return [Verify(job, link, tuple([item.envelope for item in admitted]), history)], job

    def _new_job(self) -> JobId:
        self._last_job += 1
        return JobId(self._last_job)

    # Rosters we asked for

    def on_roster(self, link: Link, roster: Roster, now: Now) -> list[Output]:
        """Checked like presence that is pushed, but not handed on. Raises Malformed."""
        room = self._rooms.get(roster.room)
        if room is None or roster.room not in link.rooms:
            self._counters.refused["not_in_room"] += 1
            return []
        told = room.admit_roster(link, roster, now)
        if not told:
            return []
        job = self._new_job()
        self._checks[job] = _RosterCheck(link.link, told)
        return [Verify(job, link.link, tuple([item.envelope for item in told]), history=True)]

    def _handle_roster_checked(self, check: _RosterCheck, results: Iterable[bool]) -> Checked:
        outputs: list[Output] = []
        forger = None
        for told, holds in zip(check.told, results, strict=True):
            room = self._rooms.get(told.envelope.room)
            if not holds:
                forger = check.link
            elif room is not None:
                self._clock.witness(told.envelope.stamp)
                outputs += room.handle_told(told)
        return Checked(outputs, (), forger, history=True, bringers=())

    def lacking(self, ids: Collection[MessageId], now: Now) -> list[MessageId]:
        """Those that are neither here nor under way."""
        return [item for item in self._inbox.lacking(ids) if not self._broadcast.awaits(item, now.mono)]

    def handle_verified(self, event: Verified, now: Now) -> Checked:
        check = self._checks.pop(event.job)
        if isinstance(check, _RosterCheck):
            return self._handle_roster_checked(check, event.results)
        outputs: list[Output] = []
        keep: list[Envelope] = []
        bringers: list[LinkId] = []
        forger = None
        for item, holds in zip(check.candidates, event.results, strict=True):
            if not holds:
                self._inbox.reject(item.envelope)
                forger = check.link
            elif self._inbox.accept(item.envelope, now):
                outputs += self._spread(item, now)
                if item.envelope.durable:
                    keep.append(item.envelope)
                    bringers += item.senders[:1]
        return Checked(outputs, tuple(keep), forger, check.history, tuple(bringers))

    def _spread(self, item: Candidate, now: Now) -> list[Output]:
        envelope = item.envelope
        self._clock.witness(envelope.stamp)
        room = self._rooms.get(envelope.room)
        if room is None:
            return []  # left while the signature was checked
        if not item.senders:  # only history repair brings what nobody sent
            self._broadcast.handle_repaired(envelope)
            return []  # who said it may have left since
        senders = [link for of in item.senders if (link := self._links.get(of)) is not None]
        spread = self._broadcast.spread(envelope, item.hops, senders, room.active, now.mono)
        outputs = spread.outputs
        if spread.fetched and senders:
            outputs += room.handle_fetched(envelope, senders[0], now)
        return outputs + room.handle_heard(envelope, now)

    def on_message(self, link: Link, message: Ihave | Graft | Prune | Resume, now: Now) -> list[Output]:
        match message:
            case Ihave():
                if link.rooms.isdisjoint(self._rooms):
                    return []
                return self._on_ihave(link, message, now)
            case Graft():
                return self._broadcast.on_graft(link.link, message)
            case Prune():
                self._broadcast.on_prune(link.link, message)
                return []
            case Resume():
                self._broadcast.on_resume(link.link, message)
                return []

    def _on_ihave(self, link: Link, message: Ihave, now: Now) -> list[Output]:
        # After a restart nothing is recent, and neighbours announce what the store has had for long.
        stored = self._index.known_short(self._broadcast.unknown(message.ids))
        fresh = Ihave(tuple([short for short in message.ids if short not in stored]))
        return self._broadcast.on_ihave(link.link, fresh, self._active_in, now.mono)

    def handle_neighbours(self, room: Room, change: Change, now: Now) -> list[Output]:
        came = [link for of in change.came if (link := self._links.get(of)) is not None]
        return self._broadcast.handle_neighbours(
            room.id, came=came, left=change.left, active=room.active, mono=now.mono
        )

    def handle_left(self, room: Room, now: Now) -> None:
        """We are in the room no more: should we come again, its neighbours and we begin anew."""
        self._broadcast.handle_neighbours(room.id, came=(), left=tuple(room.active), active=(), mono=now.mono)

    def offer(self, envelopes: Sequence[Envelope], links: Collection[LinkId], now: Now) -> list[Output]:
        """Our own that wait for somebody to have them, to new neighbours."""
        return self._broadcast.offer(envelopes, links, now.mono)

    def handle_ihave_due(self) -> list[Output]:
        return self._broadcast.handle_ihave_due()

    def handle_rumour_due(self, now: Now) -> list[Output]:
        spares = {room.id: room.spares() for room in self._rooms.values()}
        return self._broadcast.handle_rumour_due(spares, now.mono)

    def handle_graft_due(self, now: Now) -> list[Output]:
        return self._broadcast.handle_graft_due(now.mono, self._rtt_of)

    def _active_in(self, room_id: RoomId) -> Collection[LinkId]:
        room = self._rooms.get(room_id)
        return () if room is None else room.active

    def _rtt_of(self, link: LinkId) -> float | None:
        found = self._links.get(link)
        return None if found is None else found.rtt_s or 0.0

    def handle_link_gone(self, link: LinkId) -> None:
        self._broadcast.handle_link_gone(link)

    def lazy_links(self, room: RoomId) -> float:
        return self._broadcast.lazy_links(room)


def _too_early(envelope: Envelope, now: Now) -> Refused:
    return Refused(short_id(envelope.id), REFUSED_FUTURE, wall_ms_of(envelope.stamp) - now.wall_ms)

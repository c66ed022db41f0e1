"""The road of a message from a link to its room: dedup, decode, admission, signature check.

Nothing is remembered as seen before its signature has held, or a forged copy could shut out the true one.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from chatcore.clock import Now, is_future, is_stale
from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.envelopes import Envelope, open_envelope
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.index import Index
from chatcore.limits import SeenIds
from chatcore.messages import Publish

TOO_EARLY = "future"
EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Candidate:
    envelope: Envelope
    hops: int
    senders: list[LinkId]
    """The link it came over, and those that brought copies while the signature is being checked."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What is to become of the messages one link brought. Those in none of the lists are dropped."""

    fresh: list[Candidate]
    """Worth a signature check."""

    copies: list[Publish]
    """Of what was accepted before, on disk or not yet."""

    stored: list[Envelope]
    """On disk already, and not seen lately."""

    early: list[Envelope]
    """Durable, and refused because their stamp is too far ahead."""

    expired: list[Envelope]
    """Durable, and refused because they are older than what is kept of their room."""


class Inbox:
    def __init__(
        self, config: GossipConfig, index: Index, counters: Counters, *, own_key: bytes, mono: float
    ) -> None:
        self._own_key = own_key
        self._index = index
        self._counters = counters
        self._messages = SeenIds(config.seen_keep_s, config.seen_most, mono)
        self._ephemera = SeenIds(config.seen_keep_s, config.seen_most, mono)
        self._checking: dict[tuple[MessageId, bytes], Candidate] = {}

    def admit(
        self, publishes: Iterable[Publish], link: LinkId, rooms: Collection[RoomId], now: Now
    ) -> Admission:
        """Raises Malformed for an envelope that does not decode; then none is admitted."""
        copies: list[Publish] = []
        fresh: list[Candidate] = []
        for publish in publishes:
            if self._is_copy(publish):
                copies.append(publish)
            else:
                envelope = open_envelope(publish.payload, publish.signature, publish.id)
                fresh.append(Candidate(envelope, publish.hops, [link]))
        known = self._index.known([item.envelope.id for item in fresh if item.envelope.durable])
        refused: dict[str, list[Envelope]] = {TOO_EARLY: [], EXPIRED: []}
        admitted = [item for item in fresh if self._admits(item, link, known, rooms, now, refused=refused)]
        stored = [item.envelope for item in fresh if item.envelope.id in known] if known else []
        return Admission(admitted, copies, stored, refused[TOO_EARLY], refused[EXPIRED])

    def admit_history(
        self, publishes: Iterable[Publish], rooms: Collection[RoomId], hops: int, now: Now
    ) -> list[Candidate]:
        """Those of a page worth a signature check, by time: people are told of them in that order. Who
        brought them counts as nobody: nothing was pushed.

        Raises Malformed.
        """
        fresh = [
            Candidate(open_envelope(item.payload, item.signature, item.id), hops, [])
            for item in publishes
            if not self._is_copy(item)
        ]
        durable = [item for item in fresh if item.envelope.durable]
        durable.sort(key=lambda item: (item.envelope.stamp, item.envelope.id))
        known = self._index.known([item.envelope.id for item in durable])
        return [item for item in durable if self._admits(item, None, known, rooms, now, refused={})]

    def lacking(self, ids: Collection[MessageId]) -> list[MessageId]:
        """Those neither stored, nor seen lately, nor being checked."""
        checking = {message_id for message_id, _ in self._checking}
        fresh = [item for item in ids if item not in self._messages and item not in checking]
        known = self._index.known(fresh) if fresh else ()
        return [item for item in fresh if item not in known]

    def _is_copy(self, publish: Publish) -> bool:
        if publish.id in self._messages:
            self._counters.duplicate += 1
            return True
        return publish.id in self._ephemera

    def _admits(
        self,
        item: Candidate,
        link: LinkId | None,
        known: Collection[MessageId],
        rooms: Collection[RoomId],
        now: Now,
        *,
        refused: Mapping[str, list[Envelope]],
    ) -> bool:
        envelope = item.envelope
        if not envelope.durable and envelope.author == self._own_key:
            return False  # our own presence, come round
        if envelope.id in known:
            self._counters.duplicate += 1
            return False
        key = (envelope.id, envelope.signature)
        checking = self._checking.get(key)
        if checking is not None:
            self._counters.duplicate += envelope.durable
            if link is not None and link not in checking.senders:
                checking.senders.append(link)
            return False
        reason = _refusal(envelope, rooms, now) or self._expired(envelope)
        if reason is not None:
            self._counters.blame(link, reason)
            if reason == TOO_EARLY:
                self._counters.note(TOO_EARLY, now.mono)
            if reason in refused and envelope.durable:
                refused[reason].append(envelope)
            return False
        self._checking[key] = item
        return True

    def _expired(self, envelope: Envelope) -> str | None:
        return EXPIRED if envelope.durable and envelope.stamp < self._index.floor(envelope.room) else None

    def accept(self, envelope: Envelope, now: Now) -> bool:
        """The signature holds. False when another copy came through in the meantime."""
        self._checking.pop((envelope.id, envelope.signature), None)
        if envelope.id in self._messages or envelope.id in self._ephemera:
            self._counters.duplicate += envelope.durable
            return False
        self.remember(envelope, now)
        return True

    def reject(self, envelope: Envelope) -> None:
        self._checking.pop((envelope.id, envelope.signature), None)

    def remember(self, envelope: Envelope, now: Now) -> None:
        seen = self._messages if envelope.durable else self._ephemera
        seen.add(envelope.id, now.mono)

    def forget(self, message_id: MessageId) -> None:
        """It could not be stored: let the next copy try again."""
        self._messages.discard(message_id)


def _refusal(envelope: Envelope, rooms: Collection[RoomId], now: Now) -> str | None:
    """Why an envelope is not taken, though its sender did no wrong; None when it is."""
    if envelope.room not in rooms:
        return "not_in_room"
    if is_future(envelope.stamp, now):
        return TOO_EARLY
    if not envelope.durable and is_stale(envelope.stamp, now):
        return "stale"
    return None

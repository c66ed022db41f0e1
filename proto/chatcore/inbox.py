"""The road of a message from a link to its room: dedup, decode, admission, signature check.

Nothing is remembered as seen before its signature has held, or a forged copy could shut out the true one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chatcore.clock import Now, is_future, is_stale
from chatcore.config import GossipConfig
from chatcore.counters import Counters
from chatcore.envelopes import Envelope, open_envelope
from chatcore.ids import MessageId, RoomId
from chatcore.index import Index
from chatcore.limits import SeenIds
from chatcore.messages import Publish


@dataclass(frozen=True, slots=True)
class Candidate:
    envelope: Envelope
    hops: int


class Inbox:
    def __init__(
        self, config: GossipConfig, index: Index, counters: Counters, *, own_key: bytes, mono: float
    ) -> None:
        self._own_key = own_key
        self._index = index
        self._counters = counters
        self._messages = SeenIds(config.seen_keep_s, config.seen_most, mono)
        self._ephemera = SeenIds(config.seen_keep_s, config.seen_most, mono)
        self._checking: set[tuple[MessageId, bytes]] = set()

    def admit(self, publishes: Iterable[Publish], rooms: Iterable[RoomId], now: Now) -> list[Candidate]:
        """Those worth a signature check. Raises Malformed for an envelope that does not decode."""
        candidates = [
            Candidate(self._open(publish), publish.hops) for publish in publishes if self._is_new(publish)
        ]
        known = self._index.known([item.envelope.id for item in candidates if item.envelope.durable])
        admitted = []
        for candidate in candidates:
            envelope = candidate.envelope
            key = (envelope.id, envelope.signature)
            if not envelope.durable and envelope.author == self._own_key:
                continue  # our own presence, come round
            if envelope.id in known or key in self._checking:
                self._counters.duplicate += envelope.durable
            elif (reason := _refusal(envelope, rooms, now)) is not None:
                self._counters.refused[reason] += 1
            else:
                self._checking.add(key)
                admitted.append(candidate)
        return admitted

    def _is_new(self, publish: Publish) -> bool:
        if publish.id in self._messages:
            self._counters.duplicate += 1
            return False
        return publish.id not in self._ephemera

    def _open(self, publish: Publish) -> Envelope:
        return open_envelope(publish.payload, publish.signature, publish.id)

    def accept(self, envelope: Envelope, now: Now) -> bool:
        """The signature holds. False when another copy came through in the meantime."""
        self._checking.discard((envelope.id, envelope.signature))
        if envelope.id in self._messages or envelope.id in self._ephemera:
            self._counters.duplicate += envelope.durable
            return False
        self.remember(envelope, now)
        return True

    def reject(self, envelope: Envelope) -> None:
        self._checking.discard((envelope.id, envelope.signature))

    def remember(self, envelope: Envelope, now: Now) -> None:
        seen = self._messages if envelope.durable else self._ephemera
        seen.add(envelope.id, now.mono)

    def forget(self, message_id: MessageId) -> None:
        """It could not be stored: let the next copy try again."""
        self._messages.discard(message_id)


def _refusal(envelope: Envelope, rooms: Iterable[RoomId], now: Now) -> str | None:
    """Why an envelope is not taken, though its sender did no wrong; None when it is."""
    if envelope.room not in rooms:
        return "not_in_room"
    if is_future(envelope.stamp, now):
        return "future"
    if not envelope.durable and is_stale(envelope.stamp, now):
        return "stale"
    return None

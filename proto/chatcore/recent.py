"""Messages of the last moments: what may still be asked for, who is known to have it, and who feeds us.

The holders are an exact set beside each message: what they are needed for ends when the message is old, and a
false "it has it" would cost somebody the message.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NewType

from chatcore.envelopes import Envelope
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.messages import SHORT_ID_BYTES, Publish

MAX_RECENT_MESSAGES = 4096
MAX_RECENT_BYTES = 8 * 1024 * 1024
"""The oldest make way; who missed them until now gets them by repairing its history."""

MAX_ALTERNATIVES = 4
"""Links remembered beside a message that could have pushed it; the fastest are the first to come."""

ShortId = NewType("ShortId", bytes)
"""The first 8 bytes of a message id. It takes 2^64 tries to make another message with the same."""


def short_id(message_id: MessageId) -> ShortId:
    return ShortId(message_id[:SHORT_ID_BYTES])


@dataclass(slots=True)
class Held:
    publish: Publish
    """As we would hand it on: with the hops left after us."""

    room: RoomId
    author: bytes
    durable: bool
    copies: int
    holders: set[LinkId]
    feeders: list[LinkId]
    """Links that pushed it to us and will push its author's next one."""

    since: float
    """When it came, on the monotonic clock."""

    alternatives: dict[LinkId, float] = field(default_factory=dict)
    """Links that could have, and since when: they announced it, or we asked them to stop."""

    resumed: set[LinkId] = field(default_factory=set)
    """Links asked to push its author that have not done so since: they are not asked twice."""

    served: dict[LinkId, int] = field(default_factory=dict)

    def note_alternative(self, link: LinkId, mono: float) -> None:
        if len(self.alternatives) < MAX_ALTERNATIVES:
            self.alternatives.setdefault(link, mono)


class Recent:
    def __init__(self) -> None:
        self._held: OrderedDict[ShortId, Held] = OrderedDict()
        self._newest: OrderedDict[tuple[RoomId, bytes], ShortId] = OrderedDict()
        self._bytes = 0

    def add(self, envelope: Envelope, hops: int, senders: list[LinkId], mono: float) -> Held:
        held = Held(
            Publish.of(envelope, hops),
            envelope.room,
            envelope.author,
            envelope.durable,
            len(senders),
            set(senders),
            feeders=list(senders),
            since=mono,
        )
        again = self._held.pop(short_id(envelope.id), None)  # it could not be stored the first time
        if again is not None:
            self._bytes -= len(again.publish.payload)
        self._held[short_id(envelope.id)] = held
        before = self.newest_of(held.room, held.author)
        if before is not None:
            held.resumed = before.resumed.difference(senders)
        self._newest[held.room, held.author] = short_id(envelope.id)
        self._newest.move_to_end((held.room, held.author))
        self._bytes += len(envelope.payload)
        while len(self._held) > MAX_RECENT_MESSAGES or self._bytes > MAX_RECENT_BYTES:
            short, oldest = self._held.popitem(last=False)
            self._bytes -= len(oldest.publish.payload)
            if self._newest.get((oldest.room, oldest.author)) == short:
                del self._newest[oldest.room, oldest.author]
        return held

    def newest(self, room: RoomId, most: int) -> list[tuple[ShortId, Held]]:
        """The last durable messages of a room, oldest first."""
        found = ((short, held) for short, held in reversed(self._held.items()) if held.room == room)
        durable = [(short, held) for short, held in found if held.durable]
        return durable[:most][::-1]

    def newest_of(self, room: RoomId, author: bytes) -> Held | None:
        short = self._newest.get((room, author))
        return None if short is None else self._held.get(short)

    def newest_of_authors(self, room: RoomId) -> Iterator[tuple[ShortId, Held]]:
        """Everybody's last message in a room; who spoke last comes first."""
        return ((short, self._held[short]) for (of, _), short in reversed(self._newest.items()) if of == room)

    def get(self, short: ShortId) -> Held | None:
        return self._held.get(short)

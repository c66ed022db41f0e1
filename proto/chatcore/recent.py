"""Messages of the last moments: what may still be asked for, who is known to have it, and who brought it.

The holders are an exact set beside each message: what they are needed for ends when the message is old, and a
false "it has it" would cost somebody the message.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NewType

from chatcore.envelopes import Envelope
from chatcore.events import Output, Priority, Send
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.messages import MAX_SHORT_IDS, SHORT_ID_BYTES, LinkMessage, Publish

MAX_RECENT_MESSAGES = 4096
MAX_RECENT_BYTES = 8 * 1024 * 1024
"""The oldest make way; who missed them until now gets them by repairing its history."""

MAX_ALTERNATIVES = 4
"""Links remembered beside a message that could have pushed it; those that come later were slower."""

ShortId = NewType("ShortId", bytes)
"""The first 8 bytes of a message id. It takes 2^64 tries to make another message with those of a given one;
two of one's own with the same take 2^32, and whoever holds one of them does not fetch the other."""


def short_id(message_id: MessageId) -> ShortId:
    return ShortId(message_id[:SHORT_ID_BYTES])


def in_batches(
    kind: Callable[[tuple[bytes, ...]], LinkMessage],
    asks: Mapping[LinkId, Sequence[ShortId]],
    priority: Priority,
) -> list[Output]:
    """Ids to each link, in as few messages as hold them."""
    return [
        Send((link,), kind(tuple(shorts[start : start + MAX_SHORT_IDS])), priority)
        for link, shorts in asks.items()
        for start in range(0, len(shorts), MAX_SHORT_IDS)
    ]


@dataclass(slots=True)
class Held:
    publish: Publish
    """As we would hand it on: with the hops left after us."""

    room: RoomId
    author: bytes
    durable: bool
    holders: set[LinkId]
    since: float
    """When it came, on the monotonic clock."""

    feeders: list[LinkId] = field(default_factory=list)
    """Neighbours that pushed it to us, in order, and were not asked to stop."""

    alternatives: dict[LinkId, float] = field(default_factory=dict)
    """Neighbours that could have, and since when: they announced it, or were asked to stop."""

    served: dict[LinkId, int] = field(default_factory=dict)
    own: bool = False

    def note_alternative(self, link: LinkId, mono: float) -> None:
        if len(self.alternatives) < MAX_ALTERNATIVES:
            self.alternatives.setdefault(link, mono)


class Recent:
    def __init__(self) -> None:
        self._held: OrderedDict[ShortId, Held] = OrderedDict()
        self._bytes = 0

    def add(self, envelope: Envelope, hops: int, holders: Sequence[LinkId], mono: float) -> Held:
        held = Held(
            Publish.of(envelope, hops),
            envelope.room,
            envelope.author,
            envelope.durable,
            set(holders),
            mono,
        )
        again = self._held.pop(short_id(envelope.id), None)  # it could not be stored the first time
        if again is not None:
            self._bytes -= len(again.publish.payload)
        self._held[short_id(envelope.id)] = held
        self._bytes += len(envelope.payload)
        while len(self._held) > MAX_RECENT_MESSAGES or self._bytes > MAX_RECENT_BYTES:
            _, oldest = self._held.popitem(last=False)
            self._bytes -= len(oldest.publish.payload)
        return held

    def newest(self, room: RoomId, most: int) -> list[tuple[ShortId, Held]]:
        """The last durable messages of a room, oldest first."""
        newest_first = (
            (short, held)
            for short, held in reversed(self._held.items())
            if held.room == room and held.durable
        )
        return list(islice(newest_first, most))[::-1]

    def handle_link_gone(self, link: LinkId) -> None:
        """No link has its number again: else each that ever was would be remembered beside each message.

        But as a feeder: who left is replaced by what is noted of a message."""
        for held in self._held.values():
            held.holders.discard(link)
            held.alternatives.pop(link, None)
            held.served.pop(link, None)

    def get(self, short: ShortId) -> Held | None:
        return self._held.get(short)

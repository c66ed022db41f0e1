"""Messages of the last moments: what may still be asked for, and which links are known to have it.

The holders are an exact set beside each message: what they are needed for ends when the message is old, and a
false "it has it" would cost somebody the message.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import NewType

from chatcore.envelopes import Envelope
from chatcore.ids import LinkId, MessageId, RoomId
from chatcore.messages import SHORT_ID_BYTES, Publish

MAX_RECENT_MESSAGES = 4096
MAX_RECENT_BYTES = 8 * 1024 * 1024
"""The oldest make way; who missed them until now gets them by repairing its history."""

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
    served: dict[LinkId, int] = field(default_factory=dict)


class Recent:
    def __init__(self) -> None:
        self._held: OrderedDict[ShortId, Held] = OrderedDict()
        self._bytes = 0

    def add(self, envelope: Envelope, hops: int, senders: list[LinkId]) -> Held:
        held = Held(
            Publish.of(envelope, hops),
            envelope.room,
            envelope.author,
            envelope.durable,
            len(senders),
            set(senders),
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
        found = ((short, held) for short, held in reversed(self._held.items()) if held.room == room)
        durable = [(short, held) for short, held in found if held.durable]
        return durable[:most][::-1]

    def get(self, short: ShortId) -> Held | None:
        return self._held.get(short)

"""Bounded memory: the exact set of what was seen lately.

Exact, because a Bloom filter's false positive would silently lose somebody's message.
"""

from chatcore.ids import MessageId


class SeenIds:
    """Two generations of ids; the older is forgotten when the younger is full or old enough.

    An id is therefore remembered for at least `keep_s` seconds, unless `most` newer ones come sooner. When
    that happens nothing breaks: a durable message is still recognised by the store.
    """

    __slots__ = ("_keep_s", "_most", "_old", "_rotated_at", "_young")

    def __init__(self, keep_s: float, most: int, mono: float) -> None:
        self._keep_s = keep_s
        self._most = most
        self._young: set[MessageId] = set()
        self._old: set[MessageId] = set()
        self._rotated_at = mono

    def add(self, message_id: MessageId, mono: float) -> None:
        if len(self._young) >= self._most or mono - self._rotated_at >= self._keep_s:
            self._old = self._young
            self._young = set()
            self._rotated_at = mono
        self._young.add(message_id)

    def discard(self, message_id: MessageId) -> None:
        self._young.discard(message_id)
        self._old.discard(message_id)

    def __contains__(self, message_id: MessageId) -> bool:
        return message_id in self._young or message_id in self._old

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

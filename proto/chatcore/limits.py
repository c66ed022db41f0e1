"""Bounds: on how often, and on the memory of what was seen lately."""

from chatcore.ids import MessageId


class TokenBucket:
    """`burst` at once, and `per_s` a second in the long run."""

    __slots__ = ("_at", "_burst", "_per_s", "_tokens")

    def __init__(self, per_s: float, burst: int, mono: float) -> None:
        self._per_s = per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at = mono

    def take(self, mono: float, count: int = 1) -> bool:
        """Whether so many more may be; they then count."""
        self._tokens = min(self._burst, self._tokens + (mono - self._at) * self._per_s)
        self._at = mono
        if self._tokens < count:
            return False
        self._tokens -= count
        return True


class Meter:
    """Work that is paid for after it was done: a debt is waited for. `at_once` may be saved."""

    __slots__ = ("_at", "_at_once", "_left", "_per_s")

    def __init__(self, per_s: float, at_once: float, mono: float) -> None:
        self._per_s = per_s
        self._at_once = at_once
        self._left = at_once
        self._at = mono

    def ready(self, mono: float) -> bool:
        self._left = min(self._at_once, self._left + (mono - self._at) * self._per_s)
        self._at = mono
        return self._left > -1.0  # a unit of slack, so that no rounding makes a timer fire for nothing

    def ready_at(self) -> float:
        return self._at + max(0.0, -self._left) / self._per_s

    def charge(self, price: float) -> None:
        self._left -= price


class SeenIds:
    """Two generations of ids; the older is forgotten when the younger is full or old enough.

    Exact, because a Bloom filter's false positive would silently lose somebody's message.

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

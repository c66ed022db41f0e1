"""Tables of addresses in buckets, so that one network cannot fill them: as Bitcoin's (Heilman et al. 2015),
only smaller.

Which bucket an address belongs to follows from a secret, its group and, while nobody has answered there, the
group of who told us. Knows neither peers nor dials; what makes way in a full bucket is for its owner to say.
"""

import hashlib
from collections.abc import Callable

from chatcore.addresses import group_at
from chatcore.rng import Rng

BUCKET = 16
"""Addresses in one bucket."""

NEW_BUCKETS = 256
NEW_PER_SOURCE = 4
"""4,096 addresses that were heard of, at most 64 of them from one group of tellers."""

TRIED_BUCKETS = 64
TRIED_PER_GROUP = 4
"""1,024 addresses where somebody has answered, at most 64 of them in one group."""


class Buckets:
    def __init__(self, rng: Rng) -> None:
        self._rng = rng
        self._buckets: dict[int, list[str]] = {}
        self._of: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._of)

    def __contains__(self, address: str) -> bool:
        return address in self._of

    def crowd(self, bucket: int) -> list[str]:
        """Who would have to make way for one more there; empty while there is room."""
        there = self._buckets.get(bucket, [])
        return list(there) if len(there) >= BUCKET else []

    def put(self, address: str, bucket: int) -> None:
        """Into a bucket with room."""
        self._buckets.setdefault(bucket, []).append(address)
        self._of[address] = bucket

    def remove(self, address: str) -> None:
        bucket = self._of.pop(address, None)
        if bucket is not None:
            self._buckets[bucket].remove(address)
            if not self._buckets[bucket]:
                del self._buckets[bucket]

    def pick(self, fits: Callable[[str], bool]) -> str | None:
        """A random bucket's random address: a full bucket weighs no more than one with a single address."""
        for bucket in self._rng.sample(list(self._buckets), len(self._buckets)):
            fitting = [address for address in self._buckets[bucket] if fits(address)]
            if fitting:
                return self._rng.sample(fitting, 1)[0]
        return None


class Places:
    """`secret` keeps others from computing which addresses would meet in one bucket."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def new(self, address: str, source: bytes) -> int:
        slot = self._hash(b"slot", source, group_at(address)) % NEW_PER_SOURCE
        return self._hash(b"new", source, bytes([slot])) % NEW_BUCKETS

    def tried(self, address: str) -> int:
        slot = self._hash(b"slot", address.encode()) % TRIED_PER_GROUP
        return self._hash(b"tried", group_at(address), bytes([slot])) % TRIED_BUCKETS

    def _hash(self, *parts: bytes) -> int:
        data = b"".join(bytes([len(part) % 256]) + part for part in parts)
        return int.from_bytes(hashlib.blake2b(data, digest_size=8, key=self._secret).digest(), "big")

"""Hybrid logical clock (Kulkarni et al. 2014): a 64-bit stamp that follows wall time, never backwards.

A stamp is 48 bits of Unix milliseconds and a 16-bit counter. Knows arithmetic; is told the wall time.
"""

from typing import NamedTuple

COUNTER_BITS = 16
MAX_STAMP = 2**64 - 1
MAX_SKEW_MS = 10 * 60 * 1000
"""A stamp further ahead of our wall clock is refused, or one bad clock would drag everybody's along."""

MAX_DRAG_MS = MAX_SKEW_MS // 2
"""Heard stamps take our clock no further ahead of our wall clock. Were this what we accept, one message at
the limit would have all we say refused by whoever's clock is behind ours; so they may be the rest behind."""


class Now(NamedTuple):
    """What the core is told of time with every input."""

    mono: float
    """Seconds on a clock that never jumps; for intervals only."""

    wall_ms: int
    """Unix milliseconds as the machine believes them; for stamps only."""


class HybridClock:
    __slots__ = ("_given", "_heard")

    def __init__(self, last: int = 0) -> None:
        """`last` may be anybody's: a store does not tell who wrote its last message."""
        self._given = 0
        self._heard = last

    def tick(self, wall_ms: int) -> int:
        """A stamp greater than every stamp given out or witnessed before.

        But for one heard that is too far ahead still (`MAX_DRAG_MS`). And unless the wall clock was set back
        by more than the skew others accept: a stamp that nobody takes would be worse than one that sorts
        early, so the clock starts again from the wall.
        """
        wall = wall_ms << COUNTER_BITS
        if wall_ms_of(self._given) > wall_ms + MAX_SKEW_MS:
            self._given = wall
        if wall_ms_of(self._heard) > wall_ms + MAX_SKEW_MS:
            self._heard = 0
        heard = min(self._heard, wall + (MAX_DRAG_MS << COUNTER_BITS))
        self._given = max(self._given + 1, heard + 1, wall)
        return self._given

    def witness(self, stamp: int) -> None:
        """What we say from now on sorts after `stamp`, if it may. The caller has refused future stamps."""
        self._heard = max(self._heard, stamp)


def wall_ms_of(stamp: int) -> int:
    """The Unix milliseconds within a stamp."""
    return stamp >> COUNTER_BITS


def is_future(stamp: int, now: Now) -> bool:
    return wall_ms_of(stamp) > now.wall_ms + MAX_SKEW_MS


def is_stale(stamp: int, now: Now) -> bool:
    """Whether an ephemeral message is too old to matter (a durable one never is)."""
    return wall_ms_of(stamp) < now.wall_ms - MAX_SKEW_MS

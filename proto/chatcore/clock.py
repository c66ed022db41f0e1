"""Hybrid logical clock (Kulkarni et al. 2014): a 64-bit stamp that follows wall time, never backwards.

A stamp is 48 bits of Unix milliseconds and a 16-bit counter. Knows arithmetic; is told the wall time.
"""

from typing import NamedTuple

COUNTER_BITS = 16
MAX_STAMP = 2**64 - 1
MAX_SKEW_MS = 10 * 60 * 1000
"""A stamp further ahead of our wall clock is refused, or one bad clock would drag everybody's along."""


class Now(NamedTuple):
    """What the core is told of time with every input."""

    mono: float
    """Seconds on a clock that never jumps; for intervals only."""

    wall_ms: int
    """Unix milliseconds as the machine believes them; for stamps only."""


class HybridClock:
    __slots__ = ("_last",)

    def __init__(self, last: int = 0) -> None:
        self._last = last

    def tick(self, wall_ms: int) -> int:
        """A stamp greater than every stamp given out or witnessed before.

        Unless the wall clock was set back by more than the skew others accept: a stamp that nobody takes
        would be worse than one that sorts early, so the clock starts again from the wall.
        """
        wall = wall_ms << COUNTER_BITS
        if wall_ms_of(self._last) > wall_ms + MAX_SKEW_MS:
            self._last = wall
        self._last = max(self._last + 1, wall)
        return self._last

    def witness(self, stamp: int) -> None:
        """Anything we say after hearing `stamp` will sort after it. The caller has refused future stamps."""
        self._last = max(self._last, stamp)


def wall_ms_of(stamp: int) -> int:
    """The Unix milliseconds within a stamp."""
    return stamp >> COUNTER_BITS


def is_future(stamp: int, now: Now) -> bool:
    return wall_ms_of(stamp) > now.wall_ms + MAX_SKEW_MS


def is_stale(stamp: int, now: Now) -> bool:
    """Whether an ephemeral message is too old to matter (a durable one never is)."""
    return wall_ms_of(stamp) < now.wall_ms - MAX_SKEW_MS

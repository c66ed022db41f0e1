"""What time it is, for removing by age: a clock that a wrong wall clock moves slowly, whatever was stored.

Knows no disk: it goes on from a time that was kept, and is asked for the one to keep.
"""

CATCH_UP = 24
"""Times as fast as this process runs, towards the wall clock: a node that is on for an hour a day keeps up,
one that was off for a year is back after two weeks, and a clock that is years ahead costs a day an hour."""


class TrustedTime:
    """`ms` is in Unix milliseconds, as all times here but `mono`, which is in seconds."""

    def __init__(self, ms: int, mono: float) -> None:
        self.ms = ms
        self._mono = mono

    def move(self, wall_ms: int, newest_ms: int, mono: float) -> int:
        """The time to go by, never ahead of the wall clock. `newest_ms`: of the newest message stored.

        What is neither by the wall clock nor by a message later than this time moves it no faster than time
        passes. A start moves it by nothing, or a crash an hour could add up to years.
        """
        elapsed_ms = int((mono - self._mono) * 1000)
        self._mono += elapsed_ms / 1000
        self.ms += elapsed_ms
        most = (CATCH_UP - 1) * elapsed_ms
        if wall_ms < self.ms:
            self.ms = max(wall_ms, self.ms - most)
        elif newest_ms > self.ms:
            self.ms = min(wall_ms, newest_ms, self.ms + most)
        return min(wall_ms, self.ms)

"""Whether the machine slept, or the process was stopped: time passed in which nothing could come in.

While a machine sleeps its monotonic clock may stand still (on Linux it does); the wall clock goes on. While a
process is stopped both go on. A wall clock set ahead looks the same, and costs a few pings.
"""

from chatcore.clock import Now
from chatcore.config import LinkConfig

ASLEEP_AFTER = 1.5
"""Times of pings: one is due so often, so something comes in at least as often."""


class Waking:
    def __init__(self, config: LinkConfig, now: Now) -> None:
        self._limit_s = ASLEEP_AFTER * config.ping_every_s
        self._last = now

    def handle_input(self, now: Now) -> bool:
        """Whether we slept since the last one. At each input, before anything else looks at the time."""
        last, self._last = self._last, now
        return max(now.mono - last.mono, (now.wall_ms - last.wall_ms) / 1000) > self._limit_s

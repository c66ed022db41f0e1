"""Ever longer pauses between attempts to reach a daemon, for event loops."""

import asyncio
import math

FIRST_S = 0.1
MOST_S = 2.0


class Backoff:
    """`patience_s`: how long attempts go on, from now."""

    def __init__(self, patience_s: float = math.inf) -> None:
        self._now = asyncio.get_running_loop().time
        self._end = self._now() + patience_s
        self._delay_s = FIRST_S

    @property
    def is_over(self) -> bool:
        """Whether the next pause would outlast the patience."""
        return self._now() + self._delay_s > self._end

    async def pause(self) -> None:
        await asyncio.sleep(self._delay_s)
        self._delay_s = min(self._delay_s * 2, MOST_S)

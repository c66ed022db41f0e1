"""How long a message to a peer and back takes: the median of all links, asked of the daemon now and then."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from chatctl.commands.answering import MISSHAPEN
from chatctl.failures import ClientFailure
from chatctl.stream import Stream

PAUSE_S = 30.0
UNKNOWN_PAUSE_S = 5.0
"""Between two looks: the daemon measures it, and not at once."""


class Lag:
    """`ms` is None while nobody knows. `changed` is called after each look."""

    def __init__(self, stream: Stream, changed: Callable[[], None]) -> None:
        self._stream = stream
        self._changed = changed
        self.ms: float | None = None

    async def measure(self) -> None:
        """For ever."""
        while True:
            await self.look()
            await asyncio.sleep(UNKNOWN_PAUSE_S if self.ms is None else PAUSE_S)

    async def look(self) -> None:
        with contextlib.suppress(ClientFailure, *MISSHAPEN):
            found = await self._stream.call("peer.list")
            self.ms = median([peer["rtt_ms"] for peer in found])
            self._changed()


def median(rtts: Sequence[float | None]) -> float | None:
    known = sorted(rtt for rtt in rtts if rtt is not None)
    return known[len(known) // 2] if known else None

"""Something done whenever it is due, where the time for it may change while one waits."""

import asyncio
import contextlib
from collections.abc import Callable


class InTime:
    """`due` gives the time on `clock`, or None while there is nothing to do; `act` is to change that."""

    def __init__(
        self, due: Callable[[], float | None], act: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._due = due
        self._act = act
        self._clock = clock
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """The time has changed: there is something to do, or sooner than before."""
        self._changed.set()

    async def run(self) -> None:
        """For ever; raises what `act` raises."""
        while True:
            due = self._due()
            left = None if due is None else due - self._clock()
            if left is not None and left <= 0:
                self._act()
                continue
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._changed.wait()

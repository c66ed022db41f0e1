"""Something done whenever it is due, where the time for it may change while one waits."""

import asyncio
from collections.abc import Callable


class InTime:
    """`due` gives the time on `clock`, or None while there is nothing to do; `act` is to change that."""

    def __init__(
        self, due: Callable[[], float | None], act: Callable[[], None], clock: Callable[[], float]
    ) -> None:
        self._due = due
        self._act = act
        self._clock = clock
        self._some = asyncio.Event()

    def wake(self) -> None:
        """There is something to do now, or later."""
        self._some.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            due = self._due()
            if due is None:
                self._some.clear()
                await self._some.wait()
            elif (left := due - self._clock()) > 0:
                await asyncio.sleep(left)
            else:
                self._act()

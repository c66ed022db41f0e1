"""Comings and goings on their way to the screen: those of a moment together, and before what is said next."""

import asyncio
from collections.abc import Callable

from chatctl.repl.folding import Folding, Movement


class Movements:
    """`note` shows a line."""

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._note = note
        self._clock = clock
        self._folding = Folding()
        self._some = asyncio.Event()

    def add(self, movement: Movement) -> None:
        self._folding.add(movement, self._clock())
        self._some.set()

    def concerns(self, peer_id: str) -> bool:
        """Whether something about them waits to be told."""
        return self._folding.concerns(peer_id)

    def tell(self) -> None:
        """What waits, now."""
        for line in self._folding.flush():
            self._note(line)

    async def tell_in_time(self) -> None:
        """For ever."""
        while True:
            if self._folding.due is None:
                self._some.clear()
                await self._some.wait()
            elif (left := self._folding.due - self._clock()) > 0:
                await asyncio.sleep(left)
            else:
                self.tell()

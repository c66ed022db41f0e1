"""Comings and goings on their way to the screen: those of a moment together, and before what is said next."""

from collections.abc import Callable

from chatctl.intime import InTime
from chatctl.repl.folding import Folding, Movement


class Movements:
    """`note` shows a line."""

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._note = note
        self._clock = clock
        self._folding = Folding()
        self.in_time = InTime(lambda: self._folding.due, self.tell, clock)

    def add(self, movement: Movement) -> None:
        self._folding.add(movement, self._clock())
        self.in_time.wake()

    def concerns(self, peer_id: str) -> bool:
        """Whether something about them waits to be told."""
        return self._folding.concerns(peer_id)

    def forget_links(self) -> None:
        """Our own daemon has gone, and its links with it."""
        self._folding.forget_links()

    def tell(self) -> None:
        """What waits, now."""
        for line in self._folding.flush():
            self._note(line)

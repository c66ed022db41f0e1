"""What waits for the writer: what is said now goes before history. Knows batches and their sizes, no disk."""

import threading
from collections import deque

from chatd.store.batches import Batch

MAX_GROUP_BYTES = 4 * 1024 * 1024
"""One transaction's payload: whoever is queued behind waits tens of milliseconds for it, not seconds."""

MAX_HISTORY_GROUP_BYTES = 256 * 1024
"""The same of history, about three pages: what is said meanwhile waits for some milliseconds. With fewer at a
time the disk would have more to do, and that is what everybody on the machine waits for."""

MAX_PASSED_OVER = 8
"""So many groups go before history that waits; then it is its turn, or a flood would keep it out for good."""


class Queue:
    """Many threads put, one takes."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._live: deque[tuple[Batch, int]] = deque()
        self._history: deque[tuple[Batch, int]] = deque()
        self._passed_over = 0
        self._closed = False
        self._nudged = False

    def put(self, batch: Batch, size: int) -> bool:
        """False when it is closed: the batch is not taken."""
        with self._changed:
            if self._closed:
                return False
            (self._history if batch.history else self._live).append((batch, size))
            self._changed.notify()
            return True

    def close(self) -> None:
        """Nothing more is taken; what is in it still comes out."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def nudge(self) -> None:
        """Who waits to take gets nothing, at once: there is something else to do."""
        with self._changed:
            self._nudged = True
            self._changed.notify()

    def take(self, timeout: float | None) -> tuple[list[Batch], int] | None:
        """What to write together, and its size; empty when nothing came in time, None after the last."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._live or self._history or self._closed or self._nudged, timeout
            )
            self._nudged = False
            if not self._live and not self._history:
                return None if self._closed else ([], 0)
            if self._history and (not self._live or self._passed_over >= MAX_PASSED_OVER):
                self._passed_over = 0
                return _group(self._history, MAX_HISTORY_GROUP_BYTES)
            self._passed_over += bool(self._history)
            return _group(self._live, MAX_GROUP_BYTES)


def _group(waiting: deque[tuple[Batch, int]], most_bytes: int) -> tuple[list[Batch], int]:
    group: list[Batch] = []
    size = 0
    while waiting and size < most_bytes:
        batch, its_size = waiting.popleft()
        group.append(batch)
        size += its_size
    return group, size

"""A readers-writer gate for threads: the map may move only while nobody looks into it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """Many readers, or one who moves the map under them. Whoever waits to move it holds new readers back."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._taken = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            while self._taken:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                if not self._readers:
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            while self._taken:
                self._changed.wait()
            self._taken = True
            while self._readers:
                self._changed.wait()
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()

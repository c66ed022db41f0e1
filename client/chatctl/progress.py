"""How far a long command has come: one line on a terminal, rewritten in place; nothing anywhere else."""

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import TextIO

EVERY_S = 0.1
BAR_CELLS = 20
FALLBACK_COLUMNS = 80
_CLEAR = "\r\x1b[K"


class Progress:
    """`what` is being done: one word, as `exported`."""

    def __init__(self, stream: TextIO, what: str) -> None:
        self._stream = stream if stream.isatty() else None
        self._what = what
        self._next = 0.0

    def show(self, share: float, detail: str) -> None:
        """`share` is 0 to 1; most calls draw nothing, as a person reads no faster."""
        if self._stream is None or (now := time.monotonic()) < self._next:
            return
        self._next = now + EVERY_S
        share = min(max(share, 0.0), 1.0)
        bar = ("#" * int(share * BAR_CELLS)).ljust(BAR_CELLS)
        line = f"{self._what} [{bar}] {100 * share:3.0f}% {detail}"
        self._stream.write(_CLEAR + line[: _columns(self._stream) - 1])  # in the last cell some would wrap
        self._stream.flush()

    @contextlib.contextmanager
    def growing(self, total: int, size: Callable[[], int]) -> Iterator[None]:
        """Shows how `size` comes up to `total`, both in bytes, while something else is waited for."""
        if self._stream is None:
            yield
            return
        done = threading.Event()

        def look() -> None:
            while not done.wait(EVERY_S):
                now = size()
                self.show(now / total if total else 0.0, of_bytes(now, total))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
            self.end()

    def end(self) -> None:
        if self._stream is not None:
            self._stream.write(_CLEAR)
            self._stream.flush()


def of_messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"


def of_bytes(done: int, total: int) -> str:
    return f"{done / 1e6:,.1f} of {total / 1e6:,.1f} MB"


def _columns(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or FALLBACK_COLUMNS
    except (OSError, ValueError):
        return FALLBACK_COLUMNS

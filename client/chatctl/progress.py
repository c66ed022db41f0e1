"""How far a long command has come: one line on a terminal, rewritten in place; nothing anywhere else."""

import time
from typing import TextIO

EVERY_S = 0.1
_CLEAR = "\r\x1b[K"


class Progress:
    def __init__(self, stream: TextIO, what: str) -> None:
        self._stream = stream if stream.isatty() else None
        self._what = what
        self._next = 0.0

    def show(self, share: float, count: int) -> None:
        """`share` is 0 to 1."""
        if self._stream is None or (now := time.monotonic()) < self._next:
            return
        self._next = now + EVERY_S
        self._stream.write(f"{_CLEAR}{self._what} {100 * min(max(share, 0), 1):3.0f}% {count:,} messages")
        self._stream.flush()

    def end(self) -> None:
        if self._stream is not None:
            self._stream.write(_CLEAR)
            self._stream.flush()

"""The lines of a pipe or a file for an event loop. Knows bytes and line breaks only."""

import asyncio
import contextlib
import threading
from typing import Any, BinaryIO

MAX_LINE_BYTES = 64 * 1024
"""The daemon takes less; this only keeps a file without line breaks out of memory."""

MAX_LINES_AHEAD = 16
CHUNK_BYTES = 64 * 1024


class LineReader:
    """Reads in a thread, since epoll takes no regular file; in a daemon thread, since nothing ends a read.

    It reads the raw stream: a thread caught inside a BufferedReader aborts the interpreter when it exits.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._raw: Any = getattr(stream, "raw", stream)
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._slots = threading.Semaphore(MAX_LINES_AHEAD)
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    async def next(self) -> bytes | None:
        """A line without its `\\n`, None at the end. One too long comes without its tail."""
        line = await self._queue.get()
        self._slots.release()
        return line

    def _read(self) -> None:
        rest, cut = b"", False
        with contextlib.suppress(RuntimeError, OSError, ValueError):  # the loop, or the stream, is closed
            while chunk := self._raw.read(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not cut:
                        self._put(line[:MAX_LINE_BYTES])
                    cut = False
                if cut or len(rest) > MAX_LINE_BYTES:
                    if not cut:
                        self._put(rest[:MAX_LINE_BYTES])
                    rest, cut = b"", True
            if rest:
                self._put(rest)
            self._put(None)

    def _put(self, line: bytes | None) -> None:
        self._slots.acquire()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, line)

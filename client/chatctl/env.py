"""What surrounds one run of a client: its streams and its environment variables.

Read once and passed down, so that tests run a whole client in-process with streams of their own.
"""

import contextlib
import errno
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, TextIO, cast

COLOURS_256 = 256
COLOURS_8 = 8
FALLBACK_COLUMNS = 80


class Closed(io.TextIOBase):
    """A standard output that is none: what is written to it is not written."""

    def write(self, text: str) -> int:
        if text:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return 0


@dataclass(frozen=True, slots=True)
class Environment:
    """`stdin` gives bytes, since a message is to be valid UTF-8 whatever the locale says."""

    stdin: BinaryIO
    stdout: TextIO
    stderr: TextIO
    variables: Mapping[str, str]

    @classmethod
    def of_process(cls) -> "Environment":
        # A stream that the caller closed (`>&-`) is None here.
        stdin = sys.stdin.buffer if sys.stdin is not None else io.BytesIO()
        stdout = sys.stdout if sys.stdout is not None else cast("TextIO", Closed())
        stderr = sys.stderr if sys.stderr is not None else io.StringIO()
        if isinstance(stdout, io.TextIOWrapper):
            stdout.reconfigure(errors="backslashreplace")  # a Latin-1 terminal still gets the rest
        return cls(stdin, stdout, stderr, os.environ)

    def colours(self, *, wanted: bool = True) -> int:
        """How many colours standard output takes: 0, 8 or 256."""
        term = self.variables.get("TERM", "")
        if not wanted or self.variables.get("NO_COLOR") or self._is_dumb() or not self.stdout.isatty():
            return 0
        many = "256" in term or "direct" in term or bool(self.variables.get("COLORTERM"))
        return COLOURS_256 if many else COLOURS_8

    def is_interactive(self) -> bool:
        """Whether a line can be edited here and others printed above it."""
        return self.stdin.isatty() and self.stdout.isatty() and not self._is_dumb()

    def _is_dumb(self) -> bool:
        return self.variables.get("TERM", "") in ("", "dumb", "unknown")

    def columns(self) -> int | None:
        """How wide a line may be; None when standard output is not a terminal."""
        if not self.stdout.isatty():
            return None
        try:
            return os.get_terminal_size(self.stdout.fileno()).columns or FALLBACK_COLUMNS
        except (OSError, ValueError):
            return FALLBACK_COLUMNS

    def takes_unicode(self) -> bool:
        """False when the locale's encoding would lose characters."""
        encoding = self.stdout.encoding
        return encoding is None or encoding.lower().replace("-", "") == "utf8"


def abandon(stream: TextIO) -> None:
    """Nobody takes what is written there: what is left in its buffer is not tried again when we exit, which
    would spoil the exit status."""
    with contextlib.suppress(OSError, ValueError):
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, stream.fileno())
        os.close(sink)

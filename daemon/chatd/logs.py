"""Structured logs on standard error: for people on a terminal, JSON lines for everything else.

Never a message's text, never a key.
"""

import io
import logging
import math
import os
import sys
from dataclasses import dataclass
from typing import TextIO

import structlog
from structlog.tracebacks import ExceptionDictTransformer

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LogStream(io.TextIOBase):
    """Standard error that cannot fail: its reader may go away, or its disk fill, and links must not care."""

    encoding = "utf-8"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, text: str) -> int:
        data = text.encode(errors="backslashreplace")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            pass  # there is nobody left to tell
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor


def configure(level: str, log_format: str, stream: TextIO | None = None) -> bool:
    """Set up logging for the process; whether it is the people's format."""
    stream = stream or sys.stderr
    console = log_format == "console" or (log_format == "auto" and stream.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if console
        else structlog.processors.JSONRenderer()
    )
    # Without locals: they hold messages' text and keys.
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    last: structlog.typing.Processor = _printable if console else tracebacks
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
            last,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.ERROR, stream=stream, format="%(message)s")
    return console


def _printable(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Peers choose some of these words; on a terminal they must not act. JSON escapes them anyway."""
    return {key: _escape(value) if isinstance(value, str) else value for key, value in event.items()}


def _escape(text: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


@dataclass(slots=True)
class _Told:
    at: float
    pause_s: float
    held: int = 0


class Limiter:
    """Fewer and fewer log lines of a kind while it goes on; each says how many it stands for.

    The pause between two begins with `first_s` and doubles up to `longest_s`; after a time as long as that
    it begins anew.
    """

    def __init__(self, first_s: float = 1.0, longest_s: float = 60.0) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._told: dict[str, _Told] = {}

    def admit(self, kind: str, mono: float) -> int | None:
        """None to stay silent, or how many lines of this kind were held back since the last."""
        told = self._told.setdefault(kind, _Told(-math.inf, self._first_s))
        since = mono - told.at
        if since < told.pause_s:
            told.held += 1
            return None
        going_on = since < 2 * self._longest_s
        told.pause_s = min(2 * told.pause_s, self._longest_s) if going_on else self._first_s
        told.at = mono
        held, told.held = told.held, 0
        return held

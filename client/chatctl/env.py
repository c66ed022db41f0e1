"""What surrounds one run of a client: its streams, its environment variables, and where its daemon lives.

Read once and passed down, so that tests run a whole client in-process with streams of their own.
"""

import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, TextIO

from chatcore.paths import Paths

COLOURS_256 = 256
COLOURS_8 = 8
FALLBACK_COLUMNS = 80


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
        stdout = sys.stdout if sys.stdout is not None else io.StringIO()
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


@dataclass(frozen=True, slots=True)
class Place:
    """Where a daemon is to be found; `command` puts one there, `lock` is what one holds.

    `config` are the settings, `chat` what the REPL remembers; neither need exist.
    """

    socket: str
    command: tuple[str, ...]
    lock: str | None = None
    config: str | None = None
    chat: str | None = None

    @property
    def start(self) -> str:
        """The command as a shell takes it, to be shown."""
        import shlex  # noqa: PLC0415 - only an error shows it

        return shlex.join(self.command)


def locate(home: str | None, socket: str | None, variables: Mapping[str, str]) -> Place:
    """Flags before the environment, a socket before a home of the same rank: as the daemon's settings."""
    if not socket and not home:
        socket = variables.get("CHATD_SOCKET")
    home = home or variables.get("CHATD_HOME") or None
    paths = Paths.resolve(home, variables)
    config = variables.get("CHATD_CONFIG") or paths.config
    # A daemon started by hand elsewhere does not have our environment.
    command = ("chatd", *(("--home", home) if home else ()), *(("--socket", socket) if socket else ()))
    lock = paths.lock if home or not socket else None  # of a socket alone nobody knows whose it is
    return Place(socket or paths.socket, command, lock, config, paths.chat)

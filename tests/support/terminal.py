"""A real terminal for a program: pexpect gives the pty, pyte its screen, so tests read what a person sees."""

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import pexpect
import pyte

from tests.support.daemon import BIN, environment

COLUMNS = 80
LINES = 24
SCROLLBACK = 1000
DEADLINE_S = 20.0
READ_BYTES = 64 * 1024


class Terminal:
    """`with Terminal("chat", "--home", home) as chat:` starts the program and closes it at the end.

    A program with a whole path is another's, as a shell; `variables` are added to its environment.
    """

    screen_type: type[pyte.HistoryScreen] = pyte.HistoryScreen

    def __init__(
        self,
        program: str,
        *arguments: str,
        columns: int = COLUMNS,
        lines: int = LINES,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.screen = self.screen_type(columns, lines, history=SCROLLBACK)
        self._stream = pyte.ByteStream(self.screen)
        self.child = pexpect.spawn(
            str(BIN / program),
            list(arguments),
            dimensions=(lines, columns),
            env=environment(**{"TERM": "xterm-256color", **(variables or {})}),
            timeout=DEADLINE_S,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.child.close(force=True)

    @property
    def text(self) -> str:
        """What stands on the screen now."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def type(self, text: str) -> None:
        self.child.send(text)

    def enter(self, line: str) -> None:
        self.child.send(line + "\r")

    def wait_for(self, wanted: str) -> None:
        """Until `wanted` is on the screen. Raises AssertionError with the screen when it never is."""
        self._read_until(lambda: wanted in self.text, f"{wanted!r} never appeared")

    def wait_gone(self, unwanted: str) -> None:
        """Until `unwanted` is no longer on the screen, else as `wait_for`."""
        self._read_until(lambda: unwanted not in self.text, f"{unwanted!r} stayed")

    def _read_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + DEADLINE_S
        while not condition():
            left = end - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{otherwise}; the screen:\n{self.text}")

    def settle(self, quiet_s: float = 0.5) -> None:
        """Until nothing has been drawn for so long; for a picture, where no test waits for anything."""
        while self._read(quiet_s):
            pass

    def wait_exit(self) -> int:
        """The exit code, once the program has ended and all it wrote is on the screen."""
        end = time.monotonic() + DEADLINE_S
        while self._read(end - time.monotonic()):
            pass
        self.child.close()
        code: int = self.child.exitstatus
        return code

    def _read(self, timeout_s: float) -> bool:
        """Take in the next output; False at the program's end or when none came in time."""
        try:
            data: bytes = self.child.read_nonblocking(READ_BYTES, timeout=max(timeout_s, 0))
        except (pexpect.EOF, pexpect.TIMEOUT):
            return False
        self._stream.feed(data)
        # A program that asks where the cursor is waits for the terminal's answer.
        if b"\x1b[6n" in data:
            self.child.send(f"\x1b[{self.screen.cursor.y + 1};{self.screen.cursor.x + 1}R")
        return True

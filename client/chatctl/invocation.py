"""One run of a client: what its command line said, and the ways it answers."""

import json
from typing import TYPE_CHECKING, Any

from chatctl.env import Environment, abandon
from chatctl.failures import OutputFailed
from chatctl.limits import DEFAULT_TIMEOUT_S
from chatctl.place import Place, locate
from chatctl.safetext import clean_line, escape_json
from chatctl.style import Style

if TYPE_CHECKING:
    from chatctl.rpc import Rpc


class Invocation:
    """What one run was told on its command line, and the ways it answers."""

    def __init__(self, program: str, env: Environment) -> None:
        self.program = program
        self.env = env
        self.home: str | None = None
        self.socket: str | None = None
        self.as_json = False
        self.colour = True
        self.timeout_s = DEFAULT_TIMEOUT_S

    @property
    def place(self) -> Place:
        return locate(self.home, self.socket, self.env.variables)

    def rpc(self, timeout_s: float | None = None) -> "Rpc":
        from chatctl.rpc import Rpc  # noqa: PLC0415 - the chat has a connection of its own

        return Rpc(self.place, self.timeout_s if timeout_s is None else timeout_s)

    @property
    def style(self) -> Style:
        return Style(self.env.colours(wanted=self.colour))

    def out(self, text: str) -> None:
        """Data, to standard output."""
        if text:
            self._write(text + "\n")

    def flush(self) -> None:
        self._write("", flush=True)

    def _write(self, text: str, *, flush: bool = False) -> None:
        try:
            if text:  # unbuffered, even nothing is written, and a full disk takes not even that
                self.env.stdout.write(text)
            if flush:
                self.env.stdout.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            why = f"cannot write to standard output: {error.strerror}"
            raise OutputFailed(why, "see where it leads") from error

    def say(self, text: str) -> None:
        """Talk, to standard error."""
        self.talk(f"{self.program}: {clean_line(text)}")

    def talk(self, line: str) -> None:
        """The same as it is. Whether anybody listens changes nothing of what is done, nor of how it ended."""
        try:
            self.env.stderr.write(line + "\n")
            self.env.stderr.flush()
        except OSError:
            abandon(self.env.stderr)

    def document(self, value: Any) -> None:
        """One JSON document on one line, or indented for a terminal."""
        self.out(self.to_json(value, indent=2 if self.env.stdout.isatty() else None))

    def to_json(self, value: Any, indent: int | None = None) -> str:
        return escape_json(json.dumps(value, ensure_ascii=not self.env.takes_unicode(), indent=indent))

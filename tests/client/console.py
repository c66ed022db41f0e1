"""A client run in-process, with streams of the test's own."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chatctl.cli import main as chatctl_main
from chatctl.env import Environment
from chatctl.repl.main import main as chat_main

Main = Callable[[Sequence[str], Environment], int]


class Screen(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self) -> bool:
        return True


class Keyboard(io.BytesIO):
    """Lines typed at a terminal."""

    def isatty(self) -> bool:
        return True


@dataclass
class Console:
    """`home` stands in the environment as CHATD_HOME; `done` values are exit statuses."""

    home: Path | None = None
    variables: dict[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    out: str = ""
    err: str = ""
    terminal: bool = False

    def chatctl(self, *arguments: str) -> int:
        return self._run(chatctl_main, arguments)

    def chat(self, *arguments: str) -> int:
        return self._run(chat_main, arguments)

    def environment(self) -> Environment:
        variables = dict(self.variables)
        if self.home is not None:
            variables["CHATD_HOME"] = str(self.home)
        stdout = Screen() if self.terminal else io.StringIO()
        return Environment(io.BytesIO(self.stdin), stdout, io.StringIO(), variables)

    def _run(self, main: Main, arguments: tuple[str, ...]) -> int:
        env = self.environment()
        status = main(arguments, env)
        assert isinstance(env.stdout, io.StringIO)
        assert isinstance(env.stderr, io.StringIO)
        self.out, self.err = env.stdout.getvalue(), env.stderr.getvalue()
        return status

    @property
    def error(self) -> str:
        """What was said on standard error, which is one line and no traceback."""
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.removesuffix("\n")

"""A tmux server of a test's own: programs in real terminals, keys sent to them, their screens read back."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.support.daemon import BIN, environment, wait_until
from tests.support.tools import tool

COLUMNS = 100
LINES = 30
DEADLINE_S = 60.0
"""Much over what a busy machine needs; only a failure takes so long."""


class Pane:
    def __init__(self, tmux: "Tmux", name: str) -> None:
        self._tmux = tmux
        self._name = name

    def keys(self, *names: str) -> None:
        """By tmux's names: `Enter`, `M-2`, `C-n`."""
        self._tmux.run("send-keys", "-t", self._name, *names)

    def type(self, text: str) -> None:
        self._tmux.run("send-keys", "-t", self._name, "-l", "--", text)

    def enter(self, text: str) -> None:
        self.type(text)
        self.keys("Enter")

    def paste(self, text: str) -> None:
        """As from a clipboard, in brackets where the program asked for them."""
        self._tmux.run("set-buffer", "-b", self._name, "--", text)
        self._tmux.run("paste-buffer", "-p", "-d", "-b", self._name, "-t", self._name)

    @property
    def screen(self) -> str:
        """What is to be seen now."""
        return self._tmux.run("capture-pane", "-p", "-t", self._name)

    @property
    def lines(self) -> list[str]:
        """What was ever shown and not drawn over, long lines in one piece."""
        return self._tmux.run("capture-pane", "-p", "-J", "-S", "-", "-t", self._name).splitlines()

    @property
    def rang(self) -> bool:
        return self._tmux.run("display-message", "-p", "-t", self._name, "#{window_bell_flag}").strip() == "1"

    @property
    def toolbar(self) -> str:
        return next((line for line in reversed(self.screen.splitlines()) if line.strip()), "")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        try:
            wait_until(condition, what, deadline_s=DEADLINE_S)
        except TimeoutError as error:
            raise AssertionError(f"{error}; the screen:\n{self.screen}") from error

    def wait_for(self, wanted: str) -> None:
        self.wait(lambda: wanted in self.screen, repr(wanted))

    def count(self, wanted: str) -> int:
        """Lines that end so."""
        return sum(line.rstrip().endswith(wanted) for line in self.lines)


class Tmux:
    """`with Tmux(folder) as tmux:` ends whatever runs in it."""

    def __init__(self, folder: Path) -> None:
        self._program = tool("tmux")
        self._socket = folder / "tmux.sock"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.run("kill-server", check=False)

    def open(self, name: str, program: str, *arguments: str) -> Pane:
        command = shlex.join([str(BIN / program), *arguments])
        size = ("-x", str(COLUMNS), "-y", str(LINES))
        self.run("-f", "/dev/null", "new-session", "-d", "-s", name, *size, command)
        return Pane(self, name)

    def run(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [self._program, "-u", "-S", str(self._socket), *arguments],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=environment(LC_ALL="C.UTF-8", TERM="xterm-256color"),
            check=False,
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"tmux {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

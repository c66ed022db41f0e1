"""Writes above the prompt of a terminal."""

import contextlib
from collections.abc import Iterator
from typing import TextIO, cast

from prompt_toolkit.application import get_app
from prompt_toolkit.patch_stdout import StdoutProxy

REDRAW_PAUSE_S = 0.02
"""Between redraws of the prompt, so that a flood of lines costs few of them."""


class TerminalScreen:
    one_room = True
    folds = True

    def __init__(self, proxy: StdoutProxy, *, bell: bool) -> None:
        self._proxy = proxy
        self._bell = bell

    def show(self, text: str) -> None:
        self._write(text + "\n")

    def clear(self) -> None:
        self._write("\x1b[H\x1b[2J")  # not the renderer's own: this one keeps its place among the lines

    def bell(self) -> None:
        if self._bell:
            self._write("\x07")

    def refresh(self) -> None:
        get_app().invalidate()

    def _write(self, text: str) -> None:
        self._proxy.write(text)
        self._proxy.flush()

    @property
    def columns(self) -> int | None:
        return get_app().output.get_size().columns


@contextlib.contextmanager
def terminal_screen(*, bell: bool) -> Iterator[TerminalScreen]:
    """As `patch_stdout`, but it does not keep a line back for 0.2 s after the one before."""
    with StdoutProxy(sleep_between_writes=REDRAW_PAUSE_S, raw=True) as proxy:
        stream = cast("TextIO", proxy)
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield TerminalScreen(proxy, bell=bell)

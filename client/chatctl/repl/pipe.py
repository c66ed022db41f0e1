"""A plain chat: each line of standard input is taken, what comes in goes to standard output.

For pipes, and for terminals where lines should only be written, never changed: screen readers, `TERM=dumb`.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from chatctl.failures import BadUsage, ClientFailure, DaemonUnreachable, ExitStatus, OutputFailed, exit_status
from chatctl.invocation import Invocation
from chatctl.repl.hints import hint_of
from chatctl.repl.linereader import LineReader

if TYPE_CHECKING:
    from chatctl.repl.chat import Chat

ECHO_WAIT_S = 2.0
"""After the last line, until our own messages have come back to be shown."""


AWAY_S = 60.0
"""For a daemon that is away, with each line."""


class PipeScreen:
    """Lines as they come, of all rooms; no cursor is moved and no line is drawn again."""

    one_room = False
    columns = None

    def __init__(self, told: Invocation, *, bell: bool = False) -> None:
        self.folds = told.env.stdout.isatty()
        self._told = told
        self._bell = bell

    def show(self, text: str) -> None:
        self._told.out(text)
        self._told.flush()

    def clear(self) -> None:
        """There is no screen."""

    def bell(self) -> None:
        if self._bell and self._told.env.stdout.isatty():
            self._told.env.stdout.write("\x07")
            self._told.flush()

    def refresh(self) -> None:
        """There is no prompt."""


async def run(told: Invocation, chat: "Chat", begin: Callable[[], Awaitable[None]]) -> ExitStatus:
    """Until standard input ends, or /quit. Reports the last failure there was, each on a line of its own.

    `begin` is done first, while somebody watches. Raises what it raises.
    """
    watcher = asyncio.create_task(chat.watch())
    try:
        await begin()
        taking = asyncio.create_task(_take_all(told, chat))
        await asyncio.wait([watcher, taking], return_when=asyncio.FIRST_COMPLETED)
        if watcher.done():
            taking.cancel()
            await watcher  # raises what ended it: the reader of our output is gone
        return await taking
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await watcher


async def _take_all(told: Invocation, chat: "Chat") -> ExitStatus:
    status = ExitStatus.OK
    lines, number = LineReader(told.env.stdin), 0
    while not chat.over and (line := await lines.next()) is not None:
        number += 1
        try:
            await _take(chat, _decoded(line))
        except OutputFailed:
            raise  # of no line, and no other would be seen
        except ClientFailure as failure:
            status = exit_status(failure)
            where = "" if told.env.stdin.isatty() else f"line {number}: "
            hint = hint_of(failure)
            told.say(f"{where}{failure}; {hint}" if hint else f"{where}{failure}")
    await _wait_for_echoes(chat)
    return status


async def _take(chat: "Chat", line: str) -> None:
    """Nobody is there to press Enter again, so a daemon that restarts is waited for. Raises ClientFailure."""
    deadline = asyncio.get_running_loop().time() + AWAY_S
    while True:
        try:
            await chat.take(line)
        except DaemonUnreachable as failure:
            if not failure.transient:
                raise
            try:
                async with asyncio.timeout_at(deadline):
                    await chat.stream.until_connected()
            except TimeoutError:
                raise failure from None
        else:
            return


async def _wait_for_echoes(chat: "Chat") -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(ECHO_WAIT_S):
            await chat.echoes.all_heard()


def _decoded(line: bytes) -> str:
    try:
        return line.decode().removesuffix("\r")
    except UnicodeDecodeError as error:
        raise BadUsage("a line is not valid UTF-8 and was left out", "convert it with iconv") from error

"""`tail`: the last messages, then each new one, across restarts of the daemon."""

import asyncio
import fcntl
import os
import stat
import time
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TextIO

from chatcore.errors import BadName
from chatcore.names import room_name
from chatctl import render
from chatctl.commands.answering import MISSHAPEN, misshapen
from chatctl.commands.reading import page_of
from chatctl.failures import BadUsage
from chatctl.intime import InTime
from chatctl.invocation import Invocation
from chatctl.latecomers import Latecomers
from chatctl.nicks import Nicks

if TYPE_CHECKING:
    from chatctl.stream import Update


class Tail:
    """Prints messages of one room, each once. In a terminal those that come late are told of together; what
    reads a pipe gets each as it comes."""

    def __init__(self, told: Invocation, room: str) -> None:
        self._told = told
        self._room = room
        self._nicks = Nicks()
        self._shown: set[str] = set()
        self._late = Latecomers()
        self._folds = told.env.stdout.isatty() and not told.as_json
        self.in_time = InTime(lambda: self._late.due, self.tell_late, time.monotonic)

    def show_old(self, messages: Any) -> None:
        self._shown.update(message["id"] for message in messages)
        for message in messages:
            self._nicks.observe(message["author"], message["username"])
        for message in messages:
            self._print(message)

    def show_new(self, message: Any) -> None:
        """What came in between subscribing and reading the history comes by both ways."""
        if message["room"] != self._room or message["id"] in self._shown:
            return
        if self._folds and self._late.is_late(message):
            self._late.add(message, time.monotonic())
            self.in_time.wake()
        else:
            self._print(message)

    def start_over(self) -> None:
        """Another store answers."""
        self._shown.clear()
        self._late.forget()

    def tell_late(self) -> None:
        """What waits to be told, now."""
        for late in self._late.flush():
            if not late.messages:
                self._told.say(f"{render.late(late)}; {render.history_of(late)} shows them in their place")
            elif late.before:
                self._told.say(render.SAID_BEFORE)
            for message in late.messages:
                self._print(message)

    def _print(self, message: Any) -> None:
        told = self._told
        self._late.passed(message)
        told.out(
            told.to_json(message) if told.as_json else render.history([message], self._nicks, told.style)[0]
        )
        told.flush()


def tail(told: Invocation, room: str, limit: int, *, follow: bool) -> None:
    try:
        printer = Tail(told, room_name(room))
    except BadName as error:
        raise BadUsage(str(error), error.hint) from error
    try:
        if follow:
            asyncio.run(_until_reader_leaves(told, _follow(told, printer, room_name(room), limit)))
        elif limit:
            printer.show_old(_history(told, room, limit))
    except BrokenPipeError:
        raise
    except MISSHAPEN as error:
        raise misshapen("message.history") from error


def _history(told: Invocation, room: str, limit: int) -> Any:
    return page_of(told, "message.history", {"room": room}, limit)


async def _until_reader_leaves(told: Invocation, following: Coroutine[Any, Any, None]) -> None:
    """A pipe tells by an error that nobody reads it any more; in a quiet room no write would find out.

    Raises BrokenPipeError then.
    """
    task = asyncio.ensure_future(following)
    left = False

    def on_error() -> None:
        nonlocal left
        left = True
        task.cancel()

    pipe = _pipe_of(told.env.stdout)
    loop = asyncio.get_running_loop()
    if pipe is not None:
        loop.add_reader(pipe, on_error)
    try:
        await task
    except asyncio.CancelledError:
        if left:
            raise BrokenPipeError from None
        raise
    finally:
        if pipe is not None:
            loop.remove_reader(pipe)


def _pipe_of(stream: TextIO) -> int | None:
    """Its descriptor when it is the writing end of a pipe: there reading can only mean an error."""
    try:
        number = stream.fileno()
        mode, access = os.fstat(number).st_mode, fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE
    except (OSError, ValueError):
        return None
    return number if stat.S_ISFIFO(mode) and access == os.O_WRONLY else None


async def _follow(told: Invocation, printer: Tail, room: str, limit: int) -> None:
    from chatctl.stream import Stream  # noqa: PLC0415 - asyncio, for -f only

    async with Stream(told.place, told.timeout_s) as stream:
        snapshot = await stream.open()
        # On a connection of its own: this one may be busy with events. Refused for a room nobody was in.
        found = await asyncio.to_thread(_history, told, room, limit or 1)
        printer.show_old(found if limit else [])
        if room not in [entry["room"] for entry in snapshot["rooms"]]:
            told.say(f"this node has left #{room}; more comes once it is in there again")
        try:
            async with asyncio.TaskGroup() as tasks:
                telling = tasks.create_task(printer.in_time.run())
                async for update in stream.updates():
                    _tell(told, printer, update)
                telling.cancel()
        finally:
            printer.tell_late()


def _tell(told: Invocation, printer: Tail, update: "Update") -> None:
    from chatctl.stream import Away, Back, Event  # noqa: PLC0415 - as above

    try:
        match update:
            case Event("message", data):
                printer.show_new(data)
            case Event():
                pass
            case Away():
                told.say("the daemon went away; waiting for it to come back")
            case Back(resumed=True):
                told.say("the daemon is back")
            case Back():
                printer.start_over()
                told.say("another daemon answers now, or another store; what comes now is from there")
    except MISSHAPEN as error:
        raise misshapen("events.subscribe") from error

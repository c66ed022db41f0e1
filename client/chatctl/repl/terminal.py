"""The chat in a terminal: a prompt that stays at the bottom while lines are printed above it.

The prompt runs for the whole chat, and entered lines are worked off beside it, so nothing that is typed while
the daemon is slow gets lost or echoed twice.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import ANSI
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from chatctl.commands.answering import MISSHAPEN
from chatctl.failures import ClientFailure, DaemonUnreachable
from chatctl.repl import keys, pasting
from chatctl.repl.commands import COMMANDS
from chatctl.repl.completion import ChatCompleter
from chatctl.repl.drafts import Drafts
from chatctl.repl.lag import Lag
from chatctl.repl.lines import Call, Go, Line, Say, parse, typed
from chatctl.repl.toolbar import RoomState, State, toolbar
from chatctl.safetext import clean_line, without_controls

if TYPE_CHECKING:
    from chatctl.repl.chat import Chat

MAX_LINES_AHEAD = 256

_STYLE = Style.from_dict({"bottom-toolbar": "noreverse", "bottom-toolbar.text": "noreverse"})
"""The theme says it."""


def _stay(_: Buffer) -> bool:
    """Instead of prompt-toolkit's own, which ends the prompt: what is typed stays."""
    return True


def _continuation(width: int, _: int, is_soft_wrap: int) -> str:
    """The further lines of a message stand under its first; a long line uses the whole width."""
    return "" if is_soft_wrap else " " * width


class Terminal:
    def __init__(self, chat: "Chat", *, colour: bool) -> None:
        self._chat = chat
        self._entered: asyncio.Queue[Line] = asyncio.Queue(MAX_LINES_AHEAD)
        self._heading: str | None = None
        """The room a key was pressed for, until we are there."""

        self._line_in = chat.conversation.room
        """The room that what stands in the input line is for."""

        self._moving = False
        self._pending: pasting.Pending | None = None
        self.session: PromptSession[str] = PromptSession(
            message=lambda: ANSI(self._chat.style.prompt(self.prompt())),
            bottom_toolbar=lambda: ANSI(self.toolbar()),
            completer=ChatCompleter(chat.conversation),
            complete_while_typing=False,
            key_bindings=keys.bindings(self),
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            style=_STYLE,
            erase_when_done=True,
            prompt_continuation=_continuation,
            enable_suspend=True,
        )
        self.session.default_buffer.accept_handler = _stay
        self._drafts = Drafts(self.session.default_buffer, chat.note)
        self.lag = Lag(chat.stream, self.session.app.invalidate)
        self.session.app.key_processor.before_key_press += lambda _: chat.attend()
        self.session.app.before_render += self._before_render

    # The run of it

    async def run(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Until /quit, Ctrl-D or a signal that ends us. `begin` is done first, while somebody watches."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._chat.watch())]
            try:
                await begin()
                work = (self._work(), self._count_unread(), self.lag.measure())
                beside += [tasks.create_task(item) for item in work]
                await self._ask()
            finally:
                for task in beside:
                    task.cancel()

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        signals = (signal.SIGTERM, signal.SIGHUP)
        for number in signals:  # so that the terminal is left as it was found
            loop.add_signal_handler(number, self._end)
        try:
            await self.session.prompt_async()
        except EOFError:
            pass
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        app = self.session.app
        if app.is_running and not app.is_done:
            app.exit(exception=EOFError)

    async def _count_unread(self) -> None:
        with contextlib.suppress(ClientFailure, *MISSHAPEN):  # the daemon went away: no count is no harm
            await self._chat.reading.count_unread()

    # What is seen

    @property
    def _room(self) -> str:
        """Where the next line goes."""
        return self._heading or self._chat.conversation.room

    def prompt(self) -> str:
        if self._pending is not None:
            return self._pending.question
        away = "" if self._chat.stream.connected else " (daemon away)"
        where = f"#{self._room}" if self._chat.conversation.rooms else "(no room)"
        return f"{where}{away}> "

    def toolbar(self) -> str:
        chat, here = self._chat, self._room
        now = chat.conversation
        state = State(
            rooms=[RoomState(room, chat.reading.unread.of(room), room == here) for room in now.rooms],
            peers=now.peers,
            lag_ms=self.lag.ms,
            last=now.deliveries.summary,
            away=not chat.stream.connected,
        )
        return toolbar(state, chat.style, self.session.app.output.get_size().columns)

    # What is worked off

    async def _work(self) -> None:
        while not self._chat.over:
            line = await self._entered.get()
            self._moving = isinstance(line, Call)
            await self._do(line)
            if self._entered.empty():
                self._heading = None
            if self._moving:
                self._moving, self._line_in = False, self._room
            self.session.app.invalidate()
        self._end()

    async def _do(self, line: Line) -> None:
        if isinstance(line, Call) and not (line.name in COMMANDS and COMMANDS[line.name].quiet):
            self._chat.show(self._chat.style.dim(f"> {clean_line(typed(line))}"))
        room = self._chat.conversation.room
        try:
            await self._chat.do(line)
        except ClientFailure as failure:
            self._chat.show(self._chat.view.error(failure))
            if isinstance(line, Say):
                rooms = self._chat.conversation.rooms
                self._drafts.give_back(typed(line), room, self._room, rooms)

    def _before_render(self, _: object) -> None:
        self._put_aside()
        self._drafts.keep_to(self._chat.conversation.rooms)

    def _put_aside(self) -> bool:
        """What is typed for a room that was left elsewhere must not go to the next. Whether there was any."""
        was, self._line_in = self._line_in, self._room
        if self._moving or was == self._line_in or was in self._chat.conversation.rooms:
            return False
        text = self.session.default_buffer.text if self._pending is None else self._pending.text
        self._pending = None
        if text:
            self._drafts.put_aside(text, was)
        return bool(text)

    # What the keys ask for

    def enter(self) -> None:
        if self._put_aside():
            return
        buffer = self.session.default_buffer
        text = buffer.text = without_controls(buffer.text)
        line = parse(text)
        if line is None:
            buffer.reset()
        elif self._takes(line):
            buffer.append_to_history()
            buffer.reset()
            self._entered.put_nowait(line)

    def _takes(self, line: Line) -> bool:
        if isinstance(line, Say) and not self._chat.stream.connected:
            why = DaemonUnreachable("", "not sent, the daemon is away", "press Enter again once it is back")
            self._chat.show(self._chat.view.error(why))
            return False
        if self._entered.full():
            self._chat.note("the daemon is slow; press Enter again in a moment")
            return False
        return True

    @property
    def is_asking(self) -> bool:
        return self._pending is not None

    def paste(self, data: str) -> None:
        document = self.session.default_buffer.document
        try:
            if self._pending is not None:
                found: pasting.Pending | str = self._pending.and_then(data)
            else:
                found = pasting.pasted(data, document.text_before_cursor, document.text_after_cursor)
        except pasting.TooMuch:
            self._chat.note(f"that is over {pasting.MAX_PASTE_CHARS:,} characters and was not pasted")
            return
        if isinstance(found, str):
            self.session.default_buffer.insert_text(found)
        else:
            self._pending = found
            self.session.default_buffer.reset()

    def answer(self, key: str) -> None:
        """`y` sends, `e` puts it into the line, `n` leaves the line as it was."""
        self._put_aside()
        pending, self._pending = self._pending, None
        if pending is None:
            return
        self._drafts.write(pending.before + pending.after if key == "n" else pending.text)
        if key == "y":
            self._send_pasted(pending)

    def _send_pasted(self, pending: pasting.Pending) -> None:
        """A text; the first line of what was pasted is no command, though it begins with a slash."""
        text = without_controls(pending.text)
        line = parse(text) if pending.before else Say(text)
        if line is not None and self._takes(line):
            self.session.default_buffer.append_to_history()
            self.session.default_buffer.reset()
            self._entered.put_nowait(line)

    def turn_to_number(self, number: int) -> None:
        rooms = self._chat.conversation.rooms
        if number <= len(rooms):
            self._turn_to(rooms[number - 1])

    def turn_by(self, step: int) -> None:
        rooms = self._chat.conversation.rooms
        if self._room in rooms:
            self._turn_to(rooms[(rooms.index(self._room) + step) % len(rooms)])

    def turn_to_activity(self) -> None:
        room = self._chat.reading.unread.next_after(self._room, self._chat.conversation.rooms)
        if room is None:
            self._chat.note("nothing new in other rooms")
        else:
            self._turn_to(room)

    def _turn_to(self, room: str) -> None:
        """What is half typed stays with its room. Lines entered before still go where they were meant for."""
        if room == self._room or self._entered.full():
            return
        self._drafts.turn(self._room, room)
        self._heading = self._line_in = room
        self._entered.put_nowait(Go(room))

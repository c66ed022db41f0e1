"""The chat in a terminal: a prompt that stays at the bottom while lines are printed above it.

The prompt runs for the whole chat, and entered lines are worked off beside it, so nothing that is typed while
the daemon is slow gets lost or echoed twice.
"""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, TextIO, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import has_focus
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.patch_stdout import StdoutProxy

from chatctl.failures import ClientFailure, DaemonUnreachable
from chatctl.repl.commands import COMMANDS
from chatctl.repl.completion import ChatCompleter
from chatctl.repl.lines import Call, Say, parse
from chatctl.safetext import clean_line, without_controls

if TYPE_CHECKING:
    from chatctl.repl.chat import Chat

MAX_LINES_AHEAD = 256
REDRAW_PAUSE_S = 0.02
"""Between redraws of the prompt, so that a flood of lines costs few of them."""


class TerminalScreen:
    """Writes above the prompt."""

    def __init__(self, proxy: StdoutProxy) -> None:
        self._proxy = proxy

    def show(self, text: str) -> None:
        self._write(text + "\n")

    def clear(self) -> None:
        self._write("\x1b[H\x1b[2J")  # not the renderer's own: this one keeps its place among the lines

    def refresh(self) -> None:
        get_app().invalidate()

    def _write(self, text: str) -> None:
        self._proxy.write(text)
        self._proxy.flush()

    @property
    def columns(self) -> int | None:
        return get_app().output.get_size().columns


@contextlib.contextmanager
def terminal_screen() -> Iterator[TerminalScreen]:
    """As `patch_stdout`, but it does not keep a line back for 0.2 s after the one before."""
    with StdoutProxy(sleep_between_writes=REDRAW_PAUSE_S, raw=True) as proxy:
        stream = cast("TextIO", proxy)
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            yield TerminalScreen(proxy)


def _stay(_: Buffer) -> bool:
    """Instead of prompt-toolkit's own, which ends the prompt: what is typed stays."""
    return True


def _continuation(width: int, _: int, is_soft_wrap: int) -> str:
    """The further lines of a message stand under its first; a long line uses the whole width."""
    return "" if is_soft_wrap else " " * width


class Terminal:
    def __init__(self, chat: "Chat", *, colour: bool) -> None:
        self._chat = chat
        self._entered: asyncio.Queue[str] = asyncio.Queue(MAX_LINES_AHEAD)
        self.session: PromptSession[str] = PromptSession(
            message=self.prompt,
            rprompt=self.beside_prompt,
            completer=ChatCompleter(chat.conversation),
            complete_while_typing=False,
            key_bindings=self._bindings(),
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            erase_when_done=True,
            prompt_continuation=_continuation,
            enable_suspend=True,
        )
        self.session.default_buffer.accept_handler = _stay

    async def run(self) -> None:
        """Until /quit, Ctrl-D or a signal that ends us."""
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(self._work()), tasks.create_task(self._chat.watch())]
            try:
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

    def prompt(self) -> StyleAndTextTuples:
        away = "" if self._chat.stream.connected else " (daemon away)"
        conversation = self._chat.conversation
        where = f"#{conversation.room}" if conversation.rooms else "(no room)"
        return [("bold", f"{where}{away}> ")]

    def beside_prompt(self) -> StyleAndTextTuples:
        """How our last message is doing."""
        return [("fg:ansibrightblack", self._chat.conversation.deliveries.summary)]

    async def _work(self) -> None:
        while not self._chat.over:
            line = await self._entered.get()
            await self._take(line)
            self.session.app.invalidate()
        self._end()

    async def _take(self, line: str) -> None:
        parsed = parse(line)
        if isinstance(parsed, Call) and not (parsed.name in COMMANDS and COMMANDS[parsed.name].quiet):
            self._chat.show(self._chat.style.dim(f"> {clean_line(line)}"))
        try:
            await self._chat.take(line)
        except ClientFailure as failure:
            self._chat.show(self._chat.view.error(failure))
            if isinstance(parsed, Say):
                self._give_back(line)

    def _give_back(self, line: str) -> None:
        """What could not be sent stands in the input line again; if that is in use, in the history."""
        buffer = self.session.default_buffer
        if not buffer.text:
            buffer.text = line
            buffer.cursor_position = len(line)
        else:
            self._chat.show(self._chat.view.note(f"the Up key brings it back: {clean_line(line)}"))

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        in_input = has_focus(DEFAULT_BUFFER)

        @bindings.add("enter", filter=in_input)
        def _(event: KeyPressEvent) -> None:
            self._enter(event)

        @bindings.add("escape", "enter", filter=in_input)
        @bindings.add("escape", "c-j", filter=in_input)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.newline(copy_margin=False)

        @bindings.add("c-o")
        @bindings.add("escape", "#")
        def _(_event: KeyPressEvent) -> None:
            """Readline's, which take the line as entered."""

        @bindings.add("c-c", filter=in_input)
        @bindings.add("<sigint>")
        def _(event: KeyPressEvent) -> None:
            event.app.current_buffer.reset()

        return bindings

    def _enter(self, event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        line = buffer.text = without_controls(buffer.text)
        if isinstance(parse(line), Say) and not self._chat.stream.connected:
            why = DaemonUnreachable("", "not sent, the daemon is away", "press Enter again once it is back")
            self._chat.show(self._chat.view.error(why))
            return
        if self._entered.full():
            self._chat.show(self._chat.view.note("the daemon is slow; press Enter again in a moment"))
            return
        buffer.append_to_history()
        buffer.reset()
        if parse(line) is not None:
            self._entered.put_nowait(line)

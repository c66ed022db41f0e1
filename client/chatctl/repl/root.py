"""The `chat` command itself: connect, say who we are, hand over to the terminal or the pipe."""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable

import click

from chatctl import candidates
from chatctl.failures import ExitStatus, NoDaemon
from chatctl.invocation import Invocation
from chatctl.options import Command, help_option, place_options, utf8
from chatctl.repl import pipe, settings
from chatctl.repl.chat import Chat
from chatctl.repl.memory import Memory
from chatctl.repl.reading import Screen
from chatctl.repl.settings import ChatSettings
from chatctl.stream import Stream
from chatctl.style import PLAIN, Style

SAVE_EVERY_S = 5.0
"""What has been read meanwhile is new again in the next chat after a kill."""


class ChatCommand(Command):
    def shared_options(self) -> list[click.Parameter]:
        return [*place_options(), help_option()]


@click.command(
    "chat",
    cls=ChatCommand,
    examples=(
        ("chat", "talk in #lobby"),
        ("chat --room rust", "in another room; comes into it if need be"),
        ("chat --home /tmp/b", "with the daemon of another folder"),
        ("chat --plain", "lines only: for screen readers"),
        ("chat < lines", "as if typed; what a program prints goes by chatctl send - --lines"),
    ),
)
@click.option(
    "--room",
    "-r",
    type=utf8,
    metavar="ROOM",
    help="The room to talk in.  [default: lobby]",
    shell_complete=candidates.known_rooms,
)
@click.option("--plain", is_flag=True, help="No colours, no toolbar, no line drawn twice; as in a pipe.")
@click.pass_obj
def chat(told: Invocation, room: str | None, *, plain: bool) -> ExitStatus:
    """Chat with the people your daemon is linked with. Type /help for the commands."""
    wanted = settings.load(told.place.config)
    plain = plain or wanted.plain
    try:
        return asyncio.run(_chat(told, wanted, room, plain=plain))
    except NoDaemon as failure:
        from chatctl.repl import starting  # noqa: PLC0415 - seldom needed

        if not starting.is_possible(told.env) or not starting.ask(told.env, failure):
            raise
        pid = starting.start(told.place)
        told.out(f"-- started chatd, process {pid}; it goes on when you leave; `{told.place.stop}` ends it")
        told.flush()
        return asyncio.run(_chat(told, wanted, room, plain=plain))


async def _chat(told: Invocation, wanted: ChatSettings, room: str | None, *, plain: bool) -> ExitStatus:
    style = PLAIN if plain else Style(told.style.colours, wanted.theme)
    with contextlib.ExitStack() as stack:
        screen: Screen = pipe.PipeScreen(told, bell=wanted.bell)
        in_terminal = told.env.is_interactive() and not plain
        async with Stream(told.place) as stream:
            snapshot = await stream.open()
            if in_terminal:
                from chatctl.repl.screen import terminal_screen  # noqa: PLC0415 - prompt-toolkit

                screen = stack.enter_context(terminal_screen(bell=wanted.bell))
            # What a program saw on its way through a pipe, nobody has read.
            path = told.place.chat if told.env.stdin.isatty() else None
            memory = Memory.load(path, snapshot["identity"]["peer_id"], snapshot["seq"])
            chat = Chat(stream, snapshot, style, screen, memory=memory)
            begin = functools.partial(_begin, told, chat, room, in_terminal=in_terminal)

            def save() -> None:
                memory.save(path, chat.conversation.me["peer_id"])

            stack.callback(save)
            stack.callback(chat.tell)
            stack.callback(asyncio.create_task(_now_and_then(save)).cancel)
            return await (_in_terminal(chat, begin) if in_terminal else pipe.run(told, chat, begin))


async def _now_and_then(save: Callable[[], None]) -> None:
    """Nobody is asked before a process is killed, or a machine goes down."""
    while True:
        await asyncio.sleep(SAVE_EVERY_S)
        save()


async def _begin(told: Invocation, chat: Chat, room: str | None, *, in_terminal: bool) -> None:
    with chat.beginning():
        if room is not None:
            await chat.enter(room)
        if in_terminal:
            chat.show(chat.view.greeting())
        else:
            told.talk(chat.view.greeting())
        if told.env.stdin.isatty():  # somebody reads along; a program did not ask for old lines
            await chat.start()


async def _in_terminal(chat: Chat, begin: Callable[[], Awaitable[None]]) -> ExitStatus:
    from chatctl.repl.terminal import Terminal  # noqa: PLC0415 - prompt-toolkit

    await Terminal(chat, colour=chat.style.colours > 0).run(begin)
    return ExitStatus.OK

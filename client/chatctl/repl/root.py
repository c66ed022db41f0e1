"""The `chat` command itself: connect, say who we are, hand over to the terminal or the pipe."""

import asyncio
from typing import TYPE_CHECKING

import click

from chatctl.failures import ExitStatus
from chatctl.invocation import Invocation
from chatctl.options import Command, help_option, place_options, utf8
from chatctl.repl import pipe
from chatctl.repl.chat import Chat
from chatctl.stream import Stream

if TYPE_CHECKING:
    from chatcore.api import Subscribed


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
        ("make 2>&1 | chat --room builds", "send each line that a program prints"),
    ),
)
@click.option("--room", "-r", type=utf8, metavar="ROOM", help="The room to talk in.  [default: lobby]")
@click.pass_obj
def chat(told: Invocation, room: str | None) -> ExitStatus:
    """Chat with the people your daemon is linked with. Type /help for the commands."""
    return asyncio.run(_chat(told, room))


async def _chat(told: Invocation, room: str | None) -> ExitStatus:
    async with Stream(told.place) as stream:
        snapshot = await stream.open()
        if told.env.is_interactive():
            return await _in_terminal(told, stream, snapshot, room)
        chat = Chat(stream, snapshot, told.style, pipe.PipeScreen(told))
        if room is not None:
            await chat.enter(room)
        told.env.stderr.write(chat.view.greeting() + "\n")
        return await pipe.run(told, chat)


async def _in_terminal(
    told: Invocation, stream: Stream, snapshot: "Subscribed", room: str | None
) -> ExitStatus:
    from chatctl.repl.terminal import Terminal, terminal_screen  # noqa: PLC0415 - prompt-toolkit

    with terminal_screen() as screen:
        chat = Chat(stream, snapshot, told.style, screen)
        if room is not None:
            await chat.enter(room)
        screen.show(chat.view.greeting())
        await chat.show_start()
        await Terminal(chat, colour=told.style.colours > 0).run()
    return ExitStatus.OK

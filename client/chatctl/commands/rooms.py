"""`rooms`, `join` and `leave`."""

from typing import Any

import click

from chatctl import render
from chatctl.commands.answering import ask
from chatctl.invocation import Invocation
from chatctl.options import Command, utf8


@click.command("rooms", cls=Command, examples=(("chatctl rooms", "a table of the rooms and who is in them"),))
@click.pass_obj
def rooms_command(told: Invocation) -> None:
    """List the rooms this node is in."""

    def show(found: Any) -> None:
        if found:
            told.out(render.rooms(found, told.style, told.env.columns()))
        else:
            told.say("in no room; come into one with chatctl join ROOM")

    ask(told, "room.list", None, show)


@click.command("join", cls=Command, examples=(("chatctl join rust", "come into #rust; the # may stay away"),))
@click.argument("room", type=utf8, metavar="ROOM")
@click.pass_obj
def join_command(told: Invocation, room: str) -> None:
    """Come into a room."""
    ask(told, "room.join", {"room": room}, lambda change: told.say(render.joined(change)))


@click.command("leave", cls=Command, examples=(("chatctl leave rust", "leave #rust"),))
@click.argument("room", type=utf8, metavar="ROOM")
@click.pass_obj
def leave_command(told: Invocation, room: str) -> None:
    """Leave a room; its history stays."""
    ask(told, "room.leave", {"room": room}, lambda change: told.say(render.left(change)))

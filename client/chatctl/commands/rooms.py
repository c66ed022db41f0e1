"""`rooms`, `who`, `join` and `leave`."""

from typing import Any

import click

from chatctl import candidates, render
from chatctl.commands.answering import ask
from chatctl.commands.messages import ROOM
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


@click.command(
    "who",
    cls=Command,
    params=[ROOM],
    examples=(
        ("chatctl who", "who is in #lobby, and who went within the last hour"),
        ("chatctl who --room rust --here", "only who is in #rust now"),
        ("chatctl who --json | jq -r '.[] | select(.state == \"lost\") | .username'", "who fell silent"),
    ),
)
@click.option("--here", is_flag=True, help="Only who is there now.")
@click.pass_obj
def who_command(told: Invocation, *, room: str | None, here: bool) -> None:
    """Show who is in a room, and when each was last heard of."""
    wanted = {"room": room, "former": False if here else None}
    params = {name: value for name, value in wanted.items() if value is not None}
    ask(
        told,
        "room.members",
        params or None,
        lambda found: told.out(render.members(found, told.style, told.env.columns())),
    )


@click.command("join", cls=Command, examples=(("chatctl join rust", "come into #rust; the # may stay away"),))
@click.argument("room", type=utf8, metavar="ROOM", shell_complete=candidates.known_rooms)
@click.pass_obj
def join_command(told: Invocation, room: str) -> None:
    """Come into a room."""
    ask(told, "room.join", {"room": room}, lambda change: told.say(render.joined(change)))


@click.command("leave", cls=Command, examples=(("chatctl leave rust", "leave #rust"),))
@click.argument("room", type=utf8, metavar="ROOM", shell_complete=candidates.joined_rooms)
@click.pass_obj
def leave_command(told: Invocation, room: str) -> None:
    """Leave a room; its history stays."""
    ask(told, "room.leave", {"room": room}, lambda change: told.say(render.left(change)))

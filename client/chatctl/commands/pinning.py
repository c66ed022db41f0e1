"""`pin`, `unpin` and `pins`: messages this node keeps whatever their age."""

from typing import Any

import click

from chatctl import render
from chatctl.commands.answering import answer, ask
from chatctl.commands.messages import ROOM
from chatctl.commands.reading import AFTER, BEFORE, page_of
from chatctl.invocation import Invocation
from chatctl.nicks import Nicks
from chatctl.options import Command, utf8


@click.command(
    "pin",
    cls=Command,
    examples=(("chatctl pin 3f9a0c81d2", "keep that message, whatever --retain says"),),
)
@click.argument("message", type=utf8, metavar="ID")
@click.pass_obj
def pin_command(told: Invocation, message: str) -> None:
    """Keep a message whatever its age, on this node. Nobody else is told.

    ID is at least the first ten digits; send, pins, and history with --json show it.
    """
    ask(told, "message.pin", {"id": message}, lambda change: told.say(render.pin_changed(change)))


@click.command(
    "unpin",
    cls=Command,
    examples=(("chatctl unpin 3f9a0c81d2", "let it go when its time comes"),),
)
@click.argument("message", type=utf8, metavar="ID")
@click.pass_obj
def unpin_command(told: Invocation, message: str) -> None:
    """Keep a message no longer than others."""
    ask(told, "message.unpin", {"id": message}, lambda change: told.say(render.pin_changed(change)))


@click.command(
    "pins",
    cls=Command,
    params=[ROOM, BEFORE, AFTER],
    examples=(
        ("chatctl pins", "the pinned messages of #lobby, oldest first, with their ids"),
        ("chatctl pins --room rust --limit 5", "the last five of #rust"),
    ),
)
@click.option(
    "--limit", "-n", type=click.IntRange(min=1), metavar="N", help="At most so many.  [default: 50]"
)
@click.pass_obj
def pins_command(
    told: Invocation,
    *,
    room: str | None,
    limit: int | None,
    before: int | str | None,
    after: int | str | None,
) -> None:
    """Show the pinned messages of a room, oldest first: the newest, or with --after those from there on."""
    wanted = {"room": room, "before": before, "after": after}
    params = {name: value for name, value in wanted.items() if value is not None}

    def show(found: Any) -> None:
        if found:
            told.out("\n".join(render.with_ids(found, Nicks(), told.style)))
        else:
            told.say(f"nothing is pinned in {render.room_label((room or 'lobby').removeprefix('#'))}")

    answer(told, "message.pins", page_of(told, "message.pins", params, limit), show)

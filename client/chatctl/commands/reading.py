"""`history` and `search`: what was said."""

from collections.abc import Iterator
from typing import Any

import click

from chatctl import candidates, render
from chatctl.commands.answering import MISSHAPEN, answer, misshapen
from chatctl.commands.messages import ROOM
from chatctl.failures import BadUsage, RpcRefused
from chatctl.invocation import Invocation
from chatctl.limits import MAX_PAGE
from chatctl.moments import moment_type
from chatctl.nicks import Nicks
from chatctl.options import Command, utf8

MUCH_NOT_SHOWN = "much_not_shown"

BEFORE = click.Option(["--before"], type=moment_type, metavar="ID|TIME", help="Only what was said before.")
AFTER = click.Option(["--after"], type=moment_type, metavar="ID|TIME", help="Only what was said after.")


@click.command(
    "history",
    cls=Command,
    params=[ROOM, BEFORE, AFTER],
    examples=(
        ("chatctl history", "the newest messages of #lobby, oldest first"),
        ("chatctl history rust --limit 5", "the last five of #rust"),
        ("chatctl history --after 2026-03-01 -n 20", "the first twenty since the first of March"),
        ("chatctl history --before 3f9a0c81d2", "what was said before that message"),
        ("chatctl history --all --json | jq -r .text", "everything, one JSON document a line"),
    ),
)
@click.argument("place", type=utf8, required=False, metavar="[ROOM]", shell_complete=candidates.known_rooms)
@click.option(
    "--limit", "-n", type=click.IntRange(min=1), metavar="N", help="At most so many.  [default: 50]"
)
@click.option("--all", "everything", is_flag=True, help="All there is, from the oldest message on.")
@click.pass_obj
def history_command(
    told: Invocation,
    *,
    place: str | None,
    room: str | None,
    limit: int | None,
    before: int | str | None,
    after: int | str | None,
    everything: bool,
) -> None:
    """Show messages of a room, oldest first: the newest, or with --after those from there on."""
    if place is not None and room is not None:
        raise BadUsage(f"two rooms: {place!r} and {room!r}", "name one")
    room = place if room is None else room
    wanted = {"room": room, "before": before, "after": after}
    params = {name: value for name, value in wanted.items() if value is not None}
    if everything:
        if limit is not None:
            raise BadUsage("--all shows everything, --limit does not", "leave out one of them")
        _show_all(told, {"after": 0, **params})
    else:
        found = page_of(told, "message.history", params, limit)
        answer(told, "message.history", found, lambda found: _show(told, found, Nicks()))


def _show(told: Invocation, found: Any, nicks: Nicks) -> None:
    told.out("\n".join(render.history(found, nicks, told.style)))


def _show_all(told: Invocation, params: dict[str, Any]) -> None:
    nicks = Nicks()
    try:
        for page in pages(told, params):
            if told.as_json:
                told.out("\n".join(told.to_json(message) for message in page))
            else:
                _show(told, page, nicks)
    except BrokenPipeError:
        raise
    except MISSHAPEN as error:
        raise misshapen("message.history") from error


def page_of(told: Invocation, method: str, params: dict[str, Any], limit: int | None) -> Any:
    """As many messages as asked for, however many the daemon gives at a time; None: as many as it likes."""
    if limit is None or limit <= MAX_PAGE:
        return told.rpc().call(method, params if limit is None else {**params, "limit": limit})
    return _many(told, method, params, limit)


def pages(
    told: Invocation, params: dict[str, Any], limit: int | None = None, method: str = "message.history"
) -> Iterator[list[Any]]:
    """From `after` on, or from `before` back, until there is nothing more; none of them is empty."""
    onwards = "after" in params
    size = limit or MAX_PAGE
    while True:
        try:
            page = told.rpc().call(method, {**params, "limit": size})
        except RpcRefused as refusal:
            if refusal.kind != MUCH_NOT_SHOWN:
                raise
            # Behind what was found lie more that are not shown than one call passes over.
            if refusal.data["found"]:
                yield told.rpc().call(method, {**params, "limit": refusal.data["found"]})
            params = {**params, "after" if onwards else "before": refusal.data["upto"]}
            continue
        if page:
            yield page
        if len(page) < size:
            return
        params = {**params, **({"after": page[-1]["id"]} if onwards else {"before": page[0]["id"]})}


def _many(told: Invocation, method: str, params: dict[str, Any], limit: int) -> list[Any]:
    """More than one page, where the newest may be wanted and the oldest of them comes first."""
    found: list[Any] = []
    onwards = "after" in params
    try:
        for page in pages(told, params, method=method):
            found = found + page if onwards else page + found
            if len(found) >= limit:
                return found[:limit] if onwards else found[-limit:]
    except MISSHAPEN as error:
        raise misshapen(method) from error
    return found


@click.command(
    "search",
    cls=Command,
    params=[BEFORE, AFTER],
    examples=(
        ("chatctl search kettle", "messages with that word in any room, the newest first"),
        ("chatctl search 'hel*' wörld", "a word that begins with hel, and world"),
        ("chatctl search tea --room rust --author ann", "in one room, by one person"),
        ("chatctl search tea --after 2026-03-01 --json", "what came since, for a script"),
    ),
)
@click.argument("words", type=utf8, nargs=-1, required=True, metavar="WORDS...")
@click.option(
    "--room",
    "-r",
    type=utf8,
    metavar="ROOM",
    help="Only in this room.  [default: in all]",
    shell_complete=candidates.known_rooms,
)
@click.option(
    "--author",
    type=utf8,
    metavar="NICK|ID",
    help="Only by this person: a name, name~k3f9, or a peer id.",
    shell_complete=candidates.people,
)
@click.option(
    "--limit", "-n", type=click.IntRange(min=1), metavar="N", help="At most so many.  [default: 50]"
)
@click.pass_obj
def search_command(
    told: Invocation,
    *,
    words: tuple[str, ...],
    room: str | None,
    author: str | None,
    limit: int | None,
    before: int | str | None,
    after: int | str | None,
) -> None:
    """Find messages that hold all the words, the newest first. Accents and capitals make no difference."""
    query = " ".join(words)
    wanted = {"room": room, "author": author, "before": before, "after": after}
    params = {"query": query} | {name: value for name, value in wanted.items() if value is not None}

    def show(page: Any) -> None:
        told.out("\n".join(render.found(page["messages"], query, Nicks(), told.style, in_room=room is None)))
        for line in render.search_notes(page):
            told.say(line)
        if page["next"] is not None:
            told.say(f"there is more: the same with --before {page['next']}")

    answer(told, "message.search", _search(told, params, limit), show)


def _search(told: Invocation, params: dict[str, Any], limit: int | None) -> Any:
    """One answer, of as many as it takes."""
    if limit is None:
        return told.rpc().call("message.search", params)
    messages: list[Any] = []
    try:
        while True:
            wanted = min(limit - len(messages), MAX_PAGE)
            page = told.rpc().call("message.search", {**params, "limit": wanted})
            messages += page["messages"]
            if len(messages) >= limit or page["next"] is None or page["incomplete"]:
                return {**page, "messages": messages}
            params = {**params, "before": page["next"]}
    except MISSHAPEN as error:
        raise misshapen("message.search") from error

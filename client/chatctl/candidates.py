"""What a half-typed word of a command line may become, for click's shell completion.

Asks the daemon with little patience and is silent when it is away. Offers only what needs no quotes: a shell
puts it on the command line as it is, and names come from the network.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from chatctl.failures import ClientFailure
from chatctl.invocation import Invocation
from chatctl.nicks import SHORT_CHARS, SUFFIX_CHARS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    Items = list[CompletionItem[str]]

PATIENCE_S = 0.5
MAX_OFFERED = 200

_PLAIN_SIGNS = frozenset("-_.")


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    return _special("file", incomplete)


def folders(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    return _special("dir", incomplete)


def joined_rooms(ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    return _rooms(ctx, incomplete, left=False)


def known_rooms(ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    """Those as well that were left: their history is here."""
    return _rooms(ctx, incomplete, left=True)


def people(ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    """Who is linked or was, in a room, or has a name of the owner's."""
    found = [
        *_ask(ctx, "peer.list", {"all": True}),
        *(member for room in _ask(ctx, "room.list") for member in room["members"]),
        *_ask(ctx, "peer.aliases"),
    ]
    return _persons(found, incomplete)


def linked(ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    return _persons(_ask(ctx, "peer.list"), incomplete)


def kept_away(ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    return _persons([*_ask(ctx, "peer.blocked"), *_ask(ctx, "peer.discouraged")], incomplete)


def methods(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> "Items":
    """Each with what it does and what its parameters are called."""
    import dataclasses  # noqa: PLC0415 - only a completion needs them

    from chatcore.api import METHODS  # noqa: PLC0415 - building the table costs 30 ms

    def explained(name: str) -> str:
        names = ", ".join(field.name for field in dataclasses.fields(METHODS[name].params))
        return f"{METHODS[name].summary} ({names})" if names else METHODS[name].summary

    return _items(((name, explained(name)) for name in METHODS), incomplete)


def _ask(ctx: click.Context, method: str, params: dict[str, Any] | None = None) -> list[Any]:
    told = ctx.find_object(Invocation)
    assert told is not None
    try:
        found = told.rpc(PATIENCE_S).call(method, params)
    except ClientFailure:
        return []
    return found if isinstance(found, list) else []


def _rooms(ctx: click.Context, incomplete: str, *, left: bool) -> "Items":
    mark = "#" if incomplete.startswith("#") else ""
    rooms = _ask(ctx, "room.list", {"left": True} if left else None)
    return _items(((mark + room["room"], "" if room["joined"] else "left") for room in rooms), incomplete)


def _persons(found: Iterable[dict[str, Any]], incomplete: str) -> "Items":
    return _items((offer for person in found for offer in _calls_of(person, incomplete)), incomplete)


def _calls_of(person: dict[str, Any], incomplete: str) -> Iterator[tuple[str, str]]:
    """What one may be called: the owner's name, the nick with a piece of the key, or the short id."""
    key, nick, alias = person["peer_id"], person["username"], person.get("alias") or ""
    short, piece = key[:SHORT_CHARS], key[:SUFFIX_CHARS]
    calls = ([alias] if _is_plain(alias) else []) + ([f"{nick}~{piece}"] if _is_plain(nick) else [])
    yield from ((call, short) for call in calls)
    if not calls or (incomplete and short.startswith(incomplete.lower())):
        yield short, ""


def _is_plain(word: str) -> bool:
    """Whether every shell takes it for itself, at the start of a word and within it."""
    return word[:1].isalnum() and all(char.isalnum() or char in _PLAIN_SIGNS for char in word)


def _items(offers: Iterable[tuple[str, str]], incomplete: str) -> "Items":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a completion needs it

    wanted = incomplete.casefold()
    fitting = {value: help_ for value, help_ in offers if value.casefold().startswith(wanted)}
    return [CompletionItem(value, help=help_ or None) for value, help_ in list(fitting.items())[:MAX_OFFERED]]


def _special(kind: str, incomplete: str) -> "Items":
    from click.shell_completion import CompletionItem  # noqa: PLC0415 - only a completion needs it

    return [CompletionItem(incomplete, type=kind)]

"""What each kind of text looks like: words of a person's settings in, ANSI codes (ECMA-48 SGR) out."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chatctl.failures import BadUsage

_ATTRIBUTES = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "reverse": "7"}
_COLOURS = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
_BRIGHT = "bright-"
_MAX_COLOUR = 255
NICKS = ("coloured", "plain")


@dataclass(frozen=True, slots=True)
class Theme:
    """Codes by what they are for; an empty one leaves the terminal's own colours."""

    faint: str = "2"
    """Times, notes, table heads."""

    warning: str = "33"
    mention: str = "1;7"
    """Our name in what others say."""

    match: str = "1;4"
    """What a search found."""

    unread: str = "1"
    """The rule above what is new."""

    prompt: str = "1"
    toolbar: str = "7"
    active: str = "1;7"
    """In the toolbar: the room we talk in, and where our name fell."""

    nicks: bool = True
    """Whether they have colours, each identity its own."""


DEFAULT = Theme()


def themed(table: Mapping[str, Any], where: str) -> Theme:
    """`{"warning": "bold red", "nicks": "plain"}`; what is not named stays as it is. Raises BadUsage."""
    known = [field.name for field in fields(Theme)]
    changes: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise BadUsage(f"{where}: unknown key {key[:40]!r}", f"known are: {', '.join(known)}")
        if not isinstance(value, str):
            number = type(value) is int
            hint = f'write {key} = "{value}"' if number else 'as in warning = "bold red"'
            raise BadUsage(f"{where}: {key} must be a text in quotes", hint)
        changes[key] = _nicks(value, where) if key == "nicks" else _code(value, f"{where}: {key}")
    return replace(DEFAULT, **changes)


def _nicks(value: str, where: str) -> bool:
    if value not in NICKS:
        raise BadUsage(f"{where}: nicks is {value[:40]!r}", f"write one of: {', '.join(NICKS)}")
    return value == NICKS[0]


def _code(value: str, where: str) -> str:
    words = value.lower().split()
    if words == ["none"]:
        return ""
    codes = [_word(word, where) for word in words]
    if len({word for word in words if word not in _ATTRIBUTES}) > 1:
        raise BadUsage(f"{where}: {value[:40]!r} names two colours", "write one; the ground keeps its own")
    return ";".join(codes)


def _word(word: str, where: str) -> str:
    if word in _ATTRIBUTES:
        return _ATTRIBUTES[word]
    name = word.removeprefix(_BRIGHT)
    if name in _COLOURS:
        return str((90 if word != name else 30) + _COLOURS.index(name))
    if word.isascii() and word.isdigit() and len(word) <= 3 and int(word) <= _MAX_COLOUR:
        return f"38;5;{int(word)}"
    if word == "none":
        raise BadUsage(f"{where}: none goes with nothing else", "leave it out, or the rest")
    choices = f"none, {', '.join(_ATTRIBUTES)}, {', '.join(_COLOURS)}, {_BRIGHT}red and so on, or 0 to 255"
    raise BadUsage(f"{where}: {word[:40]!r} is no colour", f"write {choices}")

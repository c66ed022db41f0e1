"""What the doctor found, as text for people. Pure: colour and width are passed in."""

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from chatctl.safetext import clean_line
from chatctl.style import PLAIN, Style
from chatctl.table import GAP, cells, pad

if TYPE_CHECKING:
    from chatcore.api import Check, Diagnosis

BROKEN = "broken"
_STATE_CELLS = len("unknown")
_LEAST_TEXT_CELLS = 24
"""Narrower, what is said stands on lines of its own below its name."""


def diagnosis(found: "Diagnosis", style: Style = PLAIN, columns: int | None = None) -> list[str]:
    """A line for each check; cause and fix below those that want something done."""
    width = max((cells(clean_line(check["name"])) for check in found["checks"]), default=0)
    return [line for check in found["checks"] for line in _check(check, width, style, columns)]


def _check(check: "Check", width: int, style: Style, columns: int | None) -> Iterator[str]:
    state, name = clean_line(check["state"]), clean_line(check["name"])
    head = f"{_marked(pad(state, _STATE_CELLS), state, style)}{GAP}{pad(name, width)}"
    indent = _STATE_CELLS + len(GAP) + width
    narrow = columns is not None and columns - indent - len(GAP) < _LEAST_TEXT_CELLS
    if narrow:
        indent = 0
        yield head.rstrip()
    text = _wrapped(check["finding"], indent + len(GAP), columns)
    yield from text if narrow else [f"{head}{GAP}{text[0].lstrip()}", *text[1:]]
    for word in ("cause", "fix"):
        said = check["cause"] if word == "cause" else check["fix"]
        if said:
            yield from _wrapped(f"{word}: {said}", indent + len(GAP), columns)


def _marked(text: str, state: str, style: Style) -> str:
    match state:
        case "ok" | "unknown":
            return style.dim(text)
        case _:
            return style.warning(text)


def _wrapped(text: str, indent: int, columns: int | None) -> list[str]:
    line = clean_line(text)
    if columns is None:
        return [" " * indent + line]
    room = max(columns - indent, 1)
    # A path or an address that is too long stays in one piece, so that it can be copied.
    found = textwrap.wrap(line, room, break_long_words=False, break_on_hyphens=False, subsequent_indent="  ")
    return [" " * indent + part for part in found or [""]]


def is_broken(found: Any) -> bool:
    """Of whatever a daemon answered."""
    return isinstance(found, dict) and found.get("state") == BROKEN

"""Comings and goings, several within a moment as one line. Knows times only as numbers it is given.

A line once printed stays, so the first movement waits a moment for others to join it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

WINDOW_S = 2.0
MAX_WAITING = 4096
"""Movements; beyond, they are told at once."""

MAX_NAMES = 8
"""In one line; of the others it says how many."""


@dataclass(frozen=True, slots=True)
class Movement:
    """`where` is a room's label, empty for links; `kind` one of `_WORDS`. `line` tells it alone."""

    where: str
    peer_id: str
    kind: str
    name: str
    line: str


_IN = ("joined", "up")
_WORDS = {
    "joined": "came in",
    "left": "left",
    "lost": "gone without a word",
    "up": "linked",
    "down": "link lost",
}
_BLINKED = {True: "went and came back", False: "came and went"}
"""By whether they are there in the end."""


class Folding:
    def __init__(self) -> None:
        self._waiting: list[Movement] = []
        self._due: float | None = None

    @property
    def due(self) -> float | None:
        """When to flush; None while nothing waits."""
        return self._due

    def add(self, movement: Movement, now: float) -> None:
        self._waiting.append(movement)
        if len(self._waiting) >= MAX_WAITING:
            self._due = now
        elif self._due is None:
            self._due = now + WINDOW_S

    def concerns(self, peer_id: str) -> bool:
        """Whether something about them waits to be told."""
        return any(movement.peer_id == peer_id for movement in self._waiting)

    def forget_links(self) -> None:
        """What is told of them says nothing of the peers: it was we who went away."""
        self._waiting = [movement for movement in self._waiting if movement.where]
        self._due = self._due if self._waiting else None

    def flush(self) -> list[str]:
        """The lines, without marks or colours."""
        waiting, self._waiting, self._due = self._waiting, [], None
        places = groupby(sorted(waiting, key=_where), _where)  # stable: in order of time in each
        return [line for where, some in places for line in _lines(where, some)]


def _where(movement: Movement) -> str:
    return movement.where


def _lines(where: str, movements: Iterable[Movement]) -> list[str]:
    people: dict[str, list[Movement]] = {}
    for movement in movements:
        people.setdefault(movement.peer_id, []).append(movement)
    if len(people) == 1:
        (history,) = people.values()
        if len(history) == 1:
            return [history[0].line]
    told: dict[str, list[str]] = {}
    for history in people.values():
        told.setdefault(_told(history), []).append(history[-1].name)
    text = "; ".join(f"{what}: {_names(names)}" for what, names in told.items())
    return [f"{where} {text}" if where else text]


def _told(history: list[Movement]) -> str:
    first, last = history[0], history[-1]
    was_there, is_there = first.kind not in _IN, last.kind in _IN
    return _BLINKED[is_there] if was_there == is_there and len(history) > 1 else _WORDS[last.kind]


def _names(names: list[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")

"""The line below the prompt: rooms with what is unread in them, peers, their lag, our last message. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from chatctl.repl.unread import Count
from chatctl.safetext import clean_line
from chatctl.style import Style
from chatctl.table import cells, cut

SEPARATOR = "  "
MAX_KEYED = 9
"""Rooms that have a key, Alt-1 to Alt-9."""

MORE = ">"


@dataclass(frozen=True, slots=True)
class RoomState:
    name: str
    count: Count
    current: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """`lag_ms` is the round trip to a peer, the median of all; None when nobody knows. `last`: how our last
    message is doing."""

    rooms: Sequence[RoomState]
    peers: int
    lag_ms: float | None
    last: str
    away: bool = False


def toolbar(state: State, style: Style, columns: int) -> str:
    """At most `columns` cells. What does not fit is left out: our last message, then rooms without news."""
    right = [_peers(state)]
    if state.last:
        right.append(clean_line(state.last))
    labels = [_label(number, room) for number, room in enumerate(state.rooms, 1)]
    if len(right) > 1 and _width([*labels, *right]) > columns:
        right.pop()
    shown = _fitting(state.rooms, labels, columns - _width(right) - len(SEPARATOR))
    gap = columns - _width([text for text, _ in shown]) - _width(right)
    if gap < len(SEPARATOR):  # a very narrow terminal
        return style.toolbar(cut(SEPARATOR.join([*(text for text, _ in shown), *right]), columns))
    pieces = [style.active(text) if stands_out else style.toolbar(text) for text, stands_out in shown]
    return style.toolbar(SEPARATOR).join(pieces) + style.toolbar(" " * gap + SEPARATOR.join(right))


def _fitting(rooms: Sequence[RoomState], labels: list[str], width: int) -> list[tuple[str, bool]]:
    """The labels that fit, and whether each stands out; our room and those with news before others."""

    def importance(number: int) -> tuple[bool, bool, bool, int]:
        room = rooms[number]
        return (not room.current, not room.count.mentions, not room.count.messages, number)

    sizes = [cells(label) + len(SEPARATOR) for label in labels]
    left = width + len(SEPARATOR)
    if sum(sizes) > left:
        left -= len(MORE) + len(SEPARATOR)
    kept: set[int] = set()
    for number in sorted(range(len(rooms)), key=importance):
        left -= sizes[number]
        if left < 0 and kept:
            break
        kept.add(number)
    shown = [(labels[number], _stands_out(rooms[number])) for number in sorted(kept)]
    return shown if len(kept) == len(rooms) else [*shown, (MORE, False)]


def _stands_out(room: RoomState) -> bool:
    return room.current or bool(room.count.mentions)


def _label(number: int, room: RoomState) -> str:
    """`2:tea`; `2:tea 5` with five unread; `2:tea 5 @2` where two of them name us."""
    key = f"{number}:" if number <= MAX_KEYED else ""
    new = f" {room.count}" if room.count.messages else ""
    named = f" @{room.count.mentions}" if room.count.mentions else ""
    here = "*" if room.current else ""
    return f"{key}{here}{clean_line(room.name)}{new}{named}"


def _peers(state: State) -> str:
    if state.away:
        return "daemon away"
    if not state.peers:
        return "no peers"
    peers = f"{state.peers} peer{'s' if state.peers > 1 else ''}"
    return peers if state.lag_ms is None else f"{peers} {_lag(state.lag_ms)}"


def _lag(lag_ms: float) -> str:
    return f"{lag_ms:.0f} ms" if lag_ms < 1000 else f"{lag_ms / 1000:.1f} s"


def _width(texts: Sequence[str]) -> int:
    return sum(cells(text) for text in texts) + len(SEPARATOR) * max(len(texts) - 1, 0)

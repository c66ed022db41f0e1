"""Which peer is to be asked about which room next, and how soon after what came of it the last time.

Knows links and rooms, not what is said on the links.
"""

from collections.abc import Container
from dataclasses import dataclass

from chatcore.ids import LinkId, RoomId

FRUITLESS_S = 1.0
FRUITLESS_MOST_S = 30.0
"""Before a peer is asked again that differs and had nothing for us: twice as long each time."""

MAX_DOUBLINGS = 16

LOOK_AGAIN_S = 2.0
"""After something was left to another session."""

BAD_PAUSE_S = 60.0
"""Before a peer is asked again whose answers did not come, or did not fit."""

Key = tuple[LinkId, RoomId]


@dataclass(slots=True)
class _Pace:
    """When a peer may be asked again about a room, and how often in a row it had nothing for us."""

    not_before: float
    fruitless: int = 0


class Agenda:
    def __init__(self) -> None:
        self._planned: dict[Key, float] = {}
        self._paces: dict[Key, _Pace] = {}

    # What is planned

    def plan(self, key: Key, at: float) -> None:
        """To be asked then, or when its pace allows it; an earlier plan stands."""
        self._planned[key] = min(at, self._planned.get(key, at))

    def plan_at_once(self, key: Key, mono: float) -> None:
        """Whatever came of it the last time."""
        self._pace_of(key, mono).not_before = mono
        self.plan(key, mono)

    def due(self, mono: float) -> list[Key]:
        return [key for key in self._planned if self._at(key) <= mono]

    def take(self, key: Key) -> None:
        """It is being asked."""
        del self._planned[key]

    def next_at(self, busy: Container[Key]) -> float | None:
        """When the next is due that is not being asked already."""
        return min((self._at(key) for key in self._planned if key not in busy), default=None)

    def _at(self, key: Key) -> float:
        """Its pace may have changed since it was planned."""
        pace = self._paces.get(key)
        return self._planned[key] if pace is None else max(self._planned[key], pace.not_before)

    # What came of it

    def may_ask(self, key: Key, mono: float) -> bool:
        pace = self._paces.get(key)
        return pace is None or pace.not_before <= mono

    def note_put_off(self, key: Key, mono: float) -> None:
        """It had something for us, which was left to another."""
        self._pace_of(key, mono).not_before = mono + LOOK_AGAIN_S

    def note_useful(self, key: Key, mono: float) -> None:
        """It brought something, or has just what we have."""
        pace = self._pace_of(key, mono)
        pace.fruitless, pace.not_before = 0, mono

    def note_fruitless(self, key: Key, mono: float) -> None:
        """It differs and brought nothing."""
        pace = self._pace_of(key, mono)
        pace.not_before = mono + min(FRUITLESS_MOST_S, FRUITLESS_S * 2**pace.fruitless)
        pace.fruitless = min(pace.fruitless + 1, MAX_DOUBLINGS)

    def note_bad(self, key: Key, mono: float) -> None:
        """Its answers did not come, or did not fit."""
        self._paces[key] = _Pace(mono + BAD_PAUSE_S)

    def _pace_of(self, key: Key, mono: float) -> _Pace:
        return self._paces.setdefault(key, _Pace(mono))

    def forget(self, key: Key) -> None:
        self._planned.pop(key, None)
        self._paces.pop(key, None)

    def forget_link(self, link: LinkId) -> None:
        for key in {key for key in (*self._planned, *self._paces) if key[0] == link}:
            self.forget(key)

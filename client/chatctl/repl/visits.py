"""What of a room is shown from its history and what as it happens: nothing is missed and nothing doubled.

Knows ids and rooms; asks nobody and prints nothing.
"""

from typing import Any

MAX_KNOWN = 8192
"""Ids of messages shown from a history whose events are still to come: more than a stream holds back."""

MAX_HELD = 1024
"""Messages that come while the history of their room is asked for; beyond, they stand before it."""


class Visits:
    def __init__(self) -> None:
        self._opened: set[str] = set()
        self._known: dict[str, None] = {}
        self._opening: str | None = None
        self._held: list[dict[str, Any]] = []

    def was_opened(self, room: str) -> bool:
        return room in self._opened

    def begin(self, room: str) -> None:
        """Its history is asked for now."""
        self._opening, self._held = room, []

    def end(self, shown: list[str]) -> list[dict[str, Any]]:
        """The history came, with these ids, or failed, with none. What came meanwhile and is not in it."""
        for message_id in shown:
            self._known[message_id] = None
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        held, self._opening, self._held = self._held, None, []
        return [data for data in held if not self.is_known(data["id"])]

    def opened(self, room: str) -> None:
        self._opened.add(room)

    def is_known(self, message_id: str) -> bool:
        """Whether it was shown from a history; asked once, when its event comes."""
        return self._known.pop(message_id, message_id) is None

    def holds(self, data: dict[str, Any]) -> bool:
        """Whether it is kept until the history of its room is there."""
        if data["room"] != self._opening or len(self._held) >= MAX_HELD:
            return False
        self._held.append(data)
        return True

    def forget(self, room: str | None = None) -> None:
        """It was left; or another store answers."""
        if room is None:
            self._opened.clear()
            self._known.clear()
        else:
            self._opened.discard(room)

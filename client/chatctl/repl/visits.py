"""What of a room is shown from its history and what as it happens: nothing is missed and nothing doubled.

Knows ids and rooms; asks nobody and prints nothing.
"""

from typing import Any

MAX_KNOWN = 8192
"""Ids of messages shown from a history whose events are still to come: more than a stream holds back. As many
of those shown as they came; what is forgotten may be shown again with its room's history."""

MAX_HELD = 1024
"""Messages that come while the history of their room is asked for; beyond, they stand before it."""


class Visits:
    def __init__(self) -> None:
        self._opened: set[str] = set()
        self._known: dict[str, None] = {}
        self._passed: dict[str, None] = {}
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
            _remember(self._known, message_id)
        held, self._opening, self._held = self._held, None, []
        return [data for data in held if not self.is_known(data["id"])]

    def opened(self, room: str) -> None:
        self._opened.add(room)

    def is_known(self, message_id: str) -> bool:
        """Whether it was shown from a history; asked once, when its event comes."""
        return self._known.pop(message_id, message_id) is None

    def passed(self, message_id: str) -> None:
        """It was shown as it came."""
        _remember(self._passed, message_id)

    def has_passed(self, message_id: str) -> bool:
        return message_id in self._passed

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
            self._passed.clear()
        else:
            self._opened.discard(room)


def _remember(ids: dict[str, None], message_id: str) -> None:
    ids[message_id] = None
    if len(ids) > MAX_KNOWN:
        del ids[next(iter(ids))]

"""Peers that fell below the bar: whom, why, and until when. Knows neither links nor scores."""

from collections.abc import Iterable
from dataclasses import dataclass

from chatcore.clock import Now
from chatcore.ids import PeerId

DISCOURAGED_S = 24 * 3600.0
"""Bitcoin Core banned for a day by default (-bantime). Long enough that waiting it out is no plan."""

MAX_DISCOURAGED = 1024
"""Whose time ends soonest makes way. A new identity costs nothing, so no list of any length keeps all out."""


@dataclass(frozen=True, slots=True)
class Discouraged:
    peer_id: PeerId
    address: str
    """Where it was dialled or said to listen; empty when neither is known."""

    username: str
    reason: str
    until_ms: int
    """By the wall clock, for the disk. 0 on its way there: no longer so."""


@dataclass(frozen=True, slots=True)
class _Entry:
    record: Discouraged
    ends: float
    """On the monotonic clock, so that a set wall clock neither frees nor holds anybody."""


class DiscouragedList:
    def __init__(self, records: Iterable[Discouraged], now: Now) -> None:
        self._entries: dict[PeerId, _Entry] = {}
        self.stale: list[Discouraged] = []
        """Read from the disk, and over meanwhile."""

        for record in records:
            left_s = min((record.until_ms - now.wall_ms) / 1000, DISCOURAGED_S)
            if left_s > 0:
                self._entries[record.peer_id] = _Entry(record, now.mono + left_s)
            else:
                self.stale.append(over(record))

    def __len__(self) -> int:
        return len(self._entries)

    def peer_ids(self, mono: float) -> list[PeerId]:
        return [peer_id for peer_id, entry in self._entries.items() if entry.ends > mono]

    def records(self, mono: float) -> list[tuple[Discouraged, float]]:
        """Those in force, with the seconds left, soonest over first."""
        found = [(entry.record, entry.ends - mono) for entry in self._entries.values() if entry.ends > mono]
        return sorted(found, key=lambda item: item[1])

    def find(self, peer_id: PeerId, mono: float) -> tuple[Discouraged, float] | None:
        entry = self._entries.get(peer_id)
        return None if entry is None or entry.ends <= mono else (entry.record, entry.ends - mono)

    def add(self, peer_id: PeerId, address: str, username: str, reason: str, now: Now) -> list[Discouraged]:
        """What is to be written: the new record, and those that made way."""
        until_ms = now.wall_ms + round(DISCOURAGED_S * 1000)
        record = Discouraged(peer_id, address, username, reason, until_ms)
        gone = [entry.record for entry in self._entries.values() if entry.ends <= now.mono]
        self._entries[peer_id] = _Entry(record, now.mono + DISCOURAGED_S)
        if len(self._entries) - len(gone) > MAX_DISCOURAGED:
            gone.append(min(self._entries.values(), key=lambda entry: entry.ends).record)
        gone = [item for item in gone if item.peer_id != peer_id]
        for item in gone:
            del self._entries[item.peer_id]
        return [record, *map(over, gone)]

    def forgive(self, peer_id: PeerId) -> bool:
        return self._entries.pop(peer_id, None) is not None


def over(record: Discouraged) -> Discouraged:
    """The record as it is written to say that it is no longer so."""
    return Discouraged(record.peer_id, record.address, record.username, record.reason, until_ms=0)

"""Walks through a table from a point on: one seek, then a step for each entry, at whatever depth."""

from collections.abc import Iterator
from itertools import takewhile
from typing import NamedTuple

from chatcore.ids import RoomId
from chatd.store import records
from chatd.store.lmdbtypes import Cursor

Entries = Iterator[tuple[bytes, bytes]]


class Point(NamedTuple):
    """In the order of a room: before all messages of a stamp or, with an id, on that very message."""

    stamp: int
    message_id: bytes = b""


def room_entries(cursor: Cursor, room: RoomId, before: Point | None, after: Point | None) -> Entries:
    """Of the room's index between two points: with `after` onwards from there, otherwise backwards."""
    start = room if after is None else _key(room, after)
    end = records.room_key_end(room) if before is None else _key(room, before)
    if after is None:
        return takewhile(lambda entry: entry[0] > start, backwards(cursor, end))
    found = (entry for entry in onwards(cursor, start) if entry[0] != start)
    return takewhile(lambda entry: entry[0] < end, found)


def _key(room: RoomId, point: Point) -> bytes:
    return room + records.pack_u64(point.stamp) + point.message_id


def backwards(cursor: Cursor, end: bytes) -> Entries:
    """Entries before `end`, the greatest first."""
    found = cursor.prev() if cursor.set_range(end) else cursor.last()
    return cursor.iterprev() if found else iter(())


def onwards(cursor: Cursor, start: bytes) -> Entries:
    # An unpositioned cursor would begin again at the first entry.
    return cursor.iternext() if cursor.set_range(start) else iter(())

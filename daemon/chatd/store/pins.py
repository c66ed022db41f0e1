"""Messages that people of this node want kept whatever their age: marks of its own, which no peer hears of.

A mark goes by room, time and id, not by number in the log: should the message be lost, history repair brings
it back under another number, and it is pinned still.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager

from chatcore.events import PinRecord
from chatcore.ids import DIGEST_BYTES, MessageId, RoomId
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.reading import Point, room_entries

MAX_PINS = 1024
"""In all rooms. At 20 KiB, the most a message has, they leave space in the smallest store there may be."""

Keys = frozenset[bytes]


def pin_key(record: PinRecord) -> bytes:
    return bytes(record.room + records.pack_u64(record.stamp) + record.id)


class PinTable:
    """`room || stamp || id`, as in the room's index, to the same under a checksum, for a salvage to trust."""

    table: Table

    keys: Keys = frozenset()
    """Exchanged after each commit, by the writer; others look into it from their threads."""

    def open(self, env: Environment, txn: Txn) -> None:
        """Made where it is missing: a store written before there were pins has none."""
        self.table = env.open_db(b"pins", txn=txn, create=True)
        with txn.cursor(self.table) as cursor:
            # With a wrong checksum, too: a message kept for nothing does less harm than one removed.
            self.keys = frozenset(cursor.iternext(values=False))

    def put(self, txn: Txn, ids: Table, pins: Iterable[PinRecord]) -> Keys:
        """What `keys` is to be once this is committed. A message that has gone meanwhile is not pinned."""
        keys = self.keys
        for pin in pins:
            key = pin_key(pin)
            if not pin.pinned:
                txn.delete(key, db=self.table)
                keys -= {key}
            elif txn.get(pin.id, db=ids) is not None:
                txn.put(key, records.seal(key), db=self.table)
                keys |= {key}
        return keys


class Pins:
    """What the store says of its pins."""

    def __init__(
        self,
        table: PinTable,
        ids: Table,
        reading: Callable[[], AbstractContextManager[Txn]],
        follow: Callable[[Txn, bytes, bytes], Stored | None],
    ) -> None:
        self._table = table
        self._ids = ids
        self._reading = reading
        self._follow = follow

    def __len__(self) -> int:
        return len(self._table.keys)

    def __contains__(self, pin: PinRecord) -> bool:
        return pin_key(pin) in self._table.keys

    def starting_with(self, prefix: str) -> list[PinRecord]:
        """By how a message's id is written in hexadecimal; those as well whose message is lost."""
        return [_record(key) for key in self._table.keys if key[-DIGEST_BYTES:].hex().startswith(prefix)]

    def page(
        self, room: RoomId, limit: int, before: Point | None = None, after: Point | None = None
    ) -> list[Stored]:
        """As `Store.page`, of the pinned messages alone."""
        page: list[Stored] = []
        with self._reading() as txn, txn.cursor(self._table.table) as cursor:
            for key, _ in room_entries(cursor, room, before, after):
                number = txn.get(key[-DIGEST_BYTES:], db=self._ids)
                stored = None if number is None else self._follow(txn, key, number)
                if stored is not None:
                    page.append(stored)
                if len(page) == limit:
                    break
        return page if after is not None else page[::-1]


def _record(key: bytes) -> PinRecord:
    room, message_id = RoomId(key[:DIGEST_BYTES]), MessageId(key[-DIGEST_BYTES:])
    return PinRecord(room, records.stamp_of(key), message_id, pinned=True)

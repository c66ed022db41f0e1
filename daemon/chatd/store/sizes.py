"""How many bytes each room takes: whoever fills the store pays for it, with few messages or with many.

Derived from the messages: a number a room, changed in the transaction that changes the room.
"""

from collections import Counter
from collections.abc import Sequence

from chatcore.ids import DIGEST_BYTES, RoomId
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.derived import Lost, RoomIndex
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.records import RecordDamaged

MESSAGE_BYTES = 350
"""What a message takes beside its payload, about: header, id and index entries."""


class RoomSizes:
    """`room` to bytes, under a checksum. Rooms without messages are not in it."""

    _table: Table
    _log: Table

    def __init__(self, room: RoomIndex) -> None:
        self._room = room

    def open(self, env: Environment, txn: Txn, *, create: bool) -> None:
        del create  # stores of schema 1 lack it
        self._log = env.open_db(b"log", txn=txn)
        self._table = env.open_db(b"sizes", txn=txn, create=True)
        if not txn.stat(self._table)["entries"]:
            self._build(txn)

    def all(self, txn: Txn) -> dict[RoomId, int]:
        with txn.cursor(self._table) as cursor:
            return {RoomId(room): self._decode(txn, room, value) for room, value in cursor}

    def add(self, txn: Txn, stored: Sequence[Stored]) -> None:
        self._change(txn, stored, 1)

    def remove(self, txn: Txn, gone: Sequence[Stored]) -> None:
        self._change(txn, gone, -1)

    def forget(self, txn: Txn, lost: Sequence[Lost]) -> None:
        changes = Counter[bytes]()
        for item in lost:
            changes[item.key[:DIGEST_BYTES]] -= item.payload_bytes + MESSAGE_BYTES
        self._put(txn, changes)

    def _change(self, txn: Txn, stored: Sequence[Stored], sign: int) -> None:
        changes = Counter[bytes]()
        for item in stored:
            changes[item.envelope.room] += sign * (len(item.envelope.payload) + MESSAGE_BYTES)
        self._put(txn, changes)

    def _put(self, txn: Txn, changes: Counter[bytes]) -> None:
        for room, change in changes.items():
            value = txn.get(room, db=self._table)
            size = max(0, change + (0 if value is None else self._decode(txn, room, value, -change)))
            if size:
                txn.put(room, records.seal(records.pack_u64(size)), db=self._table)
            elif value is not None:
                txn.delete(room, db=self._table)

    def _decode(self, txn: Txn, room: bytes, value: bytes, change: int = 0) -> int:
        """A damaged number is counted again, and `change` undoes what the tables say already."""
        try:
            return records.unpack_u64(records.unseal(value))
        except RecordDamaged:
            return self._count(txn, room) + change

    def _count(self, txn: Txn, room: bytes) -> int:
        size = 0
        with txn.cursor(self._room.table) as cursor:
            if cursor.set_range(room):
                for key, number in cursor.iternext():
                    if not key.startswith(room):
                        break
                    record = txn.get(number, db=self._log, default=b"")
                    size += max(0, len(record) - records.RECORD_HEADER_BYTES) + MESSAGE_BYTES
        return size

    def _build(self, txn: Txn) -> None:
        with txn.cursor(self._room.table) as cursor:
            found = cursor.first()
            while found:
                room = RoomId(cursor.key()[:DIGEST_BYTES])
                txn.put(room, records.seal(records.pack_u64(self._count(txn, room))), db=self._table)
                found = cursor.set_range(records.room_key_end(room))

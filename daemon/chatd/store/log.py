"""From numbers in the log, and entries of an index, to the messages there. What is damaged is told of and not
served."""

from collections.abc import Callable

from chatcore.index import Signed
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.damage import DamageLog
from chatd.store.lmdbtypes import Txn
from chatd.store.reading import onwards
from chatd.store.records import RecordDamaged
from chatd.store.tables import Tables

_MISLED = "an index entry leads to another message"


class Log:
    def __init__(self, tables: Tables, damage: DamageLog, on_lost: Callable[[bytes], None]) -> None:
        self._tables = tables
        self._damage = damage
        self._on_lost = on_lost
        """Told once of each number under which there should be a message, and is none that can be read."""

    def at(self, txn: Txn, number: bytes) -> Stored | None:
        record = txn.get(number, db=self._tables.log)
        return None if record is None else self.decode(number, record)

    def numbered(self, txn: Txn, seq: int) -> Stored | None:
        return self.at(txn, records.pack_u64(seq))

    def indexed(self, txn: Txn, number: bytes) -> Stored | None:
        """The index of ids leads there, so that there should be one."""
        return self.decode(number, txn.get(number, db=self._tables.log, default=b""))

    def onwards(self, txn: Txn, seq: int, limit: int) -> list[Stored]:
        """The next `limit` behind `seq`."""
        page: list[Stored] = []
        with txn.cursor(self._tables.log) as cursor:
            for key, value in onwards(cursor, records.pack_u64(seq + 1)):
                if len(page) == limit:
                    break
                stored = self.decode(key, value)
                if stored is not None:
                    page.append(stored)
        return page

    def follow(self, txn: Txn, key: bytes, number: bytes) -> Stored | None:
        """From a room's index entry to its record, which must carry the id the entry promised."""
        record = self._record(txn, key, number)
        stored = None if record is None else self.decode(number, record)
        if stored is not None and records.room_key(stored.envelope) != key:
            self._damage.add(key, _MISLED)
            return None
        return stored

    def signed(self, txn: Txn, key: bytes, number: bytes) -> Signed | None:
        """The same, undecoded."""
        record = self._record(txn, key, number)
        try:
            signed = None if record is None else records.signed_part(record)
        except RecordDamaged as error:
            self._tell(number, error)
            return None
        if signed is not None and not key.endswith(signed.id):
            self._damage.add(key, _MISLED)
            return None
        return signed

    def _record(self, txn: Txn, key: bytes, number: bytes) -> bytes | None:
        record = txn.get(number, db=self._tables.log)
        if record is None and self._damage.add(key, "an index entry leads nowhere"):
            self._on_lost(number)
        return record

    def decode(self, number: bytes, record: bytes) -> Stored | None:
        try:
            received_ms, envelope = records.decode_record(record)
            return Stored(records.unpack_u64(number), received_ms, envelope)
        except RecordDamaged as error:
            self._tell(number, error)
            return None

    def _tell(self, number: bytes, error: RecordDamaged) -> None:
        if self._damage.add(number, error.why):
            self._on_lost(number)

"""Damaged messages are taken out of the store altogether, so that history repair brings them anew.

While an id leads anywhere the message counts as here: it is confirmed to its author and asked of nobody.
Works in the writer thread, in steps between groups. Knows nothing of where true copies come from.
"""

import threading
from collections.abc import Iterable, Iterator

import lmdb
import structlog

from chatcore.errors import LocalError
from chatcore.ids import DIGEST_BYTES
from chatd.store import records
from chatd.store.derived import Lost
from chatd.store.lmdbtypes import Table, Txn
from chatd.store.records import RecordDamaged
from chatd.store.tables import LAST_SEQ_KEY, Position, Tables

LOOK_STEP = 20_000
"""Entries of an index walked through at once: about 10 ms."""

Entry = tuple[bytes, bytes]
"""A key in the room's index, and the number in the log it leads to."""

log = structlog.get_logger()


class Healing:
    """Made by one store. `add` is called from any thread, the rest by the writer, or before there is one."""

    def __init__(self, tables: Tables, position: Position) -> None:
        self._tables = tables
        self._position = position
        self._lock = threading.Lock()
        self._waiting: set[bytes] = set()
        self._pass: Iterator[None] | None = None
        self._looking = frozenset[bytes]()
        self.is_due = False

    @property
    def is_pending(self) -> bool:
        """Something damaged is still there: the store is to be looked over at the next start."""
        return bool(self._waiting)

    def add(self, numbers: Iterable[bytes]) -> None:
        """Their records in the log are damaged or missing."""
        with self._lock:
            self._waiting.update(numbers)
            self.is_due = bool(self._waiting)

    def run(self) -> None:
        """All of it at once: at opening, before anybody is told that such a message is here."""
        while self.is_due:
            self.work()

    def work(self) -> None:
        """A step, where there is something to do."""
        if not self.is_due:
            return
        if self._pass is None:
            with self._lock:
                self._looking = frozenset(self._waiting)
            self._pass = self._run(self._looking)
        try:
            next(self._pass)
        except StopIteration:
            with self._lock:
                self._waiting -= self._looking
                self.is_due = bool(self._waiting)
            self._pass = None
        except (lmdb.Error, OSError, LocalError):  # no space for it: the next start, or find, tries again
            self._pass = None
            self.is_due = False

    def _run(self, numbers: frozenset[bytes]) -> Iterator[None]:
        """Neither a damaged record nor its number says which message it was: the indexes do."""
        entries: list[Entry] = []
        yield from self._look(self._tables.room.table, numbers, entries)
        ids: list[Entry] = []
        missing = numbers - {number for _, number in entries}
        if missing:
            yield from self._look(self._tables.ids, missing, ids)
        self._tables.retrying(lambda: self._forget(numbers, entries, ids))
        if entries:
            log.info("store_healed", messages=len(entries), hint="history repair asks peers for them again")

    def _look(self, table: Table, numbers: frozenset[bytes], found: list[Entry]) -> Iterator[None]:
        start = b"\0"
        while True:
            seen = 0
            with self._tables.reading() as txn, txn.cursor(table) as cursor:
                if not cursor.set_range(start):
                    return
                for key, number in cursor.iternext():
                    if number in numbers:
                        found.append((key, number))
                    seen += 1
                    if seen == LOOK_STEP:
                        start = key + b"\0"
                        break
                else:
                    return
            yield

    def _forget(self, numbers: Iterable[bytes], entries: list[Entry], ids: list[Entry]) -> None:
        tables = self._tables
        with tables.writing() as txn:
            damaged = {number for number in numbers if not is_whole(tables, txn, number)}
            own = tables.own.lose(txn, damaged)
            forget(tables, txn, [entry for entry in entries if entry[1] in damaged])
            for message_id, number in ids:
                if number in damaged and txn.get(message_id, db=tables.ids) == number:
                    txn.delete(message_id, db=tables.ids)
            for number in damaged:
                txn.delete(number, db=tables.log)
            last = records.seal(records.pack_u64(self._position.seq))
            txn.put(LAST_SEQ_KEY, last, db=tables.meta)
        tables.own.settle(own)


def is_whole(tables: Tables, txn: Txn, number: bytes, message_id: bytes | None = None) -> bool:
    """Whether the number leads to a message, and to this one where an id is given."""
    try:
        _, envelope = records.decode_record(txn.get(number, db=tables.log, default=b""))
    except RecordDamaged:
        return False
    return message_id is None or envelope.id == message_id


def forget(tables: Tables, txn: Txn, entries: Iterable[Entry]) -> None:
    """Take these out of the log and of every index, though their records say nothing any more."""
    lost = []
    for key, number in entries:
        if txn.get(key, db=tables.room.table) != number:
            continue
        record = txn.get(number, db=tables.log, default=b"")
        txn.delete(number, db=tables.log)
        message_id = key[-DIGEST_BYTES:]
        if txn.get(message_id, db=tables.ids) == number:
            txn.delete(message_id, db=tables.ids)
        lost.append(Lost(_seq(number), key, max(0, len(record) - records.RECORD_HEADER_BYTES)))
    if lost:
        for derived in tables.derived:
            derived.forget(txn, lost)


def _seq(number: bytes) -> int:
    try:
        return records.unpack_u64(number)
    except RecordDamaged:
        return 0

"""The history on disk: an LMDB environment, one thread that writes it, and short reads from any thread.

A message is acknowledged only after its commit returned. Knows nothing of rooms' members, peers or event
loops, and refuses to serve a record whose checksum is wrong.
"""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.index import Piece, Sum
from chatd.store import records
from chatd.store.batches import (
    Batch,
    BatchResult,
    Damaged,
    OnDamage,
    OnResults,
    RoomEntry,
    Stored,
    StoreUnusable,
)
from chatd.store.damage import DamageLog
from chatd.store.faults import refusing
from chatd.store.folder import check_data_file, prepare_folder
from chatd.store.lmdbtypes import Cursor, Txn
from chatd.store.records import RecordDamaged
from chatd.store.tables import SCHEMA, Tables
from chatd.store.writer import Writer

__all__ = ["SCHEMA", "Batch", "BatchResult", "Damaged", "RoomEntry", "Store", "StoreUnusable", "Stored"]

DEFAULT_MAP_BYTES = 64 * 1024 * 1024
MAX_MAP_BYTES = 1024**4
"""The map is address space, not disk: 1 TiB is far beyond a chat's history and fits every 64-bit machine."""


class Store:
    """Made by `open` or `temporary`. Reads may come from any thread and take microseconds per record."""

    def __init__(self, tables: Tables, on_damage: OnDamage | None) -> None:
        self._tables = tables
        self._damage = DamageLog(on_damage)
        self._writer: Writer | None = None
        self._position = tables.load_position(self._damage)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        sync: bool = True,
        map_bytes: int = DEFAULT_MAP_BYTES,
        max_map_bytes: int = MAX_MAP_BYTES,
        on_damage: OnDamage | None = None,
    ) -> Self:
        """Make the folder where it is missing, or open what is there.

        The caller holds the lock that keeps a second daemon away. `on_damage` is told of each damaged
        record once, in the thread that came across it, and must not read the store.

        Raises:
            StoreUnusable: nothing in the folder was changed.
        """
        with refusing(folder):
            prepare_folder(folder)
            check_data_file(folder)
            tables = Tables(folder, sync=sync, map_bytes=map_bytes, max_map_bytes=max_map_bytes)
            with ExitStack() as on_failure:
                on_failure.callback(tables.close)
                tables.open_all()
                store = cls(tables, on_damage)
                on_failure.pop_all()
            return store

    @staticmethod
    def prepare(folder: Path) -> None:
        """Make the folder where it is missing, so that the caller may put a lock into it before `open`.

        Raises:
            StoreUnusable: others may look into the folder, or it cannot be made; nothing was changed.
        """
        with refusing(folder):
            prepare_folder(folder)

    @classmethod
    def temporary(cls, *, map_bytes: int = DEFAULT_MAP_BYTES, on_damage: OnDamage | None = None) -> Self:
        """A store without a name: its files are unlinked once open, so that no kind of death leaves any.

        Raises:
            StoreUnusable: the folder for temporary files does not take it.
        """
        with refusing(Path(tempfile.tempdir or "/tmp")):  # noqa: S108 - only named in the refusal
            folder = Path(tempfile.mkdtemp(prefix="chatd-"))
        try:
            return cls.open(folder, sync=False, map_bytes=map_bytes, on_damage=on_damage)
        finally:
            shutil.rmtree(folder)

    def start(self, on_results: OnResults) -> None:
        """Start the writer thread; it calls `on_results` once for each group of batches it committed."""
        if self._writer is not None:
            raise RuntimeError("the store was started before")
        self._writer = Writer(self._tables, self._position, on_results)

    def submit(self, batch: Batch) -> None:
        """Queue it; never blocks. After `close` its error comes at once, in the caller's thread."""
        if self._writer is None:
            raise RuntimeError("start the store before submitting to it")
        self._writer.submit(batch)

    def close(self) -> None:
        """Write what is queued, end the thread, close the files. Blocks for as long as that takes."""
        if self._writer is not None:
            self._writer.stop()
        self._tables.close()

    @property
    def backlog_bytes(self) -> int:
        """Queued and being written, about as memory counts it."""
        return 0 if self._writer is None else self._writer.backlog_bytes

    @property
    def damaged(self) -> int:
        """Damaged records come across so far."""
        return self._damage.count

    def last_seq(self) -> int:
        """Of the last message committed; 0 when there is none."""
        return self._position.seq

    def last_stamp(self) -> int:
        """The greatest stamp of any message committed; 0 when there is none."""
        return self._position.stamp

    def known(self, ids: Sequence[MessageId]) -> set[MessageId]:
        """Which of them are stored."""
        with self._tables.reading() as txn, txn.cursor(self._tables.ids) as cursor:
            found = {key for key, _ in cursor.getmulti(ids)}
        return {message_id for message_id in ids if message_id in found}

    def known_short(self, shorts: Sequence[bytes]) -> set[bytes]:
        """Which of them some stored message's id begins with."""
        with self._tables.reading() as txn, txn.cursor(self._tables.ids) as cursor:
            return {short for short in shorts if cursor.set_range(short) and cursor.key().startswith(short)}

    # What history repair reads; see chatcore.index

    def fingerprint(self, room: RoomId, lower: bytes, upper: bytes) -> Sum:
        with self._tables.reading() as txn:
            return self._tables.sums.fingerprint(txn, room, lower, upper)

    def split(self, room: RoomId, lower: bytes, upper: bytes, sizes: Sequence[int]) -> list[Piece]:
        with self._tables.reading() as txn:
            return self._tables.sums.split(txn, room, lower, upper, sizes)

    def keys(self, room: RoomId, lower: bytes, upper: bytes, most: int) -> list[bytes]:
        with self._tables.reading() as txn:
            return self._tables.sums.keys(txn, room, lower, upper, most)

    def messages(self, ids: Sequence[MessageId], most_bytes: int) -> list[Envelope]:
        found: list[Envelope] = []
        with self._tables.reading() as txn:
            for message_id in ids:
                number = txn.get(message_id, db=self._tables.ids)
                record = None if number is None else txn.get(number, db=self._tables.log)
                stored = None if number is None or record is None else self._decode(number, record)
                if stored is None or stored.envelope.id != message_id:
                    continue
                most_bytes -= len(stored.envelope.payload)
                if most_bytes < 0:
                    break
                found.append(stored.envelope)
        return found

    def floor(self, room: RoomId) -> bytes:  # noqa: ARG002 - everything is kept so far
        """The bound below which nothing is kept any more."""
        return b""

    def newest(self, room: RoomId, limit: int) -> list[Stored]:
        """The last `limit` of a room by stamp, then id; oldest first."""
        newest_first: list[Stored] = []
        with self._tables.reading() as txn, txn.cursor(self._tables.room.table) as cursor:
            for key, value in _backwards(cursor, records.room_key_end(room)):
                if len(newest_first) == limit or not key.startswith(room):
                    break
                stored = self._follow(txn, key, value)
                if stored is not None:
                    newest_first.append(stored)
        newest_first.reverse()
        return newest_first

    def after(self, seq: int, limit: int) -> list[Stored]:
        """The next `limit` behind `seq` in the order of arrival. Fewer means the end of the log."""
        page: list[Stored] = []
        with self._tables.reading() as txn, txn.cursor(self._tables.log) as cursor:
            for key, value in _onwards(cursor, records.pack_u64(seq + 1)):
                if len(page) == limit:
                    break
                stored = self._decode(key, value)
                if stored is not None:
                    page.append(stored)
        return page

    def rooms(self) -> list[RoomEntry]:
        """Every room ever kept, joined or left."""
        entries = []
        with self._tables.reading() as txn, txn.cursor(self._tables.rooms) as cursor:
            for key, value in cursor:
                try:
                    name, joined = records.decode_room(value)
                    entries.append(RoomEntry(RoomId(key), name, joined))
                except (RecordDamaged, ValueError) as error:
                    self._damage.add(key, str(error))
        return entries

    def _follow(self, txn: Txn, key: bytes, value: bytes) -> Stored | None:
        """From an index entry to its record, which must carry the id the entry promised."""
        record = txn.get(value, db=self._tables.log)
        if record is None:
            self._damage.add(key, "an index entry leads nowhere")
            return None
        stored = self._decode(value, record)
        if stored is not None and records.room_key(stored.envelope) != key:
            self._damage.add(key, "an index entry leads to another message")
            return None
        return stored

    def _decode(self, number: bytes, record: bytes) -> Stored | None:
        try:
            received_ms, envelope = records.decode_record(record)
            return Stored(records.unpack_u64(number), received_ms, envelope)
        except RecordDamaged as error:
            self._damage.add(number, error.why)
            return None


def _backwards(cursor: Cursor, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Entries before `end`, the greatest first."""
    found = cursor.prev() if cursor.set_range(end) else cursor.last()
    return cursor.iterprev() if found else iter(())


def _onwards(cursor: Cursor, start: bytes) -> Iterator[tuple[bytes, bytes]]:
    # An unpositioned cursor would begin again at the first entry.
    return cursor.iternext() if cursor.set_range(start) else iter(())

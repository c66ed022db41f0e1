"""The LMDB environment and its named tables; everything that touches the map passes here."""

import mmap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb

from chatcore.errors import Stopping
from chatd.store import records
from chatd.store.batches import StoreUnusable
from chatd.store.blocks import Blocks
from chatd.store.damage import DamageLog
from chatd.store.derived import Derived, RoomIndex
from chatd.store.faults import DAMAGED_HINT, describe
from chatd.store.folder import FOLDER_MODE, sync_folder
from chatd.store.gate import Gate
from chatd.store.lmdbtypes import Table, Txn
from chatd.store.records import RecordDamaged

SCHEMA = 1
MAX_READERS = 64
MAX_TABLES = 16

LAST_STAMP_KEY = b"last_stamp"
_SCHEMA_KEY = b"schema"
_CREATED_KEY = b"created_ms"


@dataclass(slots=True)
class Position:
    """Where the log ends. Only the writer changes it, after a commit."""

    seq: int
    stamp: int


class Tables:
    """The environment and its named tables. Everything that touches the map passes here."""

    log: Table
    ids: Table
    rooms: Table
    meta: Table

    def __init__(self, folder: Path, *, sync: bool, map_bytes: int, max_map_bytes: int) -> None:
        self.folder = folder
        self._max_map_bytes = max_map_bytes
        self._gate = Gate()
        self._closed = False
        self.room = RoomIndex()
        self.sums = Blocks(self.room)
        self.derived: tuple[Derived, ...] = (self.room, self.sums)
        self._env = lmdb.open(
            str(folder),
            map_size=map_bytes,
            mode=FOLDER_MODE,
            sync=sync,
            metasync=sync,
            # Random keys and short reads: reading ahead would only push other pages out.
            readahead=False,
            max_readers=MAX_READERS,
            max_dbs=MAX_TABLES,
            max_spare_txns=1,
            lib_version=0,
        )

    def open_all(self) -> None:
        """Open the tables, or make them in an empty environment. Raises StoreUnusable."""
        with self._env.begin(write=True) as txn:
            if txn.stat()["entries"]:
                self._check_schema(txn)
                self._open_tables(txn, create=False)
            else:
                self._open_tables(txn, create=True)
                txn.put(_SCHEMA_KEY, records.seal(records.pack_u64(SCHEMA)), db=self.meta)
                txn.put(_CREATED_KEY, records.seal(records.pack_u64(wall_ms())), db=self.meta)
        sync_folder(self.folder)

    def _check_schema(self, txn: Txn) -> None:
        try:
            meta = self._env.open_db(b"meta", txn=txn, create=False)
            schema = _number(txn.get(_SCHEMA_KEY, db=meta))
        except lmdb.NotFoundError:
            schema = None
        if schema is None:
            why = "it belongs to another program"
            raise StoreUnusable(self.folder, why, "choose another folder")
        if schema > SCHEMA:
            why = f"it was written by a newer chatd (schema {schema}, this one knows {SCHEMA})"
            raise StoreUnusable(self.folder, why, "update chatd")

    def _open_tables(self, txn: Txn, *, create: bool) -> None:
        for name in ("log", "ids", "rooms", "meta"):
            setattr(self, name, self._env.open_db(name.encode(), txn=txn, create=create))
        for derived in self.derived:
            derived.open(self._env, txn, create=create)

    def load_position(self, damage: DamageLog) -> Position:
        with self.reading() as txn, txn.cursor(self.log) as cursor:
            seq = records.unpack_u64(cursor.key()) if cursor.last() else 0
            try:
                stamp = _number(txn.get(LAST_STAMP_KEY, db=self.meta)) or 0
            except RecordDamaged as error:
                # The clock then starts from wall time, as it does on a new node.
                damage.add(LAST_STAMP_KEY, error.why)
                stamp = 0
        return Position(seq, stamp)

    @contextmanager
    def reading(self) -> Iterator[Txn]:
        """One snapshot. Must not be nested: a map about to move waits for it and holds the next one back.

        Raises:
            StoreUnusable: LMDB found a page damaged.
            Stopping: the store is closed.
        """
        with self._gate.reading():
            if self._closed:
                raise Stopping
            try:
                with self._env.begin() as txn:
                    yield txn
            except lmdb.Error as error:
                raise StoreUnusable(self.folder, describe(error), DAMAGED_HINT) from error

    def writing(self) -> Txn:
        return self._env.begin(write=True)

    def grow(self) -> bool:
        """Double the map while nobody reads. False at the limit, and then nothing has changed."""
        larger = 2 * self._env.info()["map_size"]
        if larger > self._max_map_bytes or not _has_address_space(larger):
            return False
        with self._gate.alone():
            self._env.set_mapsize(larger)
        return True

    def close(self) -> None:
        with self._gate.alone():
            if not self._closed:
                self._closed = True
                self._env.close()


def _number(value: bytes | None) -> int | None:
    """Raises RecordDamaged."""
    return None if value is None else records.unpack_u64(records.unseal(value))


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _has_address_space(size: int) -> bool:
    """Asked beforehand, because LMDB unmaps the old map first and crashes later if the new one fails."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).close()
    except OSError:
        return False
    return True

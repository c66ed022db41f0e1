"""The LMDB environment and its named tables; everything that touches the map passes here."""

import mmap
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lmdb

from chatcore.errors import Stopping
from chatcore.ids import RoomId
from chatd.store import records
from chatd.store.acquaintances import AcquaintanceTables
from chatd.store.addresses import AddressTable
from chatd.store.batches import StoreUnusable
from chatd.store.blocks import Blocks
from chatd.store.damage import DamageLog
from chatd.store.derived import Derived, RoomIndex
from chatd.store.faults import DAMAGED_HINT, describe
from chatd.store.folder import FOLDER_MODE, sync_folder
from chatd.store.gate import Gate
from chatd.store.index import SearchIndex
from chatd.store.lmdbtypes import Table, Txn
from chatd.store.own import OwnTable
from chatd.store.pins import PinTable
from chatd.store.records import RecordDamaged
from chatd.store.sizes import RoomSizes

SCHEMA = 2
MAX_READERS = 64
MAX_TABLES = 32

MAX_MAP_BYTES = 1024**4
"""The map is address space, not disk: 1 TiB is far beyond a chat's history and fits every 64-bit machine."""

SEALED_TABLES = ("addresses", "meta", "own", "pins", "rooms", "people", "discouraged")
"""What says more than the log does, and so is saved from a damaged file too: every value has its checksum."""

LAST_STAMP_KEY = b"last_stamp"
LAST_SEQ_KEY = b"last_seq"
"""Written when messages are removed: the log's last key may go, and numbers must not be given out again."""

TRUSTED_MS_KEY = b"trusted_ms"
"""The time that messages' ages are reckoned by, when it was last written."""

SCHEMA_KEY = b"schema"
_CREATED_KEY = b"created_ms"
FLOOR_PREFIX = b"floor/"


def floor_key(room: RoomId) -> bytes:
    return FLOOR_PREFIX + room


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
    sealed: dict[str, Table]

    def __init__(self, folder: Path, *, sync: bool, map_bytes: int, max_map_bytes: int) -> None:
        self.folder = folder
        self.max_map_bytes = max_map_bytes
        self._gate = Gate()
        self._closed = False
        self._all: list[Table] = []
        self.suspect = False
        """LMDB has found a page damaged: the file is to be looked over before it is opened again."""

        self.rooms_version = 0
        """Counts the commits that changed `rooms`, so that what was read of it need not be read again."""

        self.room = RoomIndex()
        self.sums = Blocks(self.room)
        self.sizes = RoomSizes(self.room)
        self.search = SearchIndex()
        self.derived: tuple[Derived, ...] = (self.room, self.sums, self.sizes, self.search)
        self.own = OwnTable()
        self.pins = PinTable()
        self.acquaintances = AcquaintanceTables()
        self.addresses = AddressTable()
        self._env = lmdb.open(
            str(folder),
            map_size=min(map_bytes, max_map_bytes),
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
                txn.put(SCHEMA_KEY, records.seal(records.pack_u64(SCHEMA)), db=self.meta)
                txn.put(_CREATED_KEY, records.seal(records.pack_u64(wall_ms())), db=self.meta)
            self._all = [self._env.open_db(name, txn=txn, create=False) for name in self._env.dbs(txn)]
        sync_folder(self.folder)

    def _check_schema(self, txn: Txn) -> None:
        try:
            meta = self._env.open_db(b"meta", txn=txn, create=False)
            schema = sealed_number(txn.get(SCHEMA_KEY, db=meta))
        except lmdb.NotFoundError:
            schema = None
        if schema is None:
            why = "it belongs to another program"
            raise StoreUnusable(self.folder, why, "choose another folder")
        refuse_newer(self.folder, schema)

    def _open_tables(self, txn: Txn, *, create: bool) -> None:
        for name in ("log", "ids", "rooms", "meta"):
            setattr(self, name, self._env.open_db(name.encode(), txn=txn, create=create))
        for derived in self.derived:
            derived.open(self._env, txn, create=create)
        self.own.open(self._env, txn)
        self.pins.open(self._env, txn)
        self.acquaintances.open(self._env, txn)
        self.addresses.open(self._env, txn)

    def open_sealed(self, names: Iterable[str]) -> None:
        """Fill `sealed` with these tables, made where they are missing."""
        with self._env.begin(write=True) as txn:
            self.sealed = {name: self._env.open_db(name.encode(), txn=txn) for name in names}

    def load_position(self, damage: DamageLog) -> Position:
        with self.reading() as txn, txn.cursor(self.log) as cursor:
            seq = records.unpack_u64(cursor.key()) if cursor.last() else 0
            try:
                seq = max(seq, sealed_number(txn.get(LAST_SEQ_KEY, db=self.meta)) or 0)
            except RecordDamaged as error:
                damage.add(LAST_SEQ_KEY, error.why)
            try:
                stamp = sealed_number(txn.get(LAST_STAMP_KEY, db=self.meta)) or 0
            except RecordDamaged as error:
                # The clock then starts from wall time, as it does on a new node.
                damage.add(LAST_STAMP_KEY, error.why)
                stamp = 0
        return Position(seq, stamp)

    def load_trusted_ms(self, damage: DamageLog) -> int:
        """0 when it was never kept, or is damaged."""
        with self.reading() as txn:
            try:
                return sealed_number(txn.get(TRUSTED_MS_KEY, db=self.meta)) or 0
            except RecordDamaged as error:
                damage.add(TRUSTED_MS_KEY, error.why)
                return 0

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
                self.suspect = True
                raise StoreUnusable(self.folder, describe(error), DAMAGED_HINT) from error

    def writing(self) -> Txn:
        return self._env.begin(write=True)

    def load_floors(self, damage: DamageLog) -> dict[RoomId, int]:
        floors: dict[RoomId, int] = {}
        with self.reading() as txn, txn.cursor(self.meta) as cursor:
            found = cursor.set_range(FLOOR_PREFIX)
            while found and cursor.key().startswith(FLOOR_PREFIX):
                try:
                    room = RoomId(cursor.key().removeprefix(FLOOR_PREFIX))
                    floors[room] = sealed_number(cursor.value()) or 0
                except (RecordDamaged, ValueError) as error:
                    damage.add(cursor.key(), str(error))
                found = cursor.next()
        return floors

    def used_bytes(self) -> int:
        """Of the pages in use. Free ones stay in the file, and are what is written to next."""
        with self.reading() as txn:
            counts = [txn.stat(table) for table in self._all]
        pages = sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in counts)
        return int(pages * self._env.stat()["psize"])

    def retrying(self, write: Callable[[], None]) -> None:
        """For a writer that is alone, as a salvage is. Raises lmdb.MapFullError at the limit."""
        while True:
            try:
                return write()
            except lmdb.MapFullError:
                if not self.grow():
                    raise

    def flush(self) -> None:
        self._env.sync(True)

    def reap_readers(self) -> None:
        """Forget snapshots that processes held which are no more; free pages wait for them."""
        self._env.reader_check()

    def grow(self) -> bool:
        """Double the map while nobody reads. False at the limit, and then nothing has changed."""
        size = self._env.info()["map_size"]
        larger = min(2 * size, self.max_map_bytes)
        if larger <= size or not _has_address_space(larger):
            return False
        with self._gate.alone():
            self._env.set_mapsize(larger)
        return True

    def close(self) -> bool:
        """False when it was closed before."""
        with self._gate.alone():
            if self._closed:
                return False
            self._closed = True
            self._env.close()
            return True


def refuse_newer(folder: Path, schema: int) -> None:
    if schema > SCHEMA:
        why = f"it was written by a newer chatd (schema {schema}, this one knows {SCHEMA})"
        raise StoreUnusable(folder, why, "update chatd")


def sealed_number(value: bytes | None) -> int | None:
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

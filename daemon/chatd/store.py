"""The history on disk: an LMDB environment, one thread that writes it, and short reads from any thread.

A message is acknowledged only after its commit returned. Knows nothing of rooms' members, peers or event
loops, and refuses to serve a record whose checksum is wrong.
"""

import errno
import mmap
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NamedTuple, Self, TypeAlias

import lmdb
import lmdb.verify

from chatcore.envelopes import Envelope
from chatcore.errors import LocalError, Stopping
from chatcore.ids import MessageId, RoomId
from chatd import records
from chatd.records import NotDataFile, RecordDamaged

SCHEMA = 1

DEFAULT_MAP_BYTES = 64 * 1024 * 1024
MAX_MAP_BYTES = 1024**4
"""The map is address space, not disk: 1 TiB is far beyond a chat's history and fits every 64-bit machine."""

MAX_GROUP_BYTES = 4 * 1024 * 1024
"""One transaction's payload: whoever is queued behind waits tens of milliseconds for it, not seconds."""

MESSAGE_OVERHEAD_BYTES = 512
"""What a queued message costs beyond its payload: the decoded envelope, its strings and its keys."""

MAX_READERS = 64
MAX_TABLES = 16
MAX_DAMAGED_KEPT = 10_000
"""Damaged records told of already; beyond it they are skipped in silence."""

_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_DATA_FILE = "data.mdb"
_LOCK_FILE = "lock.mdb"

_SCHEMA_KEY = b"schema"
_CREATED_KEY = b"created_ms"
_LAST_STAMP_KEY = b"last_stamp"

_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DAMAGED_HINT = "move the folder away and start again; peers give the shared history back"


class StoreUnusable(LocalError):
    """The store cannot be opened or read; nothing was changed in it."""

    kind = "store_unusable"

    def __init__(self, path: Path, why: str, hint: str) -> None:
        super().__init__(f"the store at {path} cannot be used: {why}", hint)
        self.path = path
        self.why = why


class Stored(NamedTuple):
    """A tuple, like Envelope, because a busy node makes tens of thousands a second."""

    seq: int
    """This node's own numbering, from 1, in the order of arrival."""

    received_ms: int
    """Wall time when it was written."""

    envelope: Envelope


@dataclass(frozen=True, slots=True)
class RoomEntry:
    room_id: RoomId
    name: str
    joined: bool


@dataclass(frozen=True, slots=True)
class Batch:
    """What to keep, all of it or nothing; `job` is the caller's number for it."""

    job: int
    messages: Sequence[Envelope] = ()
    rooms: Sequence[RoomEntry] = ()


@dataclass(frozen=True, slots=True)
class BatchResult:
    """`stored` leaves out messages that were there already; with an `error` nothing of the batch was kept."""

    job: int
    stored: tuple[Stored, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Damaged:
    """A record that is not what was written, by its key: 8 bytes, big-endian, for a message in the log."""

    key: bytes
    why: str


OnResults = Callable[[list[BatchResult]], None]
OnDamage = Callable[[Damaged], None]


class Store:
    """Made by `open` or `temporary`. Reads may come from any thread and take microseconds per record."""

    def __init__(self, tables: "_Tables", on_damage: OnDamage | None) -> None:
        self._tables = tables
        self._damage = _DamageLog(on_damage)
        self._writer: _Writer | None = None
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
        with _refusing(folder):
            _prepare_folder(folder)
            _check_data_file(folder)
            tables = _Tables(folder, sync=sync, map_bytes=map_bytes, max_map_bytes=max_map_bytes)
            with ExitStack() as on_failure:
                on_failure.callback(tables.close)
                tables.open_all()
                store = cls(tables, on_damage)
                on_failure.pop_all()
            return store

    @classmethod
    def temporary(cls, *, map_bytes: int = DEFAULT_MAP_BYTES, on_damage: OnDamage | None = None) -> Self:
        """A store without a name: its files are unlinked once open, so that no kind of death leaves any.

        Raises:
            StoreUnusable: the folder for temporary files does not take it.
        """
        with _refusing(Path(tempfile.tempdir or "/tmp")):  # noqa: S108 - only named in the refusal
            folder = Path(tempfile.mkdtemp(prefix="chatd-"))
        try:
            return cls.open(folder, sync=False, map_bytes=map_bytes, on_damage=on_damage)
        finally:
            shutil.rmtree(folder)

    def start(self, on_results: OnResults) -> None:
        """Start the writer thread; it calls `on_results` once for each group of batches it committed."""
        if self._writer is not None:
            raise RuntimeError("the store was started before")
        self._writer = _Writer(self._tables, self._position, on_results)

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

    def newest(self, room: RoomId, limit: int) -> list[Stored]:
        """The last `limit` of a room by stamp, then id; oldest first."""
        newest_first: list[Stored] = []
        with self._tables.reading() as txn, txn.cursor(self._tables.room) as cursor:
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

    def _follow(self, txn: "_Txn", key: bytes, value: bytes) -> Stored | None:
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


# py-lmdb's classes take parameters only in its stubs.
_Txn: TypeAlias = "lmdb.Transaction[bytes]"
_Table: TypeAlias = "lmdb._Database"  # noqa: SLF001 - py-lmdb gives its handle no public name


def _backwards(cursor: "lmdb.Cursor[bytes]", end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Entries before `end`, the greatest first."""
    found = cursor.prev() if cursor.set_range(end) else cursor.last()
    return cursor.iterprev() if found else iter(())


def _onwards(cursor: "lmdb.Cursor[bytes]", start: bytes) -> Iterator[tuple[bytes, bytes]]:
    # An unpositioned cursor would begin again at the first entry.
    return cursor.iternext() if cursor.set_range(start) else iter(())


@dataclass(slots=True)
class _Position:
    """Where the log ends. Only the writer changes it, after a commit."""

    seq: int
    stamp: int


class _DamageLog:
    """Counts each damaged record once and tells of it once, whichever threads come across it."""

    def __init__(self, on_damage: OnDamage | None) -> None:
        self._on_damage = on_damage
        self._lock = threading.Lock()
        self._reported: set[bytes] = set()

    @property
    def count(self) -> int:
        return len(self._reported)

    def add(self, key: bytes, why: str) -> None:
        with self._lock:
            if key in self._reported or len(self._reported) >= MAX_DAMAGED_KEPT:
                return
            self._reported.add(key)
        if self._on_damage is not None:
            self._on_damage(Damaged(key, why))


class _Gate:
    """Many readers, or one who moves the map under them. Whoever waits to move it holds new readers back."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._readers = 0
        self._taken = False

    @contextmanager
    def reading(self) -> Iterator[None]:
        with self._changed:
            while self._taken:
                self._changed.wait()
            self._readers += 1
        try:
            yield
        finally:
            with self._changed:
                self._readers -= 1
                if not self._readers:
                    self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._changed:
            while self._taken:
                self._changed.wait()
            self._taken = True
            while self._readers:
                self._changed.wait()
        try:
            yield
        finally:
            with self._changed:
                self._taken = False
                self._changed.notify_all()


class _Tables:
    """The environment and its named tables. Everything that touches the map passes here."""

    log: _Table
    ids: _Table
    room: _Table
    rooms: _Table
    meta: _Table

    def __init__(self, folder: Path, *, sync: bool, map_bytes: int, max_map_bytes: int) -> None:
        self.folder = folder
        self._max_map_bytes = max_map_bytes
        self._gate = _Gate()
        self._closed = False
        self._env = lmdb.open(
            str(folder),
            map_size=map_bytes,
            mode=_FOLDER_MODE,
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
                txn.put(_CREATED_KEY, records.seal(records.pack_u64(_wall_ms())), db=self.meta)
        _sync_folder(self.folder)

    def _check_schema(self, txn: _Txn) -> None:
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

    def _open_tables(self, txn: _Txn, *, create: bool) -> None:
        for name in ("log", "ids", "room", "rooms", "meta"):
            setattr(self, name, self._env.open_db(name.encode(), txn=txn, create=create))

    def load_position(self, damage: _DamageLog) -> _Position:
        with self.reading() as txn, txn.cursor(self.log) as cursor:
            seq = records.unpack_u64(cursor.key()) if cursor.last() else 0
            try:
                stamp = _number(txn.get(_LAST_STAMP_KEY, db=self.meta)) or 0
            except RecordDamaged as error:
                # The clock then starts from wall time, as it does on a new node.
                damage.add(_LAST_STAMP_KEY, error.why)
                stamp = 0
        return _Position(seq, stamp)

    @contextmanager
    def reading(self) -> Iterator[_Txn]:
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
                raise StoreUnusable(self.folder, _describe(error), _DAMAGED_HINT) from error

    def writing(self) -> _Txn:
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


class _Writer:
    """The one thread that writes: it takes all that is queued, commits it, tells of it, and looks again."""

    def __init__(self, tables: _Tables, position: _Position, on_results: OnResults) -> None:
        self._tables = tables
        self._position = position
        self._on_results = on_results
        self._queue: SimpleQueue[tuple[Batch, int] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._stopping = False
        self.backlog_bytes = 0
        # A daemon thread: a process that dies of something else must not hang on it. `stop` waits for it.
        self._thread = threading.Thread(target=self._run, name="chatd-store", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        size = _queued_bytes(batch)
        with self._lock:
            refused = self._stopping
            if not refused:
                self.backlog_bytes += size
                self._queue.put((batch, size))
        if refused:
            self._on_results([BatchResult(batch.job, error=str(Stopping()))])

    def stop(self) -> None:
        with self._lock:
            if not self._stopping:
                self._stopping = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        more = True
        while more:
            group, size, more = self._take_group()
            if group:
                results = self._commit(group)
                with self._lock:  # before it is told, or who waits for room would not see it
                    self.backlog_bytes -= size
                self._tell(results)

    def _take_group(self) -> tuple[list[Batch], int, bool]:
        """Waits for a first batch only, so that an idle store answers at once. False after the last group."""
        group: list[Batch] = []
        size = 0
        item = self._queue.get()
        while item is not None:
            group.append(item[0])
            size += item[1]
            if size >= MAX_GROUP_BYTES:
                return group, size, True
            try:
                item = self._queue.get_nowait()
            except Empty:
                return group, size, True
        return group, size, False

    def _tell(self, results: list[BatchResult]) -> None:
        try:
            self._on_results(results)
        except Exception as error:  # noqa: BLE001 - the listener's bug must not end the thread that keeps messages
            args = (type(error), error, error.__traceback__, self._thread)
            threading.excepthook(threading.ExceptHookArgs(args))

    def _commit(self, group: list[Batch]) -> list[BatchResult]:
        """Every batch gets a result, whatever happens."""
        try:
            while True:
                try:
                    return self._write(group)
                except lmdb.MapFullError:
                    if not self._tables.grow():
                        return _failed(group, "the store has reached its greatest size")
        except Exception as error:  # noqa: BLE001 - a group that cannot be written must not stop the next
            return _failed(group, _describe(error))

    def _write(self, group: list[Batch]) -> list[BatchResult]:
        """One transaction. Every LMDB call gives up the interpreter lock, so a message costs only three."""
        tables, received_ms = self._tables, _wall_ms()
        received = records.pack_u64(received_ms)
        seq, stamp = self._position.seq, self._position.stamp
        log: list[tuple[bytes, bytes]] = []
        room: list[tuple[bytes, bytes]] = []
        results = []
        with tables.writing() as txn:
            with txn.cursor(tables.ids) as ids:
                for batch in group:
                    stored = []
                    for envelope in batch.messages:
                        number = records.pack_u64(seq + 1)
                        if not ids.put(envelope.id, number, overwrite=False):
                            continue
                        seq += 1
                        record = records.encode_record(received, envelope.signature, envelope.payload)
                        log.append((number, record))
                        room.append((records.room_key(envelope), number))
                        stored.append(Stored(seq, received_ms, envelope))
                        stamp = max(stamp, envelope.stamp)
                    results.append(BatchResult(batch.job, tuple(stored)))
            _append(txn, tables.log, log)
            with txn.cursor(tables.room) as cursor:
                cursor.putmulti(sorted(room))
            _put_rooms(txn, tables.rooms, group)
            if stamp > self._position.stamp:
                txn.put(_LAST_STAMP_KEY, records.seal(records.pack_u64(stamp)), db=tables.meta)
        self._position.seq, self._position.stamp = seq, stamp
        return results


def _append(txn: _Txn, table: _Table, items: list[tuple[bytes, bytes]]) -> None:
    with txn.cursor(table) as cursor:
        _, added = cursor.putmulti(items, append=True)
    if added != len(items):
        raise lmdb.Error("the log goes further than this process wrote")


def _put_rooms(txn: _Txn, table: _Table, group: list[Batch]) -> None:
    for batch in group:
        for entry in batch.rooms:
            txn.put(entry.room_id, records.encode_room(entry.name, joined=entry.joined), db=table)


def _queued_bytes(batch: Batch) -> int:
    payloads = sum([len(envelope.payload) for envelope in batch.messages])
    return payloads + MESSAGE_OVERHEAD_BYTES * (1 + len(batch.messages) + len(batch.rooms))


def _failed(group: list[Batch], why: str) -> list[BatchResult]:
    return [BatchResult(batch.job, error=why) for batch in group]


def _number(value: bytes | None) -> int | None:
    """Raises RecordDamaged."""
    return None if value is None else records.unpack_u64(records.unseal(value))


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _has_address_space(size: int) -> bool:
    """Asked beforehand, because LMDB unmaps the old map first and crashes later if the new one fails."""
    try:
        mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ).close()
    except OSError:
        return False
    return True


@contextmanager
def _refusing(folder: Path) -> Iterator[None]:
    """Whatever the system or LMDB says against a folder, as StoreUnusable."""
    try:
        yield
    except RecordDamaged as error:
        raise StoreUnusable(folder, error.why, _DAMAGED_HINT) from error
    except (lmdb.Error, OSError) as error:
        code = _errno(error)
        if code in _FULL_ERRNOS or code == errno.EIO:
            hint = "free disk space"
        elif code in {errno.EACCES, errno.EPERM, errno.EROFS}:
            hint = "make the folder readable and writable for the user who runs chatd"
        elif isinstance(error, OSError):
            hint = "choose another folder"
        else:
            hint = _DAMAGED_HINT
        raise StoreUnusable(folder, _describe(error), hint) from error


def _describe(error: Exception) -> str:
    """One phrase, from the system's or LMDB's own words; never content."""
    code = _errno(error)
    if code in _FULL_ERRNOS:
        return f"no space left ({os.strerror(code)})"
    if code == errno.EIO:  # LMDB's word for a write that ended early, which is how a disk fills up
        return f"the disk is full or failing ({os.strerror(code)})"
    if code > 0:
        return os.strerror(code)
    if isinstance(error, lmdb.Error):
        return str(error)
    return type(error).__name__


def _errno(error: Exception) -> int:
    """Positive: the system's number. Zero or below: it has none; LMDB's own codes are negative."""
    if isinstance(error, lmdb.Error):
        return error.code
    return error.errno or 0 if isinstance(error, OSError) else 0


def _prepare_folder(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(mode=_FOLDER_MODE, parents=True)
        _sync_folder(folder.parent)
    folder.chmod(_FOLDER_MODE)
    for name in (_DATA_FILE, _LOCK_FILE):
        if (folder / name).exists():
            (folder / name).chmod(_FILE_MODE)


def _sync_folder(folder: Path) -> None:
    """A new file's name must survive a power cut as surely as what is in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_data_file(folder: Path) -> None:
    """Refuse what is not LMDB's or is cut short, before it is mapped. Raises StoreUnusable or OSError."""
    path = folder / _DATA_FILE
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with path.open("rb") as file:
            header = records.read_header(file)
    except NotDataFile as error:
        raise StoreUnusable(folder, error.why, _DAMAGED_HINT) from error
    if path.stat().st_size < header.pages * header.page_bytes and not _is_sound(path):
        raise StoreUnusable(folder, "its data file is cut short", _DAMAGED_HINT)


def _is_sound(path: Path) -> bool:
    """Only free pages may lie beyond the end. Slow, and so asked only of a file that is short."""
    try:
        return not lmdb.verify.verify(str(path))  # type: ignore[no-untyped-call]  # py-lmdb has no types there
    except lmdb.verify.VerifyError:
        return False

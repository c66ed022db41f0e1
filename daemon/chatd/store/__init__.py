"""The history on disk: an LMDB environment, one thread that writes it, and short reads from any thread.

A message is acknowledged only after its commit returned. Knows nothing of rooms' members, peers or event
loops, and refuses to serve a record whose checksum is wrong.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from chatcore.clock import COUNTER_BITS
from chatcore.discouraged import Discouraged
from chatcore.envelopes import Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.index import Piece, Signed, SignedPage, Sum
from chatcore.people import Person
from chatcore.records import KnownAddress
from chatd.store import marks, quarantine, records, restored
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
from chatd.store.folder import DATA_FILE, check_data_file, prepare_folder
from chatd.store.healing import Healing
from chatd.store.log import Log
from chatd.store.pins import MAX_PINS, Pins
from chatd.store.reading import Point, onwards, room_entries
from chatd.store.records import RecordDamaged
from chatd.store.retention import LEAST_MARGIN_BYTES, LEAST_QUOTA_BYTES, Policy, Retention, Trimmed
from chatd.store.search import Found, Search, Snapshot, find
from chatd.store.shown import ShownPage
from chatd.store.states import States
from chatd.store.tables import MAX_MAP_BYTES, SCHEMA, Tables
from chatd.store.writer import Writer

__all__ = [
    "LEAST_QUOTA_BYTES",
    "MAX_PINS",
    "SCHEMA",
    "Batch",
    "BatchResult",
    "Damaged",
    "Policy",
    "RoomEntry",
    "Store",
    "StoreUnusable",
    "Stored",
    "Trimmed",
]

OnTrim = Callable[[Trimmed], None]

RESTORED_JUMP_MS = 60_000
"""Beyond the newest message and the time of the backup: what was on its way to disk then."""

DEFAULT_MAP_BYTES = 64 * 1024 * 1024
MAX_SNAPSHOTS = 5
MAX_LOOKED_AT = 4
"""For each message that a page for a peer may hold: one that meets more damage than that ends there."""

"""Tried by one search while the index moves on under it; each move is thousands of messages."""


class Store:
    """Made by `open` or `temporary`. Reads may come from any thread and take microseconds per record."""

    def __init__(
        self, tables: Tables, on_damage: OnDamage | None, policy: Policy, on_trim: OnTrim | None
    ) -> None:
        self._tables = tables
        self._damage = DamageLog(on_damage)
        self._writer: Writer | None = None
        self._position = tables.load_position(self._damage)
        floors = tables.load_floors(self._damage)
        trusted_ms = tables.load_trusted_ms(self._damage)
        self.retention = Retention(tables, self._position, floors, policy, on_trim, trusted_ms=trusted_ms)
        self.retention.protected = tables.own.waits
        self.healing = Healing(tables, self._position)
        self._log = Log(tables, self._damage, self._lose)
        self.own = States(tables, self._damage, self._log)
        self.pins = Pins(tables.pins, tables.ids, tables.reading, self._log.follow)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        sync: bool = True,
        map_bytes: int = DEFAULT_MAP_BYTES,
        max_map_bytes: int = MAX_MAP_BYTES,
        policy: Policy = Policy(),  # noqa: B008 - frozen
        on_damage: OnDamage | None = None,
        on_trim: OnTrim | None = None,
        damaged: Sequence[int] = (),
    ) -> Self:
        """Make the folder where it is missing, or open what is there.

        The caller holds the lock that keeps a second daemon away. `on_damage` is told of each damaged
        record once, in the thread that came across it, and must not read the store; `on_trim` of what the
        policy removed, in the writer thread. `damaged` are numbers of messages that a check found so.

        Raises:
            StoreUnusable: nothing in the folder was changed.
        """
        with refusing(folder):
            prepare_folder(folder)
            check_data_file(folder)
            with ExitStack() as on_failure:
                if marks.take(folder):
                    on_failure.callback(marks.leave, folder)
                most = _map_limit(folder, policy, max_map_bytes)
                tables = Tables(folder, sync=sync, map_bytes=map_bytes, max_map_bytes=most)
                on_failure.callback(tables.close)
                tables.open_all()
                store = cls(tables, on_damage, policy, on_trim)
                store._heal(damaged)
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
        self._writer = Writer(self._tables, self._position, self.retention, self.healing, on_results)

    def submit(self, batch: Batch) -> None:
        """Queue it; never blocks. After `close` its error comes at once, in the caller's thread."""
        if self._writer is None:
            raise RuntimeError("start the store before submitting to it")
        self._writer.submit(batch)

    def close(self) -> None:
        """Write what is queued, end the thread, close the files. Blocks for as long as that takes."""
        if self._writer is not None:
            self._writer.stop()
        if self._tables.close() and not self._tables.suspect and not self.healing.is_pending:
            marks.leave(self._tables.folder)

    @property
    def backlog_bytes(self) -> int:
        """Queued and being written, about as memory counts it."""
        return 0 if self._writer is None else self._writer.backlog_bytes

    @property
    def damaged(self) -> int:
        """Damaged records come across so far."""
        return self._damage.count

    @property
    def quarantined(self) -> list[Path]:
        """Folders with damaged files that were moved aside and not been removed since."""
        return quarantine.found(self._tables.folder)

    @property
    def restored(self) -> bool:
        """It came out of a backup, and its node has not caught up since."""
        return restored.read(self._tables.folder) is not None

    def forget_restored(self) -> None:
        restored.forget(self._tables.folder)

    def first_stamp(self) -> int:
        """Where the clock goes on. A store from a backup may have been followed by more than it holds."""
        made_ms = restored.read(self._tables.folder)
        if made_ms is None:
            return self.last_stamp()
        return max(self.last_stamp(), made_ms << COUNTER_BITS) + (RESTORED_JUMP_MS << COUNTER_BITS)

    def reap_readers(self) -> None:
        """After another process has looked into the store, and may have died of it."""
        self._tables.reap_readers()

    def last_seq(self) -> int:
        """Of the last message committed; 0 when there is none."""
        return self._position.seq

    def last_stamp(self) -> int:
        """The greatest stamp of any message committed; 0 when there is none."""
        return self._position.stamp

    def floor(self, room: RoomId) -> int:
        """No message of the room with a lesser stamp is kept, or is to be taken in again."""
        return self.retention.floor(room)

    def used_bytes(self) -> int:
        """Of the data file, without free pages, which are written to next."""
        return self._tables.used_bytes()

    @property
    def refusal(self) -> tuple[str, str] | None:
        """Why it takes no messages though the disk would, and what to do; None while it does."""
        return self.retention.refusal() if self.retention.full() else None

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
                stored = None if number is None else self._log.indexed(txn, number)
                if stored is None or stored.envelope.id != message_id:
                    continue
                most_bytes -= len(stored.envelope.payload)
                if most_bytes < 0:
                    break
                found.append(stored.envelope)
        return found

    def signed(self, room: RoomId, lower: bytes, upper: bytes, most: int, most_bytes: int) -> SignedPage:
        found: list[Signed] = []
        reached = lower
        with self._tables.reading() as txn:
            for looked_at, (key, number) in enumerate(self._tables.sums.entries(txn, room, lower, upper)):
                if len(found) == most or looked_at == MAX_LOOKED_AT * most:
                    return SignedPage(found, reached)
                message = self._log.signed(txn, room + key, number)
                if message is None:
                    continue
                most_bytes -= len(message.payload)
                if most_bytes < 0:
                    return SignedPage(found, reached)
                found.append(message)
                reached = key
        return SignedPage(found, lower)

    def newest(self, room: RoomId, limit: int) -> list[Stored]:
        """The last `limit` of a room by stamp, then id; oldest first."""
        return self.page(room, limit)

    def page(
        self, room: RoomId, limit: int, before: Point | None = None, after: Point | None = None
    ) -> list[Stored]:
        """Up to `limit` of a room between two points, themselves left out; oldest first.

        With `after` those right behind it, without it those right before `before`, or the last ones.
        """
        page: list[Stored] = []
        with self._tables.reading() as txn, txn.cursor(self._tables.room.table) as cursor:
            for key, value in room_entries(cursor, room, before, after):
                stored = self._log.follow(txn, key, value)
                if stored is not None:
                    page.append(stored)
                if len(page) == limit:
                    break
        return page if after is not None else page[::-1]

    def shown(self, page: ShownPage) -> ShownPage:
        """Fill it, a snapshot for each step."""
        more = True
        while more:
            with self._tables.reading() as txn:
                more = page.step(txn, self._tables.room.table, self._tables.log, self._log.follow)
        return page

    def search(self, search: Search) -> Found:
        """The newest messages that match. May take tens of milliseconds: not for an event loop's thread."""
        for _ in range(MAX_SNAPSHOTS):
            last_seq = self.last_seq()
            with self._tables.reading() as txn:
                try:
                    snapshot = Snapshot(txn, last_seq, self._log.numbered, self._log.onwards)
                    found = find(self._tables.search, snapshot, search)
                except RecordDamaged as error:
                    self._damage.add(b"search", error.why)
                    self._tables.search.distrust()
                    return Found([], stopped=True)
            if found is not None:
                return found
        return Found([], stopped=True)

    @property
    def search_lag(self) -> int:
        """Messages the search index does not have yet."""
        return self._tables.search.lag(self.last_seq())

    def search_bytes(self) -> int:
        """What the search index takes on disk."""
        with self._tables.reading() as txn:
            return self._tables.search.size(txn)

    def with_id(self, prefix: str) -> list[Stored]:
        """Messages whose id in hexadecimal begins so: one or none, or two when it may mean several."""
        with self._tables.reading() as txn, txn.cursor(self._tables.ids) as cursor:
            start = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
            numbers: list[bytes] = []
            for key, number in onwards(cursor, start):
                if len(numbers) == 2 or not key.hex().startswith(prefix):
                    break
                numbers.append(number)
            found = [self._log.indexed(txn, number) for number in numbers]
        return [stored for stored in found if stored is not None]

    def after(self, seq: int, limit: int) -> list[Stored]:
        """The next `limit` behind `seq` in the order of arrival. Fewer means the end of the log."""
        with self._tables.reading() as txn:
            return self._log.onwards(txn, seq, limit)

    def people(self) -> list[Person]:
        """Whom the owner named or blocked."""
        with self._tables.reading() as txn:
            return self._tables.acquaintances.all_people(txn, self._damage)

    def discouraged(self) -> list[Discouraged]:
        """Also those whose time is over."""
        with self._tables.reading() as txn:
            return self._tables.acquaintances.all_discouraged(txn, self._damage)

    @property
    def rooms_version(self) -> int:
        """Another one when `rooms` may say something else than before."""
        return self._tables.rooms_version

    def addresses(self) -> list[KnownAddress]:
        """What the node knew of addresses when it last wrote them."""
        with self._tables.reading() as txn:
            return self._tables.addresses.read(txn, self._damage)

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

    def _lose(self, number: bytes) -> None:
        """The writer takes it out, or, where there is none yet, the check at the next start does."""
        self.healing.add([number])
        if self._writer is not None:
            self._writer.nudge()

    def _heal(self, damaged: Iterable[int]) -> None:
        numbers = [records.pack_u64(number) for number in damaged]
        for number in numbers:
            self._damage.add(number, "its checksum is wrong")
        self.healing.add(numbers)
        self.healing.run()


def _map_limit(folder: Path, policy: Policy, most: int) -> int:
    """A file that is larger than its quota already needs some space to become less in; no other does."""
    data = folder / DATA_FILE
    size = data.stat().st_size if data.exists() else 0
    quota = policy.most_bytes or MAX_MAP_BYTES
    return min(most, quota if size <= quota else size + LEAST_MARGIN_BYTES)

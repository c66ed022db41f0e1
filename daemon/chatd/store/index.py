"""The search index on disk, built from the log behind the writer's back.

Messages gather in the tail; when there are enough they are written as one segment, behind all others. Knows
nothing of searches.
"""

import struct
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

import lmdb
import structlog

from chatcore import words
from chatd.store import postings, records
from chatd.store.batches import Stored
from chatd.store.derived import Lost
from chatd.store.faults import describe
from chatd.store.lmdbtypes import Cursor, Environment, Table, Txn
from chatd.store.postings import Order, Place, Segment
from chatd.store.records import RecordDamaged
from chatd.store.tail import MAX_SEGMENT_MESSAGES, Tail
from chatd.store.terms import ROOM, terms_of

if TYPE_CHECKING:
    from chatd.store.tables import Tables

UPTO_KEY = b"search_upto"
"""In the table of meta data: the last message that is in a segment, and which `words.VERSION` made them."""

STEP_MESSAGES = 128
"""Indexed at a time, about 3 ms, before looking whether somebody waits for a commit."""

MAX_LAG = 50_000
"""Behind by more messages than that, the index no longer waits until nothing else is to be written."""

PROGRESS_S = 5.0
RETRY_S = 60.0

_ORDER = b"\0"
_TERMS = b"\1"
"""Sorts behind the order, and before every word."""

Item = TypeVar("Item", Stored, Lost)
_UPTO = struct.Struct(">HQ")

log = structlog.get_logger()


class SearchIndex:
    """One of the derived tables; the writer calls `step` when it has nothing better to do."""

    postings: Table
    _segments: Table
    _meta: Table

    def __init__(self) -> None:
        self.tail = Tail(0)
        self._told = 0.0
        self._retry_at = 0.0
        self._is_damaged = False

    def open(self, env: Environment, txn: Txn, *, create: bool) -> None:
        """The index of an older store, or by other rules for words, is made anew, in steps."""
        del create
        self._meta = env.open_db(b"meta", txn=txn)
        self.postings = env.open_db(b"postings", txn=txn)
        self._segments = env.open_db(b"segments", txn=txn)
        upto = self.read_upto(txn)
        if upto is None:
            self._begin_anew(txn)
        else:
            self.tail = Tail(upto)

    def _begin_anew(self, txn: Txn) -> None:
        for table in (self.postings, self._segments):
            txn.drop(table, delete=False)
        self._write_upto(txn, 0)
        self.tail = Tail(0)

    def read_upto(self, txn: Txn) -> int | None:
        value = txn.get(UPTO_KEY, db=self._meta)
        try:
            version, upto = (0, 0) if value is None else _UPTO.unpack(records.unseal(value))
        except (RecordDamaged, struct.error):
            return None
        return upto if version == words.VERSION else None

    def _write_upto(self, txn: Txn, upto: int) -> None:
        txn.put(UPTO_KEY, records.seal(_UPTO.pack(words.VERSION, upto)), db=self._meta)

    # Building: in the writer's thread

    def add(self, txn: Txn, stored: Sequence[Stored]) -> None:
        """Nothing yet: who waits for this commit should not wait for words as well."""

    def remove(self, txn: Txn, gone: Sequence[Stored]) -> None:
        if any(item.seq > self.tail.start for item in gone):
            self.tail = Tail(self.tail.start)  # filled again from what is left in the log
        try:
            self._remove_from_segments(txn, gone)
        except RecordDamaged:
            self._begin_anew(txn)

    def forget(self, txn: Txn, lost: Sequence[Lost]) -> None:
        """Nobody knows their words any more, so every word of a segment is looked at."""
        if any(item.seq > self.tail.start for item in lost):
            self.tail = Tail(self.tail.start)
        try:
            for segment, items in self._by_segment(txn, lost).items():
                self._forget_in(txn, segment, items)
        except RecordDamaged:
            self._begin_anew(txn)

    def _forget_in(self, txn: Txn, segment: Segment, items: Sequence[Lost]) -> None:
        order, gone = self.load_order(txn, segment), 0
        for item in items:
            place = Place(records.stamp_of(item.key), item.seq)
            number = order.number_of(place)
            if number < len(order) and order.place(number) == place:  # or it was damaged when its turn came
                gone |= 1 << number
        changed: dict[bytes, bytes | None] = {}
        with txn.cursor(self.postings) as cursor:
            if cursor.set_range(segment.key + _TERMS):
                for key, value in cursor.iternext():
                    if not key.startswith(segment.key):
                        break
                    if postings.decode_holders(value) & gone:
                        changed[key] = postings.without(value, gone, segment.size)
        self._put_holders(txn, segment, changed)

    def _remove_from_segments(self, txn: Txn, gone: Sequence[Stored]) -> None:
        for segment, items in self._by_segment(txn, gone).items():
            self._remove_from(txn, segment, items)

    def _by_segment(self, txn: Txn, gone: Sequence[Item]) -> dict[Segment, list[Item]]:
        segments = self.load_segments(txn)
        firsts = [segment.first_seq for segment in segments]
        leaving: dict[Segment, list[Item]] = {}
        for item in gone:
            at = bisect_right(firsts, item.seq) - 1
            if at >= 0 and item.seq <= segments[at].last_seq:
                leaving.setdefault(segments[at], []).append(item)
        return leaving

    def _remove_from(self, txn: Txn, segment: Segment, items: Sequence[Stored]) -> None:
        order = self.load_order(txn, segment)
        gone: dict[bytes, int] = {}
        for item in items:
            number = order.number_of(Place(item.envelope.stamp, item.seq))
            for term in terms_of(item.envelope):
                gone[term] = gone.get(term, 0) | 1 << number
        changed: dict[bytes, bytes | None] = {}
        for term, bits in gone.items():
            key = segment.key + term
            changed[key] = postings.without(txn.get(key, db=self.postings, default=b""), bits, segment.size)
        self._put_holders(txn, segment, changed)

    def _put_holders(self, txn: Txn, segment: Segment, changed: Mapping[bytes, bytes | None]) -> None:
        """None: nobody is left who holds the word. A segment that nobody is left in goes."""
        for key, left in changed.items():
            if left is None:
                txn.delete(key, db=self.postings)
            else:
                txn.put(key, left, db=self.postings)
        with txn.cursor(self.postings) as cursor:
            if any(True for _ in with_prefix(cursor, segment.key + ROOM)):
                return  # every message has a room, so some are left
            while cursor.set_range(segment.key) and cursor.key().startswith(segment.key):
                cursor.delete()
        txn.delete(segment.key, db=self._segments)

    def lag(self, last_seq: int) -> int:
        """How many messages wait for `step`; none for a while after it has failed."""
        if time.monotonic() < self._retry_at:
            return 0
        return max(1, last_seq) if self._is_damaged else last_seq - self.tail.upto

    def distrust(self) -> None:
        """Somebody found it damaged: the writer makes it anew when it next has something to do."""
        self._is_damaged = True

    def step(self, tables: "Tables", last_seq: int) -> None:
        """Index a few more. What fails is told, and tried again later."""
        try:
            if self._is_damaged:
                with tables.writing() as txn:
                    self._begin_anew(txn)
                self._is_damaged = False
            self._fill(tables, last_seq)
            if self.tail.is_full:
                self._flush(tables)
        except Exception as error:  # noqa: BLE001 - the thread that keeps messages goes on
            self._retry_at = time.monotonic() + RETRY_S
            hint = "searches are incomplete; it is tried again in a minute"
            log.error("search_index_failed", why=describe(error), hint=hint)  # noqa: TRY400 - a full disk is no bug
        self._tell(last_seq)

    def _fill(self, tables: "Tables", last_seq: int) -> None:
        tail = self.tail
        with tables.reading() as txn, txn.cursor(tables.log) as cursor:
            if not cursor.set_range(records.pack_u64(tail.upto + 1)):
                tail.pass_over(last_seq)
                return
            for key, record in islice(cursor.iternext(), STEP_MESSAGES):
                seq = records.unpack_u64(key)
                try:
                    tail.add(Stored(seq, *records.decode_record(record)))
                except RecordDamaged:  # told of when somebody reads it
                    tail.pass_over(seq)
                if tail.is_full:
                    break

    def _flush(self, tables: "Tables") -> None:
        order, oldest, newest, holders = self.tail.as_segment()
        span = (self.tail.start + 1, self.tail.upto, oldest.stamp, newest.stamp, len(order))
        while True:
            try:
                with tables.writing() as txn:
                    upto = self.read_upto(txn)
                    if upto != self.tail.start:  # a removal that was given up had begun it anew
                        self.tail = Tail(upto or 0)
                        return
                    self._write_segment(txn, span, order, holders)
                break
            except lmdb.MapFullError:
                if not tables.grow():
                    raise
        self.tail = Tail(self.tail.upto)

    def _write_segment(
        self,
        txn: Txn,
        span: tuple[int, int, int, int, int],
        order: Order,
        holders: Sequence[tuple[bytes, bytes]],
    ) -> None:
        with txn.cursor(self._segments) as cursor:
            number = 1 + int.from_bytes(cursor.key(), "big") if cursor.last() else 1
        segment = Segment(number, *span)
        with txn.cursor(self.postings) as cursor:
            cursor.put(segment.key + _ORDER, order.encode(), append=True)
            entries = [(segment.key + term, value) for term, value in holders]
            if cursor.putmulti(entries, append=True)[1] != len(entries):
                raise lmdb.Error("the search index goes further than this process wrote")
        txn.put(segment.key, segment.encode(), db=self._segments)
        self._write_upto(txn, segment.last_seq)

    def _tell(self, last_seq: int) -> None:
        """Progress while there is a long way to go."""
        lag, now = self.lag(last_seq), time.monotonic()
        if lag > MAX_SEGMENT_MESSAGES and now - self._told > PROGRESS_S:
            self._told = now
            log.info("search_index", indexed=last_seq - lag, of=last_seq)

    def size(self, txn: Txn) -> int:
        """Bytes on disk."""
        found = [txn.stat(table) for table in (self.postings, self._segments)]
        pages = sum(stat["branch_pages"] + stat["leaf_pages"] + stat["overflow_pages"] for stat in found)
        return pages * found[0]["psize"]

    def load_segments(self, txn: Txn) -> list[Segment]:
        with txn.cursor(self._segments) as cursor:
            return [postings.decode_segment(key, value) for key, value in cursor]

    def load_order(self, txn: Txn, segment: Segment) -> Order:
        return Order.decode(txn.get(segment.key + _ORDER, db=self.postings, default=b""), segment)


def with_prefix(cursor: Cursor, prefix: bytes) -> Iterator[bytes]:
    """The values of all keys that begin so."""
    if cursor.set_range(prefix):
        for key, value in cursor.iternext():
            if not key.startswith(prefix):
                return
            yield value

"""A program of its own, `python -m chatd.store.salvage FILE FOLDER`: what is whole in FILE, into a new store.

Reads FILE page by page, three times, and needs nothing of its structure. A message is taken when its checksum
and its author's signature hold, under its number, unless another has that; a room, a pin or what became of a
message of ours when its checksum holds, found by its table or, where that is not whole, by its shape.
"""

import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import lmdb

from chatcore.ids import DIGEST_BYTES
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.child import say
from chatd.store.faults import describe
from chatd.store.own import MAX_OWN, is_waiting
from chatd.store.pages import PageFile
from chatd.store.records import RecordDamaged
from chatd.store.strays import Known, Strays
from chatd.store.tables import (
    LAST_SEQ_KEY,
    LAST_STAMP_KEY,
    MAX_MAP_BYTES,
    SCHEMA_KEY,
    SEALED_TABLES,
    Tables,
    floor_key,
    sealed_number,
)

MAX_BATCH_MESSAGES = 500

MAX_GAP = 2**20
"""Numbers that retention may have taken away in a row. What comes behind more than that, from the middle one
on, was a damaged key, which has no checksum; every number given out later would come behind it."""

SAY_EVERY_S = 0.25
START_MAP_BYTES = 64 * 1024 * 1024


def main(path: Path, folder: Path) -> None:
    try:
        with path.open("rb") as file:
            salvage = Salvage(PageFile(file), folder)
            messages, others = salvage.run()
        say(done=True, messages=messages, others=others, strays=salvage.strays)
    except (OSError, lmdb.Error) as error:
        say(error=describe(error), hint="free disk space")


class Salvage:
    def __init__(self, pages: PageFile, folder: Path) -> None:
        self._pages = pages
        self._folder = folder
        self._said = time.monotonic()
        self.strays: list[str] = []
        """Tables that were not whole, and of which entries were found by their shape."""

        self._greatest = 0
        self._last_given = 0
        """The greatest number that a message had, and the last given to one whose own is damaged."""

        self._staying: set[bytes] = set()
        """Ids of what retention had to leave alone: it is kept below its room's floor, too."""

    def run(self) -> tuple[int, int]:
        """How many messages and other entries were saved. Raises OSError or lmdb.Error."""
        known = self._known_entries()
        self._tables = Tables(
            self._folder, sync=False, map_bytes=START_MAP_BYTES, max_map_bytes=MAX_MAP_BYTES
        )
        try:
            self._tables.open_all()
            self._tables.open_sealed(known)
            others = self._put_known(known)
            self._staying = _staying(known)
            messages, batch = 0, list[Stored]()
            for stored in self._messages():
                batch.append(stored)
                if len(batch) == MAX_BATCH_MESSAGES:
                    messages += self._put(batch)
                    batch = []
            messages += self._put(batch)
            self._finish(known)
            self._tables.flush()
        finally:
            self._tables.close()
        return messages, others

    def _known_entries(self) -> Known:
        """Whole entries of the tables that say more than the log does; and the greatest number."""
        self._pages.pass_over_values(_is_message)
        strays, numbers = self._look_through()
        found: Known = {}
        broken = set(SEALED_TABLES)
        for name, tree in self._pages.tables().items():
            table = name.decode(errors="replace")
            if table in SEALED_TABLES:
                nodes = (node for page in self._pages.leaves(tree.root) for node in self._pages.leaf(page))
                found[table] = {node.key: node.value for node in nodes if _is_whole(node.value)}
                if len(found[table]) == tree.entries:
                    broken.remove(table)
        self.strays = sorted(broken & strays.found.keys())
        for table in self.strays:
            found[table] = strays.found[table] | found.get(table, {})
        last, most = sealed_number(found.get("meta", {}).get(LAST_SEQ_KEY)) or 0, greatest(numbers)
        if "meta" in self.strays and last > most + MAX_GAP:
            last = 0
        self._greatest = self._last_given = max(last, most)
        return found

    def _look_through(self) -> tuple[Strays, Sequence[int]]:
        strays, numbers = Strays(), array("Q")
        for page in range(self._pages.count):
            nodes = self._pages.leaf(page)
            strays.add(nodes)
            for node in nodes:
                if len(node.key) == records.U64_BYTES and records.peek(node.value) is not None:
                    numbers.append(records.unpack_u64(node.key))
        return strays, sorted(numbers)

    def _put_known(self, known: Known) -> int:
        count = 0

        def put() -> None:
            nonlocal count
            count = 0
            with self._tables.writing() as txn:
                for name, entries in known.items():
                    for key, value in entries.items():
                        if name != "own" and (name, key) != ("meta", SCHEMA_KEY):
                            txn.put(key, value, db=self._tables.sealed[name])
                        count += name != "meta"

        self._tables.retrying(put)
        return count

    def _finish(self, known: Known) -> None:
        """What takes all the messages to tell."""
        tables = self._tables
        own = known.get("own", {})

        def put() -> None:
            with tables.writing() as txn:
                # Keys have no checksum: one from far beyond the log is damaged.
                most = records.pack_u64(self._last_given + MAX_OWN)
                tables.own.restore(txn, own.items(), tables.ids, tables.log, most)
                tables.own.restore_clients(txn, tables.log)
                # What is known of a lost message must not be taken for another's that gets its number.
                last = max(self._last_given, tables.own.last(txn))
                txn.put(LAST_SEQ_KEY, records.seal(records.pack_u64(last)), db=tables.meta)

        self._tables.retrying(put)

    def _messages(self) -> Iterator[Stored]:
        for number in range(self._pages.count):
            for node in self._pages.leaf(number):
                if len(node.key) != records.U64_BYTES:
                    continue
                try:
                    received_ms, envelope = records.decode_record(node.value)
                except RecordDamaged:
                    continue
                if envelope.is_signed():
                    yield Stored(self._number(node.key), received_ms, envelope)
            self._say(number)

    def _number(self, key: bytes) -> int:
        """That of a message, or a new one where its own cannot be right."""
        number = records.unpack_u64(key)
        if 1 <= number <= self._greatest:
            return number
        self._last_given += 1
        return self._last_given

    def _say(self, page: int) -> None:
        if time.monotonic() - self._said >= SAY_EVERY_S:
            self._said = time.monotonic()
            say(share=round(page / self._pages.count, 3))

    def _put(self, batch: list[Stored]) -> int:
        """Stale pages hold copies of what is there already, and of what retention has removed."""
        tables, added = self._tables, list[Stored]()

        def put() -> None:
            added.clear()
            with tables.writing() as txn:
                stamp = sealed_number(txn.get(LAST_STAMP_KEY, db=tables.meta)) or 0
                for stored in batch:
                    envelope = stored.envelope
                    floor = sealed_number(txn.get(floor_key(envelope.room), db=tables.meta)) or 0
                    if envelope.stamp < floor and envelope.id not in self._staying:
                        continue
                    if txn.get(envelope.id, db=tables.ids) is not None:
                        continue
                    seq = stored.seq
                    if txn.get(records.pack_u64(seq), db=tables.log) is not None:  # keys have no checksum
                        seq = self._last_given = self._last_given + 1
                    number = records.pack_u64(seq)
                    txn.put(envelope.id, number, db=tables.ids)
                    received = records.pack_u64(stored.received_ms)
                    record = records.encode_record(received, envelope.signature, envelope.payload)
                    txn.put(number, record, db=tables.log)
                    stamp = max(stamp, envelope.stamp)
                    added.append(Stored(seq, stored.received_ms, envelope))
                for derived in tables.derived:
                    derived.add(txn, added)
                txn.put(LAST_STAMP_KEY, records.seal(records.pack_u64(stamp)), db=tables.meta)

        tables.retrying(put)
        return len(added)


def greatest(numbers: Sequence[int]) -> int:
    """Of the numbers of messages, in order, the last that is no damaged one."""
    upper = numbers[len(numbers) // 2 :]
    return next((before for before, at in pairwise(upper) if at - before > MAX_GAP), max(upper, default=0))


def _staying(known: Known) -> set[bytes]:
    """Pinned messages, and those of ours that nobody has."""
    staying = {key[-DIGEST_BYTES:] for key in known.get("pins", {})}
    for value in known.get("own", {}).values():
        try:
            own = is_waiting(value)
        except RecordDamaged:
            continue
        if own is not None:
            staying.add(own.id)
    return staying


def _is_message(value: bytes) -> bool:
    try:
        records.decode_record(value)
    except RecordDamaged:
        return False
    return True


def _is_whole(value: bytes) -> bool:
    try:
        records.unseal(value)
    except RecordDamaged:
        return False
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

"""The one thread that writes: group commit, and a result for every batch, whatever happens."""

import threading

import lmdb

from chatcore.errors import Stopping
from chatd.store import records
from chatd.store.batches import Batch, BatchResult, OnResults, Stored
from chatd.store.faults import describe
from chatd.store.healing import Healing, forget, is_whole
from chatd.store.index import MAX_LAG
from chatd.store.lmdbtypes import Table, Txn
from chatd.store.queue import Queue
from chatd.store.retention import Retention
from chatd.store.tables import LAST_STAMP_KEY, Position, Tables, wall_ms

INDEX_AFTER_S = 0.05
"""So long nothing is written before the search index takes its turn."""

STEPS_WHEN_BEHIND = 8
"""Of the search index after one transaction when it is behind by more than `MAX_LAG`: about 25 ms."""

MESSAGE_OVERHEAD_BYTES = 512
"""What a queued message costs beyond its payload: the decoded envelope, its strings and its keys."""


class Writer:
    """The one thread that writes: it takes all that is queued, commits it, tells of it, and looks again."""

    def __init__(
        self,
        tables: Tables,
        position: Position,
        retention: Retention,
        healing: Healing,
        on_results: OnResults,
    ) -> None:
        self._tables = tables
        self._position = position
        self._retention = retention
        self._healing = healing
        self._on_results = on_results
        self._queue = Queue()
        self._lock = threading.Lock()
        self.backlog_bytes = 0
        # A daemon thread: a process that dies of something else must not hang on it. `stop` waits for it.
        self._thread = threading.Thread(target=self._run, name="chatd-store", daemon=True)
        self._thread.start()

    def submit(self, batch: Batch) -> None:
        size = _queued_bytes(batch)
        with self._lock:
            taken = self._queue.put(batch, size)
            if taken:
                self.backlog_bytes += size
        if not taken:
            self._on_results([BatchResult(batch.job, error=str(Stopping()))])

    def nudge(self) -> None:
        """There is something to heal."""
        self._queue.nudge()

    def stop(self) -> None:
        self._queue.close()
        self._thread.join()

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            group, size = taken
            if group:
                results = self._commit(group)
                with self._lock:  # before it is told, or who waits for room would not see it
                    self.backlog_bytes -= size
                self._tell(results)
            self._tidy(size)

    def _tidy(self, size: int) -> None:
        try:
            self._healing.work()
            self._retention.work(size)
        except Exception as error:  # noqa: BLE001 - what cannot be removed must not end the thread that keeps
            self._report(error)

    def _take(self) -> tuple[list[Batch], int] | None:
        """The next to write together; empty when it is time to remove something instead, None at the end.

        The search index catches up when there is nothing to write, so that a burst does not wait for it; far
        behind it takes a little of everybody's time.
        """
        index, last_seq = self._tables.search, self._position.seq
        for _ in range(STEPS_WHEN_BEHIND):
            if index.lag(last_seq) > MAX_LAG:
                index.step(self._tables, last_seq)
        pause = INDEX_AFTER_S
        while index.lag(last_seq):
            taken = self._queue.take(pause)
            if taken is None or taken[0]:
                return taken
            index.step(self._tables, last_seq)
            pause = 0.0
        return self._queue.take(0.0 if self._healing.is_due else self._retention.wait_s)

    def _tell(self, results: list[BatchResult]) -> None:
        try:
            self._on_results(results)
        except Exception as error:  # noqa: BLE001 - the listener's bug must not end the thread that keeps messages
            self._report(error)

    def _report(self, error: Exception) -> None:
        args = (type(error), error, error.__traceback__, self._thread)
        threading.excepthook(threading.ExceptHookArgs(args))

    def _commit(self, group: list[Batch]) -> list[BatchResult]:
        """Every batch gets a result, whatever happens."""
        refused: list[BatchResult] = []
        try:
            if self._retention.full():
                # What became of our own messages is written: it is what lets them go.
                refused = _failed([batch for batch in group if batch.messages], *self._retention.refusal())
                group = [batch for batch in group if not batch.messages]
            while group:
                try:
                    return [*refused, *self._write(group)]
                except lmdb.MapFullError:
                    if not self._tables.grow():
                        return [*refused, *_failed(group, *self._retention.refusal())]
        except Exception as error:  # noqa: BLE001 - a group that cannot be written must not stop the next
            return [*refused, *_failed(group, describe(error))]
        return refused

    def _write(self, group: list[Batch]) -> list[BatchResult]:
        """One transaction. Every LMDB call gives up the interpreter lock, so a message costs only three."""
        tables, received_ms = self._tables, wall_ms()
        received = records.pack_u64(received_ms)
        seq, stamp = self._position.seq, self._position.stamp
        log: list[tuple[bytes, bytes]] = []
        added: list[Stored] = []
        damaged: list[tuple[bytes, bytes]] = []
        results = []
        with tables.writing() as txn:
            with txn.cursor(tables.ids) as ids:
                for batch in group:
                    stored = []
                    for envelope in batch.messages:
                        if not batch.own and envelope.stamp < self._retention.floor(envelope.room):
                            continue  # its like was removed while it was on its way
                        number = records.pack_u64(seq + 1)
                        if not ids.put(envelope.id, number, overwrite=False):
                            before = ids.get(envelope.id, default=b"")
                            if self._is_here(txn, before, envelope.id):
                                continue
                            damaged.append((records.room_key(envelope), before))
                            ids.put(envelope.id, number)
                        seq += 1
                        record = records.encode_record(received, envelope.signature, envelope.payload)
                        log.append((number, record))
                        stored.append(Stored(seq, received_ms, envelope))
                        stamp = max(stamp, envelope.stamp)
                    added += stored
                    results.append(BatchResult(batch.job, tuple(stored)))
            forget(tables, txn, damaged)
            _append(txn, tables.log, log)
            for derived in tables.derived:
                derived.add(txn, added)
            _put_rooms(txn, tables.rooms, group)
            tables.addresses.put(txn, group)
            own = tables.own.put(txn, tables.ids, [item for batch in group for item in batch.own])
            pins = tables.pins.put(txn, tables.ids, [item for batch in group for item in batch.pins])
            for batch in group:
                tables.acquaintances.put(txn, batch.people, batch.discouraged)
            if stamp > self._position.stamp:
                txn.put(LAST_STAMP_KEY, records.seal(records.pack_u64(stamp)), db=tables.meta)
        self._position.seq, self._position.stamp = seq, stamp
        tables.pins.keys = pins
        tables.own.settle(own)
        tables.rooms_version += any(batch.rooms for batch in group)
        return results

    def _is_here(self, txn: Txn, number: bytes, message_id: bytes) -> bool:
        """Also what this very group brings; what is damaged on disk is not."""
        of_this_group = len(number) == records.U64_BYTES and records.unpack_u64(number) > self._position.seq
        return of_this_group or is_whole(self._tables, txn, number, message_id)


def _append(txn: Txn, table: Table, items: list[tuple[bytes, bytes]]) -> None:
    with txn.cursor(table) as cursor:
        _, added = cursor.putmulti(items, append=True)
    if added != len(items):
        raise lmdb.Error("the log goes further than this process wrote")


def _put_rooms(txn: Txn, table: Table, group: list[Batch]) -> None:
    for batch in group:
        for entry in batch.rooms:
            txn.put(entry.room_id, records.encode_room(entry.name, joined=entry.joined), db=table)


def _queued_bytes(batch: Batch) -> int:
    kinds = (
        batch.messages,
        batch.rooms,
        batch.own,
        batch.pins,
        batch.people,
        batch.discouraged,
        batch.addresses,
    )
    others = sum(map(len, kinds))
    payloads = sum([len(envelope.payload) for envelope in batch.messages])
    return payloads + MESSAGE_OVERHEAD_BYTES * (1 + others)


def _failed(group: list[Batch], why: str, hint: str = "") -> list[BatchResult]:
    return [BatchResult(batch.job, error=why, hint=hint) for batch in group]

"""What is kept for how long: the oldest messages of each room go by age, and the largest rooms' by the quota.

Runs in the writer thread, in steps of milliseconds between groups of incoming batches. Below a room's floor
nothing is kept, and nothing is to be taken in again.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lmdb

from chatcore.clock import COUNTER_BITS, wall_ms_of
from chatcore.errors import LocalError
from chatcore.ids import DIGEST_BYTES, RoomId
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.healing import forget
from chatd.store.lmdbtypes import Txn
from chatd.store.records import RecordDamaged
from chatd.store.tables import LAST_SEQ_KEY, TRUSTED_MS_KEY, Position, Tables, floor_key, wall_ms
from chatd.store.trusted import TrustedTime

LOOK_EVERY_S = 60.0
LOOK_WHEN_FULL_S = 5.0
"""The next that may go is one of ours that somebody has at last."""

LOOK_EVERY_BYTES = 1024 * 1024
"""Payload written since the last look at how full the store is."""

STEP_MESSAGES = 1000
STEP_BYTES = 4 * 1024 * 1024
STEP_S = 0.02
"""Each of the three ends a step, and so a transaction."""

LEAST_QUOTA_BYTES = 64 * 1024 * 1024
LEAST_MARGIN_BYTES = 16 * 1024 * 1024
"""Kept free below the quota: four of the writer's largest groups, and what removing needs itself."""

MAX_PRESSED_STEPS = 100
KEEP_TIME_S = 600.0
"""How often the trusted time is written: so much of it a crash takes back."""


@dataclass(frozen=True, slots=True)
class Policy:
    """None: no limit. `most_bytes` is for the data file, at least LEAST_QUOTA_BYTES."""

    retain_ms: int | None = None
    most_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Trimmed:
    """One pass that removed something."""

    messages: int
    rooms: int


class Retention:
    """Made and used by one store; only `floor` is called from other threads."""

    def __init__(
        self,
        tables: Tables,
        position: Position,
        floors: dict[RoomId, int],
        policy: Policy,
        on_trim: Callable[[Trimmed], None] | None = None,
        *,
        trusted_ms: int = 0,
    ) -> None:
        """`trusted_ms`: what the trusted time was when it was last kept; 0 in a store that never did."""
        self._tables = tables
        self._position = position
        self._floors = floors
        self._policy = policy
        self._on_trim = on_trim
        mono = time.monotonic()
        first_ms = min(wall_ms_of(position.stamp), wall_ms()) or wall_ms()
        self._trusted = TrustedTime(trusted_ms or first_ms, mono)
        self._kept = mono - KEEP_TIME_S
        self._looked = mono - LOOK_EVERY_S
        self._written = LOOK_EVERY_BYTES
        self._pass: Iterator[None] | None = None
        self._removed: Counter[RoomId] = Counter()
        self._stuck = False
        """The last pass left more than the quota, as nothing else may go."""

        self._cutoff = self._age_cutoff()
        self.protected: Callable[[int], bool] = lambda _: False
        """Whether a message must stay, by its number, as one of ours that nobody has; asked in the writer."""

    def floor(self, room: RoomId) -> int:
        """No message with a lesser stamp is kept here."""
        return max(self._floors.get(room, 0), self._cutoff)

    # Between the writer's groups

    @property
    def wait_s(self) -> float | None:
        """How long the writer may wait for its next batch before `work` is due."""
        if self._policy == Policy():
            return None
        if self._pass is not None:
            return 0.0
        return max(0.0, self._looked + self._look_every_s() - time.monotonic())

    def _look_every_s(self) -> float:
        return LOOK_WHEN_FULL_S if self._stuck else LOOK_EVERY_S

    def work(self, written_bytes: int) -> None:
        """A step, where there is something to do; more of them when the quota is near."""
        if self._policy == Policy():
            return
        self._written += written_bytes
        if self._pass is None:
            mono = time.monotonic()
            if mono - self._looked < self._look_every_s() and self._written < LOOK_EVERY_BYTES:
                return
            self._cutoff = self._age_cutoff()
            self._keep_time(mono)
            self._pass = self._run()
            self._looked, self._written = mono, 0
        for _ in range(MAX_PRESSED_STEPS):
            if not self._step() or not self.full():
                return

    def _step(self) -> bool:
        """False when the pass is over."""
        assert self._pass is not None
        try:
            next(self._pass)
        except (
            StopIteration,
            lmdb.Error,
            OSError,
            LocalError,
        ):  # no space even to remove: the next pass tries again
            self._pass = None
            if self._removed and self._on_trim is not None:
                self._on_trim(Trimmed(self._removed.total(), len(self._removed)))
            self._removed.clear()
            return False
        return True

    def full(self) -> bool:
        """Nothing more may be written, or there would be no space left to remove anything in."""
        most = self._policy.most_bytes
        if most is None:
            return False
        # A file may be larger than its quota, when that was lowered: it takes messages while it becomes less.
        limit = most if self._stuck else self._tables.max_map_bytes
        return self._tables.used_bytes() > limit - _margin(most) // 2

    def refusal(self) -> tuple[str, str]:
        """Why nothing is taken while it is `full`, and what to do."""
        most, waiting = self._policy.most_bytes, self._tables.own.waiting
        if most is None:
            return "the store has reached its greatest size", ""
        why = f"the store has reached its limit of {most >> 20} MiB (--max-store)"
        if not self._stuck or not waiting:
            return f"{why}; what may go of it is being removed", "try again in a minute"
        full_of = f"{waiting} messages of its own that nobody has confirmed, which are never removed"
        link = "link this node with a member of their rooms: chatctl connect HOST:PORT"
        return f"{why}, full of {full_of}", f"{link}; or start chatd with a larger --max-store"

    def _age_cutoff(self) -> int:
        """The least stamp that is young enough, by a clock that a wrong wall clock does not push ahead."""
        if self._policy.retain_ms is None:
            return 0
        trusted_ms = self._trusted.move(wall_ms(), wall_ms_of(self._position.stamp), time.monotonic())
        return max(0, trusted_ms - self._policy.retain_ms) << COUNTER_BITS

    def _keep_time(self, mono: float) -> None:
        if self._policy.retain_ms is None or mono - self._kept < KEEP_TIME_S:
            return
        try:
            with self._tables.writing() as txn:
                value = records.seal(records.pack_u64(self._trusted.ms))
                txn.put(TRUSTED_MS_KEY, value, db=self._tables.meta)
        except (lmdb.Error, OSError):
            return  # no space: the next look tries again
        self._kept = mono

    # One pass, in steps

    def _run(self) -> Iterator[None]:
        if self._cutoff:
            yield from self._remove_old(self._cutoff)
        if self._policy.most_bytes is not None:
            yield from self._make_space(self._policy.most_bytes)

    def _remove_old(self, cutoff: int) -> Iterator[None]:
        for room in self._rooms():
            start: bytes | None = room
            while start is not None:
                start = self._remove(room, start, cutoff)
                yield

    def _make_space(self, most: int) -> Iterator[None]:
        """From the room that takes most bytes, until another takes more."""
        high = most - _margin(most)
        if self._tables.used_bytes() <= high:
            self._stuck = False
            return
        starts: dict[RoomId, bytes] = {}
        done: set[RoomId] = set()
        while self._tables.used_bytes() > high - most // 20:
            with self._tables.reading() as txn:
                sizes = self._tables.sizes.all(txn)
            room = max(sizes.keys() - done, key=sizes.__getitem__, default=None)
            if room is None:
                self._stuck = self._tables.used_bytes() > high
                return
            start = self._remove(room, starts.get(room, room), None)
            if start is None:
                done.add(room)
            else:
                starts[room] = start
            yield
        self._stuck = False

    def _rooms(self) -> list[RoomId]:
        rooms = []
        with self._tables.reading() as txn, txn.cursor(self._tables.room.table) as cursor:
            found = cursor.first()
            while found:
                room = RoomId(cursor.key()[:DIGEST_BYTES])
                rooms.append(room)
                found = cursor.set_range(records.room_key_end(room))
        return rooms

    def _remove(self, room: RoomId, start: bytes, upto: int | None) -> bytes | None:
        """One step from `start` on, to messages stamped `upto`. Where the next begins; None at the end."""
        found = self._removing(room, start, upto)
        try:
            return found()
        except lmdb.MapFullError:
            if not self._tables.grow():
                raise
            return found()

    def _removing(self, room: RoomId, start: bytes, upto: int | None) -> Callable[[], bytes | None]:
        def remove() -> bytes | None:
            floor = self._floors.get(room, 0)
            with self._tables.writing() as txn:
                going, after = self._oldest(txn, room, start, upto)
                if going:
                    floor = max(floor, records.stamp_of(going[-1][0]) + 1)
                    self._delete(txn, going)
                    txn.put(floor_key(room), records.seal(records.pack_u64(floor)), db=self._tables.meta)
                    last = records.seal(records.pack_u64(self._position.seq))
                    txn.put(LAST_SEQ_KEY, last, db=self._tables.meta)
            if going:
                self._floors[room] = floor
                self._removed[room] += len(going)
            return after

        return remove

    def _oldest(
        self, txn: Txn, room: RoomId, start: bytes, upto: int | None
    ) -> tuple[list[tuple[bytes, bytes, bytes]], bytes | None]:
        """Up to a step's worth: key in the room's index, number in the log, and record."""
        going: list[tuple[bytes, bytes, bytes]] = []
        size, end = 0, time.monotonic() + STEP_S
        with txn.cursor(self._tables.room.table) as cursor:
            found = cursor.set_range(start)
            while found:
                key, number = cursor.item()
                if not key.startswith(room) or (upto is not None and records.stamp_of(key) >= upto):
                    return going, None
                full = len(going) >= STEP_MESSAGES or size >= STEP_BYTES or time.monotonic() >= end
                if full and going:
                    return going, key
                if not self._stays(key, number):
                    record = txn.get(number, db=self._tables.log) or b""
                    going.append((key, number, record))
                    size += len(record)
                found = cursor.next()
        return going, None

    def _stays(self, key: bytes, number: bytes) -> bool:
        """It is then below the room's floor, and history repair neither counts nor lists it."""
        if key in self._tables.pins.keys:
            return True
        try:
            return self.protected(records.unpack_u64(number))
        except RecordDamaged:
            return False  # an entry that leads nowhere

    def _delete(self, txn: Txn, going: list[tuple[bytes, bytes, bytes]]) -> None:
        gone = []
        for key, number, record in going:
            try:
                received_ms, envelope = records.decode_record(record)
                gone.append(Stored(records.unpack_u64(number), received_ms, envelope))
            except RecordDamaged:
                forget(self._tables, txn, [(key, number)])
            txn.delete(number, db=self._tables.log)
            txn.delete(key[-DIGEST_BYTES:], db=self._tables.ids)
        for derived in self._tables.derived:
            derived.remove(txn, gone)


def _margin(most: int) -> int:
    return max(LEAST_MARGIN_BYTES, most // 10)

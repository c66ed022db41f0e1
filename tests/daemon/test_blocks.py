"""The sums of blocks against sums over every message, whatever was added, removed or damaged."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore.envelopes import Chat, Envelope
from chatcore.ids import MessageId, RoomId
from chatcore.index import Sum
from chatd.store import blocks
from chatd.store.batches import Stored
from chatd.store.blocks import Blocks
from chatd.store.derived import RoomIndex
from tests.support.sortedindex import SortedIndex, key_of

ROOM = RoomId(b"r" * 32)
OTHER = RoomId(b"s" * 32)
ROOMS = (RoomId(b"a" * 32), ROOM, OTHER)
END = b"\xff" * 8


def envelope(stamp: int, number: int, room: RoomId = ROOM) -> Envelope:
    """With an id of our choice: here nobody checks."""
    message_id = MessageId(random.Random(f"{number}").randbytes(32))
    return Envelope(message_id, room, bytes(32), stamp, "ann", Chat("x"), True, b"", b"")


class Shelf:
    """The two tables in an LMDB of their own, and beside them the same messages in a sorted list."""

    def __init__(self, folder: Path) -> None:
        self.env = lmdb.open(str(folder), max_dbs=4, map_size=2**28, sync=False)
        self.room = RoomIndex()
        self.blocks = Blocks(self.room)
        self.truth = SortedIndex()
        self._open()

    def _open(self) -> None:
        with self.env.begin(write=True) as txn:
            self.room.open(self.env, txn, create=True)
            self.blocks.open(self.env, txn, create=True)

    def add(self, envelopes: Sequence[Envelope]) -> None:
        fresh = [item for item in envelopes if self.truth.add(item)]
        with self.env.begin(write=True) as txn:
            for derived in (self.room, self.blocks):
                derived.add(txn, [Stored(1, 0, item) for item in fresh])

    def remove(self, envelopes: Sequence[Envelope]) -> None:
        gone = [item for item in dict.fromkeys(envelopes) if item.id in self.truth.ids]
        for item in gone:
            self.truth.remove(item)
        with self.env.begin(write=True) as txn:
            for derived in (self.room, self.blocks):
                derived.remove(txn, [Stored(1, 0, item) for item in gone])

    def forget_sums(self) -> None:
        """As in a store of an older version."""
        with self.env.begin(write=True) as txn:
            txn.drop(self.blocks._table, delete=False)
        self._open()

    def damage_sums(self, share: float, rng: random.Random) -> None:
        with self.env.begin(write=True) as txn, txn.cursor(self.blocks._table) as cursor:
            for key, value in list(cursor):
                if rng.random() < share:
                    txn.put(key, bytes([value[0] ^ 1]) + value[1:], db=self.blocks._table)

    def check(self, room: RoomId, lower: bytes, upper: bytes, sizes: Sequence[int] = (32, 32, 64)) -> None:
        with self.env.begin() as txn:
            expected = self.truth.fingerprint(room, lower, upper)
            assert self.blocks.fingerprint(txn, room, lower, upper) == expected
            assert self.blocks.keys(txn, room, lower, upper, 7) == self.truth.keys(room, lower, upper, 7)
            pieces = self.blocks.split(txn, room, lower, upper, sizes)
            assert pieces[-1].lower == lower
            for number, piece in enumerate(pieces):
                assert piece.sum == self.truth.fingerprint(room, piece.lower, upper)
                if number < len(pieces) - 1:
                    size = sizes[number]
                    rough = blocks.BLOCK_MOST if size >= blocks.COARSE_FROM else 0
                    assert size <= piece.sum.size <= size + rough
                upper = piece.lower

    def check_shape(self) -> None:
        """Every block starts where one below it starts, and sums up what is below."""
        with self.env.begin() as txn:
            for room in ROOMS:
                for level in range(2, blocks.TOP + 1):
                    for block, end in self.blocks._blocks(txn, level, room, b"", blocks._END):
                        below = [of for of, _ in self.blocks._blocks(txn, level - 1, room, block.start, end)]
                        assert below[0].start == block.start
                        assert len(below) == block.children
                        assert sum(of.size for of in below) == block.size
                        assert level == blocks.TOP or block.children <= blocks.CHILDREN_MOST

    def close(self) -> None:
        self.env.close()


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    found = Shelf(tmp_path)
    yield found
    found.close()


def some_bounds(shelf: Shelf, room: RoomId, rng: random.Random) -> tuple[bytes, bytes]:
    keys = [b"", *shelf.truth.all_keys(room), END]
    lower, upper = sorted(rng.choices(keys, k=2))
    return lower[: rng.choice((8, 40))], upper[: rng.choice((8, 12, 40))]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_sums_are_those_of_every_message_after_any_adding_and_removing(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    shelf = Shelf(tmp_path_factory.mktemp("shelf"))
    moments = rng.choice((1, 3, 10_000))  # also all in the same millisecond
    for step in range(12):
        room = rng.choice(ROOMS)
        if rng.random() < 0.7:
            numbers = [rng.randrange(10**9) for _ in range(rng.choice((1, 5, 200, 900)))]
            shelf.add([envelope(rng.randrange(moments), number, room) for number in numbers])
        else:
            held = [item for item in shelf.truth.envelopes.values() if item.id in shelf.truth.ids]
            held.sort(key=key_of)
            if rng.random() < 0.5:  # as retention does
                shelf.remove(held[: rng.randrange(len(held) + 1)])
            else:
                shelf.remove(rng.sample(held, rng.randrange(len(held) + 1)))
        if step == 6 and rng.random() < 0.5:
            shelf.forget_sums()
        shelf.check_shape()
        for _ in range(4):
            lower, upper = some_bounds(shelf, room, rng)
            if lower < upper:
                shelf.check(room, lower, upper)
        shelf.check(room, b"", END, (300,) * 5)
    shelf.close()


def test_many_messages_make_more_levels_and_large_pieces_are_cut_between_blocks(shelf: Shelf) -> None:
    for start in range(0, 40_000, 10_000):
        shelf.add([envelope(number, number) for number in range(start, start + 10_000)])
    shelf.check_shape()
    shelf.check(ROOM, b"", END, (32, 32, 64, 2048, 4096, 8192))
    with shelf.env.begin() as txn:
        assert len(shelf.blocks._blocks(txn, blocks.TOP, ROOM, b"", blocks._END)) < 20
    shelf.remove([envelope(number, number) for number in range(30_000)])
    shelf.check_shape()
    shelf.check(ROOM, b"", END)
    shelf.remove([envelope(number, number) for number in range(30_000, 40_000)])
    shelf.check_shape()
    shelf.check(ROOM, b"", END)


def test_room_without_messages_sums_to_nothing(shelf: Shelf) -> None:
    shelf.add([envelope(1, 1, OTHER)])
    shelf.check(ROOM, b"", END)
    shelf.check(RoomId(b"z" * 32), b"", END)


@pytest.mark.parametrize("share", [0.1, 1.0])
def test_damaged_sums_are_counted_anew(shelf: Shelf, share: float) -> None:
    rng = random.Random(1)
    shelf.add([envelope(number, number) for number in range(5_000)])
    shelf.damage_sums(share, rng)
    shelf.check(ROOM, b"", END)
    shelf.add([envelope(number, -number) for number in range(0, 5_000, 10)])
    shelf.remove([envelope(number, number) for number in range(0, 5_000, 7)])
    for _ in range(20):
        lower, upper = some_bounds(shelf, ROOM, rng)
        if lower < upper:
            shelf.check(ROOM, lower, upper)
    shelf.check(ROOM, b"", END)


def test_sum_wraps_at_the_size_of_an_id(shelf: Shelf) -> None:
    top = MessageId(b"\xff" * 32)
    shelf.add([envelope(1, 1)._replace(id=top), envelope(2, 2)._replace(id=MessageId(bytes(31) + b"\x02"))])
    with shelf.env.begin() as txn:
        assert shelf.blocks.fingerprint(txn, ROOM, b"", END) == Sum(1, 2)

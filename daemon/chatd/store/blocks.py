"""Sums of ids over blocks of each room's history, so that comparing histories costs no walk over messages.

A B-tree of sums beside the room index: a block of level 1 sums at most `BLOCK_MOST` messages, one of a higher
level at most `CHILDREN_MOST` blocks below it. Cut by number and not by time, it does not care how many
messages share a moment. With three levels the sum of a million messages adds up a dozen blocks, any range a
few dozen blocks and at most two scans of `BLOCK_MOST` messages; adding a message changes three records.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple

from chatcore.ids import DIGEST_BYTES, RoomId
from chatcore.index import Piece, Sum
from chatd.store import records
from chatd.store.batches import Stored
from chatd.store.derived import Lost, RoomIndex
from chatd.store.lmdbtypes import Environment, Table, Txn
from chatd.store.reading import backwards
from chatd.store.records import U64_BYTES, RecordDamaged

TOP = 3
BLOCK_MOST = 128
CHILDREN_MOST = 64
COARSE_FROM = 16 * BLOCK_MOST
"""Pieces from this size on are cut between blocks: nobody needs them to be exact."""

_MODULUS = 2 ** (8 * DIGEST_BYTES)
_END = b"\xff" * (U64_BYTES + DIGEST_BYTES + 1)
_HEAD = struct.Struct(">QI")
_BOUND_FROM = 1 + DIGEST_BYTES


class Block(NamedTuple):
    """Starts at `start`, ends where the next of its level does. `children`: blocks of the level below."""

    start: bytes
    total: int
    size: int
    children: int


class Blocks:
    """Derived from the messages; the writer changes it after the room index, in the same transaction."""

    _table: Table

    def __init__(self, room: RoomIndex) -> None:
        self._room = room

    def open(self, env: Environment, txn: Txn, *, create: bool) -> None:  # noqa: ARG002 - older stores lack it
        self._table = env.open_db(b"sums", txn=txn, create=True)
        if not txn.stat(self._table)["entries"] and txn.stat(self._room.table)["entries"]:
            self._build(txn)

    # Reading

    def fingerprint(self, txn: Txn, room: RoomId, lower: bytes, upper: bytes) -> Sum:
        lower, upper = self._widened(txn, room, lower, upper)
        return self._sum(txn, TOP, room, lower, upper)

    def split(self, txn: Txn, room: RoomId, lower: bytes, upper: bytes, sizes: Sequence[int]) -> list[Piece]:
        wide = self._widened(txn, room, lower, upper)
        cutter = _Cutter(sizes)
        self._cut(txn, TOP, room, *wide, cutter=cutter)
        return cutter.finish(lower)

    def keys(self, txn: Txn, room: RoomId, lower: bytes, upper: bytes, most: int) -> list[bytes]:
        """The newest, newest first."""
        return [key for key, _ in islice(self.entries(txn, room, lower, upper), most)]

    def entries(self, txn: Txn, room: RoomId, lower: bytes, upper: bytes) -> Iterator[tuple[bytes, bytes]]:
        """All keys, newest first, each with its message's number in the log."""
        start = room + lower
        with txn.cursor(self._room.table) as cursor:
            for key, number in backwards(cursor, room + upper):
                if key < start:
                    break
                yield key[DIGEST_BYTES:], number

    def _widened(self, txn: Txn, room: RoomId, lower: bytes, upper: bytes) -> tuple[bytes, bytes]:
        """The same messages between bounds that need no look into the first or the last block."""
        with txn.cursor(self._room.table) as cursor:
            if cursor.set_range(room + lower):
                before = cursor.prev() and cursor.key().startswith(room)
            else:
                before = cursor.last() and cursor.key().startswith(room)
            behind = cursor.set_range(room + upper) and cursor.key().startswith(room)
        return (lower if before else b""), (upper if behind else _END)

    def _sum(self, txn: Txn, level: int, room: RoomId, lower: bytes, upper: bytes) -> Sum:
        if lower >= upper:
            return Sum(0, 0)
        if level == 0:
            keys = self._items(txn, room, lower, upper)
            return Sum(_total(keys), len(keys))
        total = count = 0
        for block, end in self._blocks(txn, level, room, lower, upper):
            if block.children >= 0 and lower <= block.start and end <= upper:
                total += block.total
                count += block.size
            else:
                part = self._sum(txn, level - 1, room, max(lower, block.start), min(upper, end))
                total += part.total
                count += part.size
        return Sum(total % _MODULUS, count)

    def _cut(
        self, txn: Txn, level: int, room: RoomId, lower: bytes, upper: bytes, *, cutter: "_Cutter"
    ) -> None:
        if level == 0:
            for key in reversed(self._items(txn, room, lower, upper)):
                cutter.take(key, int.from_bytes(key[U64_BYTES:], "big"), 1)
            return
        for block, end in reversed(self._blocks(txn, level, room, lower, upper)):
            inside = block.children >= 0 and lower <= block.start and end <= upper
            if inside and cutter.fits(block.size, lowest=level == 1):
                cutter.take(block.start, block.total, block.size)
            else:
                self._cut(txn, level - 1, room, max(lower, block.start), min(upper, end), cutter=cutter)

    def _items(self, txn: Txn, room: RoomId, lower: bytes, upper: bytes) -> list[bytes]:
        """Keys of messages, without the room, oldest first."""
        found: list[bytes] = []
        end = room + upper
        with txn.cursor(self._room.table) as cursor:
            if cursor.set_range(room + lower):
                for key in cursor.iternext(keys=True, values=False):
                    if key >= end:
                        break
                    found.append(key[DIGEST_BYTES:])
        return found

    def _blocks(
        self, txn: Txn, level: int, room: RoomId, lower: bytes, upper: bytes
    ) -> list[tuple[Block, bytes]]:
        """Those that overlap the range, oldest first, each with its end. Damaged ones have -1 children."""
        found: list[Block] = []
        last = _END
        prefix = bytes([level]) + room
        with txn.cursor(self._table) as cursor:
            at_or_behind = cursor.set_range(prefix + lower)
            if not at_or_behind or cursor.key() != prefix + lower:
                found_one = cursor.prev() if at_or_behind else cursor.last()
                if not found_one or not cursor.key().startswith(prefix):
                    return []  # a room's first block starts at its very beginning
            for key, value in cursor.iternext():
                if not key.startswith(prefix):
                    break
                if key[_BOUND_FROM:] >= upper:
                    last = key[_BOUND_FROM:]
                    break
                found.append(_decode(key[_BOUND_FROM:], value))
        return list(zip(found, [*[block.start for block in found[1:]], last], strict=True))

    # Writing

    def add(self, txn: Txn, stored: Sequence[Stored]) -> None:
        self._change(txn, [records.room_key(item.envelope) for item in stored], 1)

    def remove(self, txn: Txn, gone: Sequence[Stored]) -> None:
        self._change(txn, [records.room_key(item.envelope) for item in gone], -1)

    def forget(self, txn: Txn, lost: Sequence[Lost]) -> None:
        self._change(txn, [item.key for item in lost], -1)

    def _change(self, txn: Txn, keys: Sequence[bytes], sign: int) -> None:
        for room, of_room in groupby(sorted(keys), key=itemgetter(slice(0, DIGEST_BYTES))):
            self._change_room(txn, RoomId(room), [key[DIGEST_BYTES:] for key in of_room], sign)

    def _change_room(self, txn: Txn, room: RoomId, keys: list[bytes], sign: int) -> None:
        if txn.get(_key(1, room, b""), db=self._table) is None:
            for level in range(1, TOP + 1):
                self._put(txn, level, room, Block(b"", 0, 0, int(level > 1)))
        at = 0
        try:
            while at < len(keys):
                block, end = self._blocks(txn, 1, room, keys[at], keys[at] + b"\0")[0]
                upto = bisect_left(keys, end, at)
                change = Sum(sign * _total(keys[at:upto]), sign * (upto - at))
                self._bump(txn, 1, room, block, end, change=change, children=0)
                at = upto
        except RecordDamaged:
            self._rebuild(txn, room)

    def _bump(
        self, txn: Txn, level: int, room: RoomId, block: Block, end: bytes, *, change: Sum, children: int
    ) -> None:
        """Change a block and all those above it; split it when it is too large, let go of it when empty.

        Raises RecordDamaged.
        """
        if block.children < 0:
            raise RecordDamaged("a block's sum")
        total = (block.total + change.total) % _MODULUS
        now = Block(block.start, total, block.size + change.size, block.children + children)
        more = 0
        if not now.size and now.start and not self._is_start(txn, level + 1, room, now.start):
            for below in range(1, level + 1):
                txn.delete(_key(below, room, now.start), db=self._table)
            more = -1
        elif level < TOP and (now.children > CHILDREN_MOST if level > 1 else now.size > BLOCK_MOST):
            parts = self._split_block(txn, level, room, now, end)
            for part in parts:
                self._put(txn, level, room, part)
            more = len(parts) - 1
        else:
            self._put(txn, level, room, now)
        if level < TOP:
            parent, parent_end = self._blocks(txn, level + 1, room, now.start, now.start + b"\0")[0]
            self._bump(txn, level + 1, room, parent, parent_end, change=change, children=more)

    def _is_start(self, txn: Txn, level: int, room: RoomId, start: bytes) -> bool:
        return level <= TOP and txn.get(_key(level, room, start), db=self._table) is not None

    def _split_block(self, txn: Txn, level: int, room: RoomId, block: Block, end: bytes) -> list[Block]:
        if level == 1:
            return _blocks_of_keys(self._items(txn, room, block.start, end), block.start)
        children = [child for child, _ in self._blocks(txn, level - 1, room, block.start, end)]
        if any(child.children < 0 for child in children):
            raise RecordDamaged("a block's sum")
        return _blocks_of_blocks(children)

    def _put(self, txn: Txn, level: int, room: RoomId, block: Block) -> None:
        body = _HEAD.pack(block.size, block.children) + block.total.to_bytes(DIGEST_BYTES, "big")
        txn.put(_key(level, room, block.start), records.seal(body), db=self._table)

    # Making it anew

    def _build(self, txn: Txn) -> None:
        with txn.cursor(self._room.table) as cursor:
            cursor.first()
            keys = cursor.iternext(keys=True, values=False)
            for room, of_room in groupby(keys, key=itemgetter(slice(0, DIGEST_BYTES))):
                self._build_room(txn, RoomId(room), [key[DIGEST_BYTES:] for key in of_room])

    def _build_room(self, txn: Txn, room: RoomId, keys: Sequence[bytes]) -> None:
        blocks = _blocks_of_keys(keys, b"")
        for level in range(1, TOP + 1):
            for block in blocks:
                self._put(txn, level, room, block)
            blocks = _blocks_of_blocks(blocks)

    def _rebuild(self, txn: Txn, room: RoomId) -> None:
        for level in range(1, TOP + 1):
            for block, _ in self._blocks(txn, level, room, b"", _END):
                txn.delete(_key(level, room, block.start), db=self._table)
        self._build_room(txn, room, self._items(txn, room, b"", _END))


class _Cutter:
    """Collects blocks and messages, newest first, into pieces of the sizes asked for."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self._sizes = list(reversed(sizes))
        self._pieces: list[Piece] = []
        self._total = self._count = 0

    def fits(self, count: int, *, lowest: bool) -> bool:
        """Whether to take so many at once, or to look closer."""
        if not self._sizes:
            return True
        size = self._sizes[-1]
        return self._count + count <= size or (lowest and size >= COARSE_FROM)

    def take(self, lower: bytes, total: int, count: int) -> None:
        self._total += total
        self._count += count
        if self._sizes and self._count >= self._sizes[-1]:
            self._sizes.pop()
            self._close(lower)

    def _close(self, lower: bytes) -> None:
        self._pieces.append(Piece(lower, Sum(self._total % _MODULUS, self._count)))
        self._total = self._count = 0

    def finish(self, lower: bytes) -> list[Piece]:
        if self._count or not self._pieces:
            self._close(lower)
        self._pieces[-1] = Piece(lower, self._pieces[-1].sum)
        return self._pieces


def _blocks_of_keys(keys: Sequence[bytes], start: bytes) -> list[Block]:
    """Three quarters full each: room to grow, and not much air where nothing will."""
    size = BLOCK_MOST * 3 // 4
    blocks = []
    for at in range(0, len(keys), size):
        part = keys[at : at + size]
        blocks.append(Block(_bound(keys[at - 1], keys[at]) if at else start, _total(part), len(part), 0))
    return blocks


def _blocks_of_blocks(children: Sequence[Block]) -> list[Block]:
    size = CHILDREN_MOST * 3 // 4
    blocks = []
    for at in range(0, len(children), size):
        part = children[at : at + size]
        total = sum([block.total for block in part]) % _MODULUS
        blocks.append(Block(part[0].start, total, sum(block.size for block in part), len(part)))
    return blocks


def _bound(before: bytes, key: bytes) -> bytes:
    """The shortest bound between two messages that has a whole stamp."""
    if before[:U64_BYTES] != key[:U64_BYTES]:
        return key[:U64_BYTES]
    return key


def _key(level: int, room: RoomId, start: bytes) -> bytes:
    return bytes([level]) + room + start


def _decode(start: bytes, value: bytes) -> Block:
    try:
        body = records.unseal(value)
        count, children = _HEAD.unpack_from(body)
    except (RecordDamaged, struct.error):
        return Block(start, 0, 0, -1)
    return Block(start, int.from_bytes(body[_HEAD.size :], "big"), count, children)


def _total(keys: Sequence[bytes]) -> int:
    total = sum([int.from_bytes(key[U64_BYTES:], "big") for key in keys])
    return int(total % _MODULUS)

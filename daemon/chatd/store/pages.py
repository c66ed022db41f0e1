"""LMDB's pages read without LMDB: what is left in a damaged file, wherever in it that is.

Follows mdb.c of liblmdb 0.9 and trusts no number in the file: what does not fit is skipped. Pages since freed
are read as well, and so the caller must know a whole record from a stale or broken one by itself.
"""

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

PAGE_HEADER_BYTES = 16
DEFAULT_PAGE_BYTES = 4096
MAX_VALUE_BYTES = 64 * 1024
"""More than any record: a message's payload has at most 20 KiB."""

_PAGE_BYTES = tuple(2**power for power in range(9, 16))
_MAGIC = 0xBEEFC0DE
_P_BRANCH, _P_LEAF, _P_OVERFLOW, _P_LEAF2 = 0x01, 0x02, 0x04, 0x20
_F_BIGDATA, _F_SUBDATA, _F_DUPDATA = 0x01, 0x02, 0x04
_NO_PAGE = 2**64 - 1

_HEADER = struct.Struct("@QHHHH")  # page number, pad, flags, lower, upper
_NODE = struct.Struct("@HHHH")  # low and high half of the size, flags, size of the key
_META = struct.Struct(
    "@IIQQ 48s48s QQ"
)  # magic, version, address, map size, free, main, last page, transaction
_DB = struct.Struct("@IHHQQQQQ")  # pad, flags, depth, branch, leaf and overflow pages, entries, root
_NUMBER = struct.Struct("@Q")


class Node(NamedTuple):
    key: bytes
    value: bytes
    flags: int
    page: int = 0
    """Where its value begins, if that has pages of its own."""


class Tree(NamedTuple):
    """A named table, as it was last written."""

    root: int
    entries: int


class PageFile:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        self.page_bytes = self._find_page_bytes()
        self.count = self.size // self.page_bytes
        self._inside: set[int] = set()
        """Pages in the middle of a value: bytes that somebody else chose, maybe to look like a leaf."""

    def _find_page_bytes(self) -> int:
        self._file.seek(PAGE_HEADER_BYTES)
        data = self._file.read(_META.size)
        if len(data) == _META.size:
            magic, _, _, _, free, *_ = _META.unpack(data)
            claimed = _DB.unpack(free)[0]  # the free table's pad holds it (mdb.c, mm_psize)
            if magic == _MAGIC and claimed in _PAGE_BYTES:
                return int(claimed)
        return DEFAULT_PAGE_BYTES

    def leaf(self, number: int) -> list[Node]:
        """The entries of a leaf page, as far as they make sense; none of any other page."""
        page = self._page(number)
        if page is None or number in self._inside:
            return []
        stored, _, flags, lower, _ = _HEADER.unpack_from(page)
        if stored != number or not flags & _P_LEAF or flags & (_P_LEAF2 | _P_OVERFLOW | _P_BRANCH):
            return []
        return [node for offset in _offsets(page, lower) if (node := self._node(page, offset)) is not None]

    def pass_over_values(self, is_whole: Callable[[bytes], bool]) -> None:
        """From now on no page counts as a leaf that lies inside a value that is whole.

        The header alone does not do: that of a freed value stays while leaves are written behind it.
        """
        inside: set[int] = set()
        for number in range(self.count):
            for node in self.leaf(number):
                if node.flags & _F_BIGDATA and is_whole(node.value):
                    pages = -(-(PAGE_HEADER_BYTES + len(node.value)) // self.page_bytes)
                    inside.update(range(node.page + 1, node.page + pages))
        self._inside = inside

    def tables(self) -> dict[bytes, Tree]:
        """Each named table, as far as the newer header and the way from it are whole."""
        for main in self._main_roots():
            found = {}
            for number in self.leaves(main):
                for node in self.leaf(number):
                    if node.flags & _F_SUBDATA and len(node.value) == _DB.size:
                        *_, entries, root = _DB.unpack(node.value)
                        found[node.key] = Tree(int(root), int(entries))
            if found:
                return found
        return {}

    def _main_roots(self) -> list[int]:
        metas = []
        for number in (0, 1):
            page = self._page(number)
            if page is None or len(page) < PAGE_HEADER_BYTES + _META.size:
                continue
            magic, _, _, _, _, main, _, txn = _META.unpack_from(page, PAGE_HEADER_BYTES)
            if magic == _MAGIC:
                metas.append((txn, int(_DB.unpack(main)[-1])))
        return [root for _, root in sorted(metas, reverse=True)]

    def leaves(self, root: int) -> Iterator[int]:
        """The leaf pages below `root`, each page at most once."""
        seen: set[int] = set()
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in seen or number == _NO_PAGE:
                continue
            seen.add(number)
            page = self._page(number)
            if page is None:
                continue
            stored, _, flags, lower, _ = _HEADER.unpack_from(page)
            if stored != number:
                continue
            if flags & _P_BRANCH:
                waiting += [_child(page, offset) for offset in _offsets(page, lower)]
            elif flags & _P_LEAF:
                yield number

    def _page(self, number: int) -> bytes | None:
        if not 0 <= number < self.count:
            return None
        self._file.seek(number * self.page_bytes)
        page = self._file.read(self.page_bytes)
        return page if len(page) == self.page_bytes else None

    def _node(self, page: bytes, offset: int) -> Node | None:
        low, high, flags, key_bytes = _NODE.unpack_from(page, offset)
        start = offset + _NODE.size
        size = low | high << 16
        key = page[start : start + key_bytes]
        data = start + key_bytes
        if len(key) != key_bytes or not key_bytes or flags & _F_DUPDATA or size > MAX_VALUE_BYTES:
            return None
        first = 0
        if not flags & _F_BIGDATA:
            value = page[data : data + size]
        elif data + _NUMBER.size > len(page):
            return None
        else:
            first = int(_NUMBER.unpack_from(page, data)[0])
            value = self._overflow(first, size)
        return Node(key, value, flags, first) if len(value) == size else None

    def _overflow(self, number: int, size: int) -> bytes:
        if not 0 <= number < self.count:
            return b""
        self._file.seek(number * self.page_bytes)
        data = self._file.read(PAGE_HEADER_BYTES + size)
        if len(data) < PAGE_HEADER_BYTES:
            return b""
        stored, _, flags, _, _ = _HEADER.unpack_from(data)
        return data[PAGE_HEADER_BYTES:] if stored == number and flags & _P_OVERFLOW else b""


def _offsets(page: bytes, lower: int) -> list[int]:
    """Where the page's nodes begin."""
    most = len(page) - _NODE.size
    if not PAGE_HEADER_BYTES <= lower <= len(page):
        return []
    count = (lower - PAGE_HEADER_BYTES) // 2
    offsets = struct.unpack_from(f"@{count}H", page, PAGE_HEADER_BYTES)
    return [offset for offset in offsets if PAGE_HEADER_BYTES <= offset <= most]


def _child(page: bytes, offset: int) -> int:
    low, high, top, _ = _NODE.unpack_from(page, offset)
    return int(low | high << 16 | top << 32)

"""Lines of a pipe, whatever its chunks."""

import asyncio
import io
import os

import pytest

from chatctl.repl.linereader import MAX_LINE_BYTES, MAX_LINES_AHEAD, LineReader

DEADLINE_S = 10


async def lines_of(data: bytes) -> list[bytes]:
    reader, found = LineReader(io.BytesIO(data)), []
    async with asyncio.timeout(DEADLINE_S):
        while (line := await reader.next()) is not None:
            found.append(line)
    return found


@pytest.mark.parametrize(
    ("data", "lines"),
    [(b"", []), (b"a\nb\n", [b"a", b"b"]), (b"a\n\nb", [b"a", b"", b"b"]), (b"\n", [b""])],
)
async def test_lines_come_one_by_one(data: bytes, lines: list[bytes]) -> None:
    assert await lines_of(data) == lines


async def test_more_lines_than_are_read_ahead_all_come() -> None:
    count = MAX_LINES_AHEAD * 10
    assert await lines_of(b"x\n" * count) == [b"x"] * count


async def test_endless_line_comes_cut_and_the_next_one_whole() -> None:
    found = await lines_of(b"x" * (MAX_LINE_BYTES * 5) + b"\nnext")
    assert [len(line) for line in found] == [MAX_LINE_BYTES, 4]


async def test_line_comes_while_the_pipe_stays_open() -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb") as source, os.fdopen(into, "wb", buffering=0) as sink:
        reader = LineReader(source)
        sink.write(b"now\nla")
        async with asyncio.timeout(DEADLINE_S):
            assert await reader.next() == b"now"
            sink.write(b"ter\n")
            assert await reader.next() == b"later"
            sink.close()
            assert await reader.next() is None

"""Every address behind a name gets its turn, of either family."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from chatd.dialling import NoneLeft, connect
from tests.support.resolving import resolve_to


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """Somebody listens there, at 127.0.0.2 alone."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.2", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_name_with_dead_addresses_leads_to_the_one_that_answers(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    resolve_to(monkeypatch, "127.0.0.1", "::1", "127.0.0.2", "127.0.0.3")

    with await connect("nodes.example", port, ()) as sock:
        assert sock.getpeername() == ("127.0.0.2", port)


async def test_addresses_tried_before_are_left_out(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    resolve_to(monkeypatch, "127.0.0.2")

    with pytest.raises(NoneLeft):
        await connect("nodes.example", port, {f"127.0.0.2:{port}"})


async def test_name_where_nobody_answers_is_unreachable(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    resolve_to(monkeypatch, "127.0.0.1", "127.0.0.3")

    with pytest.raises(OSError, match=r"refused|failed"):
        await connect("nodes.example", port, ())

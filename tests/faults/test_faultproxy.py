"""The network that can be split, tried on streams of our own: what must get across does, and nothing else."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from tests.support.faultproxy import FaultProxy, Split

DEADLINE_S = 5.0
NOTHING_S = 0.2
"""So long nothing comes. Over loopback what comes takes a fiftieth of that."""

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(slots=True)
class Net:
    """We are `ann`, on both sides of the door of `bob`."""

    proxy: FaultProxy
    port: int
    calls: asyncio.Queue[Stream] = field(default_factory=asyncio.Queue)
    streams: list[Stream] = field(default_factory=list)

    async def dial(self) -> Stream:
        self.streams.append(await asyncio.open_connection("127.0.0.1", self.port))
        return self.streams[-1]

    async def accept(self) -> Stream:
        async with asyncio.timeout(DEADLINE_S):
            self.streams.append(await self.calls.get())
        return self.streams[-1]

    async def link(self) -> tuple[Stream, Stream]:
        return await self.dial(), await self.accept()


@asynccontextmanager
async def net() -> AsyncIterator[Net]:
    async with FaultProxy() as proxy:
        host, port = (await proxy.add("bob")).inside
        await proxy.add("ann")
        proxy.admit("ann", os.getpid())
        found = Net(proxy, port)
        server = await asyncio.start_server(lambda *stream: found.calls.put_nowait(stream), host, port)
        try:
            yield found
        finally:
            server.close()
            for _, writer in found.streams:
                writer.transport.abort()


async def read(stream: Stream, count: int = 5) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        return await stream[0].readexactly(count)


async def hears_nothing(stream: Stream) -> bool:
    """Neither a byte nor the stream's end."""
    try:
        async with asyncio.timeout(NOTHING_S):
            await stream[0].read(1)
    except TimeoutError:
        return True
    return False


async def test_proxy_carries_both_ways_and_each_end_of_a_stream_by_itself() -> None:
    async with net() as network:
        near, far = await network.link()
        near[1].write(b"hello")
        assert await read(far) == b"hello"
        near[1].write_eof()
        async with asyncio.timeout(DEADLINE_S):
            assert await far[0].read() == b""
        far[1].write(b"still")
        assert await read(near) == b"still"


async def test_who_is_called_sees_a_door_and_not_where_the_caller_listens() -> None:
    async with net() as network:
        _, far = await network.link()
        assert far[1].get_extra_info("peername")[0] == "127.0.0.1"


@pytest.mark.parametrize("kind", Split)
async def test_split_between_others_leaves_a_link_alone(kind: Split) -> None:
    async with net() as network:
        near, far = await network.link()
        network.proxy.split(["ann", "bob"], kind)
        near[1].write(b"hello")
        assert await read(far) == b"hello"
        await network.link()


async def test_closed_split_resets_links_and_calls_across_until_it_heals() -> None:
    async with net() as network:
        ends = await network.link()
        network.proxy.split(["ann"], Split.CLOSED)
        for end in (*ends, await network.dial()):
            with pytest.raises(ConnectionResetError):
                await read(end)
        assert network.calls.empty()

        network.proxy.heal()
        near, far = await network.link()
        near[1].write(b"again")
        assert await read(far) == b"again"


async def test_silent_split_tells_nobody_anything_until_it_heals() -> None:
    async with net() as network:
        near, far = await network.link()
        network.proxy.split(["bob"], Split.SILENT)
        near[1].write(b"hello")
        near[1].write_eof()
        caller = await network.dial()
        caller[1].write(b"hello")
        assert await hears_nothing(far)
        assert await hears_nothing(caller)
        assert network.calls.empty()

        network.proxy.heal()
        assert await read(far) == b"hello"
        async with asyncio.timeout(DEADLINE_S):
            assert await far[0].read() == b""
        assert await read(await network.accept()) == b"hello"


async def test_who_has_hung_up_during_a_silent_split_is_not_led_through_afterwards() -> None:
    async with net() as network:
        network.proxy.split(["bob"], Split.SILENT)
        caller = await network.dial()
        assert await hears_nothing(caller)
        caller[1].transport.abort()
        await asyncio.sleep(0)  # the transport closes its socket in the loop's next turn
        network.proxy.heal()
        _, far = await network.link()
        assert network.calls.empty()
        assert await hears_nothing(far)


async def test_what_broke_during_a_silent_split_is_told_when_it_heals() -> None:
    async with net() as network:
        near, far = await network.link()
        network.proxy.split(["bob"], Split.SILENT)
        near[1].transport.abort()
        assert await hears_nothing(far)
        network.proxy.heal()
        async with asyncio.timeout(DEADLINE_S):
            assert await far[0].read() == b""


async def test_call_of_an_unknown_process_is_reset() -> None:
    async with net() as network:
        network.proxy.admit("ann", os.getppid())
        with pytest.raises(ConnectionResetError):
            await read(await network.dial())

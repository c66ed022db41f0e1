"""A network between daemons that can be split: every link goes through here, and may be closed or go silent.

Each daemon listens on a loopback address of its own and has a door, a port on 127.0.0.1. It advertises the
door, and signs that it lives there: so all that daemons ever learn of each other are doors.
"""

import asyncio
import contextlib
import enum
import itertools
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, cast

from tests.support.sockets import Endpoint, owner

HOST = "127.0.0.1"
NO_LINGER = struct.pack("ii", 1, 0)
"""socket(7), SO_LINGER: on for no time, so that close sends RST."""

CALLERS_WAITING = 128


class Split(enum.Enum):
    CLOSED = "links closed"
    """RST to both ends of every link across, and to who calls across."""

    SILENT = "packets vanish"
    """Neither bytes nor ends of streams get across, and who calls gets no answer. What was sent meanwhile
    waits in the kernel, as TCP repeats what was lost, and comes when the network has healed."""


@dataclass(slots=True)
class Door:
    name: str
    inside: Endpoint
    """Where its daemon is to listen."""

    address: str = ""
    """Where the others are to call."""

    pid: int | None = None
    server: asyncio.Server | None = None


class FaultProxy:
    def __init__(self) -> None:
        self._doors: dict[str, Door] = {}
        self._numbers = itertools.count(1)
        self._roads: set[_Road] = set()
        self._callers: set[asyncio.Task[None]] = set()
        self._one_side: frozenset[str] = frozenset()
        self._kind: Split | None = None
        self._open = asyncio.Event()
        self._open.set()

    async def __aenter__(self) -> "FaultProxy":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Whatever still runs through here is cut off."""
        for door in self._doors.values():
            if door.server is not None:
                door.server.close()
        for caller in list(self._callers):
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        for road in list(self._roads):
            road.reset()
        await asyncio.sleep(0)  # to the next turn of the loop, in which the sockets are closed

    # Doors

    async def add(self, name: str) -> Door:
        """A door for one more daemon."""
        loop = asyncio.get_running_loop()
        inside = f"127.0.1.{next(self._numbers)}"
        door = Door(name, (inside, 0))
        door.server = await loop.create_server(lambda: _End(self, door), HOST, 0, backlog=CALLERS_WAITING)
        port = door.server.sockets[0].getsockname()[1]
        door.inside, door.address = (inside, port), f"{HOST}:{port}"
        self._doors[name] = door
        return door

    def admit(self, name: str, pid: int) -> None:
        """Say which process it is, before it calls anybody."""
        self._doors[name].pid = pid

    # Faults

    def split(self, one_side: Collection[str], kind: Split) -> None:
        """From now on nothing gets from these to the others, or back."""
        self._one_side, self._kind = frozenset(one_side), kind
        self._open.clear()
        for road in self._across():
            if kind is Split.CLOSED:
                road.reset()
            else:
                road.update()

    def heal(self) -> None:
        held = list(self._across())
        self._kind = None
        self._open.set()
        for road in held:
            road.update()

    def _across(self) -> Iterator["_Road"]:
        return (road for road in list(self._roads) if self.is_cut(road.caller, road.called))

    def is_cut(self, one: str, other: str) -> bool:
        return self._kind is not None and (one in self._one_side) != (other in self._one_side)

    # Calls

    def handle_call(self, end: "_End", door: Door) -> None:
        task = asyncio.get_running_loop().create_task(self._connect(end, door))
        self._callers.add(task)
        task.add_done_callback(self._callers.discard)

    async def _connect(self, end: "_End", door: Door) -> None:
        """Let a caller through, once it may; whoever has hung up meanwhile is nobody's any more."""
        try:
            while caller := self._who_calls(end):
                if not self.is_cut(caller, door.name):
                    await self._lead_through(end, caller, door)
                    return
                if self._kind is Split.CLOSED:
                    break
                await self._open.wait()
        finally:
            if end.road is None:
                end.reset()

    def _who_calls(self, end: "_End") -> str | None:
        names = {door.pid: door.name for door in self._doors.values() if door.pid is not None}
        if end.gone:
            return None
        pid = owner(end.info("peername"), end.info("sockname"), names)
        return None if pid is None else names[pid]

    async def _lead_through(self, end: "_End", caller: str, door: Door) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):  # nobody is in
            _, other = await loop.create_connection(lambda: _End(self), *door.inside, local_addr=(HOST, 0))
            if self.is_cut(caller, door.name) and self._kind is Split.CLOSED:
                other.reset()
                return
            _Road(self, caller, door.name, end, other)

    def add_road(self, road: "_Road") -> None:
        self._roads.add(road)

    def remove_road(self, road: "_Road") -> None:
        self._roads.discard(road)


class _Road:
    """One link's two connections: what comes at one end goes out at the other."""

    def __init__(self, proxy: FaultProxy, caller: str, called: str, near: "_End", far: "_End") -> None:
        self._proxy = proxy
        self.caller = caller
        self.called = called
        self._ends = (near, far)
        near.road = far.road = self
        proxy.add_road(self)
        self.update()

    def _beyond(self, end: "_End") -> "_End":
        near, far = self._ends
        return far if end is near else near

    def update(self) -> None:
        """Something has changed: what may get across now? What is not read cannot."""
        cut = self._proxy.is_cut(self.caller, self.called)
        for end in self._ends:
            other = self._beyond(end)
            if end.broken and not cut:
                other.reset()
            end.read(not cut and not end.ended and other.writable)
        if all(end.gone for end in self._ends):
            self._proxy.remove_road(self)

    def carry(self, end: "_End", data: bytes) -> None:
        self._beyond(end).write(data)

    def handle_ended(self, end: "_End") -> None:
        """One side has said all it had to say."""
        other = self._beyond(end)
        if not other.ended:
            other.write_end()
            return
        for each in self._ends:
            each.close()

    def reset(self) -> None:
        for end in self._ends:
            end.reset()


class _End(asyncio.Protocol):
    """One connection. `door` is the one somebody came to; without, it is ours to whom the call is for."""

    def __init__(self, proxy: FaultProxy, door: Door | None = None) -> None:
        self._proxy = proxy
        self._door = door
        self._transport: asyncio.Transport | None = None
        self.road: _Road | None = None
        self.gone = False
        self.broken = False
        """Gone by an error, as a reset."""

        self.writable = True
        self.ended = False
        self._wants = True

    # The event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.read(False)
        asyncio.get_running_loop().call_soon(self._pause_indeed)
        if self._door is not None:
            self._proxy.handle_call(self, self._door)

    def _pause_indeed(self) -> None:
        """Python 3.11.2, which Debian 12 has, begins to read after `connection_made` whatever that said."""
        if not self._wants:
            self.read(True)
            self.read(False)

    def data_received(self, data: bytes) -> None:
        assert self.road is not None, "read before there was a way on"
        self.road.carry(self, data)

    def eof_received(self) -> bool:
        self.ended = True
        assert self.road is not None, "read before there was a way on"
        self.road.handle_ended(self)
        return True  # the other direction may go on

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.gone, self.broken = True, exc is not None
        if self.road is not None:
            self.road.update()

    def pause_writing(self) -> None:
        self.writable = False
        if self.road is not None:
            self.road.update()

    def resume_writing(self) -> None:
        self.writable = True
        if self.road is not None:
            self.road.update()

    # What is done with it; nothing any more once it is lost

    def info(self, name: str) -> Any:
        return None if self._transport is None else self._transport.get_extra_info(name)

    def read(self, wanted: bool) -> None:
        self._wants = wanted
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def write_end(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write_eof()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        if self._transport is not None:
            self.info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            self._transport.abort()

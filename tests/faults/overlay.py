"""Real daemons that each know one other: how many networks they are, and what finding that out costs."""

import asyncio
import math
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon import Daemon, free_port
from tests.support.local import Local, websocket

# Deadlines of a machine that is slow and has other things to do.
UP_S = 300.0
DEADLINE_S = 120.0

LOOK_S = 0.1

PLACE = 4


@dataclass(slots=True)
class Phase:
    """How long it took, and the processor time of our daemons and of all else on the machine meanwhile."""

    took_s: float = math.inf
    daemons_s: float = 0.0
    others_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.took_s:.1f} s (processor: {self.daemons_s:.1f} s, others {self.others_s:.1f} s)"


@dataclass(frozen=True, slots=True)
class Member:
    daemon: Daemon
    local: Local
    peer_id: str

    @property
    def pid(self) -> int:
        assert self.daemon.process is not None
        return self.daemon.process.pid

    async def neighbours(self) -> set[str]:
        """Linked peers that are in the lobby."""
        return {peer["peer_id"] for peer in await self.local.call("peer.list") if "lobby" in peer["rooms"]}

    async def shows(self, text: str) -> bool:
        return text in [message["text"] for message in await self.local.call("message.history", limit=10)]


@contextmanager
def daemons_that_know_one(folder: Path, count: int, rng: random.Random) -> Iterator[list[Daemon]]:
    """Not started yet. Each was told of one that came before it."""
    addresses = [f"127.0.2.{number + 1}:{free_port()}" for number in range(count)]
    daemons = []
    for number, address in enumerate(addresses):
        host, _, port = address.partition(":")
        daemon = Daemon(folder / f"n{number}", "--host", host, "--port", port, username=f"n{number}")
        if number:
            daemon.arguments += ["--bootstrap", rng.choice(addresses[:number])]
        daemons.append(daemon)
    try:
        yield daemons
    finally:
        stop(daemons)


def stop(daemons: Sequence[Daemon]) -> None:
    """All at once."""
    with ThreadPoolExecutor(len(daemons)) as pool:
        list(pool.map(Daemon.stop, daemons))


@asynccontextmanager
async def started(daemons: Sequence[Daemon]) -> AsyncIterator[list[Member]]:
    """All at once, and ready."""
    for daemon in daemons:
        daemon.spawn()
    async with AsyncExitStack() as stack:
        members = []
        for daemon in daemons:
            await asyncio.to_thread(daemon.wait_ready, UP_S)
            local = await stack.enter_async_context(websocket(daemon.socket))
            members.append(Member(daemon, local, (await local.call("identity.show"))["peer_id"]))
        yield members


async def parts(members: Sequence[Member]) -> int:
    """Into how many the network of these has fallen, beyond one."""
    linked = dict(
        zip(
            [member.peer_id for member in members],
            await asyncio.gather(*[member.neighbours() for member in members]),
            strict=True,
        )
    )
    found = 0
    unseen = set(linked)
    while unseen:
        found += 1
        edge = {unseen.pop()}
        while edge:
            edge = {
                other for other in unseen if any(other in linked[one] or one in linked[other] for one in edge)
            }
            unseen -= edge
    return found - 1


async def lonely(members: Sequence[Member]) -> int:
    """How many have not found their place yet: with fewer than `PLACE` neighbours, as far as there are."""
    neighbours = await asyncio.gather(*[member.neighbours() for member in members])
    return sum(len(known) < min(PLACE, len(members) - 1) for known in neighbours)


async def lacking(members: Sequence[Member], text: str) -> int:
    shown = await asyncio.gather(*[member.shows(text) for member in members])
    return shown.count(False)


async def until_none(
    left: Callable[[], Awaitable[int]], members: Sequence[Member], deadline_s: float = DEADLINE_S
) -> Phase:
    """Until nothing is left to wait for; `members` are those whose work is counted."""
    phase, start = Phase(), time.monotonic()
    ours, all_of_it = _used_by(members), _used()
    while time.monotonic() - start < deadline_s:
        if not await left():
            phase.took_s = time.monotonic() - start
            break
        await asyncio.sleep(LOOK_S)  # between two looks at other processes; nothing here could wake us
    phase.daemons_s = _used_by(members) - ours
    phase.others_s = _used() - all_of_it - phase.daemons_s
    return phase


_TICKS = os.sysconf("SC_CLK_TCK")


def _used_by(members: Sequence[Member]) -> float:
    """Processor seconds, as in proc_pid_stat(5): fields 14 and 15, counted behind the name."""
    fields = [
        Path(f"/proc/{member.pid}/stat").read_text().rpartition(")")[2].split()[11:13] for member in members
    ]
    return sum(int(ticks) for pair in fields for ticks in pair) / _TICKS


def _used() -> float:
    """Of the whole machine, as in proc_stat(5): user, nice and system, of all cores."""
    first = Path("/proc/stat").read_text().partition("\n")[0].split()
    return sum(map(int, first[1:4])) / _TICKS

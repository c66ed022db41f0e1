"""Real daemons that each know one other; then a random half of them is killed at once."""

import asyncio
import math
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon import Daemon, free_port
from tests.support.local import Local, websocket

DAEMONS = 30

FORMED_WITHIN_S = 10.0
"""From the moment that the last one is ready until all are one network."""

WHOLE_WITHIN_S = 15.0
"""From the kill until those that are left are one network."""

# Deadlines of a machine that is slow and has other things to do.
UP_S = 300.0
DEADLINE_S = 120.0

LOOK_S = 0.1


@dataclass(slots=True)
class Phase:
    """How long it took, and the processor time of our daemons and of all else on the machine meanwhile."""

    took_s: float = math.inf
    daemons_s: float = 0.0
    others_s: float = 0.0

    def __str__(self) -> str:
        return f"{self.took_s:.1f} s (processor: {self.daemons_s:.1f} s, others {self.others_s:.1f} s)"


@dataclass(slots=True)
class Outcome:
    daemons: int
    formed: Phase
    whole: Phase
    spread: Phase
    """From a message sent after the kill until everybody left shows it."""

    @property
    def happened(self) -> bool:
        return not math.isinf(self.formed.took_s + self.whole.took_s + self.spread.took_s)

    @property
    def good(self) -> bool:
        in_time = self.formed.took_s <= FORMED_WITHIN_S and self.whole.took_s <= WHOLE_WITHIN_S
        return self.happened and in_time


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


async def halve(folder: Path, count: int, *, seed: int, deadline_s: float = DEADLINE_S) -> Outcome:
    rng = random.Random(seed)
    async with swarm(folder, count, rng) as members:
        formed = await _phase(members, lambda: parts(members), deadline_s)
        killed = rng.sample(members, count // 2)
        left = [member for member in members if member not in killed]
        for member in killed:
            os.kill(member.pid, signal.SIGKILL)
        whole = await _phase(left, lambda: parts(left), deadline_s)
        await left[0].local.call("message.send", text="who is left?")
        spread = await _phase(left, lambda: lacking(left, "who is left?"), deadline_s)
        return Outcome(count, formed, whole, spread)


@asynccontextmanager
async def swarm(folder: Path, count: int, rng: random.Random) -> AsyncIterator[list[Member]]:
    """Started all at once, and ready. Each was told of one other."""
    addresses = [f"127.0.2.{number + 1}:{free_port()}" for number in range(count)]
    async with AsyncExitStack() as stack:
        daemons: list[Daemon] = []
        for number, address in enumerate(addresses):
            host, _, port = address.partition(":")
            daemon = Daemon(folder / f"n{number}", "--host", host, "--port", port, username=f"n{number}")
            if number:
                daemon.arguments += ["--bootstrap", rng.choice(addresses[:number])]
            stack.push_async_callback(asyncio.to_thread, daemon.stop)
            daemon.spawn()
            daemons.append(daemon)
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


async def lacking(members: Sequence[Member], text: str) -> int:
    shown = await asyncio.gather(*[member.shows(text) for member in members])
    return shown.count(False)


async def _phase(members: Sequence[Member], left: Callable[[], Awaitable[int]], deadline_s: float) -> Phase:
    """Until nothing is left to wait for."""
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

"""Ten real daemons in two halves that are cut off from each other, talk on, and are joined again."""

import asyncio
import itertools
import math
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chatcore.api import MAX_HISTORY
from tests.support.daemon import Daemon
from tests.support.faultproxy import FaultProxy, Split
from tests.support.local import Local, websocket

A_SIDE = 5
DAEMONS = 2 * A_SIDE

EQUAL_WITHIN_S = 30.0
"""What must hold, from the moment the halves are joined."""

# Deadlines of a machine that is slow and has other things to do.
UP_S = 60.0
MET_S = 90.0
SPREAD_S = 120.0
APART_S = 60.0
"""A silent link is given up within 15 s."""

LOOK_S = 0.05

Stats = dict[str, Any]


@dataclass(slots=True)
class Outcome:
    said: int = 0
    apart_s: float = 0.0
    equal_s: float = math.inf
    """From the moment the halves were joined; infinite when the histories did not become equal in time."""

    lost: int = 0
    """Messages that a history lacks in the end, over all of them."""

    duplicates: int = 0
    """Messages twice in a history, or stored twice."""

    copies: float = 0.0
    """Of a message of the other half, that arrived at each daemon that lacked it."""

    repaired: float = 0.0
    """The share that came by history repair. The rest were pushed by their authors."""

    @property
    def good(self) -> bool:
        return self.equal_s <= EQUAL_WITHIN_S and self.lost == self.duplicates == 0


@dataclass(frozen=True, slots=True)
class Member:
    daemon: Daemon
    local: Local

    @property
    def name(self) -> str:
        return self.daemon.home.name

    async def stats(self) -> Stats:
        found: Stats = await self.local.call("node.stats")
        return found

    async def stored(self) -> int:
        """As it counts itself: a message stored twice counts twice."""
        stats = await self.stats()
        return int(stats["messages_sent"] + stats["messages_received"])

    async def peers(self) -> int:
        return len(await self.local.call("peer.list"))

    async def members(self) -> int:
        """Of the lobby, beside itself."""
        (lobby,) = await self.local.call("room.list")
        return len(lobby["members"])

    async def say(self, count: int) -> list[str]:
        """Each message as soon as the one before is on disk; their ids."""
        ids = []
        for number in range(count):
            sent = await self.local.call("message.send", text=f"{self.name} says {number}")
            ids.append(sent["id"])
        return ids

    async def history(self) -> list[str]:
        """The ids of the whole lobby, oldest first, page by page."""
        ids: list[str] = []
        before: dict[str, str] = {}
        while True:
            page = await self.local.call("message.history", limit=MAX_HISTORY, **before)
            ids[:0] = [message["id"] for message in page]
            if len(page) < MAX_HISTORY:
                return ids
            before = {"before": ids[0]}


@asynccontextmanager
async def swarm(
    folder: Path, proxy: FaultProxy, rng: random.Random, program: Sequence[str] | None = None
) -> AsyncIterator[list[Member]]:
    """Ten in one room, all linked with all. Each was told of one other, in either half."""
    daemons: list[Daemon] = []
    doors: list[str] = []
    async with AsyncExitStack() as stack:
        for number in range(DAEMONS):
            name = f"n{number}"
            door = await proxy.add(name)
            host, port = door.inside
            here = ("--host", host, "--port", str(port), "--advertise", door.address)
            daemon = Daemon(folder / name, *here, username=name)
            daemon.program = list(program or daemon.program)
            if doors:
                daemon.arguments += ["--bootstrap", rng.choice(doors)]
            daemons.append(daemon)
            stack.push_async_callback(asyncio.to_thread, daemon.stop)
            proxy.admit(name, daemon.spawn())
            doors.append(door.address)
        members = []
        for daemon in daemons:
            await asyncio.to_thread(daemon.wait_ready, UP_S)
            members.append(Member(daemon, await stack.enter_async_context(websocket(daemon.socket))))
        await all_reach(members, Member.peers, DAEMONS - 1, "links", MET_S)
        await all_reach(members, Member.members, DAEMONS - 1, "others in the room", MET_S)
        yield members


async def all_reach(
    members: Sequence[Member],
    count: Callable[[Member], Awaitable[int]],
    wanted: int,
    what: str,
    within_s: float,
) -> None:
    """Raises TimeoutError, which says who is short of it."""
    end = time.monotonic() + within_s
    while short := {each.name: found for each in members if (found := await count(each)) != wanted}:
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {wanted} {what}: {short}")
        await asyncio.sleep(LOOK_S)  # between two looks at other processes; nothing here could wake us


async def split_and_heal(
    folder: Path, kind: Split, each_says: int, *, seed: int, unrepaired: bool = False
) -> Outcome:
    """Everybody says its messages while the halves are apart; each half has all of its own when they meet.

    `unrepaired` runs daemons that never compare histories.
    """
    program = [sys.executable, "-m", "tests.faults.unrepaired"] if unrepaired else None
    async with FaultProxy() as proxy, swarm(folder, proxy, random.Random(seed), program) as members:
        halves = (members[::2], members[1::2])
        proxy.split([member.name for member in halves[0]], kind)
        since = time.monotonic()
        said = await say_apart(halves, each_says)
        outcome = Outcome(said=len(said), apart_s=time.monotonic() - since)
        before = await all_stats(members)
        proxy.heal()
        outcome.equal_s = await seconds_to_equal(members, said)
        take_stock(outcome, await all_histories(members), said, before, await all_stats(members))
        return outcome


async def say_apart(halves: Sequence[Sequence[Member]], each_says: int) -> set[str]:
    """All ids said. Sees to it that the halves were apart: each has what it said, and nothing else."""
    spoken = await asyncio.gather(*[member.say(each_says) for half in halves for member in half])
    everybody = [member for half in halves for member in half]
    await all_reach(everybody, Member.stored, A_SIDE * each_says, "messages of their half", SPREAD_S)
    await all_reach(everybody, Member.peers, A_SIDE - 1, "links", APART_S)
    for half, ids in zip(halves, (spoken[:A_SIDE], spoken[A_SIDE:]), strict=True):
        for history in await all_histories(half):
            assert sorted(history) == sorted(itertools.chain(*ids)), "a half does not have just what it said"
    return set(itertools.chain(*spoken))


async def seconds_to_equal(members: Sequence[Member], said: set[str]) -> float:
    """Until everybody shows all that was said, in one order: whole histories are compared, not counts."""
    start = time.monotonic()
    while time.monotonic() - start < EQUAL_WITHIN_S:
        if min([await member.stored() for member in members]) >= len(said):
            first, *others = await all_histories(members)
            if set(first) == said and all(other == first for other in others):
                return time.monotonic() - start
        await asyncio.sleep(LOOK_S)  # between two looks at other processes; nothing here could wake us
    return math.inf


async def all_histories(members: Iterable[Member]) -> list[list[str]]:
    return [await member.history() for member in members]


async def all_stats(members: Iterable[Member]) -> list[Stats]:
    return [await member.stats() for member in members]


def take_stock(
    outcome: Outcome,
    histories: Sequence[Sequence[str]],
    said: set[str],
    before: Sequence[Stats],
    after: Sequence[Stats],
) -> None:
    def gained(count: str) -> int:
        return sum(late[count] - early[count] for early, late in zip(before, after, strict=True))

    shown = sum(len(set(history)) for history in histories)
    stored = sum(stats["messages_sent"] + stats["messages_received"] for stats in after)
    outcome.lost = sum(len(said.difference(history)) for history in histories)
    outcome.duplicates = sum(map(len, histories)) - shown + max(0, stored - shown)
    received = max(1, gained("messages_received"))
    outcome.copies = (received + gained("messages_duplicate")) / received
    outcome.repaired = gained("repaired") / received

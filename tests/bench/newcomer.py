"""A newcomer comes into a room with a long history while two members chat in it.

All are real daemons on this machine, so that the work of all shares its cores. Runs with a
newcomer that has only what the others leave of them are nearer to one with a machine of its own: they show
what it costs the members to serve it. Latency is taken from `message.send` at one member to the event at the
other, and at the newcomer.
"""

import asyncio
import itertools
import json
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse, UnixConnector

from tests.bench.throughput import CHECKED_BARE, bare_rate
from tests.support.daemon import Daemon, running
from tests.support.filled import fill, messages

SMALL, LARGE = 100_000, 1_000_000
NEWEST = 50
LIVE_PER_S = 20
"""Of each of the two members."""

QUIET_S = 10.0
"""So long they chat before the newcomer comes: what its coming is compared with."""

SET_BACK = ("chrt", "--idle", "0")
"""Linux alone has it: a program that runs so waits whenever any other wants the processor."""

SETTLE_S = 2.0
LOOK_S = 0.02
DEADLINE_S = 1800.0

_LIVE = re.compile(r'"text":"live (\d+)"')


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds, counted from the newcomer's first link."""

    count: int
    bare_per_second: float
    newest_s: float
    all_s: float
    before: list[float]
    """Latency between the members, of each message sent before the newcomer came."""

    during: list[float]
    at_newcomer: list[float]
    lost: int
    """Live messages that did not come to everybody."""

    @property
    def per_second(self) -> float:
        return self.count / self.all_s

    @property
    def share(self) -> float:
        return self.per_second / self.bare_per_second


@dataclass(slots=True)
class Chatter:
    """What was said when, and when it was heard by whom."""

    sent: dict[int, tuple[str, float]] = field(default_factory=dict)
    heard: dict[tuple[str, int], float] = field(default_factory=dict)
    linked: dict[str, float] = field(default_factory=dict)

    def latencies(self, at: tuple[str, ...], start: float, end: float) -> list[float]:
        return [
            self.heard[name, number] - when
            for number, (by, when) in self.sent.items()
            if start <= when < end
            for name in at
            if name != by and (name, number) in self.heard
        ]

    def lost(self, at: tuple[str, ...], start: float, end: float) -> int:
        wanted = [
            (name, number) for number, (_, when) in self.sent.items() if start <= when < end for name in at
        ]
        return sum(item not in self.heard for item in wanted)


async def listen(websocket: ClientWebSocketResponse, name: str, chatter: Chatter) -> None:
    await websocket.send_str(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "events.subscribe"}))
    while True:
        text = await websocket.receive_str()
        now = time.perf_counter()
        for found in _LIVE.finditer(text):
            chatter.heard.setdefault((name, int(found[1])), now)
        if name not in chatter.linked and '"topic":"peer"' in text and '"state":"up"' in text:
            chatter.linked[name] = now


async def chat(
    websocket: ClientWebSocketResponse, name: str, chatter: Chatter, numbers: Iterator[int]
) -> None:
    """At a fixed rate, whether or not the last one was answered: who waits measures less."""
    start = time.perf_counter()
    for turn in itertools.count():
        await asyncio.sleep(max(0.0, start + turn / LIVE_PER_S - time.perf_counter()))
        number = next(numbers)
        request = {"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": {"text": f"live {number}"}}
        chatter.sent[number] = (name, time.perf_counter())
        await websocket.send_str(json.dumps(request))


async def drain(websocket: ClientWebSocketResponse) -> None:
    while True:
        await websocket.receive_str()


class Caller:
    """RPC over one kept connection."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    async def __call__(self, method: str, **params: Any) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post("http://chatd/rpc", json=body) as response:
            return (await response.json())["result"]


async def wait_newest(newcomer: Caller, wanted: set[str]) -> float:
    while True:
        page = await newcomer("message.history", limit=2 * NEWEST)
        if wanted <= {message["id"] for message in page}:
            return time.perf_counter()
        await asyncio.sleep(LOOK_S)


async def wait_all(newcomer: Caller, count: int, chatter: Chatter) -> float:
    while True:
        wanted = count + sum(name == "newcomer" for name, _ in list(chatter.heard))
        if (await newcomer("node.stats"))["messages_received"] >= wanted:
            return time.perf_counter()
        await asyncio.sleep(5 * LOOK_S)


async def run(
    members: dict[str, Daemon], newcomer: Daemon, count: int, bare: float, numbers: Iterator[int]
) -> Result:
    chatter = Chatter()
    address = members["ann"].address
    names = tuple(members)
    async with AsyncExitStack() as stack, asyncio.timeout(DEADLINE_S), asyncio.TaskGroup() as tasks:
        running_tasks = []
        callers = {}

        async def attach(name: str, daemon: Daemon) -> ClientSession:
            session = await stack.enter_async_context(
                ClientSession(connector=UnixConnector(str(daemon.socket)))
            )
            callers[name] = Caller(session)
            websocket = await stack.enter_async_context(session.ws_connect("http://chatd/ws", max_msg_size=0))
            running_tasks.append(tasks.create_task(listen(websocket, name, chatter)))
            return session

        for name, daemon in members.items():
            session = await attach(name, daemon)
            speaking = await stack.enter_async_context(session.ws_connect("http://chatd/ws"))
            running_tasks.append(tasks.create_task(chat(speaking, name, chatter, numbers)))
            running_tasks.append(tasks.create_task(drain(speaking)))
        await asyncio.sleep(SETTLE_S)
        quiet = time.perf_counter()
        await asyncio.sleep(QUIET_S)
        await attach("newcomer", newcomer)
        page = await callers["ann"]("message.history", limit=NEWEST)
        came = time.perf_counter()
        await callers["newcomer"]("peer.connect", address=address)
        newest = await wait_newest(callers["newcomer"], {message["id"] for message in page})
        everything = await wait_all(callers["newcomer"], count, chatter)
        await asyncio.sleep(SETTLE_S)
        for task in running_tasks:
            task.cancel()
    linked = chatter.linked["newcomer"]
    return Result(
        count=count,
        bare_per_second=bare,
        newest_s=newest - linked,
        all_s=everything - linked,
        before=chatter.latencies(names, quiet, came),
        during=chatter.latencies(names, came, everything),
        at_newcomer=chatter.latencies(("newcomer",), linked + 1.0, everything),
        lost=chatter.lost((*names, "newcomer"), came, everything),
    )


def measure(folder: Path, count: int, runs: int, starters: Sequence[Sequence[str]]) -> list[list[Result]]:
    """One history, kept by two members; in each run a new newcomer for each of what may start it. The results
    of each."""
    ann, bob = folder / "ann", folder / "bob"
    ann.mkdir(mode=0o700)
    fill(ann / "store", count)
    shutil.copytree(ann, bob)  # with its times, or it would be looked over at the start
    sample = list(messages(CHECKED_BARE))
    numbers = itertools.count()
    results: list[list[Result]] = [[] for _ in starters]
    members = {"ann": Daemon(ann), "bob": Daemon(bob, username="bob")}
    with running(*members.values()):
        members["bob"].call("peer.connect", address=members["ann"].address)
        members["bob"].wait_peers(1)
        for starter, found in list(zip(starters, results, strict=True)) * runs:
            newcomer = Daemon(folder / "newcomer", username="eve")
            newcomer.program = [*starter, *newcomer.program]
            with newcomer:
                found.append(asyncio.run(run(members, newcomer, count, bare_rate(sample), numbers)))
            shutil.rmtree(newcomer.home)
    return results

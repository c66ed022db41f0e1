"""Real daemons, present for five minutes; one is killed, one is stopped, one comes late."""

import asyncio
import json
import math
import signal
import time
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import WSMsgType

from tests.support.daemon import Daemon
from tests.support.local import Json, Local, websocket

DAEMONS = 50
"""Some 60 MB each. They have to be heard in time on what else is going on: the machine should be idle."""

RUN_S = 300.0
KILL_AFTER_S = 60.0

SILENCE_S = 45.0
REFRESH_S = 15.0
SLOW_S = 5.0
"""What a busy machine may add."""

UP_S = 120.0
MET_S = 90.0
LEFT_WITHIN_S = 5.0
KNOWN_WITHIN_S = 5.0


@dataclass(slots=True)
class Outcome:
    daemons: int = 0
    missed: int = 0
    """Times that somebody alive was taken off somebody's roster."""

    lost_s: list[float] = field(default_factory=list)
    """At each of the others, from the kill until it was off the roster; infinite where it never was."""

    left_s: list[float] = field(default_factory=list)
    known_s: float = math.inf
    """From the moment that the latecomer was ready until it had everybody on its roster."""

    @property
    def good(self) -> bool:
        return (
            self.missed == 0
            and min(self.lost_s) >= SILENCE_S - REFRESH_S - SLOW_S
            and max(self.lost_s) <= SILENCE_S + REFRESH_S + SLOW_S
            and max(self.left_s) <= LEFT_WITHIN_S
            and self.known_s <= KNOWN_WITHIN_S
        )


@dataclass(slots=True)
class Watcher:
    """A daemon, and all it told of members, with when that was."""

    daemon: Daemon
    local: Local
    peer_id: str = ""
    told: list[tuple[float, Json]] = field(default_factory=list)

    async def watch(self) -> None:
        while True:
            message = await self.local.websocket.receive()
            if message.type is not WSMsgType.TEXT:
                return
            for event in json.loads(message.data).get("params", {}).get("events", []):
                if event["topic"] == "presence":
                    self.told.append((time.monotonic(), event["data"]))

    def gone(self, since: float) -> list[tuple[float, Json]]:
        return [item for item in self.told if item[0] >= since and item[1]["state"] in {"left", "lost"}]

    def seconds_to(self, peer_id: str, state: str, since: float) -> float:
        found = [at for at, data in self.gone(since) if (data["peer_id"], data["state"]) == (peer_id, state)]
        return found[-1] - since if found else math.inf


async def watch_presence(folder: Path, count: int = DAEMONS, run_s: float = RUN_S) -> Outcome:
    async with swarm(folder, count) as watchers, asyncio.TaskGroup() as group:
        tasks = [group.create_task(watcher.watch()) for watcher in watchers]
        started = time.monotonic()
        await _pass(KILL_AFTER_S, tasks)
        killed, stopped, *others = watchers
        at = time.monotonic()
        killed.daemon.kill()
        assert stopped.daemon.process is not None
        stopped.daemon.process.send_signal(signal.SIGTERM)
        await _pass(run_s - KILL_AFTER_S, tasks[2:])
        outcome = Outcome(
            daemons=count,
            lost_s=[watcher.seconds_to(killed.peer_id, "lost", at) for watcher in others],
            left_s=[watcher.seconds_to(stopped.peer_id, "left", at) for watcher in others],
        )
        went = {killed.peer_id, stopped.peer_id}
        alive = [
            data for watcher in others for _, data in watcher.gone(started) if data["peer_id"] not in went
        ]
        outcome.missed = len(alive)
        outcome.known_s = await _latecomer(folder, others)
        for task in tasks:
            task.cancel()
    return outcome


async def _pass(seconds: float, tasks: Collection["asyncio.Task[None]"]) -> None:
    """Raises RuntimeError as soon as a daemon that should live is no longer heard."""
    done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    if done:
        raise RuntimeError("a daemon went away")


@asynccontextmanager
async def swarm(folder: Path, count: int) -> AsyncIterator[list[Watcher]]:
    """All in one room and on each other's roster."""
    async with AsyncExitStack() as stack:
        watchers: list[Watcher] = []
        for number in range(count):
            daemon = Daemon(folder / f"n{number}", username=f"n{number}")
            if watchers:
                daemon.arguments += ["--bootstrap", watchers[number // 2].daemon.address]
            stack.push_async_callback(asyncio.to_thread, daemon.stop)
            await asyncio.to_thread(daemon.start, UP_S)
            watchers.append(Watcher(daemon, await stack.enter_async_context(websocket(daemon.socket))))
        for watcher in watchers:
            await _know(watcher.local, count, MET_S)
            watcher.peer_id = (await watcher.local.call("identity.show"))["peer_id"]
            await watcher.local.call("events.subscribe")
        yield watchers


async def _know(local: Local, wanted: int, within_s: float) -> None:
    """Until so many are here, the node itself among them. Raises TimeoutError."""
    end = time.monotonic() + within_s
    while (found := len(await local.call("room.members", former=False))) != wanted:
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within_s:.0f} s for {wanted} members, there are {found}")
        await asyncio.sleep(0.02)  # between two looks at another process; nothing here could wake us


async def _latecomer(folder: Path, others: Sequence[Watcher]) -> float:
    late = Daemon(folder / "late", "--bootstrap", others[0].daemon.address, username="late")
    try:
        await asyncio.to_thread(late.start, UP_S)
        since = time.monotonic()
        async with websocket(late.socket) as local:
            await _know(local, len(others) + 1, MET_S)
        return time.monotonic() - since
    except TimeoutError:
        return math.inf
    finally:
        await asyncio.to_thread(late.stop)

"""kill -9 of a real daemon at random moments under load: what it acknowledged must be there afterwards."""

import asyncio
import contextlib
import json
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import ClientConnectionError

from tests.support.daemon import Daemon
from tests.support.local import Closed, Local, websocket

WRITERS = 2
AT_ONCE = 32
"""Messages each writer has under way."""

LATEST_KILL_S = 0.25
"""After the first acknowledgement. Commits take milliseconds, so every moment of one is hit."""

TEXT_CHARS = 300


@dataclass(slots=True)
class Outcome:
    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    altered: int = 0
    slowest_start_s: float = 0.0
    reports: list[str] = field(default_factory=list)


async def kill_again_and_again(home: Path, rounds: int, *, seed: int, hasty: bool = False) -> Outcome:
    """`hasty` runs the daemon that acknowledges too early until a loss is found."""
    rng = random.Random(seed)
    daemon = Daemon(home)
    if hasty:
        daemon.program = [sys.executable, "-m", "tests.faults.hasty"]
    outcome = Outcome()
    await asyncio.to_thread(daemon.start)
    try:
        for number in range(rounds):
            async with websocket(daemon.socket) as local:
                before = (await local.call("events.subscribe"))["seq"]
            promised = await _load_until_killed(daemon, number, rng.uniform(0, LATEST_KILL_S))
            started = time.monotonic()
            await asyncio.to_thread(daemon.start)
            outcome.slowest_start_s = max(outcome.slowest_start_s, time.monotonic() - started)
            kept = await _kept_since(daemon, before)
            lost = promised.keys() - kept.keys()
            altered = [each for each in promised.keys() & kept.keys() if kept[each] != promised[each]]
            outcome.rounds += 1
            outcome.acknowledged += len(promised)
            outcome.lost += len(lost)
            outcome.altered += len(altered)
            if hasty and lost:
                break
        outcome.reports = [line for line in daemon.log.splitlines() if json.loads(line)["level"] == "error"]
    finally:
        await asyncio.to_thread(daemon.kill)
    return outcome


async def _load_until_killed(daemon: Daemon, number: int, after_s: float) -> dict[str, str]:
    """The text of every message that was acknowledged, by its id."""
    promised: dict[str, str] = {}
    first = asyncio.Event()

    async def kill() -> None:
        await first.wait()
        await asyncio.sleep(after_s)  # the moment is what is tried; nothing could tell us of it
        await asyncio.to_thread(daemon.kill)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(kill())
        for writer in range(WRITERS):
            tasks.create_task(_write(daemon.socket, f"{number}.{writer}", promised, first))
    return promised


async def _write(path: Path, name: str, promised: dict[str, str], first: asyncio.Event) -> None:
    with contextlib.suppress(Closed, ClientConnectionError, ConnectionError):
        async with websocket(path) as local:
            sent: dict[int, str] = {}
            for number in range(1_000_000):
                text = f"{name}.{number} ".ljust(TEXT_CHARS, "x")
                sent[await local.post("message.send", text=text)] = text
                if len(sent) >= AT_ONCE:
                    await _take_answers(local, sent, promised)
                    first.set()


async def _take_answers(local: Local, sent: dict[int, str], promised: dict[str, str]) -> None:
    while not local.answers:
        await local.receive()
    for number, answer in local.answers.items():
        promised[answer["result"]["id"]] = sent.pop(number)
    local.answers.clear()


async def _kept_since(daemon: Daemon, seq: int) -> dict[str, str]:
    """What the daemon has after `seq`, over its own API."""
    async with websocket(daemon.socket) as local:
        last = (await local.call("events.subscribe", since=seq))["seq"]
        found = await local.messages(last - seq)
    return {event["data"]["id"]: event["data"]["text"] for event in found}

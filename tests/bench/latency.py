"""From `message.send` at one node to the event at a linked other: both commits and the wire in between.

And the same while others subscribe to the same events and never read them.
"""

import asyncio
import contextlib
import json
import time
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, UnixConnector

from chatcore.api import MAX_BATCH_REQUESTS
from tests.support.daemon import Daemon
from tests.support.local import deaf_subscriber

DEAF = 16
STUCK_MESSAGES = 1000
STUCK_BYTES = 4096
"""Said before anything is measured: more than a socket holds, so that the daemon waits for the deaf."""

MESSAGES = 300
WARM_UP = 20
DEADLINE_S = 120.0


async def one(a: ClientWebSocketResponse, b: ClientWebSocketResponse, number: int) -> float:
    """Seconds until both the answer at A and the event at B have come."""
    request = {"jsonrpc": "2.0", "id": number, "method": "message.send", "params": {"text": f"note {number}"}}
    start = time.perf_counter()
    await a.send_str(json.dumps(request))
    while f'"text":"note {number}"' not in await b.receive_str():
        pass
    took = time.perf_counter() - start
    while f'"id":{number}' not in await a.receive_str():
        pass
    return took


async def run(a: Daemon, b: Daemon) -> list[float]:
    async with (
        ClientSession(connector=UnixConnector(str(a.socket))) as at_a,
        ClientSession(connector=UnixConnector(str(b.socket))) as at_b,
        at_a.ws_connect("http://chatd/ws") as speaking,
        at_b.ws_connect("http://chatd/ws") as listening,
        asyncio.timeout(DEADLINE_S),
    ):
        await listening.send_str(json.dumps({"jsonrpc": "2.0", "id": 0, "method": "events.subscribe"}))
        for _ in ("hello", "the snapshot"):
            await listening.receive_str()
        took = [await one(speaking, listening, number) for number in range(1, WARM_UP + MESSAGES + 1)]
    return took[WARM_UP:]


def measure(folder: Path, runs: int) -> tuple[list[list[float]], list[list[float]]]:
    """Seconds for each message, one list a run: with nobody else listening, and with deaf subscribers."""
    with (
        Daemon(folder / "a") as a,
        Daemon(folder / "b", "--bootstrap", a.address, username="bob") as b,
        contextlib.ExitStack() as deaf,
    ):
        a.wait_peers(1)
        alone = [asyncio.run(run(a, b)) for _ in range(runs)]
        for _ in range(DEAF):
            deaf.enter_context(deaf_subscriber(b.socket))
        said = {"jsonrpc": "2.0", "method": "message.send", "params": ["x" * STUCK_BYTES]}
        for _ in range(STUCK_MESSAGES // MAX_BATCH_REQUESTS):
            b.post(json.dumps([said] * MAX_BATCH_REQUESTS))
        return alone, [asyncio.run(run(a, b)) for _ in range(runs)]

"""From `message.send` at one node to the event at a linked other: both commits and the wire in between."""

import asyncio
import json
import time
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, UnixConnector

from tests.support.daemon import Daemon

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


def measure(folder: Path, runs: int) -> list[list[float]]:
    """Seconds for each message, one list a run."""
    with Daemon(folder / "a") as a, Daemon(folder / "b", "--bootstrap", a.address, username="bob") as b:
        a.wait_peers(1)
        return [asyncio.run(run(a, b)) for _ in range(runs)]

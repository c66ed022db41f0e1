"""How many messages a second one real node takes from a socket: verified, stored, announced to a subscriber.

Given as a share of the bare PyNaCl check of the same messages on the same machine in the same run.
"""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from aiohttp import ClientSession, ClientWebSocketResponse, UnixConnector

from chatcore.clock import COUNTER_BITS
from chatcore.codec import encode_message
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.messages import Publish
from chatcore.names import LOBBY, room_id
from tests.support.daemon import Daemon
from tests.support.peer import Peer

MESSAGES = 20_000
TEXT_BYTES = 150
CHECKED_BARE = 4_000
BATCH = 200
DEADLINE_S = 120.0
ROOM = room_id("main", LOBBY)


@dataclass(frozen=True, slots=True)
class Result:
    per_second: float
    bare_per_second: float

    @property
    def share(self) -> float:
        return self.per_second / self.bare_per_second


def sealed(identity: Identity, count: int) -> list[Envelope]:
    """Messages of about 300 bytes, each different."""
    start = time.time_ns() // 1_000_000 << COUNTER_BITS
    texts = [secrets.token_hex(TEXT_BYTES // 2) for _ in range(count)]
    return [seal(identity, ROOM, start + number, "bench", Chat(text)) for number, text in enumerate(texts)]


def bare_rate(envelopes: list[Envelope]) -> float:
    start = time.perf_counter()
    for envelope in envelopes:
        assert envelope.is_signed()
    return len(envelopes) / (time.perf_counter() - start)


async def count_events(websocket: ClientWebSocketResponse, count: int) -> None:
    seen = 0
    while seen < count:
        text = await websocket.receive_str()
        seen += text.count('"topic":"message"')


async def run(daemon: Daemon, messages: int = MESSAGES) -> Result:
    identity = Identity(secrets.token_bytes(32))
    envelopes = sealed(identity, messages)
    bare = bare_rate(envelopes[:CHECKED_BARE])
    encoded = [encode_message(Publish.of(envelope, 16)) for envelope in envelopes]
    address = daemon.address
    async with (
        ClientSession(connector=UnixConnector(str(daemon.socket))) as session,
        session.ws_connect("http://chatd/ws", max_msg_size=0) as websocket,
        asyncio.timeout(DEADLINE_S),
    ):
        await websocket.send_str(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "events.subscribe"}))
        for _ in ("hello", "the snapshot"):
            await websocket.receive_str()
        async with Peer.dial(address) as peer:
            counting = asyncio.create_task(count_events(websocket, messages))
            start = time.perf_counter()
            for index in range(0, messages, BATCH):
                await peer.send_encoded(encoded[index : index + BATCH])
            await counting
            took = time.perf_counter() - start
    return Result(messages / took, bare)


def measure(folder: Path, runs: int) -> list[Result]:
    """One daemon, `runs` times."""
    with Daemon(folder / "node") as daemon:
        return [asyncio.run(run(daemon)) for _ in range(runs)]

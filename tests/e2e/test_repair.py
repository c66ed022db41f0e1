"""Whoever was away gets what it missed: real processes, sockets and stores."""

import asyncio
import json
import random
import signal
import time
from pathlib import Path
from typing import Any

from chatcore.api import MAX_BATCH_REQUESTS
from chatcore.ids import MessageId
from chatcore.messages import Compare, FetchIds, FetchRange, LinkMessage, Range
from chatcore.names import LOBBY, room_id
from tests.conftest import Spawn
from tests.support.daemon import Daemon, wait_until
from tests.support.filled import fill
from tests.support.peer import Peer

STOPPED_S = 12.0
"""Longer than a link may be silent."""

HOSTILE_STOCK = 30_000
ANSWERED_S = 5.0
"""Not the 20 s after which a client gives up, also on a machine that has much else to do."""


def history(daemon: Daemon) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon.call("message.history", limit=1000)
    return found


def received(daemon: Daemon) -> int:
    count: int = daemon.call("node.stats")["messages_received"]
    return count


def say(daemon: Daemon, count: int, what: str = "note") -> list[str]:
    texts = [f"{what} {number}" for number in range(count)]
    for at in range(0, count, MAX_BATCH_REQUESTS):
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": {"text": text}}
            for text in texts[at : at + MAX_BATCH_REQUESTS]
        ]
        assert "error" not in daemon.post(json.dumps(batch))[1]
    return texts


def test_node_that_was_off_gets_what_was_said_in_the_same_order(spawn: Spawn) -> None:
    ann = spawn(username="ann")
    bob = spawn("--bootstrap", ann.address, username="bob")
    bob.wait_peers(1)
    before = say(bob, 3, "before")
    wait_until(lambda: ann.texts == before, "what bob said")
    bob.stop()
    texts = say(ann, 100)

    bob.start()
    bob.wait_peers(1)
    wait_until(lambda: len(bob.texts) == 103, "what bob missed", deadline_s=5.0)

    assert bob.texts == before + texts
    assert [item["id"] for item in history(bob)] == [item["id"] for item in history(ann)]
    assert bob.call("node.stats")["messages_received"] == 100


def test_both_sides_of_a_new_link_get_what_the_other_has(spawn: Spawn) -> None:
    ann, bob = spawn(username="ann"), spawn(username="bob")
    texts = [*say(ann, 70, "ann"), *say(bob, 70, "bob")]
    bob.call("peer.connect", address=ann.address)
    wait_until(lambda: len(bob.texts) == 140 and len(ann.texts) == 140, "both histories", deadline_s=5.0)
    assert bob.texts == ann.texts == texts


def test_newcomer_reads_the_newest_first_and_then_the_rest(spawn: Spawn) -> None:
    ann = spawn(username="ann")
    texts = say(ann, 2_000)
    bob = spawn("--bootstrap", ann.address, username="bob")
    wait_until(lambda: bob.call("node.stats")["messages_received"] == 2_000, "the whole history")

    shown = history(bob)
    assert [item["text"] for item in shown] == texts[-1000:]
    newest = {item["seq"] for item in shown[-50:]}
    # The author pushes its last 256 at once. Pages of what was said before these are fetched meanwhile, and a
    # busy machine may have some checked first, on its other core; the older half comes after all of them.
    assert max(newest) < min(item["seq"] for item in bob.call("message.history", limit=1000, after=0))


def test_newcomer_hears_what_is_said_while_it_fetches_a_long_history(spawn: Spawn, tmp_path: Path) -> None:
    count = 5_000
    (tmp_path / "ann").mkdir(mode=0o700)
    fill(tmp_path / "ann" / "store", count)
    ann = spawn(username="ann", home=tmp_path / "ann")
    bob = spawn("--bootstrap", ann.address, username="bob")
    wait_until(lambda: received(bob) == count, "bob's history")

    eve = spawn("--bootstrap", ann.address, username="eve")
    wait_until(lambda: len(eve.call("peer.list")) > 0, "eve's first link")
    said = 0
    while received(eve) < count + said:
        bob.call("message.send", text=f"live {said}")
        said += 1

    newest = {item["text"].split()[1]: item["seq"] for item in history(eve) if item["text"][:4] == "note"}
    oldest = eve.call("message.history", limit=1000, after=0)
    assert [item["text"].split()[1] for item in oldest] == [str(number) for number in range(1000)]
    # Its own log numbers messages by arrival: the newest came first, the oldest last ...
    last = max(item["seq"] for item in oldest)
    assert max(newest[str(count - number)] for number in range(1, 51)) < min(item["seq"] for item in oldest)
    # ... and what was said meanwhile in between, all of it and in order.
    live = [item for item in history(eve) if item["text"][:4] == "live"]
    assert [item["text"] for item in live] == [f"live {number}" for number in range(said)]
    assert live[0]["seq"] < last


def test_node_that_was_suspended_gets_what_was_said_meanwhile(spawn: Spawn) -> None:
    ann = spawn(username="ann")
    bob = spawn("--bootstrap", ann.address, username="bob")
    bob.wait_peers(1)
    assert bob.process is not None
    bob.process.send_signal(signal.SIGSTOP)
    texts = say(ann, 20)
    ann.wait_peers(0)
    time.sleep(max(0.0, STOPPED_S - 10.0))  # the machine sleeps on; nothing tells of it
    texts += say(ann, 80, "later")
    bob.process.send_signal(signal.SIGCONT)
    wait_until(lambda: len(bob.texts) == 100, "what bob missed")
    assert bob.texts == texts


# Hostile askers

ROOM = room_id("main", LOBBY)


def hostile_questions(rng: random.Random) -> list[LinkMessage]:
    """What takes longest to answer: ranges of many messages that lie on no block's bounds, and pages."""
    start_ms = time.time_ns() // 1_000_000 - HOSTILE_STOCK * 1000

    def bound() -> bytes:
        return (start_ms + rng.randrange(HOSTILE_STOCK * 1000) << 16).to_bytes(8, "big")

    spans = [sorted((bound(), bound())) for _ in range(16)]
    pages: list[LinkMessage] = [FetchRange(1, ROOM[:8], b"", bound()) for _ in range(4)]
    unknown = FetchIds(1, ROOM[:8], tuple([MessageId(rng.randbytes(32)) for _ in range(256)]))
    ranges = tuple([Range(lower, upper, b"\7" * 16) for lower, upper in spans])
    return [*pages, unknown, Compare(rng.randrange(1, 9), ROOM[:8], ranges)]


async def flood(address: str, seed: int, *, reading: bool) -> None:
    """As much as the daemon takes, over and over: whoever is let go of is back with another key."""
    rng = random.Random(seed)
    while True:
        async with Peer.dial(address) as peer:
            if not reading:
                peer.stop_reading()
            try:
                while peer.failed is None:
                    await peer.send(*hostile_questions(rng))
                    peer.received.clear()
                    await asyncio.sleep(0.02)  # within fifty comparisons and two hundred pages a second
            except ConnectionError:
                pass


async def test_members_that_ask_for_history_without_end_do_not_keep_the_owner_from_speaking(
    spawn: Spawn, tmp_path: Path
) -> None:
    home = tmp_path / "ann"
    home.mkdir(mode=0o700)
    fill(home / "store", HOSTILE_STOCK)
    ann = spawn(username="ann", home=home)
    address = ann.address
    took: list[float] = []
    async with asyncio.TaskGroup() as group:
        floods = [group.create_task(flood(address, seed, reading=seed != 2)) for seed in range(3)]
        end = time.monotonic() + 6.0
        while time.monotonic() < end:
            began = time.monotonic()
            await asyncio.to_thread(ann.call, "message.send", text="hi")
            took.append(time.monotonic() - began)
        for task in floods:
            task.cancel()
    assert max(took) < ANSWERED_S, max(took)

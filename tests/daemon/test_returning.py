"""A subscriber that is killed and returns with its last number, and a daemon that is killed in between: each
message comes exactly once, by numbers that only rise."""

import json
import subprocess
import sys
from pathlib import Path

from tests.conftest import Spawn
from tests.support.daemon import Daemon, environment, wait_until

LIVES = 4
MESSAGES_A_LIFE = 150
BATCH = 50

SUBSCRIBER = """
import asyncio, os, sys
from chatctl.client import Chatd

async def main():
    file = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    async with Chatd(socket=sys.argv[1]) as chatd:
        async for message in chatd.messages(own=True, since=int(sys.argv[3])):
            os.write(file, f"{message['seq']} {message['text']}\\n".encode())

asyncio.run(main())
"""


class Subscriber:
    """A process that notes what it hears; what it noted is what it has seen."""

    def __init__(self, daemon: Daemon, notes: Path) -> None:
        self._daemon = daemon
        self._notes = notes
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def noted(self) -> list[tuple[int, str]]:
        lines = self._notes.read_text().splitlines() if self._notes.exists() else []
        return [(int(number), text) for number, _, text in (line.partition(" ") for line in lines)]

    def start(self) -> None:
        since = self.noted[-1][0] if self.noted else 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", SUBSCRIBER, str(self._daemon.socket), str(self._notes), str(since)],
            env=environment(),
        )

    def wait_noted(self, count: int) -> None:
        process = self._process
        assert process is not None
        wait_until(
            lambda: len(self.noted) >= count, f"{count} messages noted", alive=lambda: process.poll() is None
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


def say(daemon: Daemon, count: int, start: int) -> None:
    for first in range(start, start + count, BATCH):
        requests = [
            {"jsonrpc": "2.0", "id": number, "method": "message.send", "params": [f"message {number}"]}
            for number in range(first, min(first + BATCH, start + count))
        ]
        assert all("result" in answer for answer in json.loads(daemon.post(json.dumps(requests))[1]))


def test_subscriber_that_is_killed_hears_each_message_exactly_once(tmp_path: Path, spawn: Spawn) -> None:
    daemon = spawn()
    subscriber = Subscriber(daemon, tmp_path / "notes")
    said = 0
    for life in range(LIVES):
        subscriber.start()
        subscriber.wait_noted(
            len(subscriber.noted) + (1 if said else 0)
        )  # it is there, in the middle of them
        say(daemon, MESSAGES_A_LIFE, said)
        said += MESSAGES_A_LIFE
        subscriber.wait_noted(said - MESSAGES_A_LIFE // 2)
        subscriber.kill()
        say(daemon, MESSAGES_A_LIFE, said)  # while it is gone
        said += MESSAGES_A_LIFE
        if life == LIVES // 2:
            daemon.kill()
            daemon.start()
    subscriber.start()
    subscriber.wait_noted(said)
    subscriber.kill()
    noted = subscriber.noted
    assert sorted(text for _, text in noted) == sorted(f"message {number}" for number in range(said))
    assert [number for number, _ in noted] == sorted({number for number, _ in noted})
    stored = [item["seq"] for item in daemon.call("message.history", limit=1000)]
    assert {number for number, _ in noted} >= set(stored)

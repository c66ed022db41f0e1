"""History out of one real node into another, by a pipe between real clients; and searched after a kill."""

import base64
import json
import shlex
import signal
import subprocess
from typing import Any

from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity
from chatcore.names import room_id
from tests.conftest import Spawn
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, run, wait_until

COUNT = 1200
BOB = Identity(b"b" * 32)


def chatctl(daemon: Daemon) -> str:
    return shlex.join([str(BIN / "chatctl"), "--home", str(daemon.home)])


def said(count: int) -> list[dict[str, Any]]:
    room = room_id("main", "tea")
    found = []
    for number in range(count):
        envelope = seal(BOB, room, 1_700_000_000_000 + number << 16, "bob", Chat(f"kettle number {number}"))
        payload, signature = (
            base64.b64encode(part).decode() for part in (envelope.payload, envelope.signature)
        )
        found.append({"room": "tea", "payload": payload, "signature": signature})
    return found


def fill(daemon: Daemon) -> None:
    lines = "".join(json.dumps(message) + "\n" for message in said(COUNT))
    done = run(["chatctl", "--home", str(daemon.home), "import", "-"], stdin=lines)
    assert (done.returncode, done.stderr) == (0, f"chatctl: {COUNT} stored, 0 were here already, 0 refused\n")


def history(daemon: Daemon) -> list[dict[str, Any]]:
    done = run(["chatctl", "--home", str(daemon.home), "history", "tea", "--all", "--json"])
    assert done.returncode == 0
    return [{**json.loads(line), "seq": 0} for line in done.stdout.splitlines()]


def test_history_goes_through_a_pipe_into_another_node(spawn: Spawn) -> None:
    a, b = spawn(), spawn(username="bob")
    fill(a)
    a.call("message.send", text="in the lobby")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{chatctl(a)} export | {chatctl(b)} import -"],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"{COUNT + 1} stored, 0 were here already, 0 refused" in done.stderr
    assert "\r" not in done.stderr
    assert len(history(a)) == COUNT
    assert history(b) == history(a)
    assert b.texts == ["in the lobby"]
    assert b.call("node.status")["rooms"] == ["lobby"]


def test_everything_is_found_after_a_kill(spawn: Spawn) -> None:
    node = spawn()
    for _ in range(3):
        node.call("message.import", messages=said(500))
        node.stop(signal.SIGKILL)
        node.start()
    wait_until(lambda: not node.call("message.search", query="kettle")["unindexed"], "the index")
    found = node.call("message.search", query="kettle num*", limit=1000)
    texts = [message["text"] for message in found["messages"]]
    assert texts == [f"kettle number {number}" for number in reversed(range(500))]
    assert not found["incomplete"]

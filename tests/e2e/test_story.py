"""The main job on the real stack: several daemons, real sockets and stores, read through chatctl."""

import json
import signal
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Spawn
from tests.e2e import demo
from tests.support.daemon import Daemon, run, wait_until

STORY_DEADLINE_S = 30.0


def chatctl(daemon: Daemon, *arguments: str) -> Any:
    done = run(["chatctl", "--home", str(daemon.home), "--json", *arguments])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_demo_comes_true_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert demo.main() == 0
    story = capsys.readouterr().out.splitlines()
    assert story[-1].endswith("all of it came true")
    assert float(story[-1].split()[1]) < STORY_DEADLINE_S
    assert list(tmp_path.iterdir()) == []


def test_message_survives_kill_right_after_send_returned(spawn: Spawn) -> None:
    node = spawn()
    sent = []
    for number in range(5):
        answer = chatctl(node, "send", f"note {number}")
        assert node.process is not None
        node.process.send_signal(signal.SIGKILL)
        assert node.stop() == -signal.SIGKILL
        sent.append(answer["id"])
        node.start()
        assert [message["id"] for message in chatctl(node, "history")] == sent


def test_message_reaches_a_node_three_hops_away(spawn: Spawn) -> None:
    """No room for a shortcut: each node has as many places for peers as the line needs."""
    a = spawn("--max-peers", "1", username="ann")
    b = spawn("--max-peers", "2", "--bootstrap", a.address, username="bob")
    b.wait_peers(1)
    c = spawn("--max-peers", "2", "--bootstrap", b.address, username="cleo")
    c.wait_peers(1)
    d = spawn("--max-peers", "1", "--bootstrap", c.address, username="dan")
    d.wait_peers(1)
    sent = chatctl(a, "send", "pass it on")
    d.wait_text("pass it on")
    message = chatctl(d, "history")[-1]
    assert message["id"] == sent["id"]
    assert message["username"] == "ann"
    assert message["author"] == chatctl(a, "id")["peer_id"]


def test_every_node_has_every_message_once_when_all_talk_at_once(spawn: Spawn) -> None:
    first = spawn(username="node0")
    address = first.address
    nodes = [first, *(spawn("--bootstrap", address, username=f"node{n}") for n in range(1, 5))]
    for node in nodes:
        node.wait_peers(4)
    for number in range(10):
        for node in nodes:
            node.call("message.send", text=f"{node.home.name} says {number}")
    wanted = sorted(f"{node.home.name} says {number}" for node in nodes for number in range(10))
    wait_until(lambda: all(len(node.texts) >= len(wanted) for node in nodes), "all messages everywhere")
    for node in nodes:
        assert sorted(node.texts) == wanted


def test_peer_that_restarts_is_linked_again(spawn: Spawn) -> None:
    a = spawn()
    b = spawn("--bootstrap", a.address, username="bob")
    b.wait_peers(1)
    port = a.address.rpartition(":")[2]
    a.kill()
    b.wait_peers(0)
    assert chatctl(b, "status")["dialling"][0]["address"] == f"127.0.0.1:{port}"
    a.arguments += ["--port", port]
    a.start()
    b.wait_peers(1)
    chatctl(a, "send", "back again")
    b.wait_text("back again")

"""Somebody blocks somebody: real processes, real links, and a restart in between."""

import json
from typing import Any

from tests.conftest import Spawn
from tests.support.daemon import Daemon, run, wait_until


def chatctl(daemon: Daemon, *arguments: str) -> Any:
    done = run(["chatctl", "--home", str(daemon.home), "--json", *arguments])
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def stored(daemon: Daemon) -> int:
    stats = daemon.call("node.stats")
    return int(stats["messages_received"])


def test_blocked_author_is_not_seen_until_unblocked_and_nothing_is_lost(spawn: Spawn) -> None:
    """ann is blocked by bob; carl is linked with both, so that her messages go on reaching bob."""
    ann = spawn(username="ann")
    carl = spawn("--bootstrap", ann.address, username="carl")
    bob = spawn("--bootstrap", carl.address, username="bob")
    wait_until(lambda: len(bob.call("peer.list")) == 2, "bob linked with both")
    ann.call("message.send", text="before")
    bob.wait_text("before")
    who = chatctl(ann, "id")["peer_id"]

    assert chatctl(bob, "block", f"ann~{who[:4]}")["blocked"] is True
    wait_until(lambda: [peer["username"] for peer in bob.call("peer.list")] == ["carl"], "ann's link gone")
    ann.call("message.send", text="meanwhile kettle")
    carl.wait_text("meanwhile kettle")
    carl.call("message.send", text="from carl")
    bob.wait_text("from carl")
    wait_until(lambda: stored(bob) == 3, "bob keeps what ann says")
    assert bob.texts == ["from carl"]
    assert bob.call("message.search", query="kettle")["messages"] == []
    (room,) = bob.call("room.list")
    assert "ann" not in [member["username"] for member in room["members"]]

    assert bob.stop() == 0
    bob.start()
    assert [person["peer_id"] for person in chatctl(bob, "blocked")["blocked"]] == [who]
    assert bob.texts == ["from carl"]

    assert chatctl(bob, "unblock", who)["changed"] is True
    assert sorted(bob.texts) == ["before", "from carl", "meanwhile kettle"]
    assert len(bob.call("message.search", query="kettle")["messages"]) == 1

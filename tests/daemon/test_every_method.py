"""Every method of the table, asked of real daemons over their real sockets.

A method that has no case here fails the suite, and so does a case that the table does not know.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatcore.api import METHODS, TOPICS
from tests.support.daemon import Daemon, wait_until
from tests.support.local import websocket
from tests.support.shapes import event_misfits, hello_misfits, misfits
from tests.support.strangers import STRANGER, signed

Json = dict[str, Any]


@dataclass
class World:
    """`ann` and `bob` are linked; ann has said something, and `said` is its id."""

    ann: Daemon
    bob: Daemon
    folder: Path
    said: str = ""
    bob_id: str = ""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("world")
    with (
        Daemon(folder / "ann") as ann,
        Daemon(folder / "bob", "--bootstrap", ann.address, username="bob") as bob,
    ):
        ann.wait_peers(1)
        said = ann.call("message.send", text="hi bob")["id"]
        wait_until(lambda: ann.call("message.status", id=said)["confirmed"] > 0, "bob to have it")
        yield World(ann, bob, folder, said, bob.call("identity.show")["peer_id"])


# Methods

Case = Callable[[World], Any]


def discouraged(world: World) -> Any:
    """Nobody is, here; tests/e2e shows who is. The shape of an entry is held against the table's example."""
    return world.ann.call("peer.discouraged")


def stop(world: World) -> Any:
    with Daemon(world.folder / "stopped") as daemon:
        told = daemon.call("node.stop")
        assert daemon.process is not None
        assert daemon.process.wait(20) == 0
    return told


METHOD_CASES: dict[str, Case] = {
    "node.status": lambda world: world.ann.call("node.status"),
    "node.stats": lambda world: world.ann.call("node.stats"),
    "node.doctor": lambda world: world.ann.call("node.doctor"),
    "node.stop": stop,
    "node.rename": lambda world: world.ann.call("node.rename", username="ann"),
    "node.backup": lambda world: world.ann.call(
        "node.backup", path=str(world.folder / "backup"), passphrase="four old words"
    ),
    "node.caught_up": lambda world: world.ann.call("node.caught_up"),
    "identity.show": lambda world: world.ann.call("identity.show"),
    "rpc.discover": lambda world: world.ann.call("rpc.discover"),
    "peer.list": lambda world: world.ann.call("peer.list", all=True),
    "peer.connect": lambda world: world.ann.call("peer.connect", address="127.0.0.1:1"),
    "peer.disconnect": lambda world: world.ann.call("peer.disconnect", peer="127.0.0.1:1"),
    "peer.block": lambda world: world.ann.call("peer.block", peer=STRANGER),
    "peer.blocked": lambda world: world.ann.call("peer.blocked"),
    "peer.unblock": lambda world: world.ann.call("peer.unblock", peer=STRANGER),
    "peer.discouraged": discouraged,
    "peer.alias": lambda world: world.ann.call("peer.alias", peer=world.bob_id, alias="robert"),
    "peer.aliases": lambda world: world.ann.call("peer.aliases"),
    "room.list": lambda world: world.ann.call("room.list", left=True),
    "room.join": lambda world: world.ann.call("room.join", room="#Tea"),
    "room.members": lambda world: world.ann.call("room.members"),
    "room.leave": lambda world: world.ann.call("room.leave", room="tea"),
    "message.send": lambda world: world.ann.call("message.send", text="hello", client_id="1"),
    "message.history": lambda world: world.ann.call("message.history", signed=True),
    "message.search": lambda world: world.ann.call("message.search", query="hi"),
    "message.import": lambda world: world.ann.call("message.import", messages=[*signed("from a file"), {}]),
    "message.status": lambda world: world.ann.call("message.status", id=world.said),
    "message.pin": lambda world: world.ann.call("message.pin", id=world.said),
    "message.pins": lambda world: world.ann.call("message.pins"),
    "message.unpin": lambda world: world.ann.call("message.unpin", id=world.said),
}
"""In an order in which lists are not empty when they are asked for."""


@pytest.mark.parametrize("name", METHOD_CASES)
def test_method_answers_what_the_table_says(world: World, name: str) -> None:
    answer = METHOD_CASES[name](world)
    assert misfits(name, answer) == []
    if name == "node.status":  # its example shows all that a daemon says
        (example,) = METHODS[name].examples
        assert answer.keys() == example.result.keys()


async def test_subscription_and_its_events_are_what_the_table_says(world: World) -> None:
    """Events of every topic, from all that makes them."""
    async with websocket(world.ann.socket) as local:
        assert hello_misfits(local.hello) == []
        assert misfits("events.subscribe", await local.call("events.subscribe")) == []
        await local.call("room.join", room="games")
        await local.call("message.import", messages=signed("ann?"))
        await local.event("message", text="ann?", mention=True)
        await local.call("message.send", text="an event")
        await local.event("state", state="delivered")
        await local.call("node.rename", username="anna")
        await local.call("node.rename", username="ann")
        await local.call("room.leave", room="games")
        await local.event("room", state="left")
        with Daemon(world.folder / "cid", "--bootstrap", world.ann.address, username="cid") as cid:
            await local.event("peer", username="cid", state="up")
            await local.event("presence", username="cid")
            cid.call("node.rename", username="sid")
            await local.event("presence", state="renamed", was="cid")
        await local.event("peer", state="down")
    assert {event["topic"] for event in local.heard} >= TOPICS.keys() - {"mention"}
    for event in local.heard:
        assert event_misfits(event) == []


def test_every_method_has_a_case() -> None:
    assert {*METHOD_CASES, "events.subscribe"} == METHODS.keys()

"""Every method of the table, asked of real daemons over their real sockets.

Each example of the table is held against an answer to such a call. One that has no case here fails the
suite, and so does a case that the table does not know.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatcore.api import METHODS, TOPICS
from tests.support.daemon import Daemon, wait_until
from tests.support.local import websocket
from tests.support.shapes import differences, event_misfits, hello_misfits, misfits
from tests.support.strangers import STRANGER, signed

Json = dict[str, Any]


@dataclass
class World:
    """`ann` and `bob` are linked, somebody else was; ann has said something, and `said` is its id."""

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
        with Daemon(folder / "cid", "--bootstrap", ann.address, username="cid"):
            ann.wait_peers(2)
        wait_until(lambda: len(ann.call("peer.list")) == 1, "the other to be gone")
        yield World(ann, bob, folder, said, bob.call("identity.show")["peer_id"])


# Methods

Case = Callable[[World], Any]


def stop(world: World) -> Any:
    with Daemon(world.folder / "stopped") as daemon:
        told = daemon.call("node.stop")
        assert daemon.process is not None
        assert daemon.process.wait(20) == 0
    return told


def asks(name: str, **params: Any) -> tuple[str, Case]:
    return name, lambda world: world.ann.call(name, **params)


METHOD_CASES: list[tuple[str, Case]] = [
    asks("node.status"),
    asks("node.stats"),
    asks("node.doctor"),
    ("node.stop", stop),
    asks("node.rename", username="ann"),
    (
        "node.backup",
        lambda world: world.ann.call(
            "node.backup", path=str(world.folder / "backup"), passphrase="four old words"
        ),
    ),
    asks("node.caught_up"),
    asks("identity.show"),
    asks("rpc.discover"),
    asks("peer.list"),
    asks("peer.list", all=True),
    asks("peer.connect", address="127.0.0.1:1"),
    asks("peer.disconnect", peer="127.0.0.1:1"),
    asks("peer.block", peer=STRANGER),
    asks("peer.blocked"),
    asks("peer.unblock", peer=STRANGER),
    asks("peer.discouraged"),
    asks("room.list", left=True),
    asks("room.join", room="#Tea"),
    asks("room.members"),
    asks("room.leave", room="tea"),
    asks("message.send", text="hello"),
    asks("message.send", text="hello", client_id="1"),
    asks("message.history", limit=1),
    asks("message.history", signed=True),
    asks("message.search", query="hi"),
    ("message.import", lambda world: world.ann.call("message.import", messages=signed("from a file"))),
    (
        "message.import",
        lambda world: world.ann.call("message.import", messages=[*signed("and more"), {"room": "lobby"}]),
    ),
    ("message.status", lambda world: world.ann.call("message.status", id=world.said)),
    ("message.pin", lambda world: world.ann.call("message.pin", id=world.said)),
    asks("message.pins"),
    ("message.unpin", lambda world: world.ann.call("message.unpin", id=world.said)),
    ("peer.alias", lambda world: world.ann.call("peer.alias", peer=world.bob_id, alias="robert")),
    asks("peer.aliases"),
]
"""One for each example of the table, in an order in which lists are not empty when they are asked for."""

NOBODY_HERE = "peer.discouraged"
"""tests/e2e shows who is; what misbehaves so is more than this file's."""


@pytest.mark.parametrize("at", range(len(METHOD_CASES)), ids=[name for name, _ in METHOD_CASES])
def test_method_answers_what_the_table_and_its_example_say(world: World, at: int) -> None:
    name, case = METHOD_CASES[at]
    answer = case(world)
    assert misfits(name, answer) == []
    number = [before for before, _ in METHOD_CASES[:at]].count(name)
    example = METHODS[name].examples[number].result
    if name == "rpc.discover":  # an example with all of it would be a page
        answer = {key: answer[key] for key in example}
    if name == NOBODY_HERE:
        assert answer == []
    else:
        assert differences(name, example, answer) == []


async def test_subscription_and_its_events_are_what_the_table_says(world: World) -> None:
    """Events of every topic, from all that makes them."""
    async with websocket(world.ann.socket) as local:
        assert hello_misfits(local.hello) == []
        world.ann.call("peer.alias", peer=world.bob_id)
        snapshot = await local.call("events.subscribe")
        assert misfits("events.subscribe", snapshot) == []
        (example,) = METHODS["events.subscribe"].examples
        assert differences("events.subscribe", example.result, snapshot) == []
        await local.call("room.join", room="games")
        await local.call("message.import", messages=signed("ann?"))
        await local.event("message", text="ann?", mention=True)
        await local.call("message.send", text="an event")
        await local.event("state", state="delivered")
        await local.call("node.rename", username="anna")
        await local.call("node.rename", username="ann")
        await local.call("room.leave", room="games")
        await local.event("room", state="left")
        with Daemon(world.folder / "dan", "--bootstrap", world.ann.address, username="dan") as dan:
            await local.event("peer", username="dan", state="up")
            await local.event("presence", username="dan")
            dan.call("node.rename", username="don")
            await local.event("presence", state="renamed", was="dan")
        await local.event("peer", state="down")
    assert {event["topic"] for event in local.heard} >= TOPICS.keys() - {"mention"}
    for event in local.heard:
        assert event_misfits(event) == []


def test_every_example_has_a_case() -> None:
    examples = [name for name, method in METHODS.items() for _ in method.examples]
    assert sorted([*[name for name, _ in METHOD_CASES], "events.subscribe"]) == sorted(examples)

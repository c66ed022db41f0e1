"""What becomes of own messages, with real processes: nobody there, crashes, clocks that are apart."""

import asyncio
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chatcore.clock import COUNTER_BITS
from chatcore.identity import Identity
from chatcore.messages import REFUSED_FUTURE, Neighbor, Publish, Receipt, Refused
from chatcore.outbox import MAX_OFFERED
from chatcore.recent import short_id
from chatctl.failures import ExitStatus
from tests.conftest import Spawn
from tests.support.daemon import Daemon, RpcError, run, wait_until
from tests.support.local import websocket
from tests.support.peer import Peer, credentials, publish, said

HOUR_S = 3600


def status(daemon: Daemon, message_id: str) -> dict[str, Any]:
    found: dict[str, Any] = daemon.call("message.status", id=message_id)
    return found


def wait_state(daemon: Daemon, message_id: str, state: str) -> None:
    what = f"{message_id} to be {state}"
    wait_until(lambda: status(daemon, message_id)["state"] == state, what)


def peer_id(daemon: Daemon) -> str:
    return str(daemon.call("identity.show")["peer_id"])


def test_message_said_to_nobody_arrives_and_is_delivered_once_somebody_comes(spawn: Spawn) -> None:
    ann = spawn()
    sent = ann.call("message.send", text="anyone?")
    assert sent["state"] == "queued"
    assert status(ann, sent["id"]) == {
        "id": sent["id"],
        "room": "lobby",
        "state": "queued",
        "confirmed": 0,
        "confirmed_by": [],
        "reason": None,
    }

    bob = spawn("--bootstrap", ann.address, username="bob")
    bob.wait_text("anyone?")
    wait_state(ann, sent["id"], "delivered")
    found = status(ann, sent["id"][:10])
    assert (found["confirmed"], found["confirmed_by"]) == (1, [peer_id(bob)])


def test_queued_messages_survive_a_crash_and_go_out_in_order(spawn: Spawn) -> None:
    ann = spawn()
    texts = [f"text {number}" for number in range(300)]
    said_first = [ann.call("message.send", text=text, client_id=text) for text in texts]
    ann.kill()
    ann.start()
    assert {status(ann, item["id"])["state"] for item in said_first} == {"queued"}

    again = [ann.call("message.send", text=text, client_id=text) for text in texts]
    assert again == said_first

    bob = spawn("--bootstrap", ann.address, username="bob")
    wait_until(lambda: len(bob.texts) == len(texts), "all messages at bob")
    assert bob.texts == ann.texts == texts
    wait_until(
        lambda: all(status(ann, item["id"])["state"] == "delivered" for item in said_first), "all delivered"
    )
    assert bob.call("node.stats")["messages_received"] == len(texts)


def test_messages_that_came_to_others_by_a_file_are_delivered_too(spawn: Spawn) -> None:
    """No receipt is ever sent for them: the two histories are equal when their nodes meet."""
    ann, bob = spawn(), spawn(username="bob")
    count = MAX_OFFERED + 44  # what is pushed to a new neighbour is confirmed as a copy
    ids = [ann.call("message.send", text=f"text {number}")["id"] for number in range(count)]
    exported = run(["chatctl", "--home", str(ann.home), "export"]).stdout
    assert run(["chatctl", "--home", str(bob.home), "import", "-"], stdin=exported).returncode == 0
    assert len(bob.texts) == count

    bob.call("peer.connect", address=ann.address)
    for message_id in ids:
        wait_state(ann, message_id, "delivered")
    assert status(ann, ids[0])["confirmed_by"] == [peer_id(bob)]
    assert bob.call("node.stats")["messages_received"] == 0


def test_delivered_stays_delivered_when_the_daemon_is_killed_at_once(spawn: Spawn) -> None:
    ann = spawn()
    bob = spawn(username="bob")
    ann.arguments += ["--bootstrap", bob.address]
    ann.kill()
    ann.start()
    for number in range(5):
        sent = ann.call("message.send", text=f"{number}", client_id=f"{number}")
        wait_state(ann, sent["id"], "delivered")
        ann.kill()
        ann.start()
        assert status(ann, sent["id"])["state"] == "delivered"
        again = ann.call("message.send", text=f"{number}", client_id=f"{number}")
        assert again == {**sent, "state": "delivered"}
        assert {item["state"] for item in ann.call("message.history")} == {"delivered"}


@pytest.fixture
def ahead(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon whose wall clock is an hour ahead of everybody's."""
    daemon = Daemon(tmp_path / "ahead", username="ahead")
    daemon.program = (sys.executable, "-m", "tests.support.clock", str(HOUR_S))
    daemon.start()
    yield daemon
    daemon.stop()


def test_daemon_whose_clock_is_an_hour_ahead_is_told_so(spawn: Spawn, ahead: Daemon) -> None:
    bob = spawn("--bootstrap", ahead.address, username="bob")
    bob.wait_peers(1)
    wait_until(lambda: ahead.call("message.send", text="hi")["state"] == "sent", "a neighbour")
    sent = [ahead.call("message.send", text=f"hello {number}") for number in range(3)]

    wait_state(ahead, sent[0]["id"], "refused")
    reason = status(ahead, sent[0]["id"])["reason"]
    assert f"by the clock of peer {peer_id(bob)[:10]} this node's is " in reason
    assert "59 min ahead" in reason or "60 min ahead" in reason
    wait_state(ahead, sent[-1]["id"], "refused")
    assert bob.texts == []
    assert ahead.log.count("clock_apart") == 1 + ahead.log.count('"kind": "clock_apart"')

    waited = run(["chatctl", "--home", str(ahead.home), "send", "--wait", "and now?"])
    assert waited.returncode == ExitStatus.UNDELIVERED
    assert "min ahead" in waited.stderr


def test_send_wait_ends_with_the_first_confirmation(spawn: Spawn) -> None:
    ann = spawn()
    waiting = ["chatctl", "--home", str(ann.home), "send", "--wait", "--timeout", "20"]
    with ThreadPoolExecutor() as pool:
        done = pool.submit(run, [*waiting, "anyone?"])
        wait_until(lambda: ann.texts == ["anyone?"], "the message kept")
        bob = spawn("--bootstrap", ann.address, username="bob")
        assert (done.result().returncode, done.result().stderr) == (0, "chatctl: delivered to 1\n")
    assert bob.texts == ["anyone?"]

    done_json = run([*waiting, "--json", "again"])
    assert done_json.returncode == 0
    assert json.loads(done_json.stdout)["confirmed_by"] == [peer_id(bob)]
    shown = run(["chatctl", "--home", str(ann.home), "status", json.loads(done_json.stdout)["id"][:10]])
    assert "delivered to 1" in shown.stdout
    assert peer_id(bob)[:10] in shown.stdout


async def test_message_that_is_handed_over_and_never_confirmed_is_sent(spawn: Spawn) -> None:
    daemon = spawn()
    async with Peer.dial(daemon.address) as peer:  # of a version that knows no receipts
        await peer.until(lambda: any(isinstance(item, Neighbor) for item in peer.received))
        await peer.settle()
        waiting = ["chatctl", "--home", str(daemon.home), "send", "--wait", "--timeout", "0.5", "hello"]
        done = await asyncio.to_thread(run, waiting)
    assert done.returncode == 4
    assert "handed over, but nobody confirmed it within 0.5 s" in done.stderr


async def test_message_from_a_clock_ahead_is_refused_to_its_author(spawn: Spawn) -> None:
    daemon = spawn()
    author = Identity(b"f" * 32)
    async with Peer.dial(daemon.address, credentials(author)) as peer:
        now = said(author, "now")
        later = said(author, "later", stamp=now.stamp + (HOUR_S * 1000 << COUNTER_BITS))
        await peer.send(*publish([later, now]))
        await peer.until(lambda: any(isinstance(item, Receipt) for item in peer.received))

    (refused,) = [item for item in peer.received if isinstance(item, Refused)]
    assert (refused.id, refused.reason) == (short_id(later.id), REFUSED_FUTURE)
    assert abs(refused.detail - HOUR_S * 1000) < 60_000
    assert [item.ids for item in peer.received if isinstance(item, Receipt)] == [(short_id(now.id),)]
    assert daemon.texts == ["now"]


async def test_states_are_told_as_events_and_only_rise(spawn: Spawn) -> None:
    daemon = spawn()
    ids = {who: Identity(bytes([number]) * 32) for number, who in enumerate(("bob", "carl"), 1)}
    async with websocket(daemon.socket) as local:
        await local.call("events.subscribe")
        sent = await local.call("message.send", text="hello")
        assert (await local.event("message", text="hello"))["data"]["state"] == sent["state"] == "queued"
        async with Peer.dial(daemon.address, credentials(ids["bob"])) as bob:
            await bob.until(lambda: "hello" in bob.texts())
            short = next(
                short_id(item.id)
                for item in bob.received
                if isinstance(item, Publish) and str(item.id) == sent["id"]
            )
            for message in (Refused(short, REFUSED_FUTURE, 7_200_000), Receipt((short,)), Receipt((short,))):
                await bob.send(message)
            async with Peer.dial(daemon.address, credentials(ids["carl"])) as carl:
                await carl.send(Receipt((short, b"whatever")), Refused(short, REFUSED_FUTURE, 0))
                await local.event("state", confirmed=2)
        told = [data for data in local.events if data["topic"] == "state"]
    assert told == []
    found = status(daemon, sent["id"])
    assert (found["state"], found["confirmed"], found["reason"]) == ("delivered", 2, None)
    assert set(found["confirmed_by"]) == {str(who.peer_id) for who in ids.values()}


@pytest.mark.parametrize("wrong", ["", "abc", "0" * 64, "x" * 64, "0" * 65, "é" * 12])
def test_status_of_an_unknown_message_says_so(shared: Daemon, wrong: str) -> None:
    with pytest.raises(RpcError) as caught:
        status(shared, wrong)
    assert caught.value.error["data"]["kind"] == "unknown_message"

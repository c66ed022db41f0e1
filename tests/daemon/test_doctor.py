"""`node.doctor`: how its facts are gathered from the parts of a daemon."""

import asyncio
import json
import shutil
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from chatcore import api
from chatd.doctor.bootstrap import Probe
from chatd.doctor.probes import probe
from tests.conftest import Spawn
from tests.support.daemon import Daemon, RpcError, free_port, wait_until
from tests.support.peer import Peer, hello

NAMES = [
    "listening",
    "inbound",
    "bootstrap",
    "peers",
    "identity",
    "clock",
    "mdns",
    "disk",
    "store",
    "files",
    "versions",
]
STATES = {"ok", "unknown", "warn", "broken"}


def checks(daemon: Daemon) -> dict[str, api.Check]:
    return {check["name"]: check for check in daemon.call("node.doctor")["checks"]}


def test_doctor_has_a_check_for_everything_in_order(shared: Daemon) -> None:
    found = shared.call("node.doctor")
    assert set(found) == set(api.Diagnosis.__required_keys__)
    assert [check["name"] for check in found["checks"]] == NAMES
    for check in found["checks"]:
        assert set(check) == set(api.Check.__required_keys__)
        assert check["state"] in STATES
        assert check["finding"]
    assert found["state"] == "warn"  # it listens on loopback, and is alone


def test_doctor_takes_no_parameters(shared: Daemon) -> None:
    with pytest.raises(RpcError, match="unknown parameter"):
        shared.call("node.doctor", deep=True)


def test_doctor_is_asked_by_many_at_once(shared: Daemon) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: checks(shared).keys(), range(16)))
    assert all(list(names) == NAMES for names in answers)


async def test_doctor_knows_who_called_and_as_what(spawn: Spawn) -> None:
    daemon = await asyncio.to_thread(spawn)
    async with Peer.dial(daemon.address, greeting=hello()) as peer:
        await peer.settle()
        found = await asyncio.to_thread(checks, daemon)
        assert found["peers"]["finding"] == "linked with 1 peer: 0 out, 1 in, from 1 network"
        assert found["clock"]["state"] == "unknown"  # of a version that does not say it
        assert found["versions"]["state"] == "unknown"  # nor which


def test_doctor_tells_of_a_newer_peer_and_of_an_older_one(spawn: Spawn) -> None:
    async def link(daemon: Daemon, agent: str) -> api.Check:
        greeting = replace(hello(), user_agent=agent)
        async with Peer.dial(daemon.address, greeting=greeting) as peer:
            await peer.settle()
            return (await asyncio.to_thread(checks, daemon))["versions"]

    daemon = spawn()
    newer = asyncio.run(link(daemon, "chatd/99.0.0"))
    assert (newer["state"], newer["fix"]) == ("warn", "update this chatd")
    older = asyncio.run(link(daemon, "chatd/0.0.1"))
    assert older["state"] == "ok"
    assert older["finding"].endswith("; of 1 peer 1 older, none newer")


def test_doctor_tells_of_a_bootstrap_that_came_back(spawn: Spawn) -> None:
    port = free_port()
    ann = spawn("--bootstrap", f"127.0.0.1:{port}")
    wait_until(lambda: checks(ann)["bootstrap"]["state"] == "broken", "a dial that failed")
    spawn("--port", str(port), username="bob")
    wait_until(lambda: checks(ann)["bootstrap"]["finding"] == "1 address answered", "the link")


def test_doctor_says_that_a_blocked_bootstrap_is_not_dialled_and_what_ends_that(spawn: Spawn) -> None:
    bob = spawn(username="bob")
    ann = spawn("--bootstrap", bob.address)
    ann.wait_peers(1)
    ann.call("peer.block", peer=bob.call("node.status")["peer_id"])
    ann.wait_peers(0)

    found = checks(ann)["bootstrap"]
    assert (found["state"], found["finding"]) == ("warn", f"{bob.address}: it is not dialled")
    assert found["cause"] is not None
    assert found["cause"].endswith("is blocked")
    (dialling,) = ann.call("node.status")["dialling"]
    assert dialling["reason"] == "the owner of this node has blocked this peer"
    assert dialling["next_try_s"] is None

    assert found["fix"] is not None
    command, peer = found["fix"].rsplit(maxsplit=1)
    assert command == "chatctl unblock"
    ann.call("peer.unblock", peer=peer)
    ann.wait_peers(1)
    assert checks(ann)["bootstrap"]["finding"] == "1 address answered"


def test_doctor_knows_an_address_that_is_this_nodes_own(spawn: Spawn) -> None:
    port = free_port()
    address = f"127.0.0.1:{port}"
    ann = spawn("--port", str(port), "--bootstrap", address)
    wait_until(lambda: ann.call("node.status")["dialling"] == [], "the dial that led back")
    own = checks(ann)["bootstrap"]
    assert (own["state"], own["finding"]) == ("warn", f"{address}: it is this node's own address")
    assert own["fix"] is not None


def test_doctor_knows_a_name_that_leads_to_this_node_now(spawn: Spawn) -> None:
    port = free_port()
    address = f"localhost:{port}"
    ann = spawn("--port", str(port), "--bootstrap", address)

    def reasons() -> list[str | None]:
        return [item["reason"] for item in ann.call("node.status")["dialling"]]

    wait_until(lambda: reasons() == ["the address is this node's own"], "the dial that led back")
    (own,) = [check for check in ann.call("node.doctor")["checks"] if check["name"] == "bootstrap"]
    assert (own["state"], own["finding"]) == ("warn", f"{address}: it is this node's own address")


def test_doctor_counts_what_it_has_heard_of_when_its_peer_died(spawn: Spawn) -> None:
    bob = spawn(username="bob")
    ann = spawn()
    assert "it knows no address" in (checks(ann)["peers"]["cause"] or "")
    assert ann.call("node.status")["heard_of"] == 0
    bob.call("peer.connect", address=ann.address)
    wait_until(lambda: ann.call("node.status")["heard_of"] == 1, "bob's word where he is")
    bob.kill()
    ann.wait_peers(0)
    found = checks(ann)["peers"]
    assert found["cause"] == "it dials 1 address it has heard of; nobody answers"


def test_doctor_of_each_twin_says_that_its_identity_runs_elsewhere(spawn: Spawn, tmp_path: Path) -> None:
    friend = spawn(username="bob")
    ann = spawn("--bootstrap", friend.address)
    (tmp_path / "copy").mkdir(mode=0o700)
    shutil.copy(ann.home / "identity.key", tmp_path / "copy")
    copy = spawn("--bootstrap", friend.address, home=tmp_path / "copy")
    for twin in (ann, copy):
        wait_until(
            lambda: checks(twin)["identity"]["state"] == "broken",  # noqa: B023 - awaited within its turn
            "links taken again and again",
            deadline_s=60.0,
        )
        assert "stop one of the two" in (checks(twin)["identity"]["fix"] or "")
        warnings = [json.loads(line) for line in twin.log.splitlines() if "identity_elsewhere" in line]
        assert [line["level"] for line in warnings] == ["warning"]
    assert checks(friend)["identity"]["state"] == "ok"


# Looks out of the window


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def test_probe_says_whether_somebody_answers(listening: int) -> None:
    assert await probe(f"127.0.0.1:{listening}", connect=True) == Probe(("127.0.0.1",))
    refused = await probe(f"127.0.0.1:{free_port()}", connect=True)
    assert refused.unanswered == "connection refused: nobody listens there"


async def test_probe_may_leave_the_other_side_alone() -> None:
    assert await probe(f"127.0.0.1:{free_port()}", connect=False) == Probe(("127.0.0.1",))


@pytest.mark.parametrize("name", ["nowhere.invalid:80", "a..b:80", "x" * 64 + ".example:80"])
async def test_probe_says_that_a_name_does_not_resolve(name: str) -> None:
    found = await probe(name, connect=True)
    assert found.unresolved
    assert found.hosts == ()

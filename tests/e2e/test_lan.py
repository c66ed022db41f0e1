"""Daemons on one local network, each in a namespace of its own: who finds whom, and what others see of it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, running, wait_until
from tests.support.lan import Lan, NoNamespaces, lan

LINKED_S = 3.0
"""From the second daemon being ready. The pass mark."""


@pytest.fixture
def three(request: pytest.FixtureRequest) -> Iterator[Lan]:
    """Three hosts on one bridge."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    try:
        with lan(3, plugged=getattr(request, "param", True)) as made:
            yield made
    except NoNamespaces as error:
        pytest.skip(f"no network namespaces here: {error}")


def mdns(daemon: Daemon) -> tuple[str, int]:
    shown = daemon.call("node.status")["mdns"]
    return shown["state"], shown["found"]


def wait_mdns(daemon: Daemon, state: str, found: int) -> None:
    wait_until(lambda: mdns(daemon) == (state, found), f"{state}, {found} found at {daemon.home.name}")


def peers(daemon: Daemon) -> list[str]:
    return [peer["username"] for peer in daemon.call("peer.list")]


@pytest.mark.parametrize("listen", ["0.0.0.0", "::"])
def test_two_nodes_are_linked_within_three_seconds(three: Lan, tmp_path: Path, listen: str) -> None:
    ann = three.hosts[0].daemon(tmp_path / "ann", listen=listen)
    bob = three.hosts[1].daemon(tmp_path / "bob", listen=listen, username="bob")
    with running(ann, bob):
        ready = time.monotonic()
        for daemon, other in ((bob, "ann"), (ann, "bob")):
            wait_until(lambda: peers(daemon) == [other], other, deadline_s=LINKED_S)  # noqa: B023 - used at once
        print(f"linked {time.monotonic() - ready:.2f} s after ready, listening on {listen}")
        ann.call("message.send", text="from the next room")
        bob.wait_text("from the next room")
        for daemon in (ann, bob):
            wait_mdns(daemon, "working", 1)
        assert bob.stop() == 0
        wait_mdns(ann, "working", 0)  # it said goodbye
    assert "Traceback" not in ann.log + bob.log


def test_networks_and_keys_keep_nodes_on_one_bridge_apart(three: Lan, tmp_path: Path) -> None:
    key = tmp_path / "net.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    ann, bob, carl = (
        host.daemon(tmp_path / name, *flags, username=name)
        for host, name, flags in zip(
            three.hosts,
            ("ann", "bob", "carl"),
            ((), ("--network", "other"), ("--network-key", str(key))),
            strict=True,
        )
    )
    with running(ann, bob, carl):
        # One more of ann's network next to carl, one of bob's next to ann: they are found, so all are heard.
        dora = three.hosts[2].daemon(tmp_path / "dora", username="dora")
        eve = three.hosts[0].daemon(tmp_path / "eve", "--network", "other", username="eve")
        with running(dora, eve):
            wait_until(lambda: peers(ann) == ["dora"], "dora")
            wait_until(lambda: peers(bob) == ["eve"], "eve")
            assert peers(carl) == []
            assert [mdns(daemon) for daemon in (ann, bob, carl)] == [("working", n) for n in (1, 1, 0)]
            refused = [set(daemon.call("node.stats")["refused"]) for daemon in (ann, bob, carl)]
            assert set().union(*refused) <= {"replaced"}, "somebody called a stranger"


def test_link_local_addresses_of_ipv6_are_enough(three: Lan, tmp_path: Path) -> None:
    for host in three.hosts[:2]:
        host.ip("addr", "flush", "dev", "eth0", "scope", "global")
    ann = three.hosts[0].daemon(tmp_path / "ann", listen="::")
    bob = three.hosts[1].daemon(tmp_path / "bob", listen="::", username="bob")
    with running(ann, bob):
        wait_until(lambda: peers(ann) == ["bob"], "bob")
        assert ann.call("peer.list")[0]["address"].startswith("[fe80::")


def test_node_with_mdns_off_sends_nothing_and_is_not_found(three: Lan, tmp_path: Path) -> None:
    quiet = three.hosts[0].daemon(tmp_path / "quiet", "--no-mdns", username="quiet")
    ann = three.hosts[1].daemon(tmp_path / "ann")
    bob = three.hosts[2].daemon(tmp_path / "bob", username="bob")
    with three.sniffing() as sniffer, running(quiet, ann, bob):
        wait_until(lambda: peers(ann) == ["bob"], "ann and bob")
        assert quiet.call("peer.list") == []
        assert quiet.call("node.status")["mdns"] == {
            "state": "off",
            "reason": "turned off with --no-mdns",
            "found": 0,
        }
        assert quiet.stop() == 0
        assert bob.stop() == 0
        for host in three.hosts[1:]:
            sniffer.read_until(host.v4)
    sources = {source for source, _ in sniffer.packets}
    assert not sources & {three.hosts[0].v4, three.hosts[0].v6}
    assert {three.hosts[1].v4, three.hosts[2].v4} <= sources


def test_announcement_shows_neither_names_nor_identity(three: Lan, tmp_path: Path) -> None:
    ann = three.hosts[0].daemon(tmp_path / "ann", "--network", "secret-society", username="annabel")
    with three.sniffing() as sniffer, running(ann):
        sent = b""
        while b"\x06_chatd" not in sent or b"net=" not in sent:
            sent += sniffer.read_until(three.hosts[0].v4)
        who = ann.call("identity.show")
        for private in (b"secret-society", b"annabel", os.uname().nodename.encode()):
            assert private not in sent
        for private in (who["peer_id"][:10], who["public_key"][:10]):
            assert private.encode() not in sent


@pytest.mark.parametrize("three", [False], indirect=True)
def test_node_finds_a_network_that_comes_later(three: Lan, tmp_path: Path) -> None:
    ann = three.hosts[0].daemon(tmp_path / "ann")
    bob = three.hosts[1].daemon(tmp_path / "bob", username="bob")
    with running(ann, bob):
        wait_mdns(ann, "failed", 0)
        assert "no interface" in ann.call("node.status")["mdns"]["reason"]
        assert ann.log.count("mdns_failed") == 1
        for host in three.hosts[:2]:
            host.join(three.switch)
        wait_until(lambda: peers(ann) == ["bob"], "bob on the new network")
        wait_mdns(ann, "working", 1)
        three.hosts[0].ip("link", "del", "eth0")
        wait_mdns(ann, "failed", 0)
    assert "Traceback" not in ann.log + bob.log


def test_two_nodes_on_one_machine_find_each_other(three: Lan, tmp_path: Path) -> None:
    ann = three.hosts[0].daemon(tmp_path / "ann")
    bob = three.hosts[0].daemon(tmp_path / "bob", username="bob")
    with running(ann, bob):
        wait_until(lambda: peers(ann) == ["bob"], "bob")
        wait_mdns(ann, "working", 1)


def test_port_that_is_taken_stops_nothing_and_is_told(three: Lan, tmp_path: Path) -> None:
    taken = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5353))"
    keep = "s.set_inheritable(True); import os, sys; os.execvp(sys.argv[1], sys.argv[1:])"
    ann = three.hosts[0].daemon(tmp_path / "ann")
    ann.program = three.hosts[0].command("python3", "-c", f"{taken}; {keep}", *ann.program[4:])
    with running(ann):
        wait_mdns(ann, "failed", 0)
        assert "5353" in ann.call("node.status")["mdns"]["reason"]
        assert ann.call("message.send", text="all the same")["id"]
    assert ann.log.count("5353") == 1
    assert "Traceback" not in ann.log

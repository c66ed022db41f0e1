"""block, unblock, blocked, alias and disconnect against a real daemon that has heard of one other."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.console import Console
from tests.support.daemon import Daemon


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, daemon: Daemon) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("other") / "node"
    with Daemon(home, "--bootstrap", daemon.address, username="bob") as running:
        daemon.wait_peers(1)
        yield running


def peer_id(of: Daemon) -> str:
    return str(of.call("identity.show")["peer_id"])


def printed(console: Console) -> Any:
    return json.loads(console.out)


def test_name_of_one_s_own_is_given_shown_and_taken_away(console: Console, other: Daemon) -> None:
    who = peer_id(other)
    assert console.chatctl("alias") == 0
    assert console.error.startswith("chatctl: you gave nobody a name")
    assert console.chatctl("alias", f"bob~{who[:4]}", "Bobby") == 0
    assert console.error == f"chatctl: {who[:10]}, who goes by bob, is *Bobby to you"
    assert console.chatctl("peers") == 0
    assert console.out.splitlines()[1].startswith(f"*Bobby  {who[:10]}")
    assert console.chatctl("alias", "--json") == 0
    assert printed(console) == [{"peer_id": who, "username": "bob", "alias": "Bobby", "blocked": False}]
    assert console.chatctl("alias", "*bobby", "") == 0
    assert console.chatctl("alias", "--json") == 0
    assert printed(console) == []


def test_peer_that_was_blocked_is_listed_and_lost_with_the_reason(
    console: Console, daemon: Daemon, other: Daemon
) -> None:
    who = peer_id(other)
    assert console.chatctl("block", who[:10].upper()) == 0
    assert console.error == f"chatctl: blocked bob ({who[:10]})"
    assert console.chatctl("block", who) == 0
    assert console.error == f"chatctl: had blocked bob ({who[:10]})"
    assert console.chatctl("blocked") == 0
    assert f"bob   {who[:10]}  yes" in console.out
    daemon.wait_peers(0)
    assert console.chatctl("peers", "--all") == 0
    assert console.out.startswith("LOST")
    assert "the owner of this node has blocked this peer" in console.out
    assert console.chatctl("unblock", who[:10]) == 0
    assert console.error == f"chatctl: unblocked bob ({who[:10]})"
    assert console.chatctl("blocked") == 0
    assert console.error == "chatctl: nobody is blocked or discouraged"
    assert console.chatctl("blocked", "--json") == 0
    assert printed(console) == {"blocked": [], "discouraged": []}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("block", "nobody"), "nobody known here is 'nobody'"),
        (("block", ""), "nobody known here is ''"),
        (("block", "aaaaaaaaaa"), "nobody known here"),
        (("block", "a" * 51 + "b"), "nobody known here"),
        (("block", "bob"), "is a name that anybody may take; say which: bob~"),
        (("block", "bob~zzzz"), "nobody known here"),
        (("block", "\x1b[2J"), "nobody known here"),
        (("unblock", "x" * 10_000), "nobody known here"),
        (("disconnect", "192.0.2.1:1"), "this node is not linked with 192.0.2.1:1, nor dials it"),
    ],
)
def test_bad_input_is_one_clear_line(
    console: Console, other: Daemon, arguments: tuple[str, ...], why: str
) -> None:
    assert console.chatctl(*arguments) == 1
    assert why in console.error
    assert console.err.count("\n") == 1
    assert len(console.err) < 400
    assert "\x1b" not in console.err


def test_nobody_blocks_itself(console: Console, daemon: Daemon) -> None:
    assert console.chatctl("block", peer_id(daemon)) == 1
    assert "that is this node itself" in console.error


@pytest.mark.parametrize("name", ["a:b", " x", "x~k3f9", "*x", "x" * 65])
def test_names_that_break_the_rule_are_refused_with_it(console: Console, other: Daemon, name: str) -> None:
    assert console.chatctl("alias", peer_id(other), name) == 1
    assert "is not a peer name; use 1 to 64 bytes" in console.error


def test_alias_without_a_name_is_wrong_usage(console: Console) -> None:
    assert console.chatctl("alias", "somebody") == 3
    assert "which name?" in console.err


def test_link_is_ended_and_asked_for_again(console: Console, daemon: Daemon, other: Daemon) -> None:
    assert console.chatctl("connect", other.address) == 0
    daemon.wait_peers(1)
    assert console.chatctl("disconnect", other.address) == 0
    assert "ended the link" in console.error or "is dialled no more" in console.error
    assert console.chatctl("disconnect", peer_id(other)) in (0, 1)
    daemon.wait_peers(0)
    assert console.chatctl("status", "--json") == 0
    assert printed(console)["dialling"] == []
    assert console.chatctl("connect", other.address) == 0
    daemon.wait_peers(1)


def test_every_command_says_so_without_a_daemon(tmp_path: Path) -> None:
    nobody = Console(tmp_path / "nobody")
    for arguments in (("block", "x"), ("unblock", "x"), ("blocked",), ("alias",), ("disconnect", "x")):
        assert nobody.chatctl(*arguments) == 2

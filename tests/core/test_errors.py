"""Errors tell people what is wrong in one sentence."""

import pytest

from chatcore.errors import (
    BadAddress,
    BadName,
    ClosedByPeer,
    NetworkMismatch,
    TooSlow,
    VersionMismatch,
)


@pytest.mark.parametrize(
    ("they", "we", "advice"),
    [
        (True, False, "it needs a network key"),
        (False, True, "it uses no network key, this node does"),
        (True, True, "compare --network and --network-key"),
        (False, False, "compare --network on both sides"),
    ],
)
def test_network_mismatch_says_what_to_compare(*, they: bool, we: bool, advice: str) -> None:
    assert advice in str(NetworkMismatch("main", they_use_key=they, we_use_key=we))


@pytest.mark.parametrize(("theirs", "who"), [(0, "update it"), (2, "update this node")])
def test_version_mismatch_says_who_is_behind(theirs: int, who: str) -> None:
    assert str(VersionMismatch(theirs, 1)).endswith(who)


def test_what_was_typed_is_shown_cut_and_escaped() -> None:
    assert "\x1b" not in str(BadAddress("\x1b[2J" * 1000))
    assert len(str(BadAddress("x" * 1000))) < 200
    assert len(str(BadName("room", "x" * 1000, "rule"))) < 200


def test_closing_peer_has_its_own_word() -> None:
    assert str(ClosedByPeer("full")) == "the peer says: full"
    assert str(ClosedByPeer()) == "the peer closed the connection"


def test_slow_peer_is_told_so() -> None:
    assert str(TooSlow()) == "the peer does not read what it is sent"

"""Peers and what was settled about people, as tables for terminals of any width."""

import pytest

from chatcore.api import AcquaintanceChange, Peer
from chatctl import render_peers
from chatctl.nicks import Nicks
from chatctl.table import cells
from tests.client.test_render import ANN, BOB, peer


def many() -> list[Peer]:
    return [
        peer(peer_id=BOB, address="[2001:db8:85a3::8a2e:370:7334]:8080"),
        peer(peer_id=ANN, username="somebody with a long name", alias="Carla", rtt_ms=None, score=-12.6),
        peer(username="日本語の名前", rooms=["a-room-with-a-name", "lobby", "tea"]),
    ]


@pytest.mark.parametrize("columns", [120, 80, 60, 50, 40])
def test_peers_fit_the_terminal_and_say_who_it_is(columns: int) -> None:
    lines = render_peers.peers(many(), columns=columns).splitlines()
    assert max(map(cells, lines)) <= columns
    assert lines[0].split()[:2] == ["NICK", "PEER"]
    assert all(short in line for short, line in zip((BOB[:10], ANN[:10], BOB[:10]), lines[1:4], strict=True))
    names = ("NICK", "PEER", "ADDRESS", "DIR", "RTT", "UP", "SCORE", "ROOMS")
    missing = [name for name in names if name not in lines[0].split()]
    assert len(lines) == (5 if missing else 4)
    assert all(line.startswith(f"(no room for {', '.join(missing)}"[: columns - 1]) for line in lines[4:])


def test_narrow_terminals_leave_columns_out_rather_than_cut_all() -> None:
    widths = (120, 80, 50)
    headers = [render_peers.peers(many(), columns=columns).splitlines()[0].split() for columns in widths]
    assert headers[0] == ["NICK", "PEER", "ADDRESS", "DIR", "RTT", "UP", "SCORE", "ROOMS"]
    assert headers[1][:3] == headers[2][:3] == ["NICK", "PEER", "ADDRESS"]
    assert len(headers[0]) >= len(headers[1]) > len(headers[2])


def test_ordinary_peers_show_all_there_is_in_80_columns() -> None:
    found = [peer(address="192.168.100.200:58080", connected_s=86_399.0, rtt_ms=1234.5, rooms=["lobby"])]
    assert render_peers.peers(found, columns=80).splitlines()[1].split() == (
        f"bob {BOB[:10]} 192.168.100.200:58080 out 1234 ms 23 h 3 #lobby".split()
    )


def test_long_address_is_cut_in_its_middle_and_keeps_its_port() -> None:
    line = render_peers.peers(many(), columns=60).splitlines()[1]
    assert "[2001:db8:85a3:" in line
    assert "…4]:8080" in line


def test_lost_peers_come_after_a_blank_line_with_the_reason() -> None:
    lost = peer(peer_id=ANN, username="ann", state="lost", reason="discouraged: \x1b[2J", lost_s=61.0)
    shown = render_peers.peers([peer(), lost]).splitlines()
    assert shown[2] == ""
    assert shown[3].split() == ["LOST", "PEER", "WHEN", "WHY"]
    assert shown[4].split(maxsplit=2) == ["ann", ANN[:10], "1 min 1 s ago  discouraged: [2J"]
    assert render_peers.peers([lost]).startswith("LOST")


def test_name_of_one_s_own_stands_behind_a_star_that_no_nick_can_have() -> None:
    nicks = Nicks()
    assert nicks.label(BOB, "bob", "Bobby") == "*Bobby"
    assert nicks.label(ANN, "*Bobby") == "*Bobby~k3f9"
    assert nicks.label(ANN, "Bobby") == "Bobby"


def test_what_was_settled_is_said_in_one_line() -> None:
    person: AcquaintanceChange = {
        "peer_id": BOB,
        "username": "bob",
        "alias": None,
        "blocked": True,
        "changed": True,
    }
    assert render_peers.blocked(person) == f"blocked bob ({BOB[:10]})"
    assert render_peers.named({**person, "alias": "Bobby"}) == (
        f"{BOB[:10]}, who goes by bob, is *Bobby to you"
    )
    assert render_peers.disconnected({"linked": True, "addresses": ["a:1"]}) == (
        "ended the link; a:1 is dialled no more"
    )

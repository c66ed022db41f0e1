"""Results and events as text."""

from datetime import timedelta, timezone
from typing import Any

import pytest

from chatcore.api import Member, Message, Peer, Status
from chatctl import render, render_peers
from chatctl.nicks import Nicks
from chatctl.style import Style

ANN, BOB = "k3f9" + "a" * 48, "zz27" + "b" * 48
ZONE = timezone(timedelta(hours=2))
NOON = 1_772_535_600_000  # 2026-03-03T11:00:00Z


def message(text: str = "hello", **fields: Any) -> Message:
    shown: Message = {
        "seq": 1,
        "id": "m" * 52,
        "room": "lobby",
        "author": ANN,
        "username": "ann",
        "text": text,
        "time_ms": NOON,
        "time": "2026-03-03T11:00:00.000Z",
    }
    return {**shown, **fields}  # type: ignore[typeddict-item]  # tests may break the shape


def peer(**fields: Any) -> Peer:
    shown: Peer = {
        "peer_id": BOB,
        "username": "bob",
        "address": "192.0.2.7:8080",
        "direction": "out",
        "rtt_ms": 1.25,
        "connected_s": 65.0,
        "state": "linked",
        "score": 3.0,
        "user_agent": "chatd",
        "rooms": ["lobby", "tea"],
    }
    return {**shown, **fields}  # type: ignore[typeddict-item]  # as above


def test_message_shows_time_nick_and_text() -> None:
    assert render.message(message(), Nicks(), zone=ZONE) == "13:00 ann: hello"


def test_message_of_another_room_names_it() -> None:
    assert render.message(message(room="tea"), Nicks(), in_room=True, zone=ZONE) == "13:00 #tea ann: hello"


def test_message_of_several_lines_cannot_pass_for_several_messages() -> None:
    shown = render.message(message("one\n13:00 bob: two\r\nthree"), Nicks(), zone=ZONE)
    assert shown == "13:00 ann: one\n    13:00 bob: two\n    three"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one\n\ntwo", ["13:00 ann: one", "", "two"]),
        ("one" + "\n" * 5000 + "two\n", ["13:00 ann: one", "", "two", ""]),
        ("one" + "\n \t\u3000\u200b" * 5000 + "\ntwo", ["13:00 ann: one", "", "two"]),
        ("\n" * 5000, ["13:00 ann:"]),
    ],
)
def test_message_of_blank_lines_shows_one_for_several(text: str, lines: list[str]) -> None:
    shown = render.message(message(text), Nicks(), zone=ZONE)
    assert [line.strip() for line in shown.split("\n")] == lines


def test_message_of_many_lines_shows_the_first_and_counts_the_rest() -> None:
    lines = [f"line {number}" for number in range(1000)]
    whole = render.message(message("\n".join(lines[:50])), Nicks(), zone=ZONE)
    assert whole.endswith("\n    line 49")
    cut = render.message(message("\n".join(lines)), Nicks(), Style(8), zone=ZONE).split("\n")
    assert cut[49:] == [
        "    line 49",
        "    \x1b[2m... 950 more lines; chatctl history --json shows all\x1b[0m",
    ]
    assert "... 1 more line;" in render.message(message("\n".join(lines[:51])), Nicks())


def test_message_that_is_an_action_is_told_so() -> None:
    assert (
        render.message(message("/me waves\nand bows"), Nicks(), zone=ZONE)
        == "13:00 * ann waves\n    and bows"
    )
    for text in ("/me", "/me  ", "/meow", " /me waves"):
        assert render.message(message(text), Nicks(), zone=ZONE) == f"13:00 ann: {text}"


def test_our_name_is_marked_in_what_others_say() -> None:
    shown = render.message(message("hi @Bob,\nbob?"), Nicks(), Style(8), zone=ZONE, me="bob")
    assert shown.endswith("hi \x1b[1;7m@Bob\x1b[0m,\n    \x1b[1;7mbob\x1b[0m?")
    assert "[1;7m" not in render.message(message("hi bob"), Nicks(), Style(8), zone=ZONE)


def test_message_cannot_reach_the_terminal() -> None:
    shown = render.message(message("\x1b[2J", username="a\x1b[31mnn\n", room="l\x07"), Nicks(), in_room=True)
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "\n" not in shown


@pytest.mark.parametrize("time_ms", [2**48 - 1, -(2**63), 2**80])
def test_message_of_an_impossible_time_is_shown(time_ms: int) -> None:
    assert render.message(message(time_ms=time_ms), Nicks()) == "? ann: hello"


def test_history_dates_every_line_and_tells_namesakes_apart() -> None:
    lines = render.history([message("a"), message("b", author=BOB)], Nicks(), zone=ZONE)
    assert lines == ["2026-03-03 13:00:00 ann~k3f9: a", "2026-03-03 13:00:00 ann~zz27: b"]


def test_peers_are_a_table() -> None:
    lines = render_peers.peers([peer(), peer(rtt_ms=None, username="", rooms=[])]).splitlines()
    assert lines[0].split() == ["NICK", "PEER", "ADDRESS", "DIR", "RTT", "UP", "SCORE", "ROOMS"]
    assert lines[1].split() == f"bob {BOB[:10]} 192.0.2.7:8080 out 1.2 ms 1 min 3 #lobby #tea".split()
    assert lines[2].startswith(BOB[:10])
    assert " - " in lines[2]


def test_rooms_list_members_up_to_a_limit() -> None:
    members: list[Member] = [
        {"peer_id": f"{n:04}", "username": f"u{n}", "last_seen_s": 0.0} for n in range(15)
    ]
    shown = render.rooms([{"room": "tea", "joined": True, "room_id": "r", "peers": 15, "members": members}])
    assert "#tea" in shown
    assert "u11 and 3 more" in shown
    assert "u12" not in shown


def test_status_tells_why_an_address_is_not_reached() -> None:
    status: Status = {
        "version": "0.1.0",
        "api_version": "1.0.0",
        "peer_id": ANN,
        "username": "ann",
        "network": "main",
        "listen": None,
        "peers": 0,
        "rooms": ["lobby"],
        "uptime_s": 1.0,
        "dialling": [
            {"address": "a:1", "reason": "connection refused", "next_try_s": 4.0, "failures": 3},
            {"address": "b:2", "reason": None, "next_try_s": None, "failures": 0},
        ],
        "store": {
            "used_bytes": 0,
            "damaged": 0,
            "quarantined": ["/ann/quarantine-1"],
            "restored": False,
        },
        "mdns": {"state": "failed", "reason": "no way", "found": 0},
    }
    lines = render.status(status).splitlines()
    assert "local net   mDNS failed: no way" in lines
    for found, shown in ((0, "0 nodes"), (1, "1 node"), (2, "2 nodes")):
        status["mdns"] = {"state": "working", "reason": None, "found": found}
        assert f"local net   {shown} found by mDNS" in render.status(status).splitlines()
    assert "listens     no" in lines
    assert "dialling    a:1: connection refused after 3 tries; again in 4.0 s" in lines
    assert "dialling    b:2: no answer yet" in lines
    assert not [line for line in lines if "heard of" in line]  # an older daemon does not count them
    status["heard_of"] = 2
    assert "dialling    2 addresses it has heard of" in render.status(status).splitlines()
    status["heard_of"], status["dialling"] = 0, []
    alone = "dialling    nobody, as it knows no address: chatctl connect HOST:PORT"
    assert alone in render.status(status).splitlines()
    status["peers"] = 1
    assert "dialling" not in render.status(status)
    assert "quarantine  /ann/quarantine-1" in lines


def test_stats_show_counters_of_a_newer_daemon() -> None:
    shown = render.stats({"messages_sent": 1, "refused": {"ttl": 2}, "new": {}})  # type: ignore[typeddict-item,typeddict-unknown-key]  # on purpose
    assert shown.splitlines() == ["messages_sent  1", "refused.ttl    2", "new            none"]


def test_peer_events_tell_why_a_link_ended() -> None:
    data = {"peer_id": BOB, "username": "bob", "address": "a:1", "state": "up", "reason": ""}
    assert render.peer_changed(data, Nicks()) == "-- linked with bob (a:1)"
    assert render.peer_changed({**data, "state": "down"}, Nicks()) == "-- lost bob (a:1)"
    told = render.peer_changed({**data, "state": "down", "reason": "gone"}, Nicks())
    assert told == "-- lost bob (a:1): gone"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1, "0.0 s"),
        (3.21, "3.2 s"),
        (59, "59 s"),
        (250, "4 min 10 s"),
        (7500, "2 h 5 min"),
        (262_800, "3 d 1 h"),
    ],
)
def test_duration_has_two_units_at_most(seconds: float, shown: str) -> None:
    assert render.duration(seconds) == shown


# Members


def present(name: str, state: str = "here", seen: float = 3.0, *, you: bool = False) -> Any:
    peer_id = (name * 52)[:52]
    return {"peer_id": peer_id, "username": name, "state": state, "last_seen_s": seen, "you": you}


MEMBERS = [present("ann", you=True), present("bob"), present("carl", "lost", 250.0)]


def test_members_are_a_table_with_state_and_when_last_seen() -> None:
    assert render.members(MEMBERS).splitlines() == [
        "NICK       STATE  LAST SEEN       PEER",
        "ann (you)  here   -               annannanna",
        "bob        here   3.0 s ago       bobbobbobb",
        "carl       lost   4 min 10 s ago  carlcarlca",
    ]


def test_member_is_called_by_the_alias_it_was_given() -> None:
    named: Any = {**present("bob"), "alias": "Robert"}
    assert render.members([named]).splitlines()[1].startswith("*Robert ")


def test_members_on_a_narrow_terminal_are_without_their_keys() -> None:
    lines = render.members(MEMBERS, columns=render.NARROW_COLUMNS - 1).splitlines()
    assert lines[0] == "NICK       STATE  LAST SEEN"
    assert lines[3] == "carl       lost   4 min 10 s ago"
    assert lines[4] == "(no room for PEER: a wider terminal shows more, --json all)"


def test_members_of_one_name_are_told_apart_on_a_narrow_terminal_too() -> None:
    twin: Any = {**present("bob"), "peer_id": "zz27" + "b" * 48}
    lines = render.members([present("bob"), twin], columns=40).splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["bob~bobb", "bob~zz27"]


def test_members_names_cannot_reach_the_terminal() -> None:
    assert "\x1b" not in render.members([present("b\x1b[31mob")])

"""Every command of chatctl against a real daemon."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chatcore.api import MAX_HISTORY, METHODS
from chatcore.texts import MAX_TEXT_BYTES
from chatctl.commands.root import COMMANDS
from tests.client.console import Console
from tests.support.daemon import Daemon


def document(console: Console) -> Any:
    assert console.err == ""
    assert console.out.count("\n") == 1
    return json.loads(console.out)


# send


def test_send_prints_the_short_id_and_says_that_nobody_is_there(console: Console) -> None:
    assert console.chatctl("send", "hello") == 0
    assert len(console.out.strip()) == 10
    assert console.error.startswith("chatctl: nobody in #lobby is connected; it is kept here")
    assert console.error.endswith("goes out once somebody is")


def test_send_json_is_the_daemon_s_document(console: Console) -> None:
    assert console.chatctl("send", "--json", "hello") == 0
    sent = document(console)
    assert sent.keys() >= {"id", "room", "state"}
    assert (sent["room"], sent["state"]) == ("lobby", "queued")


def test_send_wait_says_that_nobody_was_there_and_that_it_is_kept(console: Console) -> None:
    assert console.chatctl("send", "--wait", "--timeout", "0.2", "hello") == 4
    assert len(console.out.strip()) == 10
    assert console.error == (
        "chatctl: nobody in #lobby was connected within 0.2 s; it is kept, and goes out once somebody is"
    )


def test_no_time_to_answer_is_refused_before_anything_is_sent(console: Console) -> None:
    before = console.chatctl("history", "--json"), console.out
    assert console.chatctl("send", "--wait", "--timeout", "0", "hello") == 3
    assert "--timeout 0 leaves the daemon no time to answer; use 0.001 to 86400" in console.error
    assert (console.chatctl("history", "--json"), console.out) == before


def test_send_wait_json_is_one_document_of_how_it_went(console: Console) -> None:
    assert console.chatctl("send", "--wait", "--timeout", "0.2", "--json", "hello") == 4
    found = json.loads(console.out)
    assert found.keys() >= {"id", "room", "state", "confirmed", "confirmed_by", "reason"}
    assert "it is kept" in console.error


def test_send_wait_without_a_daemon_is_unreachable(nobody: Console) -> None:
    assert nobody.chatctl("send", "--wait", "--timeout", "0.2", "hello") == 2


def test_status_of_a_message_shows_how_far_it_has_come(console: Console) -> None:
    assert console.chatctl("send", "--json", "hello") == 0
    sent = document(console)
    for given in (sent["id"], sent["id"][:10], sent["id"][:11].upper()):
        assert console.chatctl("status", given) == 0
        assert sent["id"] in console.out
        assert "queued" in console.out
    assert console.chatctl("status", "--wait", "5", "--json", sent["id"]) == 0
    assert document(console)["state"] == "queued"


def test_status_of_an_unknown_message_is_refused(console: Console) -> None:
    assert console.chatctl("status", "0" * 10) == 1
    assert "is no message that this node wrote lately" in console.error


@pytest.mark.parametrize(
    ("stdin", "text"),
    [
        (b"one\n", "one"),
        (b"one\n\n", "one\n"),
        (b"one\r\n", "one"),
        (b"one\ntwo", "one\ntwo"),
        ("é".encode(), "é"),
    ],
)
def test_send_dash_sends_standard_input_as_one_message(console: Console, stdin: bytes, text: str) -> None:
    console.stdin = stdin
    assert console.chatctl("send", "-") == 0
    assert console.chatctl("history", "--limit", "1", "--json") == 0
    assert document(console)[0]["text"] == text


def test_send_takes_the_longest_message(console: Console) -> None:
    console.stdin = b"x" * MAX_TEXT_BYTES + b"\n"
    assert console.chatctl("send", "-") == 0


@pytest.mark.parametrize("text", ["x" * (MAX_TEXT_BYTES + 1), "é" * (MAX_TEXT_BYTES // 2) + "x"])
def test_send_refuses_what_is_too_long_with_the_limit(console: Console, text: str) -> None:
    console.stdin = text.encode() + b" and more" * 1000
    assert console.chatctl("send", "-") == 3
    assert "16384 bytes (16 KiB)" in console.error
    assert console.chatctl("send", text) == 3
    assert "16384 bytes (16 KiB)" in console.error


def test_send_refuses_what_is_not_utf_8(console: Console) -> None:
    console.stdin = b"caf\xe9"
    assert console.chatctl("send", "-") == 3
    assert "not valid UTF-8" in console.error
    assert console.chatctl("send", "caf\udce9") == 3
    assert "not valid UTF-8" in console.error


def test_send_of_nothing_is_refused_by_the_daemon(console: Console) -> None:
    assert console.chatctl("send", "") == 1
    assert console.error == "chatctl: the message is empty; write some text"


def test_send_takes_text_that_starts_with_a_dash(console: Console) -> None:
    assert console.chatctl("send", "--", "-1") == 0


def test_send_to_a_room_this_node_is_not_in_says_how_to_join(console: Console) -> None:
    assert console.chatctl("send", "--room", "#Nowhere", "x") == 1
    assert console.error.endswith("chatctl join '#nowhere'")


# history, tail


def test_history_and_tail_are_oldest_first(console: Console) -> None:
    for number in range(3):
        console.chatctl("send", f"number {number}")
    assert console.chatctl("history", "--limit", "2") == 0
    assert [line.rpartition(": ")[2] for line in console.out.splitlines()] == ["number 1", "number 2"]
    assert console.chatctl("tail", "--limit", "2", "--json") == 0
    messages = [json.loads(line) for line in console.out.splitlines()]
    assert [message["text"] for message in messages] == ["number 1", "number 2"]
    assert messages[0].keys() >= {"id", "room", "author", "username", "text", "time_ms", "time"}
    assert console.chatctl("tail", "--limit", "0") == 0
    assert console.out == ""


def test_history_takes_more_than_the_daemon_gives_at_a_time(console: Console) -> None:
    assert console.chatctl("history", "--limit", str(MAX_HISTORY)) == 0
    shown = console.out
    assert console.chatctl("history", "--limit", str(MAX_HISTORY + 1)) == 0
    assert console.out == shown
    assert console.chatctl("history", "--limit", "0") == 3
    assert console.chatctl("history", "--limit", "ten") == 3


def test_history_cannot_reach_the_terminal(console: Console) -> None:
    console.chatctl("send", "\x1b]0;owned\x07\u202eevil")
    console.chatctl("history", "--limit", "1")
    assert console.out.endswith(": ]0;ownedevil\n")
    console.chatctl("history", "--limit", "1", "--json")
    assert console.out.isascii()
    assert json.loads(console.out)[0]["text"] == "\x1b]0;owned\x07\u202eevil"


def test_tail_of_a_bad_room_name_says_the_rule(console: Console) -> None:
    assert console.chatctl("tail", "--room", "a b") == 3
    assert "is not a room name" in console.error


def test_tail_follows_no_room_this_node_was_never_in(console: Console) -> None:
    assert console.chatctl("tail", "-f", "--room", "nowhere") == 1
    assert "join it first" in console.error


# rooms


def test_rooms_are_joined_and_left_with_or_without_the_sign(console: Console) -> None:
    assert console.chatctl("join", "#Tea") == 0
    assert (console.out, console.error) == ("", "chatctl: joined #tea")
    assert console.chatctl("join", "tea") == 0
    assert console.error == "chatctl: already in #tea"
    assert console.chatctl("send", "-r", "tea", "the kettle") == 0
    assert console.chatctl("rooms") == 0
    assert "#tea" in console.out
    assert console.chatctl("rooms", "--json") == 0
    assert [room["room"] for room in document(console)] == ["lobby", "tea"]
    assert console.chatctl("leave", "tea", "--json") == 0
    assert document(console) == {"room": "tea", "changed": True}
    assert console.chatctl("history", "--room", "tea") == 0
    assert "the kettle" in console.out


def test_leave_of_a_room_it_is_not_in_says_where_to_look(console: Console) -> None:
    assert console.chatctl("leave", "nowhere") == 1
    assert console.error.endswith("this node is not in #nowhere; chatctl rooms shows those it is in")


def test_who_shows_who_is_in_a_room_and_refuses_others(console: Console) -> None:
    assert console.chatctl("who") == 0
    assert console.out.splitlines()[0].split() == ["NICK", "STATE", "LAST", "SEEN", "PEER"]
    assert " (you)  here" in console.out
    assert console.chatctl("who", "--room", "#lobby", "--here", "--json") == 0
    (me,) = document(console)
    assert (me["state"], me["you"], me["last_seen_s"]) == ("here", True, 0)
    assert console.chatctl("who", "--room", "nowhere") == 1
    assert "join it first" in console.error


def test_nick_takes_another_name_and_says_how_long_it_lasts(tmp_path: Path) -> None:
    with Daemon(tmp_path / "node"):
        console = Console(tmp_path / "node")
        assert console.chatctl("nick", "anna") == 0
        assert console.error.startswith("chatctl: you are anna now, until the daemon starts again")
        assert console.chatctl("id") == 0
        assert "username    anna" in console.out
        assert console.chatctl("nick", "anna") == 0
        assert console.error == "chatctl: you are anna already"
        assert console.chatctl("nick", "bella", "--json") == 0
        assert document(console) == {"username": "bella", "changed": True}
        assert console.chatctl("nick", "a\nb") == 1
        assert "is not a user name" in console.error
        assert console.chatctl("nick", "carla") == 0
        assert console.chatctl("nick", "dora") == 1
        assert "several names" in console.error


def test_room_with_a_bad_name_is_refused_with_the_rule(console: Console) -> None:
    assert console.chatctl("join", "a b") == 1
    assert "use 1 to 32 letters" in console.error


# peers and the node


def test_peers_without_any_says_so_and_prints_nothing(console: Console) -> None:
    assert console.chatctl("peers") == 0
    assert console.out == ""
    assert console.error.startswith("chatctl: no peers yet")
    assert console.chatctl("peers", "--json") == 0
    assert document(console) == []


def test_connect_dials(console: Console) -> None:
    assert console.chatctl("connect", "127.0.0.1:1") == 0
    assert console.error == "chatctl: 127.0.0.1:1: dialling"
    assert console.chatctl("connect", "nonsense") == 1
    assert "HOST:PORT" in console.error


def test_status_stats_and_id_are_for_people_and_for_scripts(console: Console, daemon: Daemon) -> None:
    assert console.chatctl("status") == 0
    assert f"listens    {daemon.address}" in console.out
    assert console.chatctl("status", "--json") == 0
    assert document(console)["username"] == "ann"
    assert console.chatctl("stats") == 0
    assert "messages_sent" in console.out
    assert console.chatctl("stats", "--json") == 0
    assert document(console)["messages_sent"] >= 0
    assert console.chatctl("id") == 0
    short = console.out
    assert console.chatctl("id", "--json") == 0
    assert document(console)["peer_id"] in short


# call


def test_call_takes_named_and_positional_parameters(console: Console) -> None:
    console.chatctl("send", "called")
    assert console.chatctl("call", "message.history", '{"limit": 1}') == 0
    assert document(console)[0]["text"] == "called"
    assert console.chatctl("call", "message.history", '["lobby", 1]') == 0
    assert document(console)[0]["text"] == "called"


@pytest.mark.parametrize("params", ["{", "1", '"x"', "nope", "[" * 100_000])
def test_call_refuses_parameters_that_are_none(console: Console, params: str) -> None:
    assert console.chatctl("call", "node.status", params) == 3
    assert "JSON" in console.error


def test_call_of_an_unknown_method_names_the_nearest(console: Console) -> None:
    assert console.chatctl("call", "node.statsu") == 1
    assert console.error == "chatctl: there is no method 'node.statsu'; did you mean node.stats?"
    assert console.chatctl("call", "zzz") == 1
    assert console.error == f"chatctl: there is no method 'zzz'; there are: {', '.join(METHODS)}"


def test_call_help_shows_methods_that_are_there(console: Console) -> None:
    assert console.chatctl("call", "--help") == 0
    shown = set(re.findall(r"chatctl call (\w+\.\w+)", console.out))
    assert shown
    assert shown <= METHODS.keys()


def test_call_reaches_every_method_of_the_table(console: Console) -> None:
    for method in METHODS.keys() - {"node.stop"}:
        assert console.chatctl("call", method) in (0, 1)
        assert "there is no method" not in console.err


# for all commands


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_examples_first(nobody: Console, command: str) -> None:
    assert nobody.chatctl(command, "--help") == 0
    assert nobody.err == ""
    assert nobody.out.index("Examples:") < nobody.out.index("Options:")
    assert f"chatctl {command}" in nobody.out


@pytest.mark.parametrize(
    "line",
    ["--home {home} --json peers", "peers --json --home {home}", "--json peers --socket {home}/chatd.sock"],
)
def test_shared_options_stand_before_or_after_the_command(daemon: Daemon, line: str) -> None:
    console = Console()
    assert console.chatctl(*line.format(home=daemon.home).split()) == 0
    assert document(console) == []


def test_json_for_a_terminal_is_indented(console: Console) -> None:
    console.terminal = True
    assert console.chatctl("id", "--json") == 0
    assert '\n  "peer_id"' in console.out


def test_colour_is_for_terminals_that_want_it(console: Console) -> None:
    console.variables["TERM"] = "xterm"
    console.chatctl("send", "x")
    console.chatctl("history")
    assert "\x1b" not in console.out
    console.terminal = True
    console.chatctl("history")
    assert "\x1b[" in console.out
    console.chatctl("history", "--no-color")
    assert "\x1b" not in console.out
    console.variables["NO_COLOR"] = "1"
    console.chatctl("history")
    assert "\x1b" not in console.out


@pytest.mark.parametrize(
    "argv",
    [
        ("restore", "a.bak", "--home", ""),
        ("status", "--home", ""),
        ("id", "--socket", ""),
        ("export", "-o", ""),
        ("import", ""),
        ("backup", ""),
        ("restore", ""),
        ("backup", "a.bak", "--passphrase-file", ""),
    ],
)
def test_empty_path_stands_for_no_other_place(console: Console, argv: tuple[str, ...]) -> None:
    assert console.chatctl(*argv) == 3
    assert "it is empty; name a file or a folder" in console.error

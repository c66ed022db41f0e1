"""`pin`, `unpin` and `pins` on the command line and in the chat, on a real daemon."""

import json
from collections.abc import Iterator

import pytest

from chatcore.api import PinChange
from chatctl import render
from tests.client.console import Console
from tests.support.daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("pinning") / "node") as running:
        running.call("room.join", room="tea")
        yield running


@pytest.fixture
def console(daemon: Daemon) -> Console:
    return Console(daemon.home)


def said(daemon: Daemon, text: str, room: str = "lobby") -> str:
    return str(daemon.call("message.send", text=text, room=room)["id"])


def test_pin_says_what_it_did(console: Console, daemon: Daemon) -> None:
    short = said(daemon, "hello")[:10]
    assert console.chatctl("pin", short) == 0
    assert (console.out, console.error) == ("", f"chatctl: {short}: pinned")
    assert console.chatctl("pin", short) == 0
    assert console.error == f"chatctl: {short}: was pinned already"
    assert console.chatctl("unpin", short) == 0
    assert console.error == f"chatctl: {short}: no longer pinned"
    assert console.chatctl("unpin", short) == 0
    assert console.error == f"chatctl: {short}: was not pinned"


def test_pins_shows_each_with_its_id(console: Console, daemon: Daemon) -> None:
    assert console.chatctl("pins", "--room", "#tea") == 0
    assert (console.out, console.error) == ("", "chatctl: nothing is pinned in #tea")
    ids = [said(daemon, f"cup {number}", "tea") for number in range(3)]
    for message_id in ids[1:]:
        assert console.chatctl("pin", message_id) == 0
    assert console.chatctl("pins", "--room", "tea") == 0
    lines = console.out.splitlines()
    assert [line[:10] for line in lines] == [message_id[:10] for message_id in ids[1:]]
    assert lines[0].endswith("ann: cup 1")
    assert console.chatctl("pins", "--room", "tea", "-n", "1", "--json") == 0
    assert [item["id"] for item in json.loads(console.out)] == ids[2:]


def test_pin_of_an_unknown_message_is_refused(console: Console) -> None:
    assert console.chatctl("pin", "ffffffffff") == 1
    assert "there is no message ffffffffff" in console.error
    assert console.chatctl("pin", "zzz") == 1
    assert "'zzz' is no message id; give 10 or more of its hexadecimal digits" in console.error


def test_change_to_a_pin_is_one_line() -> None:
    change: PinChange = {"id": "01234\n6789abcdef", "room": "tea", "pinned": True, "changed": True}
    assert "\n" not in render.pin_changed(change)

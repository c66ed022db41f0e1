"""`chat` in tmux: two people in real terminals, on real daemons."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Spawn
from tests.support.daemon import Daemon
from tests.support.tmux import COLUMNS, Pane, Tmux


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[Tmux]:
    with Tmux(tmp_path) as server:
        yield server


@pytest.fixture
def ann(spawn: Spawn) -> Daemon:
    return spawn(username="ann")


@pytest.fixture
def bob(spawn: Spawn, ann: Daemon) -> Daemon:
    node = spawn("--bootstrap", ann.address, username="bob")
    node.wait_peers(1)
    return node


def chat(tmux: Tmux, node: Daemon, *arguments: str) -> Pane:
    pane = tmux.open(node.home.name, "chat", "--home", str(node.home), *arguments)
    pane.wait_for("#lobby>")
    return pane


def test_two_people_chat_change_rooms_paste_and_carry_on_over_a_restart(
    tmux: Tmux, ann: Daemon, bob: Daemon
) -> None:
    for node in (ann, bob):
        node.call("room.join", room="tea")
    at_ann, at_bob = chat(tmux, ann), chat(tmux, bob)

    at_ann.enter("hello bob")
    at_bob.wait_for("ann: hello bob")
    at_bob.enter("hello you")
    at_ann.wait_for("bob: hello you")
    at_ann.wait_for("delivered to 1")  # in the toolbar

    at_ann.keys("M-2")
    at_ann.wait_for("#tea>")
    assert not at_ann.rang
    at_bob.enter("where is Ann?")
    at_ann.wait_for("bob names you in #lobby: where is Ann?")
    at_ann.wait(lambda: at_ann.rang, "the bell")
    at_ann.wait(lambda: "1:lobby 1 @1" in at_ann.toolbar, "the mention in the toolbar")
    at_bob.enter("still there?")
    at_ann.wait(lambda: "1:lobby 2 @1" in at_ann.toolbar, "two unread in the lobby")
    assert at_ann.count("bob: still there?") == 0
    at_ann.keys("M-a")
    at_ann.wait_for("---- 2 new ----")
    at_ann.wait_for("bob: still there?")
    at_ann.wait_for("#lobby>")
    shown = [line.partition(" ")[2] for line in at_ann.lines]
    rule = shown.index("2 new ----")
    assert shown[rule : rule + 3] == ["2 new ----", "bob: where is Ann?", "bob: still there?"]
    at_ann.wait(lambda: at_ann.toolbar.startswith("1:*lobby  2:tea  "), "nothing unread in the toolbar")

    at_ann.paste("one\ntwo\nthree\nfour\nfive\n")
    at_ann.wait_for("5 lines pasted: send them as one message?")
    assert "one" not in ann.texts
    at_ann.keys("y")
    bob.wait_text("one\ntwo\nthree\nfour\nfive")
    at_bob.wait_for("    five")

    port = ann.address.rpartition(":")[2]
    ann.stop()
    at_ann.wait_for("(daemon away)>")
    bob.call("message.send", text="said meanwhile")
    ann.arguments += ["--port", port]
    ann.start()
    at_ann.wait_for("the daemon is back")
    bob.wait_peers(1)
    at_ann.wait_for("bob: said meanwhile")
    at_ann.enter("I am back")
    at_bob.wait_for("ann: I am back")
    at_ann.wait_for("ann: I am back")

    for said in ("ann: hello bob [sent]", "bob: hello you", "bob: where is Ann?", "bob: still there?"):
        assert at_ann.count(said) == 1, said
    for said in ("    five [sent]", "bob: said meanwhile"):
        assert at_ann.count(said) == 1, said


LONG = "x" * 16_384
STRANGE = {
    "escapes": ("a\x1b[2Jb\x07\x9b31mc\rd", "a[2Jb31mcd"),
    "bidi overrides": ("one\u202eowt\u2066eerht", "oneowteerht"),
    "zero-widths": ("in\u200bvis\u2060ible\ufeff", "invisible"),
    "emoji": ("\N{GRINNING FACE}\N{ROCKET}", "\N{GRINNING FACE}\N{ROCKET}"),
    "wide letters": ("日本語テキスト", "日本語テキスト"),
    "combining marks": ("e\u0301 a\u0308" + "\u0301" * 200, "e\u0301 a\u0308" + "\u0301" * 5),
    "right to left": ("שלום עולם", "שלום עולם"),
}


def test_strange_texts_leave_the_screen_whole(tmux: Tmux, ann: Daemon, bob: Daemon) -> None:
    at_ann = chat(tmux, ann)
    bob.call("message.send", text=LONG)
    at_ann.wait(lambda: f"bob: {LONG}" in "".join(at_ann.lines), "the long line")
    for name, (text, _) in STRANGE.items():
        bob.call("message.send", text=f"{name}: {text} (end)")
        at_ann.wait_for(f"bob: {name}:")
    at_ann.type("half a sentence")
    at_ann.wait_for("#lobby> half a sentence")
    shown = at_ann.lines
    for name, (_, text) in STRANGE.items():
        assert any(line.endswith(f"bob: {name}: {text} (end)") for line in shown), name

    def bottom_is_whole() -> bool:
        *_, prompt, toolbar = [line for line in at_ann.screen.splitlines() if line.strip()]
        return prompt.rstrip() == "#lobby> half a sentence" and toolbar.startswith("1:*lobby  ")

    at_ann.wait(bottom_is_whole, "the prompt above the toolbar")
    assert len(at_ann.toolbar) <= COLUMNS


def test_line_typed_for_a_room_waits_there(tmux: Tmux, ann: Daemon) -> None:
    ann.call("room.join", room="tea")
    at_ann = chat(tmux, ann)
    at_ann.type("for the lobby")
    at_ann.keys("C-n")
    at_ann.wait_for("#tea>")
    at_ann.enter("for tea")
    at_ann.wait_for("ann: for tea")
    at_ann.keys("C-p")
    at_ann.wait_for("#lobby> for the lobby")
    at_ann.keys("Enter")
    at_ann.wait_for("ann: for the lobby")
    assert [message["text"] for message in ann.call("message.history", room="tea")] == ["for tea"]

"""`chat` as a person uses it: a real terminal, a real daemon, and somebody to talk to on another node."""

import signal
from pathlib import Path

import pytest

from tests.conftest import Spawn
from tests.support.daemon import BIN, Daemon, run, wait_until
from tests.support.terminal import Terminal


@pytest.fixture
def ann(spawn: Spawn) -> Daemon:
    return spawn(username="ann")


@pytest.fixture
def bob(spawn: Spawn, ann: Daemon) -> Daemon:
    node = spawn("--bootstrap", ann.address, username="bob")
    node.wait_peers(1)
    return node


def chat(node: Daemon, *arguments: str) -> Terminal:
    return Terminal("chat", "--home", str(node.home), *arguments)


def test_chat_shows_the_other_side_and_is_heard_there(ann: Daemon, bob: Daemon) -> None:
    with chat(ann) as at_ann, chat(bob) as at_bob:
        at_ann.wait_for("#lobby>")
        at_bob.wait_for("#lobby>")
        at_ann.enter("hello bob")
        at_bob.wait_for("hello bob")
        at_ann.wait_for("hello bob")
        at_bob.enter("hello ann, how are you?")
        at_ann.wait_for("hello ann, how are you?")
        assert at_ann.text.count("hello bob") == 1
        assert at_bob.text.count("hello bob") == 1
        at_ann.enter("/quit")
        assert at_ann.wait_exit() == 0


def test_chat_shows_how_far_own_messages_have_come(ann: Daemon, spawn: Spawn) -> None:
    with chat(ann) as terminal:
        terminal.wait_for("#lobby>")
        terminal.enter("anyone?")
        terminal.wait_for("anyone? [queued]")
        spawn("--bootstrap", ann.address, username="bob")
        terminal.wait_for("-- what was queued is delivered")
        terminal.wait_for("delivered to 1")
        terminal.enter("hello")
        terminal.wait_for("hello [sent]")
        terminal.enter("/quit")
        assert terminal.wait_exit() == 0


def test_chat_keeps_the_typed_line_when_a_message_comes_in(ann: Daemon, bob: Daemon) -> None:
    with chat(ann) as terminal:
        terminal.wait_for("#lobby>")
        terminal.type("half a sen")
        terminal.wait_for("#lobby> half a sen")
        bob.call("message.send", text="an interruption")
        terminal.wait_for("an interruption")
        terminal.type("tence")
        terminal.wait_for("#lobby> half a sentence")
        terminal.type("\r")
        bob.wait_text("half a sentence")


def test_chat_takes_several_lines_as_one_message(ann: Daemon, bob: Daemon) -> None:
    with chat(ann) as terminal:
        terminal.wait_for("#lobby>")
        terminal.type("first\x1b\rsecond")
        terminal.wait_for("#lobby> first\n        second")
        terminal.type("\x0f, third\r")
        bob.wait_text("first\nsecond, third")
        terminal.enter("/quit")
        assert terminal.wait_exit() == 0


def test_chat_is_suspended_and_taken_up_again(ann: Daemon, bob: Daemon) -> None:
    script = f"{BIN / 'chat'} --home {ann.home}; echo; echo 'in the shell'; read answer; fg"
    with Terminal("/bin/bash", "-m", "-c", script) as shell:  # only a job of a shell can be suspended
        shell.wait_for("#lobby>")
        shell.type("half a sen\x1a")
        shell.wait_for("in the shell")
        bob.call("message.send", text="meanwhile")
        shell.type("\n")
        shell.wait_for("meanwhile")
        shell.type("tence\r")
        bob.wait_text("half a sentence")
        shell.enter("/quit")
        assert shell.wait_exit() == 0


def test_chat_commands_answer(ann: Daemon, bob: Daemon) -> None:
    ann.call("message.send", text="from before")
    with chat(ann) as terminal:
        terminal.wait_for("from before")
        terminal.enter("/help")
        for command in (
            "/peers",
            "/history",
            "/stats",
            "/id",
            "/clear",
            "/quit",
            "/join",
            "/leave",
            "/rooms",
        ):
            terminal.wait_for(command)
        terminal.wait_for("//text")  # the last line of the list
        terminal.enter("/clear")
        terminal.wait_gone("//text")
        terminal.wait_for("#lobby>")
        terminal.enter("/peers")
        terminal.wait_for("bob")
        terminal.enter("/id")
        terminal.wait_for(ann.call("identity.show")["peer_id"][:10])
        terminal.enter("/stats")
        terminal.wait_for("sent")
        terminal.enter("/histroy")
        terminal.wait_for("/history")
        terminal.enter("//not a command")
        bob.wait_text("/not a command")
        terminal.type("\x04")
        assert terminal.wait_exit() == 0


def test_chat_changes_rooms(ann: Daemon, bob: Daemon) -> None:
    bob.call("room.join", room="tea")
    with chat(ann) as terminal:
        terminal.wait_for("#lobby>")
        terminal.enter("/join #tea")
        terminal.wait_for("#tea>")
        terminal.enter("the kettle is on")
        terminal.wait_for("the kettle is on")
        assert bob.call("message.history", room="lobby") == []
        terminal.enter("/rooms")
        terminal.wait_for("lobby")
        terminal.enter("/leave")
        terminal.wait_for("#lobby>")
        assert ann.call("node.status")["rooms"] == ["lobby"]


def test_chat_carries_on_when_the_daemon_restarts(ann: Daemon, bob: Daemon) -> None:
    port = ann.address.rpartition(":")[2]
    with chat(ann) as terminal:
        terminal.wait_for("#lobby>")
        bob.call("message.send", text="before the restart")
        terminal.wait_for("before the restart")
        ann.stop()
        ann.arguments += ["--port", port]
        ann.start()
        bob.wait_peers(1)
        bob.call("message.send", text="after the restart")
        terminal.wait_for("after the restart")
        terminal.enter("still here")
        bob.wait_text("still here")
        assert terminal.text.count("before the restart") == 1
        assert terminal.text.count("after the restart") == 1


def test_chat_shows_escapes_of_strangers_as_harmless_text(ann: Daemon, bob: Daemon) -> None:
    with chat(ann) as terminal:
        terminal.wait_for("#lobby>")
        bob.call("message.send", text="a\x1b[2Jb\u202ec\x07d \N{GRINNING FACE} 日本語")
        terminal.wait_for("日")
        terminal.wait_for("#lobby>")
        shown = next(line for line in terminal.text.splitlines() if "日" in line)
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "bob" in shown


def test_chat_without_a_daemon_says_how_to_start_one(tmp_path: Path) -> None:
    with Terminal("chat", "--home", str(tmp_path / "nobody")) as terminal:
        terminal.wait_for("Start one? [Y/n]")
        terminal.enter("n")
        assert terminal.wait_exit() == 2
        assert "chatd --home" in terminal.text.replace("\n", " ")
        assert "Traceback" not in terminal.text
    done = run(["chat", "--home", str(tmp_path / "nobody")], stdin="y\nhello\n")
    assert done.returncode == 2
    assert "Start one?" not in done.stdout + done.stderr
    assert not (tmp_path / "nobody").exists()


def test_chat_starts_a_daemon_when_it_is_told_to(tmp_path: Path) -> None:
    home = tmp_path / "new"
    where = {"CHATD_PORT": "0", "CHATD_HOST": "127.0.0.1", "CHATD_USERNAME": "ann"}
    with Terminal("chat", "--home", str(home), variables=where) as terminal:
        terminal.wait_for("Start one? [Y/n]")
        terminal.enter("y")
        try:
            terminal.wait_for("#lobby>")
            terminal.enter("hello?")
            terminal.wait_for("ann: hello? [queued]")
            terminal.enter("/quit")
            assert terminal.wait_exit() == 0
            assert run(["chatctl", "--home", str(home), "history"]).stdout.endswith("ann: hello?\n")
        finally:
            assert run(["chatctl", "--home", str(home), "stop"]).returncode == 0


def test_chat_says_why_the_daemon_it_started_did_not_run(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("prot = 1\n")
    with Terminal("chat", "--home", str(tmp_path), columns=200) as terminal:
        terminal.wait_for("Start one? [Y/n]")
        terminal.enter("")
        assert terminal.wait_exit() == 2
        assert "the daemon did not start: chatd: " in terminal.text
        assert "unknown key 'prot'" in terminal.text


def test_chat_opened_again_shows_what_is_new_under_a_rule(ann: Daemon, bob: Daemon) -> None:
    ann.call("room.join", room="tea")
    bob.call("room.join", room="tea")
    with chat(ann) as terminal:
        bob.call("message.send", text="seen")
        terminal.wait_for("bob: seen")
        terminal.enter("/quit")
        assert terminal.wait_exit() == 0
    bob.call("message.send", text="unseen")
    bob.call("message.send", text="elsewhere, Ann", room="tea")
    ann.wait_text("unseen")
    wait_until(lambda: len(ann.call("message.history", room="tea")) == 1, "the message in #tea")
    with chat(ann) as terminal:
        terminal.wait_for("2:tea 1 @1")
        seen, rule, unseen = [line for line in terminal.text.splitlines() if "seen" in line or "----" in line]
        assert seen.endswith("bob: seen")
        assert rule == "---- 1 new ----"
        assert unseen.endswith("bob: unseen")


def test_what_was_read_is_not_new_after_the_chat_was_killed(ann: Daemon, bob: Daemon) -> None:
    bob.call("message.send", text="from before")
    ann.wait_text("from before")
    with chat(ann) as terminal:
        terminal.wait_for("bob: from before")
        bob.call("message.send", text="seen")
        terminal.wait_for("bob: seen")
        mark = ann.call("message.history", limit=1)[0]["seq"]
        marks = ann.home / "chat.json"
        wait_until(
            lambda: marks.exists() and f'"lobby": {mark}}}' in marks.read_text(),
            "the mark",
        )
        terminal.child.kill(signal.SIGKILL)
    with chat(ann) as terminal:
        terminal.wait_for("bob: seen")
        terminal.wait_for("#lobby>")
        assert "new ----" not in terminal.text


def test_plain_chat_writes_lines_and_nothing_else(ann: Daemon, bob: Daemon) -> None:
    ann.call("message.send", text="from before")
    with Terminal("chat", "--home", str(ann.home), "--plain") as terminal:
        terminal.wait_for("ann: from before")
        terminal.enter("hello")
        terminal.wait_for("ann: hello [sent]")
        bob.call("message.send", text="hello Ann")
        terminal.wait_for("bob: hello Ann")
        terminal.enter("/quit")
        assert terminal.wait_exit() == 0
        assert b"\x1b" not in terminal.received
    assert (ann.home / "chat.json").stat().st_mode & 0o777 == 0o600


def test_chat_from_a_pipe_sends_each_line(ann: Daemon, bob: Daemon) -> None:
    done = run(["chat", "--home", str(ann.home)], stdin="one\ntwo\n")
    assert done.returncode == 0, done.stderr
    bob.wait_text("two")
    assert bob.texts == ["one", "two"]

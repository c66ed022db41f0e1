"""`chatctl tail -f` as a process: each message once, across a restart, until interrupted."""

import asyncio
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chatctl.commands.tailing import Tail
from chatctl.invocation import Invocation
from tests.client.console import Console
from tests.client.fakechatd import message
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, wait_until
from tests.support.tools import tool


class Following:
    """A `tail -f` whose output grows in a file."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._out, self._err = folder / "out", folder / "err"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            command = [str(BIN / "chatctl"), "tail", "-f", *arguments]
            self.process = subprocess.Popen(command, stdout=out, stderr=err, env=environment())

    @property
    def lines(self) -> list[str]:
        return self._out.read_text().splitlines()

    @property
    def said(self) -> str:
        return self._err.read_text()

    def wait_lines(self, count: int) -> None:
        wait_until(
            lambda: len(self.lines) >= count, f"{count} lines", alive=lambda: self.process.poll() is None
        )

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(DEADLINE_S)


def test_tail_follows_across_a_restart_and_ends_quietly(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node").start()
    daemon.call("message.send", text="old")
    tail = Following(tmp_path, "--home", str(daemon.home), "--json")
    try:
        tail.wait_lines(1)
        daemon.call("room.join", room="tea")
        daemon.call("message.send", text="elsewhere", room="tea")
        daemon.call("message.send", text="new")
        tail.wait_lines(2)
        daemon.stop()
        wait_until(lambda: "went away" in tail.said, "the notice")
        daemon.start()
        daemon.call("message.send", text="after")
        tail.wait_lines(3)
        assert tail.interrupt() == 130
        assert [json.loads(line)["text"] for line in tail.lines] == ["old", "new", "after"]
        assert tail.said == (
            "chatctl: the daemon went away; waiting for it to come back\nchatctl: the daemon is back\n"
        )
    finally:
        tail.process.kill()
        tail.process.wait()
        daemon.stop()


@pytest.mark.parametrize("arguments", ["tail -f", "tail -f --json"])
def test_tail_ends_when_its_reader_does(tmp_path: Path, arguments: str) -> None:
    with Daemon(tmp_path / "node") as daemon:
        daemon.call("message.send", text="one")  # and nothing after it that would hit the closed pipe
        command = f"{BIN}/chatctl --home {daemon.home} {arguments} | head -n 1; exit ${{PIPESTATUS[0]}}"
        with subprocess.Popen(
            ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as pipeline:
            assert pipeline.stdout is not None
            assert pipeline.stderr is not None
            assert b"one" in pipeline.stdout.readline()
            assert pipeline.wait(DEADLINE_S) == 0
            assert pipeline.stderr.read() == b""


def test_jq_gets_each_message_once_and_at_once_though_the_daemon_is_killed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node").start()
    out = tmp_path / "texts"
    follow = f"{BIN}/chatctl --home {daemon.home} tail -f --json --limit 1000"
    command = f"{follow} | {tool('jq')} --unbuffered -r .text"
    with (
        out.open("wb") as texts,
        subprocess.Popen(["bash", "-c", command], stdout=texts, env=environment(), process_group=0) as tail,
    ):
        try:
            sent: list[str] = []
            for kill in (daemon.kill, daemon.stop, daemon.kill):
                for _ in range(20):
                    sent.append(f"message {len(sent)}")
                    daemon.call("message.send", text=sent[-1])
                # With some of them read, and perhaps others not.
                wait_until(lambda: sent[-20] in out.read_text(), "the first of them")
                kill()
                daemon.start()
            wait_until(lambda: out.read_text().count("\n") >= len(sent), "all of them")
            assert out.read_text().splitlines() == sent
        finally:
            os.killpg(tail.pid, signal.SIGKILL)
            daemon.stop()


def test_output_that_cannot_be_written_ends_it_with_a_line(daemon: Daemon) -> None:
    daemon.call("message.send", text="lost")
    with Path("/dev/full").open("w") as full:
        command = [str(BIN / "chatctl"), "--home", str(daemon.home), "tail", "-f"]
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert done.returncode == 1
    assert done.stderr == (
        "chatctl: cannot write to standard output: No space left on device; see where it leads\n"
    )


def test_room_that_was_left_is_shown_as_without_following(tmp_path: Path) -> None:
    with Daemon(tmp_path / "node") as daemon:
        daemon.call("room.join", room="tea")
        daemon.call("message.send", text="before", room="tea")
        daemon.call("room.leave", room="tea")
        tail = Following(tmp_path, "--home", str(daemon.home), "--room", "tea", "--json")
        try:
            tail.wait_lines(1)
            wait_until(lambda: "has left #tea" in tail.said, "the notice")
            daemon.call("room.join", room="tea")
            daemon.call("message.send", text="after", room="tea")
            tail.wait_lines(2)
            assert [json.loads(line)["text"] for line in tail.lines] == ["before", "after"]
        finally:
            tail.process.kill()
            tail.process.wait()


def told(monkeypatch: pytest.MonkeyPatch) -> Any:
    """An invocation that prints JSON lines, and what it printed."""
    console = Console()
    lines: list[str] = []
    invocation = Invocation("chatctl", console.environment())
    invocation.as_json = True
    monkeypatch.setattr(invocation, "out", lines.append)
    return invocation, lines


def test_message_that_comes_by_history_and_by_event_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    invocation, lines = told(monkeypatch)
    tail = Tail(invocation, "lobby")
    tail.show_old([message(1)["data"], message(2)["data"]])
    for seq in (2, 3):
        tail.show_new(message(seq)["data"])
    tail.show_new(message(4, room="tea")["data"])
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]


class Told(Invocation):
    def __init__(self) -> None:
        super().__init__("chatctl", Console(terminal=True).environment())
        self.said: asyncio.Queue[str] = asyncio.Queue()

    def say(self, text: str) -> None:
        self.said.put_nowait(text)


async def test_terminal_is_told_of_many_late_messages_together() -> None:
    told = Told()
    tail = Tail(told, "lobby")
    noon_ms = message(1)["data"]["time_ms"]
    tail.show_old([message(1, "newest")["data"]])
    for seq in range(2, 40):
        tail.show_new(message(seq, f"said {seq}", time_ms=noon_ms - 9000)["data"])
    telling = asyncio.create_task(tail.in_time.run())
    said = await asyncio.wait_for(told.said.get(), DEADLINE_S)
    telling.cancel()
    assert said.startswith("38 older messages came in #lobby; chatctl history lobby -n 100 shows them")
    assert told.env.stdout.getvalue().count("\n") == 1  # type: ignore[attr-defined]  # a StringIO


def test_what_waits_is_told_at_the_end_and_nothing_of_another_store_is_late() -> None:
    told = Told()
    tail = Tail(told, "lobby")
    noon_ms = message(1)["data"]["time_ms"]
    tail.show_old([message(1, "newest")["data"]])
    tail.show_new(message(2, "a little late", time_ms=noon_ms - 9000)["data"])
    tail.tell_late()
    assert told.said.get_nowait() == "said before, and only here now:"
    tail.start_over()
    tail.show_new(message(1, "of the other", time_ms=noon_ms - 5)["data"])
    lines = told.env.stdout.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert [line.rpartition(": ")[2] for line in lines] == ["newest", "a little late", "of the other"]


def test_pipe_gets_late_messages_as_they_come() -> None:
    env = Console().environment()
    tail = Tail(Invocation("chatctl", env), "lobby")
    noon_ms = message(1)["data"]["time_ms"]
    tail.show_old([message(1, "newest")["data"]])
    for seq in range(2, 40):
        tail.show_new(message(seq, f"said {seq}", time_ms=noon_ms - 1)["data"])
    assert env.stdout.getvalue().count("\n") == 39  # type: ignore[attr-defined]  # a StringIO

"""`chat` with its input from a pipe, against a real daemon."""

import subprocess
from pathlib import Path

import pytest

from tests.client.console import Console
from tests.support.daemon import BIN, Daemon, environment, run


def test_each_line_is_sent_and_comes_back(console: Console, daemon: Daemon) -> None:
    console.stdin = b"first line\n\n//slashed\nlast, without a newline"
    assert console.chat() == 0
    assert [line.rpartition(": ")[2] for line in console.out.splitlines() if not line.startswith("--")] == [
        "first line [queued]",
        "/slashed [queued]",
        "last, without a newline [queued]",
    ]
    assert daemon.texts[-3:] == ["first line", "/slashed", "last, without a newline"]
    assert console.err.startswith("-- you are ann")
    assert not (daemon.home / "chat.json").exists()  # nobody has read what was in the room


def test_commands_work_and_quit_ends_before_the_rest(console: Console, daemon: Daemon) -> None:
    console.stdin = b"/id\n/clear\n/quit\nnever sent\n"
    assert console.chat() == 0
    assert "public key" in console.out
    assert "never sent" not in daemon.texts


def test_room_of_the_flag_is_come_into(console: Console, daemon: Daemon) -> None:
    console.stdin = b"here\n"
    assert console.chat("--room", "#Pipe") == 0
    assert "in #pipe" in console.err
    assert [message["text"] for message in daemon.call("message.history", room="pipe")] == ["here"]


@pytest.mark.parametrize(
    ("line", "status", "error"),
    [
        (b"x" * 20_000, 1, "the limit is 16384"),
        (b"caf\xe9", 3, "not valid UTF-8"),
        (b"/jion x", 3, "did you mean /join?"),
    ],
)
def test_line_that_fails_is_reported_and_the_next_is_sent(
    console: Console, daemon: Daemon, line: bytes, status: int, error: str
) -> None:
    console.stdin = line + b"\nand on\n"
    assert console.chat() == status
    assert error in console.err
    assert daemon.texts[-1] == "and on"


def test_bad_room_is_refused(console: Console) -> None:
    assert console.chat("--room", "a b") == 1
    assert "is not a room name" in console.error


def test_process_ends_at_once_though_its_input_stays_open(daemon: Daemon) -> None:
    with subprocess.Popen(
        [str(BIN / "chat"), "--home", str(daemon.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b"/quit\n")
        process.stdin.flush()
        assert process.wait(20) == 0
        assert b"Fatal" not in process.stderr.read()


def test_process_is_quiet_when_its_reader_leaves(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "lines").write_text("/help\n" * 200)
    command = f"{BIN}/chat --home {daemon.home} <{tmp_path}/lines 2>&1 >/dev/full | tail -n 1"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.stdout.startswith("chat: cannot write to standard output")
    command = f"{BIN}/chat --home {daemon.home} <{tmp_path}/lines | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_line_that_meets_no_daemon_waits_until_it_is_back(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node").start()
    with subprocess.Popen(
        [str(BIN / "chat"), "--home", str(daemon.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("before\n")
        process.stdin.flush()
        while "before" not in process.stdout.readline():
            pass
        daemon.kill()
        while "went away" not in process.stdout.readline():
            pass
        process.stdin.write("meanwhile\n")
        process.stdin.flush()
        daemon.start()
        process.stdin.write("after\n")
        process.stdin.close()
        assert process.wait(20) == 0
    assert daemon.texts == ["before", "meanwhile", "after"]
    daemon.stop()


def test_file_works_as_a_pipe_does(daemon: Daemon) -> None:
    assert run(["chat", "--home", str(daemon.home)], stdin=None).returncode == 0  # /dev/null

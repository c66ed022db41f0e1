"""`chatctl send - --lines`: each line a message, as it comes, in order, up to the first that fails."""

import json
import os
import signal
import subprocess

import pytest

from tests.client.console import Console
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, wait_until


def test_each_line_is_a_message_in_order_and_blank_ones_are_left_out(
    console: Console, daemon: Daemon
) -> None:
    console.stdin = "first\n\n  \n  indented\r\nдругая\nlast, without an end".encode()
    assert console.chatctl("send", "-", "--lines") == 0
    assert daemon.texts[-4:] == ["first", "  indented", "другая", "last, without an end"]
    ids = [message["id"][:10] for message in daemon.call("message.history", limit=4)]
    assert console.out.splitlines() == ids
    assert console.error.startswith("chatctl: nobody in #lobby is connected")  # said once


def test_json_is_one_document_a_line(console: Console) -> None:
    console.stdin = b"a\nb\n"
    assert console.chatctl("send", "-", "--lines", "--json") == 0
    assert [json.loads(line)["state"] for line in console.out.splitlines()] == ["queued", "queued"]
    assert console.err == ""


@pytest.mark.parametrize(
    ("bad", "status", "error"),
    [
        (b"x" * 16_385, 3, "line 3: the message is over 16384 bytes (16 KiB)"),
        ("é".encode() * 10_000, 3, "line 3: the message is over 16384 bytes (16 KiB)"),
        (b"caf\xe9", 3, "line 3: standard input is not valid UTF-8"),
    ],
)
def test_first_line_that_fails_ends_it_and_is_named(
    console: Console, daemon: Daemon, bad: bytes, status: int, error: str
) -> None:
    console.stdin = b"\nbefore\n" + bad + b"\nnever sent\n"
    assert console.chatctl("send", "-", "--lines") == status
    assert error in console.err
    assert daemon.texts[-1] == "before"
    assert "never sent" not in daemon.texts


def test_line_the_daemon_refuses_is_named(console: Console) -> None:
    console.stdin = b"one\n"
    assert console.chatctl("send", "-", "--lines", "--room", "elsewhere") == 1
    assert console.error.startswith("chatctl: line 1: ")
    assert "join" in console.error


def test_longest_message_is_sent(console: Console, daemon: Daemon) -> None:
    console.stdin = b"y" * 16_384 + b"\r\n"
    assert console.chatctl("send", "-", "--lines") == 0
    assert daemon.texts[-1] == "y" * 16_384


@pytest.mark.parametrize(
    ("arguments", "error"),
    [(("hi", "--lines"), "write -"), (("-", "--lines", "--wait"), "--wait is for one")],
)
def test_flags_that_do_not_fit_are_wrong_usage(
    console: Console, arguments: tuple[str, ...], error: str
) -> None:
    assert console.chatctl("send", *arguments) == 3
    assert error in console.error


def start(daemon: Daemon) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [str(BIN / "chatctl"), "--home", str(daemon.home), "send", "-", "--lines"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )


def test_pipe_that_stays_open_is_sent_as_it_comes(daemon: Daemon) -> None:
    with start(daemon) as sending:
        assert sending.stdin is not None
        assert sending.stdout is not None
        for text in ("growing", "log"):
            os.write(sending.stdin.fileno(), f"{text}\n".encode())
            assert len(sending.stdout.readline()) == 11  # told at once, though more may come
            assert daemon.texts[-1] == text
        sending.send_signal(signal.SIGINT)
        assert sending.wait(DEADLINE_S) == 130
        assert sending.stderr is not None
        assert b"Traceback" not in sending.stderr.read()


def test_daemon_that_goes_away_ends_it_at_a_line(daemon: Daemon) -> None:
    with start(daemon) as sending:
        assert sending.stdin is not None
        assert sending.stderr is not None
        os.write(sending.stdin.fileno(), b"before it went\n")
        wait_until(lambda: daemon.texts[-1] == "before it went", "the first line")
        daemon.stop()
        try:
            os.write(sending.stdin.fileno(), b"too late\n")
            assert sending.wait(DEADLINE_S) == 2
            assert b"chatctl: line 2: no daemon runs at" in sending.stderr.read()
        finally:
            daemon.start()


def test_whoever_reads_the_ids_may_go_and_all_is_said_all_the_same(daemon: Daemon) -> None:
    with start(daemon) as sending:
        assert sending.stdin is not None
        assert sending.stdout is not None
        os.write(sending.stdin.fileno(), b"1\n")
        assert sending.stdout.readline()
        sending.stdout.close()
        sending.stdin.write(b"2\n3\n4\n")
        sending.stdin.close()
        assert sending.wait(DEADLINE_S) == 0
    assert daemon.texts[-4:] == ["1", "2", "3", "4"]

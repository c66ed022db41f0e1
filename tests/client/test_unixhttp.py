"""One POST over a Unix socket, and every way its answer may be none."""

import socket
from pathlib import Path

import pytest

from chatctl import unixhttp
from tests.client.oddserver import Behaviour, odd_server, says
from tests.support.daemon import Daemon

HEAD = b"HTTP/1.0 200 OK\r\n"


def post(path: Path, max_bytes: int = 100) -> tuple[int, bytes]:
    return unixhttp.post(str(path), "/rpc", b"{}", 5.0, max_bytes)


def in_pieces(answer: bytes) -> Behaviour:
    def behave(link: socket.socket) -> None:
        for at in range(len(answer)):
            link.sendall(answer[at : at + 1])

    return behave


@pytest.mark.parametrize(
    ("behave", "answer"),
    [
        (says(HEAD + b"content-LENGTH: 4\r\n\r\nbody"), (200, b"body")),
        (in_pieces(HEAD + b"Content-Length: 4\r\nX: y\r\n\r\nbody"), (200, b"body")),
        (says(HEAD + b"Content-Length: 4\r\n\r\nbody and more"), (200, b"body")),
        (says(HEAD + b"\r\nup to the end"), (200, b"up to the end")),
        (says(b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n"), (500, b"")),
    ],
)
def test_answer_is_read_to_its_end(tmp_path: Path, behave: Behaviour, answer: tuple[int, bytes]) -> None:
    with odd_server(tmp_path / "s", behave):
        assert post(tmp_path / "s") == answer


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 many\r\n\r\n",
        HEAD + b"Content-Length: x\r\n\r\n",
        HEAD + b"A: b\r\n" * 101 + b"\r\n",
        HEAD + b"A: " + b"b" * 20_000,
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, said: bytes) -> None:
    with odd_server(tmp_path / "s", says(said)), pytest.raises(unixhttp.NotHttp):
        post(tmp_path / "s")


@pytest.mark.parametrize("said", [b"", b"HTTP", HEAD, HEAD + b"Content-Length: 5\r\n\r\nbody"])
def test_answer_that_ends_early_is_told(tmp_path: Path, said: bytes) -> None:
    with odd_server(tmp_path / "s", says(said)), pytest.raises(unixhttp.CutOff):
        post(tmp_path / "s")


@pytest.mark.parametrize("head", [HEAD + b"\r\n", HEAD + b"Content-Length: 1000000\r\n\r\n"])
def test_no_more_is_read_than_is_wanted(tmp_path: Path, head: bytes) -> None:
    with odd_server(tmp_path / "s", says(head + b"x" * 600_000)):
        status, body = post(tmp_path / "s", 100)
    assert status == 200
    assert 100 < len(body) <= 300_000


def test_daemon_answers_it_whatever_the_size(shared: Daemon) -> None:
    text = "x" * 16_000
    for _ in range(60):
        shared.call("message.send", text=text)
    asked = b'{"jsonrpc": "2.0", "id": 1, "method": "message.history", "params": {"limit": 60}}'
    status, body = unixhttp.post(str(shared.socket), "/rpc", asked, 20.0, 2_000_000)
    assert status == 200
    assert body.count(text.encode()) == 60

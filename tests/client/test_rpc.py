"""The synchronous client against servers that are not what they should be."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatctl.failures import BadAnswer, BadUsage, DaemonUnreachable, RpcRefused, TimedOut
from chatctl.limits import MAX_REQUEST_BYTES
from chatctl.place import Place
from chatctl.rpc import Rpc
from tests.client.oddserver import Behaviour, answers, hangs, odd_server, says

NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "s"), ("chatd", "--home", "x"), str(tmp_path / "lock"))


def test_answer_is_returned_whatever_its_type(place: Place) -> None:
    with odd_server(Path(place.socket), answers(b'{"jsonrpc": "2.0", "id": 1, "result": [1, null]}')):
        assert Rpc(place).call("any.method", {"a": 1}) == [1, None]


def test_error_with_a_bad_status_is_still_an_answer(place: Place) -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "no"}}'
    with odd_server(Path(place.socket), answers(body, "500 Oops")), pytest.raises(RpcRefused, match="no"):
        Rpc(place).call("any.method")


@pytest.mark.parametrize(
    ("behave", "why"),
    [
        (answers(b"garbage"), "not JSON"),
        (answers(b"{}"), "not JSON-RPC"),
        (answers(b'{"jsonrpc": "2.0", "id": 1}'), "neither a result nor an error"),
        (answers(b"oops", "500 Oops"), "HTTP status 500"),
        (says(b"220 mail.example ESMTP\r\n\r\n"), "does not speak HTTP"),
        (says(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000), "does not speak HTTP"),
    ],
)
def test_nonsense_is_not_taken_for_an_answer(place: Place, behave: Behaviour, why: str) -> None:
    with odd_server(Path(place.socket), behave), pytest.raises(BadAnswer, match=why):
        Rpc(place).call("any.method")


@pytest.mark.parametrize(
    "behave", [says(b""), says(b"HTTP/1.1 200"), says(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"json')]
)
def test_server_that_closes_early_leaves_it_open_whether_it_was_done(place: Place, behave: Behaviour) -> None:
    with odd_server(Path(place.socket), behave), pytest.raises(DaemonUnreachable) as gone:
        Rpc(place).call("any.method")
    assert isinstance(gone.value, BadAnswer) or "may have done it or not" in gone.value.why


def test_server_that_never_answers_times_out(place: Place) -> None:
    with odd_server(Path(place.socket), hangs), pytest.raises(TimedOut, match=r"within 0\.05 s"):
        Rpc(place, 0.05).call("any.method")


def test_request_over_the_limit_is_not_sent(place: Place) -> None:
    with pytest.raises(BadUsage, match=r"a call of message\.send would have .* the daemon takes"):
        Rpc(place).call("message.send", {"text": "x" * MAX_REQUEST_BYTES})


def test_no_socket_says_what_starts_a_daemon(place: Place) -> None:
    with pytest.raises(DaemonUnreachable, match="no daemon runs at") as absent:
        Rpc(place).call("any.method")
    assert absent.value.hint == "start it: chatd --home x"
    assert absent.value.transient


def test_socket_of_a_dead_daemon_is_told_from_none(place: Place) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(place.socket)
    with pytest.raises(DaemonUnreachable, match="no longer runs left it"):
        Rpc(place).call("any.method")


def test_daemon_that_holds_its_lock_is_starting(place: Place) -> None:
    import fcntl  # noqa: PLC0415 - for this test only

    assert place.lock is not None
    with Path(place.lock).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(DaemonUnreachable, match="starting or stopping") as starting:
            Rpc(place).call("any.method")
    assert "--wait" in starting.value.hint
    with pytest.raises(DaemonUnreachable, match="no daemon runs"):
        Rpc(place).call("any.method")


def test_file_in_the_socket_s_place_is_named(place: Place) -> None:
    Path(place.socket).touch()
    with pytest.raises(DaemonUnreachable, match="is not a socket") as wrong:
        Rpc(place).call("any.method")
    assert not wrong.value.transient


@contextmanager
def not_root() -> Iterator[None]:
    """Root may open everything, so for a moment we are nobody."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_forbidden_socket_is_told_from_none(place: Place) -> None:
    with odd_server(Path(place.socket), hangs):
        Path(place.socket).chmod(0)
        with not_root(), pytest.raises(DaemonUnreachable, match="you may not open") as forbidden:
            Rpc(place).call("any.method")
    assert not forbidden.value.transient


def test_path_too_long_for_a_socket_names_the_flag(tmp_path: Path) -> None:
    with pytest.raises(BadUsage, match="107") as long:
        Rpc(Place(str(tmp_path / ("x" * 107)), ("chatd",)))
    assert "--socket" in long.value.hint

"""Starting a daemon from the chat."""

import io
import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from chatctl.env import Environment
from chatctl.failures import DaemonUnreachable, NoDaemon, TimedOut
from chatctl.place import Place, locate
from chatctl.repl import starting
from tests.client.console import Keyboard, Screen


def environment(typed: bytes, *, terminal: bool = True) -> Environment:
    stdin = Keyboard(typed) if terminal else io.BytesIO(typed)
    return Environment(stdin, Screen(), io.StringIO(), {})


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [(b"y\n", True), (b"\n", True), (b" YES \n", True), (b"n\n", False), (b"what?\n", False), (b"", False)],
)
def test_only_a_yes_starts_one(typed: bytes, wanted: bool) -> None:
    env = environment(typed)
    assert starting.ask(env, NoDaemon("/s", "no daemon runs at /s\x1b")) is wanted
    assert isinstance(env.stdout, Screen)
    assert env.stdout.getvalue() == "no daemon runs at /s. Start one? [Y/n] "


def test_nobody_is_asked_in_a_pipe() -> None:
    assert starting.is_possible(environment(b""))
    assert not starting.is_possible(environment(b"y\n", terminal=False))


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What stands beside `chat` as chatd."""
    (folder / "chatd").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "chatd").chmod(0o700)
    monkeypatch.setattr("sys.argv", [str(folder / "chat")])


def test_daemon_that_ends_at_once_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "echo first; echo 'chatd: the port is taken\x07' >&2; exit 1")
    place = locate(str(tmp_path / "home"), None, {})
    with pytest.raises(DaemonUnreachable, match=r"did not start: chatd: the port is taken$") as failure:
        starting.start(place)
    log = tmp_path / "home" / "chatd.log"
    assert failure.value.hint == f"see {log}"
    assert log.stat().st_mode & 0o777 == 0o600
    log.write_bytes(b"x" * (starting.MAX_LOG_BYTES + 1))
    with pytest.raises(DaemonUnreachable):
        starting.start(place)
    assert log.stat().st_size < 100


def test_daemon_is_started_with_the_home_and_the_socket_that_were_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, monkeypatch, 'echo "$@"; exit 1')
    home, socket = f"{tmp_path}/a home", f"{tmp_path}/s"
    with pytest.raises(DaemonUnreachable, match=f"--home {home} --socket {socket}$"):
        starting.start(locate(home, socket, {}))


def test_daemon_that_never_answers_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tmp_path / "ready"
    script = f"trap 'echo ended; exit' TERM; touch {ready}; while true; do sleep 0.1; done"
    program(tmp_path, monkeypatch, script)
    times = itertools.chain([0.0], iter(lambda: starting.START_S if ready.exists() else 0.0, None))
    # Time is up once the shell has set its trap, and not before it began.
    monkeypatch.setattr(starting, "time", SimpleNamespace(monotonic=times.__next__, sleep=time.sleep))
    with pytest.raises(TimedOut, match="did not answer"):
        starting.start(locate(str(tmp_path / "home"), None, {}))
    assert (tmp_path / "home" / "chatd.log").read_text().strip() == "ended"


def test_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    place = Place(str(tmp_path / "s"), ("chatd",), chat=str(tmp_path / "file" / "chat.json"))
    with pytest.raises(DaemonUnreachable, match="cannot write"):
        starting.start(place)

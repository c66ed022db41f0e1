"""Starts a daemon for somebody who opened the chat without one, once they said yes."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO

from chatctl.env import Environment
from chatctl.failures import DaemonUnreachable, NoDaemon, TimedOut
from chatctl.limits import POLL_S
from chatctl.place import Place
from chatctl.rpc import Rpc
from chatctl.safetext import clean_line

START_S = 30.0
MAX_LOG_BYTES = 1024 * 1024
"""A longer one is begun anew."""

MAX_SHOWN_BYTES = 2000


def is_possible(env: Environment) -> bool:
    """Whether somebody is there to be asked: nothing is started from a pipe."""
    return env.stdin.isatty() and env.stdout.isatty()


def ask(env: Environment, failure: NoDaemon) -> bool:
    env.stdout.write(f"{clean_line(failure.why)}. Start one? [Y/n] ")
    env.stdout.flush()
    answer = env.stdin.readline()
    return answer.strip().lower() in (b"", b"y", b"yes") and answer.endswith(b"\n")


def start(place: Place) -> int:
    """Its process id, once it answers; it goes on after us. Raises DaemonUnreachable or TimedOut."""
    log = Path(place.chat or os.devnull).with_name("chatd.log")
    with _opened(log, place) as sink:
        process = subprocess.Popen(
            [_program(), *place.command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,  # our Ctrl-C is not its end
        )
    try:
        _wait(process, place, log)
    except BaseException:  # Ctrl-C as well: nothing half started is left
        process.terminate()
        process.wait()
        raise
    process.returncode = 0  # it is nobody's child any more: no warning that it still runs
    return process.pid


def _wait(process: "subprocess.Popen[bytes]", place: Place, log: Path) -> None:
    rpc, end = Rpc(place), time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            why = f"the daemon did not start: {_last_line(log)}"
            raise DaemonUnreachable(place.socket, why, f"see {log}")
        try:
            rpc.call("node.status")
        except DaemonUnreachable as failure:
            if not failure.transient:
                raise
            time.sleep(POLL_S)
        else:
            return
    raise TimedOut("the daemon did not answer", START_S, f"see {log}")


def _opened(log: Path, place: Place) -> BinaryIO:
    try:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        grown = log.exists() and log.stat().st_size > MAX_LOG_BYTES
        flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if grown else os.O_APPEND)
        return os.fdopen(os.open(log, flags, 0o600), "wb")
    except OSError as error:
        why = f"cannot write {log}: {error.strerror}"
        raise DaemonUnreachable(place.socket, why, f"start it: {place.start}") from error


def _program() -> str:
    """The one installed with us, or else the one that PATH leads to."""
    for beside in (sys.argv[0], sys.executable):
        script = Path(beside).absolute().parent / "chatd"
        if script.is_file():
            return str(script)
    return "chatd"


def _last_line(log: Path) -> str:
    lines = log.read_bytes()[-MAX_SHOWN_BYTES:].decode(errors="replace").strip().splitlines()
    return clean_line(lines[-1]) if lines else "it said nothing"

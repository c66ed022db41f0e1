"""How long a person waits: from starting the daemon to ready, and for one `chatctl peers`, and for `chat`."""

import subprocess
import sys
import time
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket

from tests.support.daemon import BIN, Daemon, environment
from tests.support.terminal import Terminal

READY_DEADLINE_S = 30.0

AS_INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where it is set, each start compiles our sources: 80 ms that nobody waits for who has them installed."""


def ready_s(folder: Path, runs: int) -> list[float]:
    """Seconds from exec to READY=1, each with an identity and a store that exist already."""
    home = folder / "ready"
    with Daemon(home):
        pass
    address = folder / "notify"
    with socket(AF_UNIX, SOCK_DGRAM) as ready:
        ready.bind(str(address))
        ready.settimeout(READY_DEADLINE_S)
        return [_start(home, ready, str(address)) for _ in range(runs)]


def _start(home: Path, ready: socket, address: str) -> float:
    start = time.perf_counter()
    process = subprocess.Popen(
        [str(BIN / "chatd"), "--home", str(home), "--port", "0", "--host", "127.0.0.1"],
        stderr=subprocess.DEVNULL,
        env=environment(NOTIFY_SOCKET=address, **AS_INSTALLED),
    )
    try:
        while not ready.recv(4096).startswith(b"READY=1"):
            pass
        return time.perf_counter() - start
    finally:
        process.terminate()
        process.wait()
        ready.setblocking(False)
        try:
            while ready.recv(4096):
                pass
        except BlockingIOError:
            ready.settimeout(READY_DEADLINE_S)


def chatctl_over_python_s(folder: Path, runs: int) -> list[float]:
    """Seconds by which `chatctl peers` outlasts `python -c pass`, run by run, in turns."""
    with Daemon(folder / "peers") as daemon:
        command = [str(BIN / "chatctl"), "--home", str(daemon.home), "peers"]
        bare = [sys.executable, "-c", "pass"]
        _timed(command)
        return [_timed(command) - _timed(bare) for _ in range(runs)]


def chat_prompt_s(folder: Path, runs: int) -> list[float]:
    """Seconds from exec until the prompt of `chat` stands on a terminal's screen."""
    with Daemon(folder / "prompt") as daemon:
        _prompt_s(daemon)
        return [_prompt_s(daemon) for _ in range(runs)]


def _prompt_s(daemon: Daemon) -> float:
    start = time.perf_counter()
    with Terminal("chat", "--home", str(daemon.home), variables=AS_INSTALLED) as terminal:
        terminal.wait_for("#lobby>")
        return time.perf_counter() - start


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment(**AS_INSTALLED))
    return time.perf_counter() - start

"""A real chatd in a process of its own, in a folder of its own, for tests, the demo and the benchmarks."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_INET, AF_UNIX, SOCK_STREAM, socket
from typing import Any, Self

from tests.support.declared import declared_kinds

BIN = Path(sys.executable).parent
DEADLINE_S = 60.0
POLL_S = 0.02


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket(AF_INET, SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RpcError(Exception):
    """The daemon refused; `error` is the JSON-RPC error object."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(error["message"])
        self.error = error
        self.code: int = error["code"]
        self.kind: str = error["data"]["kind"]


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("chatd", timeout=DEADLINE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX, SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def environment(**extra: str) -> dict[str, str]:
    """Ours, without what would change the daemon's mind; nothing is announced on this machine's network."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHATD_")}
    inherited.pop("NOTIFY_SOCKET", None)
    return {**inherited, "PYTHONUNBUFFERED": "1", "CHATD_MDNS": "0", **extra}


class Daemon:
    """`arguments` go to chatd as they are; `--home`, `--host 127.0.0.1`, `--port 0` and
    `--no-mdns` come before them."""

    program: Sequence[str] = (str(BIN / "chatd"),)

    def __init__(self, home: Path, *arguments: str, username: str = "ann") -> None:
        self.home = home
        self.socket = home / "chatd.sock"
        here = ["--host", "127.0.0.1", "--port", "0", "--no-mdns"]
        self.arguments = [*here, "--username", username, *arguments]
        self.program = [str(BIN / "chatd")]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.home / "stderr.log").read_text()

    def start(self, deadline_s: float = DEADLINE_S) -> Self:
        self.spawn()
        self.wait_ready(deadline_s)
        return self

    def wait_ready(self, deadline_s: float = DEADLINE_S) -> None:
        what = f"a daemon on {self.home}"
        wait_until(self._answers, what, alive=lambda: self._running, deadline_s=deadline_s)

    def spawn(self) -> int:
        """Start the process without waiting for it to be ready. Its id."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.home / "stderr.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.program, "--home", str(self.home), *self.arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment(),
            )
        return self.process.pid

    @property
    def _running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _answers(self) -> bool:
        try:
            self.call("node.status")
        except OSError:
            return False
        return True

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code; the negative signal number when it died of it."""
        if self.process is None:
            return 0
        if self._running:
            self.process.send_signal(number)
        code = self.process.wait(DEADLINE_S)
        self.process = None
        return code

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()

    def call(self, method: str, **params: Any) -> Any:
        """The method's result. Raises RpcError, or OSError when nobody answers."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = json.loads(self.post(body)[1])
        if "error" in answer:
            kind = answer["error"]["data"]["kind"]
            assert kind in declared_kinds(method), (
                f"{method} refuses with {kind}, which the table does not say"
            )
            raise RpcError(answer["error"])
        return answer["result"]

    def post(self, body: str | bytes, path: str = "/rpc") -> tuple[int, str]:
        """The raw answer to a POST: status and body."""
        connection = _UnixConnection(self.socket)
        try:
            connection.request("POST", path, body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    @property
    def address(self) -> str:
        return str(self.call("node.status")["listen"])

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.call("message.history", limit=1000)]

    def wait_peers(self, count: int) -> None:
        wait_until(lambda: len(self.call("peer.list")) == count, f"{count} peers of {self.home.name}")

    def wait_text(self, text: str) -> None:
        wait_until(lambda: text in self.texts, f"{text!r} at {self.home.name}")


def wait_until(
    condition: Callable[[], bool],
    what: str,
    *,
    alive: Callable[[], bool] | None = None,
    deadline_s: float = DEADLINE_S,
) -> None:
    """Look again and again until it is so. Raises TimeoutError; RuntimeError when what is watched died."""
    end = time.monotonic() + deadline_s
    while not condition():
        if alive is not None and not alive():
            raise RuntimeError(f"died while waiting for {what}")
        if time.monotonic() > end:
            raise TimeoutError(f"waited {deadline_s:.0f} s for {what}")
        time.sleep(POLL_S)  # between two looks at another process; nothing here could wake us


def run(
    command: Sequence[str], *, stdin: str | None = None, deadline_s: float = DEADLINE_S, **extra: str
) -> "subprocess.CompletedProcess[str]":
    """A program of ours (chatd, chatctl, chat), to its end."""
    return subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=deadline_s,
        env=environment(**extra),
        check=False,
    )


@contextmanager
def running(*daemons: Daemon) -> Iterator[None]:
    """All of them, started in order and stopped in reverse."""
    started: list[Daemon] = []
    try:
        for daemon in daemons:
            started.append(daemon)
            daemon.start()
        yield
    finally:
        for daemon in reversed(started):
            daemon.stop()

"""A daemon started with odd standard streams: its log may be lost, nothing else."""

import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import Spawn
from tests.support.daemon import BIN, DEADLINE_S, Daemon, environment, wait_until


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "2>&1 | head -c 1"])
def test_daemon_whose_log_cannot_be_written_links_and_stops_as_ever(
    spawn: Spawn, tmp_path: Path, redirection: str
) -> None:
    friend = spawn(username="bob")
    node = Daemon(tmp_path / "mute")
    command = f"'{BIN}/chatd' --home '{node.home}' --host 127.0.0.1 --port 0 --bootstrap {friend.address}"
    shell = subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; {command} {redirection}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=environment(),
    )
    friend.wait_peers(1)
    friend.call("message.send", text="can you hear me?")
    node.wait_text("can you hear me?")
    node.call("node.stop")
    assert shell.wait(DEADLINE_S) == 0


def _has_mapped(pid: int, library: str) -> bool:
    return library in Path(f"/proc/{pid}/maps").read_text()


def test_interrupt_at_any_moment_of_the_start_leaves_no_traceback(tmp_path: Path) -> None:
    log = tmp_path / "log"
    for library in ("_sodium", "_rust", "uvloop"):  # each one mapped is a moment after our first line ran
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(BIN / "chatd"), "--home", str(tmp_path / "home"), "--host", "127.0.0.1", "--port", "0"],
                stdin=subprocess.DEVNULL,
                stderr=output,
                env=environment(),
            )
        wait_until(partial(_has_mapped, process.pid, library), library)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) in {0, -signal.SIGINT}
    assert "Traceback" not in log.read_text()


def test_hangup_stops_the_daemon_as_a_signal_does(spawn: Spawn) -> None:
    node = spawn()
    assert node.stop(signal.SIGHUP) == 0
    assert '"stopping"' in node.log

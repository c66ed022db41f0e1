"""What a node costs that does nothing: memory, and processor time with eight quiet peers."""

import time
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.support.daemon import Daemon

PEERS = 8
WINDOW_S = 10.0


def memory_mib(folder: Path, runs: int) -> list[float]:
    """Resident MiB of an idle daemon, a fresh one each run."""
    found = []
    for number in range(runs):
        with Daemon(folder / f"idle{number}") as daemon:
            assert daemon.process is not None
            found.append(psutil.Process(daemon.process.pid).memory_info().rss / 2**20)
    return found


def quiet_cpu(folder: Path, runs: int) -> list[float]:
    """Percent of one core that a node with `PEERS` links and nothing to say uses, one window a run."""
    with ExitStack() as stack:
        center = stack.enter_context(Daemon(folder / "center"))
        address = center.address
        for number in range(PEERS):
            stack.enter_context(Daemon(folder / f"peer{number}", "--bootstrap", address))
        center.wait_peers(PEERS)
        assert center.process is not None
        watched = psutil.Process(center.process.pid)
        return [_window(watched) for _ in range(runs)]


def _window(watched: psutil.Process) -> float:
    before = watched.cpu_times()
    time.sleep(WINDOW_S)  # the window is the measurement
    after = watched.cpu_times()
    used = float(after.user + after.system - before.user - before.system)
    return 100 * used / WINDOW_S

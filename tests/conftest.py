"""What every test may ask for."""

import itertools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon

# A shell that runs the suite in the background has it ignore interrupts, and so would what it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

Spawn = Callable[..., Daemon]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One daemon for a whole file of tests, which it comes through without an exception."""
    with Daemon(tmp_path_factory.mktemp("shared") / "node") as running:
        yield running
    assert "Traceback" not in running.log
    assert '"exception"' not in running.log


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Start a daemon: `spawn("--bootstrap", address, username="bob")`; all are stopped when the test ends."""
    started: list[Daemon] = []
    numbers = itertools.count(1)

    def start(*arguments: str, username: str = "ann", home: Path | None = None) -> Daemon:
        daemon = Daemon(home or tmp_path / f"node{next(numbers)}", *arguments, username=username)
        started.append(daemon)
        return daemon.start()

    yield start
    for daemon in started:
        if daemon.process is not None:
            daemon.stop()

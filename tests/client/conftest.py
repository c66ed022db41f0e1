"""A daemon for a whole file of client tests, and consoles that talk to it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.console import Console
from tests.support.daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("client") / "node") as running:
        yield running


@pytest.fixture
def console(daemon: Daemon) -> Console:
    return Console(daemon.home)


@pytest.fixture
def nobody(tmp_path: Path) -> Console:
    """A console whose home has no daemon."""
    return Console(tmp_path / "nobody")

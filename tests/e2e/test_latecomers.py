"""A chat and a `tail -f` that are open while their node catches up."""

from pathlib import Path

import pytest

from tests.conftest import Spawn
from tests.support.daemon import Daemon
from tests.support.filled import fill
from tests.support.terminal import Terminal

STOCK = 700


@pytest.fixture
def old(tmp_path: Path, spawn: Spawn) -> Daemon:
    """A node with a message a second of the last STOCK seconds."""
    (tmp_path / "old").mkdir(mode=0o700)
    fill(tmp_path / "old/store", STOCK)
    return spawn(username="ann", home=tmp_path / "old")


def numbers(screen: str) -> list[int]:
    return [int(line.partition("note ")[2].split()[0]) for line in screen.splitlines() if ": note " in line]


@pytest.mark.parametrize("program", ["chat", "chatctl"])
def test_what_was_said_before_is_counted_and_not_shown_below_what_came_after(
    old: Daemon, spawn: Spawn, program: str
) -> None:
    new = spawn(username="bob")
    arguments = ["tail", "-f"] if program == "chatctl" else []
    with Terminal(program, *arguments, "--home", str(new.home), columns=200, lines=120) as terminal:
        new.call("message.send", text="said alone")
        terminal.wait_for("bob: said alone")
        new.call("peer.connect", address=old.address)
        terminal.wait_for("older messages came in #lobby")
        assert numbers(terminal.text) == []
        old.call("message.send", text="and now")
        terminal.wait_for("ann: and now")

"""How far the history is: `node.status`, and `chatctl status --caught-up` with its progress."""

from pathlib import Path

from tests.conftest import Spawn
from tests.e2e.test_repair import say
from tests.support.daemon import DEADLINE_S, Daemon, run, wait_until
from tests.support.filled import fill

STOCK = 5_000


def states(daemon: Daemon) -> dict[str, str]:
    return {entry["room"]: entry["state"] for entry in daemon.call("node.status")["history"]}


def test_history_is_alone_then_whole_on_both_sides_then_alone(spawn: Spawn) -> None:
    ann = spawn(username="ann")
    say(ann, 3)
    ann.call("room.join", room="tea")
    assert states(ann) == {"lobby": "alone", "tea": "alone"}
    bob = spawn("--bootstrap", ann.address, username="bob")
    for node in (ann, bob):
        done = run(["chatctl", "--home", str(node.home), "status", "--caught-up", str(DEADLINE_S)])
        assert (done.returncode, done.stderr) == (0, "")
        assert "all that linked members have is here" in done.stdout
    assert bob.texts == ann.texts
    assert states(ann) == {"lobby": "whole", "tea": "alone"}
    bob.stop()
    wait_until(lambda: states(ann)["lobby"] == "alone", "bob to be gone")


def test_newcomer_waits_until_all_of_a_long_history_is_here(tmp_path: Path, spawn: Spawn) -> None:
    (tmp_path / "old").mkdir(mode=0o700)
    fill(tmp_path / "old/store", STOCK)
    old = spawn(username="ann", home=tmp_path / "old")
    new = spawn("--bootstrap", old.address, username="bob")
    wait_until(
        lambda: any(entry["outstanding"] > 0 for entry in new.call("node.status")["history"]),
        "something known to be missing",
    )
    done = run(["chatctl", "--home", str(new.home), "status", "--caught-up", "60"], deadline_s=90.0)
    assert done.returncode == 0, done.stderr
    assert new.call("node.stats")["repaired"] == STOCK
    assert states(new) == {"lobby": "whole"}


def test_nobody_to_catch_up_with_is_told_in_time(spawn: Spawn) -> None:
    alone = spawn()
    done = run(["chatctl", "--home", str(alone.home), "status", "--caught-up", "0.2"])
    assert done.returncode == 5
    assert done.stderr.startswith(
        "chatctl: the history was not all here within 0.2 s; nobody in a room of yours is linked\n"
    )

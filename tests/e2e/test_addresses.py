"""Nodes that come back know where the others were, whoever showed them the way at first."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, free_port, wait_until

DAEMONS = 5
BACK_S = 60.0
"""On a slow and busy machine; `make faults ARGS=returns` says how long it takes, with a goal of 10 s."""


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[list[Daemon]]:
    """Each at an address of its own, and linked with all others; the first showed them the way."""
    daemons = [
        Daemon(
            tmp_path / f"n{number}",
            *("--host", f"127.0.{number}.1", "--port", str(free_port())),
            username=f"n{number}",
        )
        for number in range(DAEMONS)
    ]
    try:
        daemons[0].start()
        for daemon in daemons[1:]:
            daemon.arguments += ["--bootstrap", daemons[0].address]
            daemon.start()
        for daemon in daemons:
            daemon.wait_peers(DAEMONS - 1)
        yield daemons
    finally:
        for daemon in daemons:
            daemon.stop()


def wait_for_a_link(daemon: Daemon) -> None:
    wait_until(lambda: bool(daemon.call("peer.list")), f"a link of {daemon.home.name}", deadline_s=BACK_S)


def restart(daemons: list[Daemon]) -> None:
    """All at once, and none of them told of any other."""
    for daemon in daemons:
        if "--bootstrap" in daemon.arguments:
            del daemon.arguments[daemon.arguments.index("--bootstrap") :]
    with ThreadPoolExecutor(len(daemons)) as pool:
        list(pool.map(Daemon.stop, daemons))
        list(pool.map(Daemon.start, daemons))


def test_nodes_restarted_all_at_once_find_each_other_again(swarm: list[Daemon]) -> None:
    restart(swarm)

    for daemon in swarm:
        wait_for_a_link(daemon)
    swarm[1].call("message.send", text="here again")
    for daemon in swarm:
        daemon.wait_text("here again")


def test_node_comes_back_though_its_bootstrap_host_is_gone(swarm: list[Daemon]) -> None:
    swarm[0].stop()
    restart([swarm[1]])

    wait_for_a_link(swarm[1])


def test_node_comes_back_after_an_absence_in_which_all_others_but_one_went(swarm: list[Daemon]) -> None:
    absent, stayed, *gone = swarm
    absent.stop()
    for daemon in gone:
        daemon.stop()
    restart([absent])

    wait_for_a_link(absent)
    (peer,) = absent.call("peer.list")
    assert peer["address"] == stayed.address

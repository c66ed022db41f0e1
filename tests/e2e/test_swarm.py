"""Twenty real daemons, each of which knew one other: everybody gets everything, at two copies a message."""

import random
import statistics
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Daemon, wait_until

DAEMONS = 20
AUTHORS = 5
EACH_SAYS = 200
SAID = AUTHORS * EACH_SAYS
"""As many as `message.history` shows at most, so that it shows them all."""

MOST_COPIES = 2.3
"""Two, and what the first messages of each author cost, which flood."""

SEED = 1

# Deadlines of a machine that is slow and has other things to do; usually it takes a fifth of this.
UP_S = 60.0
MET_S = 90.0
"""A Join said before somebody was linked is made up for by the Announce 15 s later."""

SPREAD_S = 120.0


@pytest.fixture
def swarm(tmp_path: Path) -> Iterator[list[Daemon]]:
    """Each knows one that came before it, and is told nothing else. Those that can start side by side do."""
    rng = random.Random(SEED)
    daemons = [Daemon(tmp_path / f"n{number}", username=f"n{number}") for number in range(DAEMONS)]
    try:
        with ThreadPoolExecutor(DAEMONS) as pool:
            coming: list[Future[Daemon]] = []
            for daemon in daemons:
                known = rng.choice(coming) if coming else None
                coming.append(pool.submit(start, daemon, known))
            for future in coming:
                future.result()
        yield daemons
    finally:
        with ThreadPoolExecutor(DAEMONS) as pool:
            list(pool.map(Daemon.stop, daemons))


def start(daemon: Daemon, known: Future[Daemon] | None) -> Daemon:
    if known is not None:
        daemon.arguments += ["--bootstrap", known.result().address]
    return daemon.start(UP_S)


def knows_everybody(daemon: Daemon) -> bool:
    (lobby,) = daemon.call("room.list")
    return len(lobby["members"]) == DAEMONS - 1


def wait_for_each(
    daemons: Iterable[Daemon], condition: Callable[[Daemon], bool], what: str, deadline_s: float
) -> None:
    for daemon in daemons:
        wait_until(partial(condition, daemon), f"{daemon.home.name} {what}", deadline_s=deadline_s)


def say_all(author: Daemon) -> list[str]:
    """Each message as soon as the one before is on disk; their ids."""
    name = author.home.name
    return [author.call("message.send", text=f"{name} says {number}")["id"] for number in range(EACH_SAYS)]


def stored(daemon: Daemon) -> int:
    stats = daemon.call("node.stats")
    return int(stats["messages_sent"] + stats["messages_received"])


def history(daemon: Daemon) -> list[str]:
    return [message["id"] for message in daemon.call("message.history", limit=SAID)]


def copies_handed_on(stats: Collection[dict[str, Any]]) -> float:
    """Per message that somebody received: what `copies_per_message` comes to when nothing is under way."""
    forwarded = sum(item["messages_forwarded"] for item in stats)
    return float(forwarded / sum(item["messages_received"] for item in stats))


def test_swarm_of_twenty_has_every_message_once_at_two_copies_each(swarm: list[Daemon]) -> None:
    wait_for_each(swarm, knows_everybody, "knows everybody", MET_S)

    authors = random.Random(SEED).sample(swarm, AUTHORS)
    with ThreadPoolExecutor(AUTHORS) as pool:
        said = [message for ids in pool.map(say_all, authors) for message in ids]
    wait_for_each(swarm, lambda daemon: stored(daemon) >= SAID, "has all messages", SPREAD_S)

    first, *others = [history(daemon) for daemon in swarm]
    assert len(first) == SAID
    assert set(first) == set(said)
    assert all(other == first for other in others)  # the same messages in the same order
    assert [stored(daemon) for daemon in swarm] == [SAID] * DAEMONS

    stats = {daemon.home.name: daemon.call("node.stats") for daemon in swarm}
    assert statistics.mean(item["copies_per_message"] for item in stats.values()) <= MOST_COPIES, stats
    assert copies_handed_on(stats.values()) <= MOST_COPIES, stats

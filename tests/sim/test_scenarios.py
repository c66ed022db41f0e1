"""Small networks of real nodes: the same seed replays them, and everybody gets everything."""

import os
import subprocess
import sys

import pytest

from chatcore.config import GossipConfig, LinkConfig
from chatcore.events import JoinRoom, RequestId
from tests.sim import faults
from tests.sim.__main__ import jobs_of, parse
from tests.sim.jobs import do_all
from tests.sim.measure import alive, honest, in_delays, spread_of
from tests.sim.network import MEAN_DELAY_S, World, WorldConfig
from tests.sim.overlay import Plan, add_nodes, bring_up, components, eccentricity_s, graph_of
from tests.sim.report import lines_of
from tests.sim.rows import ROWS
from tests.sim.scenario import MESSAGE_BYTES, chat, measured_chat, some_authors


def small(nodes: int, seed: int = 1, *, through_wire: bool = False) -> World:
    config = WorldConfig(through_wire=through_wire)
    return bring_up(Plan(nodes, seed, world=config, join_s=10.0, settle_s=30.0))


def trace_of(seed: int) -> str:
    """Of a network in which everybody is in two rooms and says so, as soon as it is there."""
    world = World(seed)
    plan = Plan(20, seed, presence=True, join_s=10.0)
    for host in add_nodes(world, plan, plan.nodes):
        started_s = plan.join_s * host.index / plan.nodes
        world.post(host, JoinRoom(RequestId(1_000_000 + host.index), "wine"), started_s)
    world.run_for(plan.join_s + 30.0)
    chat(world, some_authors(world, 2, "authors", alive(world)), 2)
    return world.trace


def test_same_seed_gives_the_same_trace_and_another_seed_another() -> None:
    assert trace_of(1) == trace_of(1)
    assert trace_of(1) != trace_of(2)


def test_trace_does_not_depend_on_how_the_interpreter_hashes() -> None:
    program = "from tests.sim.test_scenarios import trace_of; print(trace_of(1))"
    traces = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hashing, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hashing in ("1", "2")
    }
    assert traces == {trace_of(1) + "\n"}


def test_everybody_gets_everything_within_the_bounds_of_the_overlay() -> None:
    nodes = 50
    world = small(nodes, through_wire=True)
    everybody = alive(world)
    assert components(graph_of(world), everybody) == [nodes]
    (author,) = some_authors(world, 1, "authors", everybody)
    chat(world, [author], 1)
    graph = graph_of(world)

    window = measured_chat(world, [author], 3)

    spreads = [spread_of(trail, everybody) for trail in window.trails]
    assert [item.delivered for item in spreads] == [1.0] * 3
    for item in spreads:
        # Now and then somebody changes a neighbour, so the paths are not quite those of the graph.
        assert eccentricity_s(graph, author.index) <= item.last_s + MEAN_DELAY_S
        assert in_delays(item.last_s) < 5
        assert 1 <= min(item.hops) <= max(item.hops) <= GossipConfig().ttl + 1
        assert 1.0 <= item.copies <= 2.5
    least = nodes * len(spreads) * MESSAGE_BYTES
    assert window.busy.wire_bytes - window.quiet.wire_bytes > 0.9 * least


def test_survivors_of_a_massacre_get_everything_said_after_they_noticed() -> None:
    world = small(50)
    authors = some_authors(world, 2, "authors", alive(world))
    faults.kill(world, faults.some(world, 0.3, "who dies", spare=authors))
    survivors = alive(world)
    assert len(survivors) == 35
    world.run_for(LinkConfig().dead_after_s + LinkConfig().ping_every_s + 5.0)
    links = {
        end.other.host.index for index in survivors for end in world.hosts[index].ends.values() if end.up
    }
    assert links == set(survivors)

    spreads = [spread_of(trail, survivors) for trail in chat(world, authors, 2)]

    assert [item.delivered for item in spreads] == [1.0] * 4


@pytest.mark.parametrize("announces", [False, True])
def test_network_of_the_honest_gets_everything_past_droppers(announces: bool) -> None:
    world = small(50)
    authors = some_authors(world, 2, "authors", alive(world))
    droppers = faults.some(world, 0.2, "who drops", spare=authors)
    for host in droppers:
        faults.make_dropper(host, announces=announces)

    (own,) = chat(world, droppers[:1], 1)
    spreads = [spread_of(trail, honest(world)) for trail in chat(world, authors, 2)]

    assert spread_of(own, alive(world)).delivered == 1.0  # what is their own they do say
    assert [item.delivered for item in spreads] == [1.0] * 4


ELSEWHERE = {"forged", "poison", "presence", "crowd"}
"""Rows that take minutes; parts of them have tests of their own."""


def test_rows_of_50_and_500_nodes_meet_every_goal() -> None:
    """In processes of their own, side by side: also because they would crawl if their lines were counted.

    The large one has less rest before it than in `make sim`, which makes it harder, and shorter.
    """
    jobs = jobs_of(parse(["--nodes", "50", "--seeds", "1"]))
    large = jobs_of(parse(["spread", "kill30", "--nodes", "500", "--seeds", "1", "--settle", "20"]))

    lines = lines_of(list(do_all([job for job in jobs + large if job.row not in ELSEWHERE], 2)))

    assert {line.figure.row for line in lines} == set(ROWS) - ELSEWHERE
    missed = [
        f"{line.figure.title}, {line.nodes} nodes: {line.median:g}"
        for line in lines
        if line.verdict not in {"met", ""}
    ]
    assert missed == []

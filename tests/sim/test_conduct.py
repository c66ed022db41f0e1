"""Who is discouraged in a network: liars, and never an honest node, whatever else goes wrong."""

import pytest

from tests.sim.measure import alive, honest
from tests.sim.network import World
from tests.sim.overlay import Plan, bring_up
from tests.sim.rows import ROWS
from tests.sim.scenario import chat, some_authors

NODES = 50
LONGER = 150
"""Rounds of talk, one a second: liars are found out by what they announce."""


def accused(world: World) -> set[int]:
    """Whom an honest node has discouraged."""
    hosts = {host.peer_id: host.index for host in world.hosts}
    return {
        hosts[record.peer_id]
        for index in honest(world)
        if (node := world.hosts[index].node) is not None
        for record, _ in node.discouraged.records(world.now)
    }


def after_row(name: str) -> World:
    row = ROWS[name]
    plan = row.network(Plan(NODES, 1))
    world = bring_up(plan)
    row.measure(world, plan)
    return world


@pytest.mark.parametrize("row", ["spread", "kill30", "split", "drop20"])
def test_nobody_is_discouraged_by_what_honest_nodes_and_droppers_do(row: str) -> None:
    assert accused(after_row(row)) == set()


def test_every_liar_is_discouraged_and_nobody_else() -> None:
    world = after_row("lie20")
    chat(world, some_authors(world, 3, "later", honest(world)), LONGER)
    assert accused(world) == set(alive(world)) - set(honest(world))

"""Members of a room that nobody else is in find each other across a network that is not in it."""

import pytest

from chatcore.config import GossipConfig
from chatcore.events import JoinRoom, RequestId
from chatcore.names import room_id
from tests.sim.hosts import Host
from tests.sim.network import World
from tests.sim.overlay import Plan, bring_up

NODES = 50
WINE = room_id("main", "wine")


def linked(one: Host, other: Host) -> bool:
    return any(end.up and end.other.host is other for end in one.ends.values())


def join(world: World, host: Host) -> None:
    world.post(host, JoinRoom(RequestId(1_000_000 + host.index), "wine"))


def are_neighbours(*hosts: Host) -> bool:
    rooms = [host.node.rooms[WINE] for host in hosts if host.node]
    return len(rooms) == len(hosts) and all(len(room.active) == len(hosts) - 1 for room in rooms)


# With half the fanout there are fewer links, and the question has farther to go.
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_two_members_of_a_rare_room_find_each_other_within_seconds(seed: int) -> None:
    world = bring_up(Plan(NODES, seed, gossip=GossipConfig(fanout=4), join_s=10.0, settle_s=60.0))
    one = world.hosts[3]
    other = next(host for host in world.hosts[NODES // 2 :] if not linked(one, host))

    join(world, one)
    world.run_for(60.0)  # long alone, so that it does not ask often any more
    join(world, other)
    world.run_for(5.0)

    assert are_neighbours(one, other)


def test_members_that_come_into_the_network_one_by_one_find_each_other() -> None:
    world = bring_up(Plan(NODES, 5, gossip=GossipConfig(fanout=4), join_s=10.0, settle_s=30.0))
    members = [world.hosts[index] for index in (4, 20, 33, 47)]
    for host in members:
        join(world, host)

    world.run_for(30.0)

    assert are_neighbours(*members)

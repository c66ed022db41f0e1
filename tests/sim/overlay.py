"""Bringing up a network through the real code paths, and the graph that it makes of itself."""

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from chatcore.config import GossipConfig, LinkConfig, NodeConfig, PresenceConfig
from chatcore.events import ShuffleDue
from chatcore.ids import LinkId
from tests.sim.hosts import Host, address_of, rng_for
from tests.sim.network import World, WorldConfig

Graph: TypeAlias = list[list[tuple[int, float]]]
"""For each host, by index: whom it hands messages to, and the delay there in seconds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Times are simulated seconds."""

    nodes: int
    seed: int
    gossip: GossipConfig = field(default_factory=GossipConfig)
    link: LinkConfig = field(default_factory=LinkConfig)
    world: WorldConfig = field(default_factory=WorldConfig)
    presence: bool = False
    """Whether nodes say that they are there. Thousands who do so at once would drown what is measured."""

    join_s: float = 20.0
    """All nodes join within this, evenly spread."""

    settle_s: float = 60.0
    """What an overlay has to come to rest: some shuffles."""


def bring_up(plan: Plan) -> World:
    """A settled network. Each newcomer knows one random earlier node and nobody else."""
    world = World(plan.seed, plan.world)
    add_nodes(world, plan, plan.nodes)
    world.run_for(plan.join_s + plan.settle_s)
    return world


def add_nodes(world: World, plan: Plan, count: int) -> list[Host]:
    """Newcomers, who start one by one over the next `join_s` seconds."""
    rng = rng_for(world.seed, f"whom newcomers know, from {len(world.hosts)} on")
    first = len(world.hosts)
    for index in range(first, first + count):
        host = world.add_node(
            NodeConfig(
                username=f"n{index}",
                user_agent="sim",
                listen_port=8080,
                bootstrap=(address_of(rng.randrange(index)),) if index else (),
                gossip=plan.gossip,
                link=plan.link,
                presence=PresenceConfig(announced=plan.presence),
            )
        )
        world.call_at(world.now + plan.join_s * (index - first) / count, partial(world.start, host))
    return world.hosts[first:]


# The only three functions of the simulator that look into a node.


def want_copies(world: World, copies: int) -> None:
    """Configure every node anew. Before anything is said a node does the same whatever it wants."""
    for host in world.hosts:
        if host.node is not None:
            host.node._gossip._broadcast._feeders._wanted = copies


def active_links(host: Host) -> Iterable[LinkId]:
    """Whom a node hands messages to in its first room."""
    rooms = list(host.node.rooms.values()) if host.node else []
    return rooms[0].active if rooms else []


def end_mixing(world: World) -> None:
    """From now on nobody swaps a choice for another of its own: what is lost then was taken."""
    for host in world.hosts:
        host.timers.pop(ShuffleDue(), None)
        for room in host.node.rooms.values() if host.node else ():
            room._membership._swapping = False


def chosen_links(host: Host) -> set[LinkId]:
    """Those of them that it chose itself."""
    rooms = list(host.node.rooms.values()) if host.node else []
    views = [room._membership._active.items() for room in rooms[:1]]
    return {link for view in views for link, neighbour in view if neighbour.chosen}


def graph_of(world: World) -> Graph:
    graph: Graph = [[] for _ in world.hosts]
    for host in world.hosts:
        if host.up:
            for link in active_links(host):
                end = host.ends.get(link)
                if end is not None and end.up and end.other.up and end.other.host.up:
                    graph[host.index].append((end.other.host.index, end.delay_s))
    return graph


def degrees(graph: Graph, among: Iterable[int]) -> list[int]:
    return [len(graph[index]) for index in among]


def components(graph: Graph, among: Iterable[int]) -> list[int]:
    """Sizes of the parts that can reach each other, largest first."""
    left = set(among)
    sizes = []
    while left:
        size = 0
        queue = deque([left.pop()])
        while queue:
            size += 1
            for other, _ in graph[queue.popleft()]:
                if other in left:
                    left.discard(other)
                    queue.append(other)
        sizes.append(size)
    return sorted(sizes, reverse=True)


def eccentricity_s(graph: Graph, source: int) -> float:
    """The delay to the farthest host on the shortest paths (Dijkstra): no broadcast can be faster."""
    best = {source: 0.0}
    heap = [(0.0, source)]
    while heap:
        far, index = heapq.heappop(heap)
        if far > best[index]:
            continue
        for other, delay_s in graph[index]:
            there = far + delay_s
            if there < best.get(other, float("inf")):
                best[other] = there
                heapq.heappush(heap, (there, other))
    return max(best.values())

"""Many strangers against one node: they beg, and bring news, until it should have lost its own choices."""

from collections.abc import Sequence
from dataclasses import replace

from chatcore.events import ShuffleDue
from chatcore.membership import URGENT_EVERY_S
from chatcore.messages import SHORT_ID_BYTES, Ihave, Neighbor, NeighborReply
from tests.sim.attackers import LOBBY, Attacker
from tests.sim.hosts import Host
from tests.sim.network import World
from tests.sim.overlay import Plan, active_links, bring_up, chosen_links
from tests.sim.results import Result

NODES = 30
SETTLE_S = 90.0
"""Mixed first, so that everybody has guests and could lose them; not later: then a choice gone is lost."""

SIEGES = 200
"""Worlds for every seed: five seeds make 1,000."""

ATTACKERS = 20
ROUNDS = 10
BATCH = 50
"""20 attackers x 10 rounds x 50 make 10,000 requests."""

ROUND_S = URGENT_EVERY_S + 0.1
"""In every round somebody may be pushed out."""


def small_world(plan: Plan) -> Plan:
    return replace(plan, seed=plan.seed * SIEGES, nodes=NODES, join_s=5.0, settle_s=SETTLE_S)


def begged(world: World, plan: Plan) -> Result:
    """Once in each of many small worlds, of which `world` is the first."""
    events, lost, answered, taken = 0, 0, 0, 0.0
    for number in range(SIEGES):
        if number:
            world = bring_up(replace(plan, seed=plan.seed + number))
        for host in world.hosts:
            host.timers.pop(ShuffleDue(), None)
        victim = world.hosts[number % NODES]
        before = chosen_links(victim)
        crowd = [Attacker(world, f"m{place}") for place in range(ATTACKERS)]
        _beg(world, victim, crowd)
        lost += len(before.difference(active_links(victim)))
        strangers = {attacker.host for attacker in crowd}
        active = [victim.ends[link].other.host in strangers for link in active_links(victim)]
        taken = max(taken, sum(active) / max(1, len(active)))
        answered += sum(isinstance(message, NeighborReply) for item in crowd for message in item.heard)
        events += world.events
    figures = {"lost": lost, "taken": 100 * taken, "answered": answered / SIEGES}
    return Result(figures, events=events)


def _beg(world: World, victim: Host, crowd: Sequence[Attacker]) -> None:
    for attacker in crowd:
        attacker.dial(victim)
    world.run_for(1.0)
    for place in range(ROUNDS):
        for attacker, other in zip(crowd, [*crowd[1:], crowd[0]], strict=True):
            if victim.peer_id not in attacker.links:
                attacker.dial(victim)
                continue
            attacker.send(victim, *[Neighbor(LOBBY, urgent=number % 2 == 0) for number in range(BATCH)])
            # And what would make a good neighbour: news, its own and others', that nobody else has.
            news = other.write(f"told {place}", world.clock())
            attacker.hoard[news.id[:SHORT_ID_BYTES]] = news
            own = attacker.write(f"own {place}", world.clock())
            attacker.send(victim, own, Ihave((news.id[:SHORT_ID_BYTES],)))
        world.run_for(ROUND_S)

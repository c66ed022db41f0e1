"""Histories that were apart and become one: a network split and healed, and what comparing costs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from chatcore.codec import encode_message
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.events import Input, Output, Send
from chatcore.identity import Identity
from chatcore.messages import Compare, Compared, FetchIds, FetchRange, LinkMessage
from chatcore.clock import COUNTER_BITS, Now
from tests.sim import faults
from tests.sim.attackers import LOBBY
from tests.sim.hosts import Host, rng_for
from tests.sim.measure import alive, percentile, spread_of
from tests.sim.network import WALL_START_MS, World
from tests.sim.overlay import Plan, bring_up
from tests.sim.results import Result, mean
from tests.sim.scenario import SPREADING_S, chat, some_authors, text_of

APART_S = 60.0
SAY_EVERY_S = 2.0
"""On each side."""

AUTHORS_A_SIDE = 2
LOOK_S = 0.01
GIVE_UP_S = 120.0


def six(plan: Plan) -> Plan:
    return replace(plan, nodes=6)


def healed(world: World, plan: Plan) -> Result:
    """Two halves that cannot reach each other for a minute, and go on talking."""
    everybody = alive(world)
    half = set(rng_for(world.seed, "who is cut off").sample(everybody, len(everybody) // 2))
    sides = [sorted(half), sorted(set(everybody) - half)]
    chat(world, some_authors(world, AUTHORS_A_SIDE, "authors", everybody), 2)
    authors = [some_authors(world, AUTHORS_A_SIDE, f"side {number}", side) for number, side in enumerate(sides)]
    faults.split(world, [[world.hosts[index] for index in side] for side in sides])
    said = []
    for number in range(round((APART_S - SPREADING_S) / SAY_EVERY_S)):
        said += [world.say(of[number % AUTHORS_A_SIDE], text_of()) for of in authors]
        world.run_for(SAY_EVERY_S)
    world.run_for(SPREADING_S)
    trails = [world.tally.by_request[request] for request in said]
    before = {trail.id: list(trail.copies) for trail in trails}
    faults.heal(world)
    bridged_s = _wait(world, lambda: _is_bridged(world, half))
    equal_s = _wait(world, lambda: _is_equal(world, everybody))
    world.run_for(SPREADING_S)
    copies = []
    for trail in trails:
        there = sides[1] if trail.author in half else sides[0]
        copies.append(mean([trail.copies[index] - before[trail.id][index] for index in there]))
    figures = {
        "bridged_s": bridged_s,
        "equal_s": equal_s,
        "healed": 100 * mean([spread_of(trail, everybody).delivered for trail in trails]),
        "copies": mean(copies),
        "most_copies": max(copies),
    }
    return Result(figures, events=world.events, trace=world.trace)


def _wait(world: World, condition: Callable[[], bool]) -> float:
    """Seconds until it is so; infinite when it does not come to be."""
    start = world.now
    while not condition():
        if world.now - start > GIVE_UP_S:
            return float("inf")
        world.run_for(LOOK_S)
    return world.now - start


def _is_bridged(world: World, half: Collection[int]) -> bool:
    return any((end.host.index in half) != (end.other.host.index in half) for end in world.open_ends())


def _is_equal(world: World, among: Sequence[int]) -> bool:
    return len({len(world.hosts[index].store.ids) for index in among}) == 1


# What comparing costs

ITEMS = 10_000
MISSING = 100


def two(plan: Plan) -> Plan:
    return replace(plan, nodes=2, join_s=1.0, settle_s=5.0)


def compared(world: World, plan: Plan) -> Result:
    """Two nodes with the same 10,000 messages, but for the last 100, which one of them lacks."""
    ahead, behind = world.hosts
    messages = _messages(world, ITEMS)
    ahead.store.keep(messages)
    behind.store.keep(messages[:-MISSING])
    missing = _watch(world, [ahead, behind])
    assert ahead.store.ids == behind.store.ids
    same = _watch(world, [ahead, behind])
    asked = [item for item in missing if item.asker is behind]
    comparing = [item for item in asked if isinstance(item.message, Compare | Compared)]
    rounds = [item for item in same if isinstance(item.message, Compare)]
    figures = {
        "bytes": float(sum(item.size for item in asked)),
        "messages": float(len(comparing)),
        "both_bytes": float(sum(item.size for item in missing)),
        "equal_bytes": sum(item.size for item in same) / max(1, len(rounds)),
    }
    return Result(figures, events=world.events, trace=world.trace)


@dataclass(frozen=True, slots=True)
class _Said:
    message: LinkMessage
    size: int
    asker: Host

"""Histories that were apart and become one: a network split and healed, and what comparing costs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from chatcore.clock import COUNTER_BITS
from chatcore.codec import encode_message
from chatcore.config import GossipConfig
from chatcore.envelopes import Chat, seal
from chatcore.events import Send
from chatcore.identity import Identity
from chatcore.messages import Compare, Compared, FetchIds, FetchRange, LinkMessage
from tests.sim import faults
from tests.sim.attackers import LOBBY
from tests.sim.hosts import Host, rng_for
from tests.sim.measure import alive, spread_of
from tests.sim.network import WALL_START_MS, World
from tests.sim.overlay import Plan
from tests.sim.results import Result, mean
from tests.sim.scenario import SPREADING_S, chat, some_authors, text_of

APART_S = 60.0
SAY_EVERY_S = 2.0
"""On each side."""

AUTHORS_A_SIDE = 2
LOOK_S = 0.01


def six(plan: Plan) -> Plan:
    return replace(plan, nodes=6)


def healed(world: World, plan: Plan) -> Result:
    """Two halves that cannot reach each other for a minute, and go on talking."""
    everybody = alive(world)
    half = set(rng_for(world.seed, "who is cut off").sample(everybody, len(everybody) // 2))
    sides = [sorted(half), sorted(set(everybody) - half)]
    chat(world, some_authors(world, AUTHORS_A_SIDE, "authors", everybody), 2)
    authors = [
        some_authors(world, AUTHORS_A_SIDE, f"side {number}", side) for number, side in enumerate(sides)
    ]
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


def _wait(world: World, condition: Callable[[], bool], most_s: float = 120.0) -> float:
    """Seconds until it is so; infinite when it does not come to be."""
    start = world.now
    while not condition():
        if world.now - start > most_s:
            return float("inf")
        world.run_for(LOOK_S)
    return world.now - start


def _is_bridged(world: World, half: Collection[int]) -> bool:
    return any((end.host.index in half) != (end.other.host.index in half) for end in world.open_ends())


def _is_equal(world: World, among: Sequence[int]) -> bool:
    return all(len(world.hosts[index].store.ids) == len(world.envelopes) for index in among)


# What comparing costs

ITEMS = 10_000
MISSING = 100


def two(plan: Plan) -> Plan:
    return replace(plan, nodes=2, join_s=1.0, settle_s=5.0)


def compared(world: World, plan: Plan) -> Result:
    """Two nodes with the same 10,000 messages, but for the last 100, which one of them lacks."""
    ahead, behind = world.hosts
    author = Identity(bytes(32))
    messages = [
        seal(author, LOBBY, (WALL_START_MS << COUNTER_BITS) + number, "n", Chat("x"))
        for number in range(ITEMS)
    ]
    ahead.store.keep(messages)
    behind.store.keep(messages[:-MISSING])
    missing = _overhear(world, lambda: ahead.store.ids == behind.store.ids)
    rounds = GossipConfig().repair_every_s
    same = _overhear(world, lambda: world.now > missing.until + 4 * rounds)
    figures = {
        "bytes": float(missing.bytes_for(behind, ahead)),
        "messages": float(missing.comparisons_of(behind, ahead)),
        "both_bytes": float(missing.bytes_for(behind, ahead) + missing.bytes_for(ahead, behind)),
        "equal_bytes": same.bytes_for(behind, ahead) / max(1, same.comparisons_of(behind, ahead) // 2),
    }
    return Result(figures, events=world.events, trace=world.trace)


@dataclass(slots=True)
class Overheard:
    """What comparing took until something was so, page by page left out."""

    said: list[tuple[Host, LinkMessage]] = field(default_factory=list)
    until: float = 0.0

    def bytes_for(self, asker: Host, other: Host) -> int:
        """Questions, requests and answers about what `asker` lacks."""
        asked = [
            message for host, message in self.said if host is asker and not isinstance(message, Compared)
        ]
        answers = [message for host, message in self.said if host is other and isinstance(message, Compared)]
        return sum(len(encode_message(message)) for message in asked + answers)

    def comparisons_of(self, asker: Host, other: Host) -> int:
        asked = sum(host is asker and isinstance(message, Compare) for host, message in self.said)
        return asked + sum(host is other and isinstance(message, Compared) for host, message in self.said)


def _overhear(world: World, condition: Callable[[], bool]) -> Overheard:
    heard = Overheard()

    def listen(host: Host, output: Send) -> LinkMessage:
        if isinstance(output.message, Compare | Compared | FetchIds | FetchRange):
            heard.said.append((host, output.message))
        return output.message

    for host in world.hosts:
        host.twist = partial(listen, host)
    _wait(world, condition, 300.0)
    world.run_for(1.0)
    for host in world.hosts:
        host.twist = None
    heard.until = world.now
    return heard

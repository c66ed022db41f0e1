"""The rows of the table: each does something to a network that has come to rest and takes its figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.sim import faults, poison
from tests.sim.crowds import crowded, thousand
from tests.sim.hosts import Host
from tests.sim.measure import (
    alive,
    by_type,
    bytes_per_node_and_message,
    honest,
    in_delays,
    merged_times,
    percentile,
    spread_of,
)
from tests.sim.network import World
from tests.sim.overlay import Graph, Plan, components, degrees, eccentricity_s, graph_of, want_copies
from tests.sim.poison import poisoned
from tests.sim.presences import present, talking
from tests.sim.repairs import compared, healed, six, two
from tests.sim.results import Result, delivery_curve, histogram, mean, middle, with_fanout
from tests.sim.scenario import SPREADING_S, chat, measured_chat, some_authors, text_of, trails_of
from tests.sim.sieges import begged, small_world
from tests.sim.tally import Trail

AUTHORS = 3
STRANGERS = 5
WARM_ROUNDS = 3
ROUNDS = 4
"""Each author says so many messages that count."""

AT_ONCE_S = 5.0
"""Before anybody can have noticed that somebody died."""

SOON_S = 1.0
AFTER_DETECTION_S = 5.0
LATER_MESSAGES = 10
BEFORE_MESSAGES = 3


def spread(world: World, plan: Plan) -> Result:
    """No faults: authors nobody knows, then authors everybody knows."""
    everybody = alive(world)
    authors = some_authors(world, STRANGERS, "authors", everybody)
    unknown = [spread_of(trail, everybody) for trail in chat(world, authors, 1)]
    chat(world, authors[:AUTHORS], WARM_ROUNDS - 1)
    window = measured_chat(world, authors[:AUTHORS], ROUNDS)
    known = [spread_of(trail, everybody) for trail in window.trails]
    graph = graph_of(world)
    floors = [in_delays(eccentricity_s(graph, trail.author)) for trail in window.trails]
    times = merged_times(known)
    nodes, said = len(everybody), len(known)
    figures = {
        "delivered": 100 * mean([item.delivered for item in known + unknown]),
        "copies_known": mean([item.copies for item in known]),
        "copies_unknown": mean([item.copies for item in unknown]),
        "last_owd": in_delays(middle([item.last_s for item in known])),
        "slowest_owd": in_delays(max(item.last_s for item in known)),
        "floor_owd": middle(floors),
        "p50_ms": 1000 * percentile(times, 0.50),
        "p99_ms": 1000 * percentile(times, 0.99),
        "hops": max(max(item.hops, default=0) for item in known),
        "wire_bytes": bytes_per_node_and_message(window.busy, window.quiet, nodes, said),
        "quiet_bytes_s": window.quiet.wire_bytes / nodes / (ROUNDS + SPREADING_S),
        **_shape(graph, everybody),
    }
    curves = {
        "delivery": delivery_curve(known),
        "copies": histogram(count for item in known for count in item.copies_by_node),
        "hops": histogram(count for item in known for count in item.hops),
    }
    notes = by_type(window.busy - window.quiet, nodes, said)
    return _result(world, Result(figures, curves, notes))


def lean(world: World, plan: Plan) -> Result:
    """One copy is enough: what is left of the cost when the tree is a tree."""
    want_copies(world, 1)
    everybody = alive(world)
    authors = some_authors(world, AUTHORS, "authors", everybody)
    chat(world, authors, WARM_ROUNDS)
    known = [spread_of(trail, everybody) for trail in chat(world, authors, ROUNDS)]
    figures = {
        "delivered": 100 * mean([item.delivered for item in known]),
        "copies_known": mean([item.copies for item in known]),
        "last_owd": in_delays(middle([item.last_s for item in known])),
    }
    return _result(world, Result(figures))


def killed(world: World, plan: Plan, share: float) -> Result:
    """A share of all is gone without a word; the others keep talking, a message a second."""
    authors = some_authors(world, AUTHORS, "authors", alive(world))
    chat(world, authors, WARM_ROUNDS)
    before = _talk(world, authors, BEFORE_MESSAGES)
    kill_at = world.now
    faults.kill(world, faults.some(world, share, "who dies", spare=authors))
    detected_s = plan.link.dead_after_s + plan.link.ping_every_s
    then = _say_all(world, authors)
    meanwhile = _talk(world, authors, round(detected_s + AFTER_DETECTION_S))
    later = _talk(world, authors, LATER_MESSAGES)
    world.run_for(2 * SPREADING_S)
    survivors = alive(world)
    at_kill = [spread_of(trail, survivors) for trail in then()]
    afterwards = [spread_of(trail, survivors) for trail in later()]
    figures = {
        "at_kill": 100 * mean([item.delivered for item in at_kill]),
        "at_once": 100 * mean([item.within(AT_ONCE_S) for item in at_kill]),
        "later": 100 * mean([item.delivered for item in afterwards]),
        "later_p99_ms": 1000 * percentile(merged_times(afterwards), 0.99),
        **_shape(graph_of(world), survivors),
    }
    talk = [*before(), *meanwhile(), *later()]  # in which one message follows the other
    recovery = [(trail.said_at - kill_at, 100 * spread_of(trail, survivors).within(SOON_S)) for trail in talk]
    return _result(world, Result(figures, {"recovery": recovery}))


REPAIR_S = 40.0
"""Longer than any node lets pass between two comparisons."""


def killed_and_repaired(world: World, plan: Plan, share: float) -> Result:
    """The same; then every survivor must have every message, whenever it was said."""
    result = killed(world, plan, share)
    world.run_for(REPAIR_S)
    survivors = alive(world)
    everything = [spread_of(trail, survivors) for trail in world.tally.trails.values()]
    result.figures["repaired"] = 100 * mean([item.delivered for item in everything])
    return _result(world, result)


def dropping(world: World, plan: Plan, share: float, *, announces: bool = False) -> Result:
    """A share of all takes messages and passes none on; counted are the honest ones."""
    authors = some_authors(world, AUTHORS, "authors", alive(world))
    for host in faults.some(world, share, "who drops", spare=authors):
        faults.make_dropper(host, announces=announces)
    chat(world, authors, WARM_ROUNDS)
    others = honest(world)
    known = [spread_of(trail, others) for trail in chat(world, authors, ROUNDS)]
    figures = {
        "delivered": 100 * mean([item.delivered for item in known]),
        "p99_ms": 1000 * percentile(merged_times(known), 0.99),
        "copies_known": mean([item.copies for item in known]),
    }
    return _result(world, Result(figures))


@dataclass(frozen=True, slots=True)
class Row:
    measure: Callable[[World, Plan], Result]
    """What it is done to is its own: nobody else sees what becomes of the network."""

    network: Callable[[Plan], Plan] = lambda plan: plan
    """Rows of the same network share its coming up, which takes longer than most of them."""


ROWS: dict[str, Row] = {
    "spread": Row(spread),
    "lean": Row(lean),
    "kill30": Row(partial(killed, share=0.30)),
    "kill50": Row(partial(killed, share=0.50)),
    "kill80": Row(partial(killed_and_repaired, share=0.80)),
    "split": Row(healed),
    "split6": Row(healed, six),
    "sizes": Row(compared, two),
    "drop20": Row(partial(dropping, share=0.20)),
    "lie20": Row(partial(dropping, share=0.20, announces=True)),
    "drop50": Row(partial(dropping, share=0.50), partial(with_fanout, fanout=12)),
    "forged": Row(begged, small_world),
    "presence": Row(present, talking),
    "crowd": Row(crowded, thousand),
    "poison": Row(poisoned, poison.small_world),
}


Later = Callable[[], list[Trail]]
"""The trails, once everything said has been stored at its author."""


def _say_all(world: World, authors: Sequence[Host]) -> Later:
    requests = [world.say(author, text_of()) for author in authors]
    return lambda: trails_of(world, requests)


def _talk(world: World, authors: Sequence[Host], count: int) -> Later:
    """A message a second, the authors in turn."""
    parts = []
    for number in range(count):
        parts.append(_say_all(world, [authors[number % len(authors)]]))
        world.run_for(1.0)
    return lambda: [trail for part in parts for trail in part()]


def _shape(graph: Graph, among: Sequence[int]) -> dict[str, float]:
    return {"degree": mean(degrees(graph, among)), "parts": float(len(components(graph, among)))}


def _result(world: World, result: Result) -> Result:
    result.events = world.events
    result.trace = world.trace
    return result

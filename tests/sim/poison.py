"""Strangers name peers that are not there, by the ten thousand: how many of a node's dials go to them."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from chatcore.clock import Now
from chatcore.events import Dial, Input, Output, SaveAddresses, Stop
from chatcore.identity import Identity
from chatcore.messages import Shuffle
from chatcore.node import Node
from chatcore.records import KnownAddress, PeerRecord, sign_record
from tests.sim import faults
from tests.sim.attackers import LOBBY, Attacker
from tests.sim.hosts import PORT, Host, hello_of, rng_for
from tests.sim.network import WALL_START_MS, World
from tests.sim.overlay import Plan, bring_up
from tests.sim.results import Result, one_trace

NODES = 150
SETTLE_S = 120.0
"""Some feelers: the victim is the host that all others dialled, and knows nobody by its own dials."""

POISON = 50_000
ATTACKERS = 16
AT_ONCE = 32
"""Records in a shuffle. Then an attacker hangs up and calls again, as a link is soon listened to no more."""

LIVES = 16
LIFE_S = 20.0
"""The victim is restarted so often, with what it wrote to disk: whom it dials then decides what it hears."""


def small_world(plan: Plan) -> Plan:
    return replace(plan, nodes=NODES, join_s=10.0, settle_s=SETTLE_S)


def poisoned(world: World, plan: Plan) -> Result:
    """From one group, from four, from sixteen; each time in a world that knows nothing of the others."""
    figures: dict[str, float] = {}
    events, traces = 0, []
    for groups in (1, 4, 16):
        if figures:
            world = bring_up(plan)
        victim = world.hosts[0]  # which has no bootstrap address to fall back on
        ear = listen(victim)
        poison(world, victim, groups)
        figures[f"dials_{groups}"] = 100 * share_of_dials(world, victim, ear)
        events += world.events
        traces.append(world.trace)
    return Result(figures, events=events, trace=one_trace(traces))


def poison(world: World, victim: Host, groups: int) -> None:
    attackers = [Attacker(world, f"m{place}") for place in range(ATTACKERS)]
    for place, attacker in enumerate(attackers):
        attacker.host.address = f"30.{place % groups}.0.{place + 1}:{PORT}"
    made_up = _made_up(world)
    for _ in range(-(-POISON // (ATTACKERS * AT_ONCE))):
        for attacker in attackers:
            attacker.dial(victim)
        world.run_for(0.3)
        for attacker in attackers:
            named = tuple(record for record, _ in zip(made_up, range(AT_ONCE), strict=False))
            if victim.peer_id in attacker.links:
                attacker.send(victim, Shuffle(LOBBY, named))
        world.run_for(0.1)
        for attacker in attackers:
            if victim.peer_id in attacker.links:
                attacker.close(victim)
        world.run_for(0.1)


def _made_up(world: World) -> Iterator[PeerRecord]:
    """Signed, as keys cost nothing; each in a network of its own, where nobody is."""
    number = 0
    while True:
        number += 1
        identity = Identity(f"{world.seed:016d}{number:016d}".encode())
        address = f"{40 + number % 60}.{number // 60 % 250}.{number // 15_000}.1:{PORT}"
        yield sign_record(identity, address, (WALL_START_MS + int(world.now * 1000)) // 1000)


class Ear:
    """Runs a host's node, hears whom it dials, and keeps what it writes of addresses."""

    def __init__(self, node: Node, saved: dict[str, KnownAddress]) -> None:
        self._node = node
        self.saved = saved
        self.dialled: list[str] = []

    def handle(self, event: Input, now: Now) -> list[Output]:
        outputs = self._node.handle(event, now)
        for output in outputs:
            match output:
                case Dial(address):
                    self.dialled.append(address)
                case SaveAddresses(known, forgotten):
                    self.saved |= {item.address: item for item in known}
                    for address in forgotten:
                        self.saved.pop(address, None)
                case _:
                    pass
        return outputs


def listen(victim: Host) -> Ear:
    assert victim.node is not None
    ear = victim.machine = Ear(victim.node, {})
    return ear


def share_of_dials(world: World, victim: Host, ear: Ear) -> float:
    """Of all, to hosts that are not there, each time the victim comes back."""
    dialled: list[str] = []
    for life in range(LIVES):
        ear = _restart(world, victim, ear, life)
        world.run_for(LIFE_S)
        dialled += ear.dialled
    nobody = [address for address in dialled if world.at_address(address) is None]
    return len(nobody) / max(1, len(dialled))


def _restart(world: World, victim: Host, ear: Ear, life: int) -> Ear:
    world.post(victim, Stop())
    world.run_for(1.0)
    faults.kill(world, [victim], silently=False)
    victim.ends.clear()
    world.run_for(1.0)
    assert victim.node is not None
    old = victim.node
    node = Node(
        old.identity,
        old.config,
        index=victim.store,
        rng=rng_for(world.seed, f"victim, life {life}"),
        now=world.clock(),
        addresses=[ear.saved[address] for address in sorted(ear.saved)],
    )
    victim.install(node, partial(hello_of, node))
    again = victim.machine = Ear(node, ear.saved)
    world.start(victim)
    return again

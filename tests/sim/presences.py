"""Who is thought to be in a room: one crashes, one leaves, one comes, and nobody else may be missed."""

import math
from collections.abc import Iterable
from dataclasses import replace

from chatcore.events import Movement, Stop
from chatcore.ids import PeerId
from tests.sim import faults
from tests.sim.hosts import Host
from tests.sim.measure import alive
from tests.sim.network import World
from tests.sim.overlay import Plan, add_nodes
from tests.sim.results import Result

BEFORE_S = 600.0
AFTER_S = 1200.0
"""Thirty minutes in all."""

NEWCOMER_S = 60.0


def talking(plan: Plan) -> Plan:
    """The same network, in which everybody says that they are there."""
    return replace(plan, presence=True)


def present(world: World, plan: Plan) -> Result:
    tally = world.tally
    tally.follows_members = True
    tally.checked.clear()
    world.run_for(BEFORE_S)
    crashed, leaver, *others = [world.hosts[index] for index in alive(world)]
    at = world.now
    faults.kill(world, [crashed])
    world.post(leaver, Stop())
    world.run_for(AFTER_S)
    heard = max(tally.checked[host.index] for host in others) / (BEFORE_S + AFTER_S)
    lost = seconds_to(world, others, crashed.peer_id, Movement.LOST, at)
    left = seconds_to(world, others, leaver.peer_id, Movement.LEFT, at)
    gone = {crashed.peer_id, leaver.peer_id}
    away = [move for move in tally.moves if move.movement in {Movement.LOST, Movement.LEFT}]
    figures = {
        "heard_s": heard,
        "missed": float(len([move for move in away if move.peer_id not in gone])),
        "crashed_least_s": min(lost),
        "crashed_s": max(lost),
        "left_s": max(left),
        "newcomer_s": newcomer_s(world, plan, others),
    }
    return Result(figures, events=world.events, trace=world.trace)


def seconds_to(
    world: World, hosts: Iterable[Host], peer_id: PeerId, movement: Movement, since: float
) -> list[float]:
    """How long each host took to say so of somebody; infinite where it never did, or unsaid it later."""
    latest = {move.host: move for move in world.tally.moves if move.peer_id == peer_id}
    return [
        latest[host.index].at - since
        if host.index in latest and latest[host.index].movement is movement
        else math.inf
        for host in hosts
    ]


def newcomer_s(world: World, plan: Plan, others: Iterable[Host]) -> float:
    """From its start until a new node knows everybody."""
    since = world.now
    (newcomer,) = add_nodes(world, plan, 1)
    world.run_for(NEWCOMER_S)
    wanted = {host.peer_id for host in others}
    known: set[PeerId] = set()
    for move in world.tally.moves:
        if move.host == newcomer.index:
            if move.movement in {Movement.HERE, Movement.JOINED}:
                known.add(move.peer_id)
            if known == wanted:
                return move.at - since
    return math.inf

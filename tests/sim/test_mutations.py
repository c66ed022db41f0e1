"""PRUNE, GRAFT and the protected choices, taken out one by one: the figure each is there for must turn bad.

A figure that stayed good without them would prove nothing about them. Each is measured by one function, on
the node as it is and on a node broken here.
"""

from collections.abc import Callable, Sequence

import pytest

from chatcore.broadcast import Broadcast, RttOf
from chatcore.config import GossipConfig
from chatcore.events import Output, Priority, Send
from chatcore.ids import LinkId
from chatcore.links import Link
from chatcore.membership import URGENT_EVERY_S, Membership, Neighbour
from chatcore.messages import Disconnect, Graft, Neighbor, Prune
from tests.sim import faults
from tests.sim.attackers import LOBBY, Attacker
from tests.sim.hosts import Host
from tests.sim.measure import Spread, alive, honest, spread_of
from tests.sim.network import World
from tests.sim.overlay import Plan, active_links, bring_up, chosen_links, components, end_mixing, graph_of
from tests.sim.results import mean
from tests.sim.scenario import chat, some_authors

NODES = 40
SEED = 1
TTL = GossipConfig().ttl

MOST_COPIES = 2.3
"""Two, and what new neighbours are pushed until they say that they have enough."""

SOON_S = 1.0
"""Any later, and what repairs history would hide that nothing was fetched."""


def talk(*, ttl: int = TTL, silenced: float = 0.0) -> list[Spread]:
    """What two authors say whose trees have formed. Then, in those trees, up to a share passes nothing on."""
    world = bring_up(Plan(NODES, SEED, gossip=GossipConfig(ttl=ttl), join_s=10.0, settle_s=30.0))
    authors = some_authors(world, 2, "authors", alive(world))
    chat(world, authors, 3)
    for host in faults.some(world, silenced, "who falls silent", spare=authors):
        others = [index for index in honest(world) if index != host.index]
        if len(components(graph_of(world), others)) == 1:
            faults.make_dropper(host)
    trails = chat(world, authors, 4)
    return [spread_of(trail, honest(world)) for trail in trails]


# PRUNE


def copies() -> float:
    """Per node and message, where everybody has every message."""
    spreads = talk()
    assert all(spread.delivered == 1.0 for spread in spreads)
    return mean([spread.copies for spread in spreads])


def ignore_prune(self: Broadcast, link: LinkId, message: Prune) -> None:
    """Goes on pushing."""


def test_copies_are_two_while_prune_is_heeded() -> None:
    assert copies() <= MOST_COPIES


def test_copies_double_when_prune_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Broadcast, "on_prune", ignore_prune)
    assert copies() > 2 * MOST_COPIES


# GRAFT


def delivered_past_the_silenced() -> float:
    return mean([spread.within(SOON_S) for spread in talk(silenced=0.4)])


def delivered_beyond_the_last_hop() -> float:
    """Nobody pushes further than to a neighbour's neighbour; the rest hear announcements only."""
    return mean([spread.within(SOON_S) for spread in talk(ttl=1)])


def never_ask(self: Broadcast, mono: float, rtt_of: RttOf) -> list[Output]:
    return []


def never_serve(self: Broadcast, link: LinkId, message: Graft) -> list[Output]:
    return []


NEEDING_GRAFT = [delivered_past_the_silenced, delivered_beyond_the_last_hop]
WITHOUT_GRAFT = [("handle_graft_due", never_ask), ("on_graft", never_serve)]


@pytest.mark.parametrize("delivered", NEEDING_GRAFT)
def test_everybody_gets_everything_while_graft_is_sent_and_served(delivered: Callable[[], float]) -> None:
    assert delivered() == 1.0


@pytest.mark.parametrize("delivered", NEEDING_GRAFT)
@pytest.mark.parametrize(("verb", "broken"), WITHOUT_GRAFT)
def test_messages_are_missed_when_graft_is_not_sent_or_not_served(
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    broken: Callable[..., list[Output]],
    delivered: Callable[[], float],
) -> None:
    monkeypatch.setattr(Broadcast, verb, broken)
    assert delivered() < 0.99


# Neighbours of our own choice


VICTIMS = 3
BEGGARS = 12
SIEGE_ROUNDS = 8


def choices_lost() -> int:
    """Strangers beg some nodes in turn for a neighbour's place, often enough to push one out every time."""
    # Mixed first, so that nobody is left with nothing but choices; and not later: a choice gone is lost.
    world = bring_up(Plan(NODES, SEED, join_s=10.0, settle_s=90.0))
    end_mixing(world)
    lost = 0
    for number, victim in enumerate(world.hosts[:VICTIMS]):
        before = chosen_links(victim)
        beggars = [Attacker(world, f"{number} {place}") for place in range(BEGGARS)]
        beg(world, victim, beggars)
        strangers = {beggar.host for beggar in beggars}
        assert any(victim.ends[link].other.host in strangers for link in active_links(victim))
        lost += len(before.difference(active_links(victim)))
    return lost


def beg(world: World, victim: Host, beggars: Sequence[Attacker]) -> None:
    for beggar in beggars:
        beggar.dial(victim)
    for _ in range(SIEGE_ROUNDS):
        world.run_for(URGENT_EVERY_S + 0.1)
        for beggar in beggars:
            beggar.send(victim, Neighbor(LOBBY, urgent=True))
    world.run_for(1.0)


admit = Membership._admit


def admit_in_anybodys_place(
    self: Membership, link: Link, mono: float, *, urgent: bool
) -> tuple[list[Output], bool]:
    """Plain HyParView (Leitao 2007, section 4.3): an urgent request is always granted."""
    outputs, accepted = admit(self, link, mono, urgent=urgent)
    if accepted or not urgent:
        return outputs, accepted
    (evicted,) = self._rng.sample(list(self._active), 1)
    del self._active[evicted]
    self._active[link.link] = Neighbour(chosen=False, since=mono)
    return [Send((evicted,), Disconnect(self._room), Priority.CONTROL)], True


def test_own_choices_outlast_a_siege_while_they_are_protected() -> None:
    assert choices_lost() == 0


def test_own_choices_are_lost_to_a_siege_when_anybody_may_be_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Membership, "_admit", admit_in_anybodys_place)
    assert choices_lost() > 0

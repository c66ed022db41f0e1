"""Poison is taken in, is bounded, and most dials go to peers that are there."""

import pytest

from tests.sim import poison
from tests.sim.goals import FIGURES
from tests.sim.overlay import Plan, bring_up


def test_poisoned_node_still_finds_those_that_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poison, "POISON", 5_000)
    monkeypatch.setattr(poison, "LIVES", 4)
    plan = poison.small_world(Plan(50, 1))
    world = bring_up(plan)
    victim = world.hosts[0]
    ear = poison.listen(victim)

    poison.poison(world, victim, 16)

    share = 100 * poison.share_of_dials(world, victim, ear)  # it writes what it knows when it stops

    saved = [address for address in ear.saved if world.at_address(address) is None]
    (most,) = [figure.goal(50) for figure in FIGURES if figure.name == "dials_16"]
    assert most is not None
    assert saved  # else nothing was ever taken, and nothing is shown
    assert share <= most

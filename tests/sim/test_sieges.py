"""A siege is one: the requests arrive, are answered, and cost the besieged nothing of its own."""

import pytest

from tests.sim import sieges
from tests.sim.overlay import Plan, bring_up


def test_beggars_are_heard_and_take_no_choice_of_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieges, "SIEGES", 1)
    monkeypatch.setattr(sieges, "ROUNDS", 2)
    plan = sieges.small_world(Plan(50, 1))
    figures = sieges.begged(bring_up(plan), plan).figures
    assert figures["requests"] == sieges.ATTACKERS * 2 * sieges.BATCH
    assert figures["answered"] > 0
    assert figures["lost"] == 0

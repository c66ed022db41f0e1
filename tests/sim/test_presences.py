"""Five minutes of presence in a network of 50, and hours in a room of hundreds; `make sim` does more."""

import pytest

from chatcore.clock import Now
from chatcore.config import GossipConfig, LinkConfig, PresenceConfig
from chatcore.events import Output
from chatcore.links import Link
from chatcore.presence import Presence
from chatcore.room import Room
from tests.sim.crowds import WATCHERS, a_day
from tests.sim.overlay import Plan, bring_up
from tests.sim.presences import present, talking
from tests.sim.results import Result

LIGHT = talking(
    Plan(50, 1, gossip=GossipConfig(fanout=4), link=LinkConfig(max_peers=12), join_s=10.0, settle_s=30.0)
)
"""Fewer neighbours than by default: a quarter of the copies, all of the rosters."""


@pytest.fixture(scope="module")
def some_minutes() -> Result:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tests.sim.presences.BEFORE_S", 120.0)
        patch.setattr("tests.sim.presences.AFTER_S", 180.0)
        return present(bring_up(LIGHT), LIGHT)


def test_nobody_alive_is_taken_off_a_roster(some_minutes: Result) -> None:
    assert some_minutes.figures["missed"] == 0


def test_crashed_member_is_off_every_roster_after_three_intervals_and_one_refresh_more_or_less(
    some_minutes: Result,
) -> None:
    assert some_minutes.figures["crashed_least_s"] >= 30
    assert some_minutes.figures["crashed_s"] <= 60


def test_member_that_said_leave_is_off_every_roster_at_once(some_minutes: Result) -> None:
    assert some_minutes.figures["left_s"] <= 1


def test_newcomer_knows_everybody_at_once(some_minutes: Result) -> None:
    assert some_minutes.figures["newcomer_s"] <= 2


def test_no_node_hears_more_than_four_refreshes_a_second(some_minutes: Result) -> None:
    assert some_minutes.figures["heard_s"] <= 4


# And these tests see what they are about: each guard is taken away once.

SHORT = talking(
    Plan(20, 1, gossip=GossipConfig(fanout=4), link=LinkConfig(max_peers=12), join_s=5.0, settle_s=30.0)
)


def test_members_are_missed_where_they_are_waited_for_too_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Presence, "silence_s", lambda _, interval_s: interval_s * 0.9)
    monkeypatch.setattr("tests.sim.presences.AFTER_S", 60.0)
    monkeypatch.setattr("tests.sim.presences.BEFORE_S", 120.0)
    assert present(bring_up(SHORT), SHORT).figures["missed"] > 0


def test_newcomer_waits_for_refreshes_where_nobody_answers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(self: Room, link: Link, now: Now) -> list[Output]:
        return []

    monkeypatch.setattr(Room, "on_roster_request", silent)
    monkeypatch.setattr("tests.sim.presences.AFTER_S", 60.0)
    monkeypatch.setattr("tests.sim.presences.BEFORE_S", 10.0)
    assert present(bring_up(SHORT), SHORT).figures["newcomer_s"] > 2


# A room of hundreds

ROOM = 300
HOURS_S = 4 * 3600.0


def test_room_of_hundreds_hears_no_more_than_four_a_second_and_misses_nobody() -> None:
    crowd = a_day(1, members=ROOM, seconds=HOURS_S)

    settled = crowd.heard[20:]
    assert sum(settled) / len(settled) / 60 <= 4
    assert crowd.missed == 0
    assert crowd.removed == WATCHERS * (len(crowd.crashed) + len(crowd.left)) > 0


def test_room_of_hundreds_hears_too_much_where_the_pause_does_not_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = PresenceConfig()
    monkeypatch.setattr(Presence, "interval_s", property(lambda _: round(config.refresh_s)))
    crowd = a_day(1, members=ROOM, seconds=1800.0)

    assert max(crowd.heard) / 60 > 4

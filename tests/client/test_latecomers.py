"""Messages that come long after they were said: few in their order, many as a number."""

from typing import Any

from chatctl.latecomers import (
    LONGEST_WAIT_S,
    MAX_ROOMS,
    MAX_SHOWN,
    MOMENT_MS,
    MOMENT_S,
    OLD_MS,
    QUIET_S,
    Latecomers,
)
from tests.client.fakechatd import message

NOON_MS = 1_772_535_600_000


def said(time_ms: int, room: str = "lobby") -> Any:
    return message(time_ms % 1_000_000, id=f"id{time_ms}", time_ms=time_ms, room=room)["data"]


def caught_up(newest_ms: int = NOON_MS) -> Latecomers:
    late = Latecomers()
    late.passed(said(newest_ms))
    return late


def test_late_is_what_was_said_before_something_that_passed() -> None:
    late = caught_up()
    assert late.is_late(said(NOON_MS - 1))
    assert not late.is_late(said(NOON_MS))
    assert not late.is_late(said(NOON_MS - 1, room="tea"))


def test_what_was_said_at_the_same_moment_is_put_in_order_soon_and_without_a_word() -> None:
    late = caught_up()
    late.add(said(NOON_MS - MOMENT_MS), 100.0)
    assert late.due == 100.0 + MOMENT_S
    late.add(said(NOON_MS - MOMENT_MS - 1, room="tea"), 100.0)
    assert late.due == 100.0 + MOMENT_S  # the first one of its room
    (found, _) = late.flush()
    assert not found.before
    late.add(said(NOON_MS - MOMENT_MS - 1), 100.0)
    assert late.due == 100.0 + QUIET_S
    (found,) = late.flush()
    assert found.before


def test_older_message_that_is_shown_makes_nothing_between_less_late() -> None:
    late = caught_up()
    late.passed(said(NOON_MS - 60_000))
    assert late.is_late(said(NOON_MS - 30_000))
    late.add(said(NOON_MS - 30_000), 0.0)
    (found,) = late.flush()
    assert found.passed == 2


def test_few_are_given_in_their_order_and_many_as_a_number() -> None:
    late = caught_up()
    times = [NOON_MS - at for at in range(MAX_SHOWN + 1, 0, -1)]
    for time_ms in times[10:MAX_SHOWN] + times[:10]:
        late.add(said(time_ms), 0.0)
    (few,) = late.flush()
    assert [item["time_ms"] for item in few.messages] == times[:MAX_SHOWN]
    for time_ms in times:
        late.add(said(time_ms), 0.0, names_us=time_ms == times[3])
    late.add(said(NOON_MS, room="tea"), 0.0)
    many, other = late.flush()
    assert (many.room, many.count, many.mentions, many.messages) == ("lobby", MAX_SHOWN + 1, 1, [])
    assert (other.room, other.count) == ("tea", 1)
    assert late.flush() == []


def test_it_is_told_once_no_more_come_and_in_the_end_anyway() -> None:
    late, before = caught_up(), said(NOON_MS - 2 * MOMENT_MS)
    assert late.due is None
    late.add(before, 100.0)
    assert late.due == 100.0 + QUIET_S
    late.add(before, 101.0)
    assert late.due == 101.0 + QUIET_S
    late.add(before, 100.0 + LONGEST_WAIT_S)
    assert late.due == 100.0 + LONGEST_WAIT_S
    late.flush()
    assert late.due is None


def test_old_is_what_no_difference_of_clocks_explains() -> None:
    late = Latecomers()
    assert not late.is_old(said(NOON_MS), NOON_MS + OLD_MS)
    assert late.is_old(said(NOON_MS), NOON_MS + OLD_MS + 1)
    assert caught_up().is_old(said(NOON_MS - MOMENT_MS - 1), NOON_MS)
    assert not caught_up().is_old(said(NOON_MS - MOMENT_MS), NOON_MS)


def test_what_waits_is_known_by_its_room_until_it_is_told() -> None:
    late = caught_up()
    late.add(said(NOON_MS - 1), 0.0)
    assert late.has("lobby")
    assert not late.has("tea")
    late.flush()
    assert not late.has("lobby")


def test_another_store_begins_with_nothing() -> None:
    late = caught_up()
    late.add(said(NOON_MS - 1), 0.0)
    late.forget()
    assert late.due is None
    assert not late.is_late(said(NOON_MS - 1))


def test_rooms_heard_of_longest_ago_are_forgotten() -> None:
    late = caught_up()
    for number in range(MAX_ROOMS - 1):
        late.passed(said(NOON_MS, room=f"r{number}"))
    assert late.is_late(said(NOON_MS - 1))
    late.passed(said(NOON_MS, room="one too many"))
    assert not late.is_late(said(NOON_MS - 1))

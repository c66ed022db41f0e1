"""The hybrid logical clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.clock import (
    COUNTER_BITS,
    MAX_DRAG_MS,
    MAX_SKEW_MS,
    MAX_STAMP,
    HybridClock,
    Now,
    is_future,
    is_stale,
    wall_ms_of,
)

WALL = 1_700_000_000_000


def at(wall_ms: int, counter: int = 0) -> int:
    return (wall_ms << COUNTER_BITS) + counter


def test_stamp_follows_the_wall() -> None:
    clock = HybridClock()

    assert [clock.tick(WALL), clock.tick(WALL + 5)] == [at(WALL), at(WALL + 5)]


def test_stamps_within_a_millisecond_count_up() -> None:
    clock = HybridClock()

    assert [clock.tick(WALL) for _ in range(3)] == [at(WALL), at(WALL, 1), at(WALL, 2)]


def test_full_counter_carries_into_the_milliseconds() -> None:
    clock = HybridClock(at(WALL, 2**COUNTER_BITS - 1))

    assert clock.tick(WALL) == at(WALL + 1)


def test_wall_that_steps_back_does_not_take_the_clock_with_it() -> None:
    clock = HybridClock()
    clock.tick(WALL)

    assert clock.tick(WALL - MAX_SKEW_MS) == at(WALL, 1)


def test_wall_set_back_beyond_the_skew_starts_the_clock_again() -> None:
    clock = HybridClock()
    clock.tick(WALL)

    back = WALL - MAX_SKEW_MS - 1
    assert clock.tick(back) == at(back, 1)
    assert not is_future(clock.tick(back), Now(0.0, back))


def test_witnessed_stamp_is_followed() -> None:
    clock = HybridClock()
    clock.witness(at(WALL + 7, 3))

    assert clock.tick(WALL) == at(WALL + 7, 4)


def test_witnessed_stamp_of_the_past_changes_nothing() -> None:
    clock = HybridClock(at(WALL))
    clock.witness(at(WALL - 1))

    assert clock.tick(WALL) == at(WALL, 1)


def test_stamp_heard_drags_the_clock_so_far_and_no_further() -> None:
    clock = HybridClock()
    clock.witness(at(WALL + MAX_SKEW_MS))

    assert wall_ms_of(clock.tick(WALL)) == WALL + MAX_DRAG_MS


@pytest.mark.parametrize("restarted", [False, True])
def test_nobody_whose_clock_is_behind_refuses_what_we_say_after_a_stamp_at_the_limit(
    *, restarted: bool
) -> None:
    evil = at(WALL + MAX_SKEW_MS, 2**COUNTER_BITS - 1)
    clock = HybridClock(evil if restarted else 0)
    clock.witness(evil)

    for later_ms in range(0, 2000, 100):
        for _ in range(10):
            stamp = clock.tick(WALL + later_ms)
            assert not is_future(stamp, Now(0.0, WALL + later_ms - MAX_SKEW_MS + MAX_DRAG_MS + 1))


def test_stamp_heard_too_far_ahead_is_followed_once_the_wall_has_come_nearer() -> None:
    clock = HybridClock()
    heard = at(WALL + MAX_SKEW_MS)
    clock.witness(heard)

    assert clock.tick(WALL + MAX_DRAG_MS - 1) < heard
    assert clock.tick(WALL + MAX_DRAG_MS) == heard + 1


def test_clock_that_started_again_follows_what_it_hears() -> None:
    clock = HybridClock(at(WALL + MAX_SKEW_MS + 1))
    assert clock.tick(WALL) == at(WALL)
    clock.witness(at(WALL + 7))

    assert clock.tick(WALL) == at(WALL + 7, 1)


@given(st.lists(st.tuples(st.booleans(), st.integers(-MAX_DRAG_MS // 2, MAX_DRAG_MS // 2)), max_size=60))
def test_stamps_always_rise_while_clocks_agree_within_the_drag(steps: list[tuple[bool, int]]) -> None:
    clock = HybridClock()
    last = 0
    for heard, offset in steps:
        if heard:
            clock.witness(at(WALL + offset))
            last = max(last, at(WALL + offset))
        else:
            stamp = clock.tick(WALL + offset)
            assert last < stamp <= MAX_STAMP
            last = stamp


@pytest.mark.parametrize(("ahead_ms", "future"), [(MAX_SKEW_MS + 1, True), (MAX_SKEW_MS, False), (0, False)])
def test_stamp_beyond_the_skew_is_of_the_future(ahead_ms: int, *, future: bool) -> None:
    assert is_future(at(WALL + ahead_ms, 9), Now(0.0, WALL)) is future


@pytest.mark.parametrize(("behind_ms", "stale"), [(MAX_SKEW_MS + 1, True), (MAX_SKEW_MS, False), (0, False)])
def test_stamp_behind_the_skew_is_stale(behind_ms: int, *, stale: bool) -> None:
    assert is_stale(at(WALL - behind_ms, 9), Now(0.0, WALL)) is stale


def test_wall_milliseconds_are_the_upper_48_bits() -> None:
    assert wall_ms_of(MAX_STAMP) == 2**48 - 1
    assert wall_ms_of(at(WALL, 65_535)) == WALL

"""Bounds on how often, and the exact and bounded memory of what was seen."""

from hypothesis import given
from hypothesis import strategies as st

from chatcore.ids import MessageId
from chatcore.limits import SeenIds, TokenBucket


def an_id(number: int) -> MessageId:
    return MessageId(number.to_bytes(32, "big"))


def test_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(2.0, 3, 100.0)

    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(100.5) for _ in range(2)] == [True, False]
    assert [bucket.take(1000.0) for _ in range(4)] == [True, True, True, False]


def test_bucket_gives_several_at_once_or_none_of_them() -> None:
    bucket = TokenBucket(1.0, 3, 100.0)

    assert not bucket.take(100.0, 4)
    assert bucket.take(100.0, 2)
    assert not bucket.take(100.0, 2)
    assert bucket.take(100.0)


def test_id_is_remembered_once_added_and_never_before() -> None:
    seen = SeenIds(10.0, 100, 0.0)
    assert an_id(1) not in seen

    seen.add(an_id(1), 0.0)

    assert an_id(1) in seen
    assert an_id(2) not in seen


def test_id_is_remembered_for_its_time_and_forgotten_after_twice_that() -> None:
    seen = SeenIds(10.0, 100, 0.0)
    seen.add(an_id(1), 9.9)
    seen.add(an_id(2), 10.0)  # the older generation begins
    seen.add(an_id(3), 19.9)
    assert an_id(1) in seen

    seen.add(an_id(4), 20.0)
    assert an_id(1) not in seen
    assert an_id(3) in seen


def test_memory_is_bounded_by_two_generations() -> None:
    seen = SeenIds(1000.0, 3, 0.0)
    for number in range(100):
        seen.add(an_id(number), 0.0)
        assert len(seen) <= 6
        assert all(an_id(back) in seen for back in range(max(0, number - 2), number + 1))


def test_discarded_id_is_forgotten_in_both_generations() -> None:
    seen = SeenIds(10.0, 1, 0.0)
    seen.add(an_id(1), 0.0)
    seen.add(an_id(2), 0.0)

    seen.discard(an_id(1))
    seen.discard(an_id(2))
    seen.discard(an_id(3))

    assert len(seen) == 0


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0.0, 5.0)), max_size=80))
def test_nothing_is_forgotten_within_its_time(steps: list[tuple[int, float]]) -> None:
    seen = SeenIds(10.0, 1000, 0.0)
    added: dict[int, float] = {}
    now = 0.0
    for number, wait in steps:
        now += wait
        seen.add(an_id(number), now)
        added[number] = now
        assert all(an_id(known) in seen for known, when in added.items() if now - when < 10.0)

"""When a peer is asked about a room again."""

from chatcore.agenda import BAD_PAUSE_S, FRUITLESS_MOST_S, FRUITLESS_S, LOOK_AGAIN_S, Agenda
from chatcore.ids import LinkId, RoomId

ROOM, OTHER_ROOM = RoomId(b"r" * 32), RoomId(b"o" * 32)
KEY, OTHER = (LinkId(1), ROOM), (LinkId(2), ROOM)


def planned(*keys: tuple[LinkId, RoomId], at: float = 0.0) -> Agenda:
    agenda = Agenda()
    for key in keys:
        agenda.plan(key, at)
    return agenda


def test_what_is_planned_is_due_then_and_once() -> None:
    agenda = planned(KEY, at=5.0)
    assert agenda.due(4.9) == []
    assert agenda.due(5.0) == [KEY]
    agenda.take(KEY)
    assert agenda.due(9.0) == []


def test_earlier_of_two_plans_stands() -> None:
    agenda = planned(KEY, at=5.0)
    agenda.plan(KEY, 3.0)
    agenda.plan(KEY, 8.0)
    assert agenda.due(3.0) == [KEY]


def test_next_is_the_first_that_is_not_asked_already() -> None:
    agenda = planned(OTHER, at=7.0)
    agenda.plan(KEY, 3.0)
    assert agenda.next_at(()) == 3.0
    assert agenda.next_at({KEY}) == 7.0
    assert agenda.next_at({KEY, OTHER}) is None


def test_peer_that_had_nothing_is_asked_half_as_often_each_time() -> None:
    agenda, mono = planned(KEY), 0.0
    pauses = []
    for _ in range(10):
        agenda.note_fruitless(KEY, mono)
        at = agenda.next_at(())
        assert at is not None
        pauses.append(at - mono)
        mono = at
    doubled = [FRUITLESS_S * 2**number for number in range(5)]
    assert pauses == [*doubled, *[FRUITLESS_MOST_S] * 5]


def test_pause_is_short_again_once_it_was_useful() -> None:
    agenda = planned(KEY)
    for _ in range(3):
        agenda.note_fruitless(KEY, 0.0)
    assert not agenda.may_ask(KEY, 1.0)
    agenda.note_useful(KEY, 1.0)
    assert agenda.may_ask(KEY, 1.0)
    agenda.note_fruitless(KEY, 1.0)
    assert agenda.due(1.0 + FRUITLESS_S) == [KEY]


def test_peer_whose_part_was_left_to_another_is_looked_at_soon() -> None:
    agenda = planned(KEY)
    agenda.note_put_off(KEY, 0.0)
    assert agenda.due(LOOK_AGAIN_S - 0.1) == []
    assert agenda.due(LOOK_AGAIN_S) == [KEY]


def test_peer_whose_answers_do_not_fit_waits_unless_it_is_needed() -> None:
    agenda = planned(KEY, OTHER)
    agenda.note_bad(KEY, 0.0)
    assert agenda.due(BAD_PAUSE_S - 0.1) == [OTHER]
    agenda.plan_at_once(KEY, 1.0)
    assert agenda.due(1.0) == [KEY, OTHER]


def test_link_that_is_gone_takes_plans_and_pauses_with_it() -> None:
    gone, left = (KEY[0], OTHER_ROOM), OTHER
    agenda = planned(KEY, gone, left)
    agenda.note_bad(KEY, 0.0)
    agenda.forget_link(KEY[0])
    assert agenda.due(0.0) == [left]
    agenda.plan(KEY, 0.0)
    assert agenda.due(0.0) == [left, KEY]

"""The queue of one link: priorities, order, and its bound."""

from chatcore.events import Priority
from chatd.outbox import CONTROL_RESERVE_BYTES, MAX_QUEUE_BYTES, Outbox


def test_outbox_gives_urgent_first_and_keeps_order_within_a_priority() -> None:
    outbox = Outbox()
    outbox.put(b"bulk", Priority.BULK)
    outbox.put(b"live 1", Priority.LIVE)
    outbox.put(b"control", Priority.CONTROL)
    outbox.put(b"live 2", Priority.LIVE)
    outbox.put(b"history", Priority.HISTORY)
    assert outbox.take(1000) == [b"control", b"live 1", b"live 2", b"history", b"bulk"]
    assert not outbox


def test_outbox_takes_no_more_than_its_bound_and_has_room_again_afterwards() -> None:
    outbox = Outbox()
    item = b"x" * (MAX_QUEUE_BYTES // 4)
    assert [outbox.put(item, Priority.LIVE) for _ in range(5)] == [True, True, True, True, False]
    assert outbox.bytes == MAX_QUEUE_BYTES
    assert not outbox.put(b"y", Priority.BULK)
    assert outbox.put(b"y" * CONTROL_RESERVE_BYTES, Priority.CONTROL)
    assert not outbox.put(b"y", Priority.CONTROL)
    assert outbox.take(1) == [b"y" * CONTROL_RESERVE_BYTES]
    assert outbox.put(b"y", Priority.CONTROL)


def test_outbox_gives_at_least_one_message_however_little_is_asked() -> None:
    outbox = Outbox()
    outbox.put(b"x" * 100, Priority.LIVE)
    outbox.put(b"y" * 100, Priority.LIVE)
    assert outbox.take(10) == [b"x" * 100]
    assert outbox.take(150) == [b"y" * 100]
    assert outbox.take(10) == []
    assert outbox.bytes == 0


def test_outbox_does_not_let_a_small_late_message_overtake_a_large_one_of_its_priority() -> None:
    outbox = Outbox()
    for item in (b"a" * 60, b"b" * 60, b"c"):
        outbox.put(item, Priority.LIVE)
    assert outbox.take(70) == [b"a" * 60]
    assert outbox.take(70) == [b"b" * 60, b"c"]

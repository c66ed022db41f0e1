"""What is said now is written before history, which waits and is not forgotten."""

import threading

from chatd.store import Batch
from chatd.store.queue import MAX_GROUP_BYTES, MAX_HISTORY_GROUP_BYTES, MAX_PASSED_OVER, Queue


def jobs(queue: Queue) -> list[int]:
    taken = queue.take(0.0)
    assert taken is not None
    return [batch.job for batch in taken[0]]


def put(queue: Queue, *numbers: int, history: bool = False, size: int = 1) -> None:
    for number in numbers:
        assert queue.put(Batch(number, history=history), size)


def test_what_waits_is_taken_together_in_its_order() -> None:
    queue = Queue()
    put(queue, 1, 2, 3, size=10)
    taken = queue.take(0.0)
    assert taken is not None
    assert [batch.job for batch in taken[0]] == [1, 2, 3]
    assert taken[1] == 30


def test_nothing_in_time_is_an_empty_group() -> None:
    assert Queue().take(0.0) == ([], 0)


def test_what_is_said_now_overtakes_history_and_does_not_carry_it() -> None:
    queue = Queue()
    put(queue, 1, 2, history=True)
    put(queue, 3)
    assert [jobs(queue), jobs(queue)] == [[3], [1, 2]]


def test_history_is_taken_a_few_pages_at_a_time() -> None:
    queue = Queue()
    put(queue, 1, 2, history=True, size=MAX_HISTORY_GROUP_BYTES)
    put(queue, 3, 4, size=MAX_HISTORY_GROUP_BYTES)
    assert [jobs(queue), jobs(queue), jobs(queue)] == [[3, 4], [1], [2]]


def test_group_ends_when_it_is_large() -> None:
    queue = Queue()
    put(queue, 1, 2, 3, size=MAX_GROUP_BYTES // 2)
    assert [jobs(queue), jobs(queue)] == [[1, 2], [3]]


def test_history_gets_its_turn_however_much_is_said() -> None:
    queue = Queue()
    put(queue, 0, history=True)
    taken = []
    for number in range(1, MAX_PASSED_OVER + 2):
        put(queue, number)
        taken += jobs(queue)
    assert taken == [*range(1, MAX_PASSED_OVER + 1), 0]


def test_closed_queue_takes_nothing_and_gives_what_it_has() -> None:
    queue = Queue()
    put(queue, 1, history=True)
    put(queue, 2)
    queue.close()
    assert not queue.put(Batch(3), 1)
    assert [jobs(queue), jobs(queue)] == [[2], [1]]
    assert queue.take(None) is None


def test_who_waits_is_woken_by_what_comes_and_by_the_end() -> None:
    queue = Queue()
    found: list[object] = []
    for number in (1, None):
        thread = threading.Thread(target=lambda: found.append(queue.take(None)))
        thread.start()
        if number is None:
            queue.close()
        else:
            put(queue, number)
        thread.join()
    assert found == [([Batch(1)], 1), None]

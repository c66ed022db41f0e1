"""A node restored from a backup: silent until it has heard from a member what it said since."""

from chatcore.catchup import WAIT_S
from chatcore.errors import NotCaughtUp
from chatcore.events import (
    CatchUpDone,
    CatchUpDue,
    CaughtUp,
    Rejected,
    Replied,
    RequestId,
    SendText,
    SetTimer,
)
from tests.support.core import BOB, LOBBY, WINE, Playbook, chat, of


def send(book: Playbook) -> object:
    outputs = book.settle(book.handle(SendText(RequestId(99), "lobby", "hi")))
    (answer,) = [output for output in outputs if isinstance(output, Replied | Rejected)]
    return answer.error if isinstance(answer, Rejected) else answer.reply


def test_restored_node_sends_nothing_before_it_caught_up() -> None:
    book = Playbook(restored=True)
    error = send(book)
    assert isinstance(error, NotCaughtUp)
    assert error.retryable
    assert book.node.waits_to_catch_up


def test_node_that_was_not_restored_waits_for_nobody() -> None:
    book = Playbook()
    assert not isinstance(send(book), NotCaughtUp)
    assert of(book.handle(CatchUpDone()), CaughtUp) == []


def test_link_to_a_member_ends_the_wait_after_a_while() -> None:
    book = Playbook(restored=True)
    outputs = book.link_up(BOB, rooms=[LOBBY])
    assert SetTimer(CatchUpDue(), book.now.mono + WAIT_S) in outputs
    book.hear(book.newest, chat(BOB, "news"))
    assert isinstance(send(book), NotCaughtUp)
    book.wait(WAIT_S)
    assert of(book.fire(CatchUpDue()), CaughtUp) == [CaughtUp()]
    assert not isinstance(send(book), NotCaughtUp)


def test_link_to_somebody_in_no_room_of_ours_does_not() -> None:
    book = Playbook(restored=True)
    book.link_up(BOB, rooms=[WINE])
    book.wait(WAIT_S)
    outputs = book.fire(CatchUpDue())
    assert of(outputs, CaughtUp) == []
    assert SetTimer(CatchUpDue(), book.now.mono + WAIT_S) in outputs
    assert isinstance(send(book), NotCaughtUp)


def test_link_that_went_meanwhile_starts_nothing_and_the_next_one_does() -> None:
    book = Playbook(restored=True)
    book.link_up(BOB)
    book.link_down(book.newest)
    book.wait(WAIT_S)
    assert book.fire(CatchUpDue()) == []
    assert of(book.link_up(BOB), SetTimer)


def test_owner_may_end_the_wait() -> None:
    book = Playbook(restored=True)
    assert of(book.handle(CatchUpDone()), CaughtUp) == [CaughtUp()]
    assert not isinstance(send(book), NotCaughtUp)
    assert of(book.handle(CatchUpDone()), CaughtUp) == []

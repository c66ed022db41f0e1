"""A pin is acknowledged once it is on disk, and nobody else hears of it."""

from chatcore.errors import Stopping, StoreFailed
from chatcore.events import Persist, PinMessage, PinRecord, PinReply, Rejected, Replied, Stop
from tests.support.core import BOB, LOBBY, STAMP, Playbook, chat, of, one

PIN = PinRecord(LOBBY, STAMP, chat(BOB, "hello").id, pinned=True)


def test_pin_is_answered_once_it_is_on_disk_and_told_to_nobody() -> None:
    book = Playbook()
    book.neighbours(2)
    request = book.next_request()

    outputs = book.handle(PinMessage(request, PIN))

    assert outputs == [one(outputs, Persist)]
    assert one(outputs, Persist).pins == (PIN,)
    assert book.commit(outputs) == [Replied(request, PinReply(PIN))]


def test_pin_that_could_not_be_written_is_rejected() -> None:
    book = Playbook()

    outputs = book.fail(book.handle(PinMessage(book.next_request(), PIN)))

    assert isinstance(one(outputs, Rejected).error, StoreFailed)
    assert of(outputs, Replied) == []


def test_pin_is_rejected_while_stopping() -> None:
    book = Playbook()
    book.handle(Stop())

    assert isinstance(one(book.handle(PinMessage(book.next_request(), PIN)), Rejected).error, Stopping)

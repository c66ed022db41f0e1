"""Messages a person brings from elsewhere: stored, told, and no room is entered for them."""

from chatcore.errors import StoreFailed
from chatcore.events import (
    ImportMessages,
    ImportReply,
    MessageAdded,
    Persist,
    Rejected,
    Replied,
    RoomRecord,
    Send,
)
from chatcore.messages import Publish
from tests.support.core import BOB, LOBBY, STAMP, TEA, Playbook, chat, of, one, sent


def test_imported_messages_are_answered_and_told_once_they_are_on_disk() -> None:
    book = Playbook()
    first, second = chat(BOB, "one"), chat(BOB, "two", stamp=STAMP + 1)
    request = book.next_request()

    outputs = book.handle(ImportMessages(request, (first, second), ()))

    assert outputs == [one(outputs, Persist)]
    outputs = book.commit(outputs)
    assert of(outputs, Replied) == [Replied(request, ImportReply(2))]
    assert [news.stored.envelope for news in of(outputs, MessageAdded)] == [first, second]


def test_imported_messages_are_pushed_to_nobody() -> None:
    book = Playbook()
    book.neighbours(2)

    outputs = book.settle(book.handle(ImportMessages(book.next_request(), (chat(BOB, "one"),), ())))

    assert sent(outputs, Publish) == []
    assert of(outputs, Send) == []


def test_message_that_was_here_already_is_not_counted() -> None:
    book = Playbook()
    envelope = chat(BOB, "one")
    book.settle(book.handle(ImportMessages(book.next_request(), (envelope,), ())))

    outputs = book.settle(book.handle(ImportMessages(book.next_request(), (envelope,), ())))

    assert one(outputs, Replied).reply == ImportReply(0)
    assert of(outputs, MessageAdded) == []


def test_imported_message_that_comes_by_a_link_later_is_a_duplicate() -> None:
    book = Playbook()
    envelope = chat(BOB, "one")
    book.settle(book.handle(ImportMessages(book.next_request(), (envelope,), ())))
    (link,) = book.neighbours(1)

    book.settle(book.hear(link, envelope))

    assert book.node.counters.received == 0
    assert book.node.counters.duplicate == 1


def test_what_we_say_sorts_after_what_was_imported() -> None:
    book = Playbook()
    ahead = chat(BOB, "from a fast clock", stamp=STAMP + (60_000 << 16))
    book.settle(book.handle(ImportMessages(book.next_request(), (ahead,), ())))

    (said,) = one(book.say("answer"), Persist).messages

    assert said.stamp > ahead.stamp


def test_room_of_imported_messages_becomes_known_and_is_not_entered() -> None:
    book = Playbook()
    record = RoomRecord(TEA, "tea", joined=False)

    outputs = book.handle(ImportMessages(book.next_request(), (chat(BOB, "one", room=TEA),), (record,)))

    assert one(outputs, Persist).rooms == (record,)
    assert of(book.commit(outputs), MessageAdded) == []
    assert book.node.room_ids == {LOBBY}


def test_room_we_are_in_or_coming_into_is_not_noted_as_left() -> None:
    book = Playbook()
    joining = book.join("tea")
    records = tuple(RoomRecord(room, name, joined=False) for room, name in ((LOBBY, "lobby"), (TEA, "tea")))

    outputs = book.handle(ImportMessages(book.next_request(), (chat(BOB, "one"),), records))

    assert one(outputs, Persist).rooms == ()
    book.commit(joining)
    assert book.node.room_ids == {LOBBY, TEA}


def test_import_that_cannot_be_stored_is_refused() -> None:
    book = Playbook()
    request = book.next_request()

    outputs = book.fail(book.handle(ImportMessages(request, (chat(BOB, "one"),), ())))

    rejected = one(outputs, Rejected)
    assert rejected.request == request
    assert isinstance(rejected.error, StoreFailed)

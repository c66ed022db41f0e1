"""Stopping: a word to everybody, nothing new, and what is under way is finished."""

import pytest

from chatcore.envelopes import Leave, open_envelope
from chatcore.errors import NodeStopping, Stopping, Unreachable
from chatcore.events import (
    CloseLink,
    Dial,
    DialDue,
    DialFailed,
    MessageAdded,
    Output,
    PeerChanged,
    PingDue,
    PresenceDue,
    Priority,
    Rejected,
    Replied,
    Send,
    SetTimer,
    Stop,
    TimerKey,
)
from chatcore.messages import Goodbye, Ping, Publish
from tests.support.core import BOB, CARL, LOBBY, WINE, Playbook, chat, of, one, publish, sent


def stopped(book: Playbook) -> list[Output]:
    return book.settle(book.handle(Stop()))


def test_stop_says_leave_in_every_room_and_goodbye_on_every_link() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    bob, carl = book.neighbour(BOB, rooms=[LOBBY, WINE]), book.neighbour(CARL)

    outputs = stopped(book)

    leaves = [(to, open_envelope(m.payload, m.signature)) for to, m in sent(outputs, Publish)]
    assert [(to, envelope.room, envelope.body) for to, envelope in leaves] == [
        ((bob, carl), LOBBY, Leave()),
        ((bob,), WINE, Leave()),
    ]
    goodbye = Goodbye("the node is stopping")
    assert sent(outputs, Goodbye) == [((bob,), goodbye), ((carl,), goodbye)]
    assert [output.link for output in of(outputs, CloseLink)] == [bob, carl]
    assert [news.up for news in of(outputs, PeerChanged)] == [False, False]
    assert len(book.node.links) == 0


def test_goodbye_leaves_after_everything_that_is_queued() -> None:
    book = Playbook()
    book.neighbour(BOB)

    priorities = {type(output.message): output.priority for output in of(stopped(book), Send)}

    assert priorities == {Publish: Priority.LIVE, Goodbye: max(Priority)}


def test_requests_are_rejected_while_stopping() -> None:
    book = Playbook()
    stopped(book)

    for outputs in (book.say("hello"), book.join("wine"), book.leave("lobby"), book.connect("a.example:1")):
        (rejected,) = outputs
        assert isinstance(rejected, Rejected)
        assert isinstance(rejected.error, Stopping)
        assert rejected.error.retryable


def test_message_on_its_way_to_disk_is_answered_while_stopping() -> None:
    book = Playbook()
    book.neighbour(BOB)
    said = book.say("last words")
    stopped(book)

    outputs = book.commit(said)

    assert [type(output) for output in outputs] == [Replied, MessageAdded]
    assert book.texts == ["last words"]


def test_message_under_check_is_stored_and_handed_to_nobody_while_stopping() -> None:
    book = Playbook()
    received = book.receive(book.neighbour(BOB), publish(chat(BOB, "hi")))
    book.neighbour(CARL)
    stopped(book)

    outputs = book.settle(received)

    assert len(of(outputs, MessageAdded)) == 1
    assert of(outputs, Send) == []


@pytest.mark.parametrize("key", [PingDue(), DialDue(), PresenceDue()])
def test_timers_do_nothing_while_stopping(key: TimerKey) -> None:
    book = Playbook(bootstrap=("a.example:1",))
    stopped(book)

    assert book.fire(key) == []


def test_nothing_is_dialled_while_stopping() -> None:
    book = Playbook(bootstrap=("a.example:1",))
    stopped(book)

    outputs = book.handle(DialFailed("a.example:1", Unreachable("refused")))

    assert of(outputs, Dial) == []
    assert of(outputs, SetTimer) == []


def test_link_that_comes_up_while_stopping_is_turned_away() -> None:
    book = Playbook()
    stopped(book)

    outputs = book.link_up(BOB)

    assert [type(output) for output in outputs] == [Send, CloseLink]
    assert sent(outputs, Goodbye) == [((book.newest,), Goodbye("the node is stopping"))]
    assert isinstance(one(outputs, CloseLink).error, NodeStopping)
    assert len(book.node.links) == 0


def test_links_that_close_while_stopping_are_told_once() -> None:
    book = Playbook()
    bob = book.link(BOB)
    stopped(book)

    assert book.link_down(bob) == []
    assert book.receive(bob, Ping(1)) == []


def test_second_stop_does_nothing() -> None:
    book = Playbook()
    book.link(BOB)
    stopped(book)

    assert stopped(book) == []

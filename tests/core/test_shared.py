"""What comparing histories says of our own messages: whoever has a range as we have it has ours in it."""

import pytest

from chatcore import outbox
from chatcore.answering import answer, equal_ranges, look_up
from chatcore.envelopes import Envelope
from chatcore.events import (
    LookedUp,
    LookUp,
    Output,
    Received,
    RepairDue,
    SetTimer,
    StateChanged,
    StatesDue,
    Stop,
)
from chatcore.ids import LinkId
from chatcore.messages import Compare, Compared, FetchRange, History, Part, Range
from chatcore.own import OwnMessage, State
from chatcore.ranges import NOTHING, fingerprint, floor, horizon, room_tag
from chatcore.shared import MAX_RANGES, MAX_WALKS, Shared, Walks
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    LOBBY,
    TEA,
    MemoryOwnLog,
    Playbook,
    chat,
    identity,
    of,
    sent,
)
from tests.support.sortedindex import SortedIndex, key_of

DIALLED = "192.0.2.9:8080"
END = b"\xff" * 8


def said(book: Playbook, count: int) -> list[Envelope]:
    for number in range(count):
        book.settle(book.say(f"text {number}"))
    return [item.envelope for item in book.stored[-count:]]


def states(book: Playbook, envelopes: list[Envelope]) -> list[State]:
    return [own.state for item in envelopes if (own := book.node.own_message(item.id)) is not None]


def look(book: Playbook) -> list[Output]:
    """Let the states be looked through, two at a time, and written."""
    return [output for _ in book.stored for output in book.settle(book.fire(StatesDue()))]


def prints(book: Playbook, lower: bytes, upper: bytes) -> bytes:
    return fingerprint(book.index.fingerprint(LOBBY, lower, upper))


def ask(book: Playbook, link: LinkId, lower: bytes = b"", upper: bytes = END) -> list[Output]:
    """The peer compares a range of which it has what we have now."""
    question = Compare(7, room_tag(LOBBY), (Range(lower, upper, prints(book, lower, upper)),))
    return book.settle(book.receive(link, question))


def asked(book: Playbook) -> tuple[LinkId, Compare]:
    """A link that we dialled, and what we ask over it about the lobby."""
    link = book.link(BOB, dialled=DIALLED)
    book.wait(0.25)
    ((_, question),) = sent(book.fire(RepairDue()), Compare)
    return link, question


def test_member_with_an_equal_history_has_what_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 2)
    book = Playbook()
    mine = said(book, 7)
    link = book.link(BOB)

    ask(book, link)
    told = look(book)

    assert states(book, mine) == [State.DELIVERED] * 7
    assert {book.own.records[item.id].confirmed_by for item in mine} == {(BOB.peer_id,)}
    assert {news.own.id for news in of(told, StateChanged)} == {item.id for item in mine}


def test_member_that_has_something_else_is_not_said_to_have_it() -> None:
    book = Playbook()
    mine = said(book, 3)
    link = book.link(BOB)

    book.receive(link, Compare(7, room_tag(LOBBY), (Range(b"", END, NOTHING),)))

    look(book)
    assert states(book, mine) == [State.QUEUED] * 3


def test_range_says_nothing_of_what_lies_beside_it() -> None:
    book = Playbook()
    mine = said(book, 4)

    ask(book, book.link(BOB), key_of(mine[1]), key_of(mine[3]))
    look(book)

    assert states(book, mine) == [State.QUEUED, State.DELIVERED, State.DELIVERED, State.QUEUED]


def test_what_lies_below_our_own_floor_is_not_compared_and_not_delivered() -> None:
    book = Playbook()
    mine = said(book, 2)
    book.index.floors[LOBBY] = mine[1].stamp
    lower = floor(book.index, LOBBY)
    question = Compare(7, room_tag(LOBBY), (Range(b"", END, prints(book, lower, END)),))

    book.receive(book.link(BOB), question)
    look(book)

    assert states(book, mine) == [State.QUEUED, State.DELIVERED]


def test_range_that_lies_below_our_floor_says_nothing() -> None:
    book = Playbook()
    mine = said(book, 2)
    book.index.floors[LOBBY] = mine[1].stamp + 1

    ask(book, book.link(BOB), b"", key_of(mine[1]))

    look(book)
    assert states(book, mine) == [State.QUEUED, State.QUEUED]


def test_what_is_said_after_the_comparison_is_not_delivered() -> None:
    book = Playbook()
    before = said(book, 3)
    ask(book, book.link(BOB))
    after = said(book, 1)

    look(book)

    assert states(book, [*before, *after]) == [*[State.DELIVERED] * 3, State.QUEUED]


def test_answer_that_all_is_equal_says_so_too() -> None:
    book = Playbook()
    mine = said(book, 3)
    link, question = asked(book)

    book.receive(link, Compared(question.token, ((),)))
    look(book)

    assert states(book, mine) == [State.DELIVERED] * 3


def test_answer_to_what_has_changed_meanwhile_says_nothing() -> None:
    book = Playbook()
    before = said(book, 2)
    link, question = asked(book)
    after = said(book, 1)

    book.receive(link, Compared(question.token, ((),)))
    look(book)

    assert State.DELIVERED not in states(book, [*before, *after])


def test_equal_part_of_an_answer_says_it_of_that_part() -> None:
    book = Playbook()
    mine = said(book, 4)
    link, question = asked(book)
    middle = key_of(mine[2])
    parts = (Part(middle, b"\0" * 16, 2), Part(b"", prints(book, b"", middle), 2))

    outputs = book.receive(link, Compared(question.token, (parts,)))
    look(book)
    assert states(book, mine) == [*[State.DELIVERED] * 2, *[State.QUEUED] * 2]

    ((_, deeper),) = sent(outputs, Compare)
    nothing = Part(deeper.ranges[0].lower, NOTHING, 0)  # it keeps nothing there
    book.receive(link, Compared(deeper.token, ((nothing,),)))
    look(book)
    assert states(book, mine) == [*[State.DELIVERED] * 2, *[State.QUEUED] * 2]


def test_member_that_keeps_nothing_as_old_as_the_question_is_not_said_to_have_it() -> None:
    book = Playbook(restored=True)
    link, question = asked(book)
    ((probe,),) = [question.ranges]
    theirs = SortedIndex()
    theirs.floors[LOBBY] = int.from_bytes(probe.upper, "big") + 1

    reply = answer(theirs, LOBBY, question)
    book.receive(link, reply)

    assert reply.answers == ((Part(probe.lower, NOTHING, 0),),)
    assert not equal_ranges(theirs, LOBBY, question, reply)
    assert not book.node._repair.is_whole(LOBBY, book.now)
    assert not book.node._catch_up._whole

    book = Playbook()
    mine = said(book, 3)
    link, question = asked(book)
    book.receive(link, answer(theirs, LOBBY, question))
    look(book)
    assert states(book, mine) == [State.QUEUED] * 3


def test_node_whose_floor_is_above_its_horizon_asks_nothing() -> None:
    book = Playbook()
    book.index.floors[LOBBY] = int.from_bytes(horizon(book.now), "big") + (60_000 << 16)
    book.link(BOB, dialled=DIALLED)
    book.wait(0.25)
    assert not sent(book.fire(RepairDue()), Compare)


def test_what_a_member_fetches_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 2)
    book = Playbook()
    mine = said(book, 4)
    book.hear(book.link(CARL), chat(CARL, "hi"))

    outputs = book.receive(book.link(BOB), FetchRange(7, room_tag(LOBBY), b"", horizon(book.now)))

    assert len(sent(outputs, History)[0][1].messages) == 5
    assert [news.own for news in of(outputs, StateChanged)] == [
        OwnMessage(item.id, LOBBY, State.SENT) for item in reversed(mine)
    ]
    look(book)
    assert [book.own.records[item.id].state for item in mine] == [State.SENT] * 4


def test_comparison_costs_nothing_when_nothing_waits() -> None:
    book = Playbook()
    outputs = ask(book, book.link(BOB))
    assert StatesDue() not in [timer.key for timer in of(outputs, SetTimer)]


def test_stop_does_not_wait_for_what_is_still_to_be_looked_at() -> None:
    book = Playbook()
    mine = said(book, 5)
    ask(book, book.link(BOB))

    book.settle(book.handle(Stop()))

    assert State.QUEUED in states(book, mine)


def test_walks_and_their_ranges_are_bounded() -> None:
    log = MemoryOwnLog()
    walks = Walks(log)
    for number in range(MAX_WALKS + 5):
        walks.add([Shared(identity(number).peer_id, TEA, b"", END)], 9)
    for _ in range(MAX_WALKS):
        assert walks
        assert list(walks.step()) == []
    assert not walks

    book = Playbook(own=log)
    mine = said(book, 1)
    past = [Shared(ANN.peer_id, LOBBY, b"", b"\0")] * MAX_RANGES
    walks.add([*past, Shared(ANN.peer_id, LOBBY, b"", END)], 9)
    assert list(walks.step()) == []
    walks.add([Shared(ANN.peer_id, LOBBY, b"", END)], 9)
    assert [own.id for own, _ in walks.step()] == [mine[0].id]


def test_what_is_said_while_the_comparison_is_looked_up_is_not_delivered() -> None:
    book = Playbook()
    before = said(book, 3)
    link = book.neighbour(BOB)
    question = Compare(7, room_tag(LOBBY), (Range(b"", END, prints(book, b"", END)),))
    (wanted,) = of(book.node.handle(Received(link, (question,)), book.now), LookUp)
    reply, alike = look_up(book.index, wanted.room, wanted.question)
    meanwhile = said(book, 1)
    book.handle(LookedUp(wanted.job, reply, tuple(alike)))
    look(book)
    assert State.DELIVERED not in states(book, [*before, *meanwhile])
    ask(book, link)
    look(book)
    assert states(book, [*before, *meanwhile]) == [State.DELIVERED] * 4


def test_room_left_while_a_comparison_is_looked_up_is_not_whole_by_it() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    question = Compare(7, room_tag(LOBBY), (Range(b"", END, prints(book, b"", END)),))
    (wanted,) = of(book.node.handle(Received(link, (question,)), book.now), LookUp)
    reply, alike = look_up(book.index, wanted.room, wanted.question)
    book.commit(book.leave("lobby"))
    book.commit(book.join("lobby"))
    book.handle(LookedUp(wanted.job, reply, tuple(alike)))
    assert not book.node.history_of(LOBBY, book.now)[0]

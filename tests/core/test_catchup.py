"""A node restored from a backup: silent until a member was found to have nothing that it lacks."""

from chatcore import ranges, reconcile, repair
from chatcore.catchup import SETTLE_S
from chatcore.clock import MAX_SKEW_MS
from chatcore.errors import NotCaughtUp
from chatcore.events import (
    CatchUpDone,
    CatchUpDue,
    CaughtUp,
    Output,
    Rejected,
    RepairDue,
    Replied,
    RequestId,
    SendText,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId, RoomId
from chatcore.messages import Compare, Compared, History, Listed, Part, Range
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    STAMP,
    TEA,
    WINE,
    Playbook,
    chat,
    of,
    publish,
    sent,
)
from tests.support.core_network import Network

HORIZON = (STAMP + (MAX_SKEW_MS << 16)).to_bytes(8, "big")


def send(book: Playbook) -> object:
    outputs = book.handle(SendText(RequestId(book.now.wall_ms), "lobby", "hi"))
    outputs = book.settle(outputs)
    (answer,) = [output for output in outputs if isinstance(output, Replied | Rejected)]
    return answer.error if isinstance(answer, Rejected) else answer.reply


def refusal(book: Playbook) -> str:
    error = send(book)
    assert isinstance(error, NotCaughtUp)
    return error.waits_for


def tea_too() -> Playbook:
    book = Playbook(restored=True)
    book.settle(book.join("tea"))
    return book


def questions(book: Playbook) -> list[tuple[LinkId, Compare]]:
    """What is asked once the links that came up have been there for a moment."""
    book.wait(repair.STAGGER_S)
    return [(links[0], message) for links, message in sent(book.fire(RepairDue()), Compare)]


def agree(book: Playbook, link: LinkId, question: Compare) -> list[Output]:
    return book.receive(link, Compared(question.token, ((),)))


def meet(book: Playbook, peer: Identity, room: RoomId = LOBBY) -> list[Output]:
    """A member comes that has nothing we lack."""
    link = book.link(peer, rooms=[room])
    ((asked, question),) = questions(book)
    assert asked == link
    return agree(book, link, question)


def ended(outputs: list[Output]) -> bool:
    return of(outputs, CaughtUp) == [CaughtUp()]


def settle(book: Playbook) -> list[Output]:
    book.wait(SETTLE_S)
    return book.fire(CatchUpDue())


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
    book.link_up(BOB)
    assert questions(book) == []  # who was called does not ask


def test_owner_may_end_the_wait() -> None:
    book = Playbook(restored=True)
    assert ended(book.handle(CatchUpDone()))
    assert not isinstance(send(book), NotCaughtUp)
    assert of(book.handle(CatchUpDone()), CaughtUp) == []


def test_member_with_nothing_new_ends_the_wait_a_little_later() -> None:
    book = Playbook(restored=True)
    assert not ended(meet(book, BOB))
    assert "whether another member has more" in refusal(book)
    assert ended(settle(book))
    assert not isinstance(send(book), NotCaughtUp)


def test_refusal_says_what_is_waited_for() -> None:
    book = tea_too()
    assert refusal(book) == "nobody in its rooms is linked"
    book.link_up(BOB, rooms=[WINE])
    assert refusal(book) == "nobody in its rooms is linked"
    meet(book, CARL)
    book.link_up(ANN, rooms=[TEA, LOBBY])
    assert refusal(book) == "it is still comparing its history of #tea with a member's"


def test_refusal_advises_to_link_only_where_nobody_is_linked() -> None:
    book = Playbook(restored=True)
    hints = []
    for _ in range(2):
        error = send(book)
        assert isinstance(error, NotCaughtUp)
        hints.append(error.hint)
        book.link_up(BOB)
    assert "chatctl connect" in hints[0]
    assert hints[1].startswith("try again in some seconds")


def test_nobody_linked_keeps_it_waiting() -> None:
    book = Playbook(restored=True)
    book.wait(3600.0)
    assert book.fire(RepairDue())
    assert "nobody" in refusal(book)
    meet(book, BOB)
    book.link_down(book.newest)
    assert not ended(settle(book))
    book.link_up(BOB)
    assert ended(settle(book))


def test_peer_of_no_shared_room_does_not_count() -> None:
    book = Playbook(restored=True)
    book.link_up(BOB, rooms=[WINE])
    assert questions(book) == []
    assert not ended(settle(book))


def test_silent_member_keeps_it_waiting() -> None:
    book = Playbook(restored=True)
    book.link_up(BOB)
    assert questions(book)
    book.wait(reconcile.ANSWER_S)
    book.fire(RepairDue())
    assert not ended(settle(book))
    assert "#lobby" in refusal(book)


def test_each_room_with_a_member_is_compared_first() -> None:
    book = tea_too()
    meet(book, BOB)
    book.link_up(CARL, rooms=[TEA])
    ((link, question),) = questions(book)
    assert not ended(settle(book))
    assert "#tea" in refusal(book)
    assert ended(agree(book, link, question))


def test_room_where_nobody_is_linked_does_not_hold_the_wait() -> None:
    book = tea_too()
    meet(book, BOB)
    assert ended(settle(book))


def test_room_whose_member_went_does_not_hold_it_any_longer() -> None:
    book = tea_too()
    meet(book, BOB)
    book.link_up(CARL, rooms=[TEA])
    assert not ended(settle(book))
    book.link_down(book.newest)
    assert ended(settle(book))


def test_member_that_promises_what_it_does_not_have_neither_ends_the_wait_nor_holds_it() -> None:
    book = Playbook(restored=True)
    liar = book.link(BOB)
    ((_, question),) = questions(book)
    promise = chat(BOB, "never comes")
    book.receive(liar, Compared(question.token, ((Listed(b"", (promise.id,)),),)))
    book.receive(liar, History(question.token, b"", ()))
    assert not ended(settle(book))
    link = book.link(CARL)
    ((_, question),) = [each for each in questions(book) if each[0] == link]
    agree(book, link, question)
    assert ended(settle(book))


def test_member_that_has_less_counts() -> None:
    """Else a restored node with more history than its peers keep would wait for ever."""
    book = Playbook(restored=True)
    old = [chat(ANN, f"{number}", stamp=number) for number in range(1, 100)]
    for envelope in old:
        book.index.add(envelope)
    link = book.link(BOB)
    ((_, question),) = questions(book)
    kept_from = (50).to_bytes(8, "big")
    ours = book.index.fingerprint(LOBBY, kept_from, HORIZON)
    part = Part(kept_from, ranges.fingerprint(ours), ours.size)
    book.receive(link, Compared(question.token, ((part,),)))
    assert ended(settle(book))


def test_member_asked_by_us_although_it_dialled() -> None:
    book = Playbook(restored=True)
    link = book.link(BOB)  # it called
    same = Compare(1, LOBBY[:8], (Range(b"", HORIZON, ranges.NOTHING),))
    book.receive(link, same)
    assert [to for to, _ in questions(book)] == [link]


def test_member_that_brings_page_after_page_takes_back_what_others_said() -> None:
    book = Playbook(restored=True)
    meet(book, BOB)
    link = book.link(CARL)
    ((_, question),) = questions(book)
    news = [chat(ANN, f"{number}", stamp=STAMP + number) for number in range(2)]
    book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 2),),)))
    half = History(question.token, (STAMP + 1).to_bytes(8, "big"), (publish(news[1], 0),))
    book.settle(book.receive(link, half))
    assert not ended(settle(book))  # though Bob's comparison had nothing for us
    other = book.link(DORA)
    book.wait(repair.STAGGER_S)
    ((_, asked),) = sent(book.fire(RepairDue()), Compare)
    assert not ended(agree(book, other, asked))  # neither does Dora's count, while Carl brings more
    outputs = book.settle(book.receive(link, History(question.token, b"", (publish(news[0], 0),))))
    assert not ended(outputs)
    again = [(links[0], message) for links, message in sent(outputs, Compare)]
    assert link in [to for to, _ in again]
    assert any(ended(agree(book, to, message)) for to, message in again)
    assert book.texts == ["1", "0"]


def test_member_with_something_new_of_its_own_each_time_does_not_hold_the_wait() -> None:
    book = Playbook(restored=True)
    dribbler, honest = book.link(BOB), book.link(CARL)
    asked = dict(questions(book))
    news = [chat(BOB, f"{number}", stamp=STAMP + number) for number in range(3)]
    question = asked[dribbler]
    book.receive(dribbler, Compared(question.token, ((Listed(b"", tuple([item.id for item in news])),),)))
    first = History(question.token, b"", (publish(news[0], 0),))
    book.settle(book.receive(dribbler, first))  # the others come never, or later
    agree(book, honest, asked[honest])
    assert book.texts == ["0"]
    assert ended(settle(book))


def test_member_that_has_brought_what_others_said_counts_when_nothing_is_left() -> None:
    book = Playbook(restored=True)
    link = book.link(BOB)
    ((_, question),) = questions(book)
    news = chat(DORA, "news", stamp=STAMP)
    book.receive(link, Compared(question.token, ((Listed(b"", (news.id,)),),)))
    book.settle(book.receive(link, History(question.token, b"", (publish(news, 0),))))
    assert ended(settle(book))


# With members that are nodes themselves


def test_what_it_said_after_the_backup_comes_before_it_may_send() -> None:
    network = Network("bob")
    ann = network.add("ann", restored=True)
    early = [chat(ann.node.identity, f"early {number}", stamp=STAMP + number) for number in range(50)]
    late = [chat(ann.node.identity, f"late {number}", stamp=STAMP + 100 + number) for number in range(500)]
    for envelope in early:
        ann.index.add(envelope)
    for envelope in [*early, *late]:
        network["bob"].index.add(envelope)
    network.say("ann", "too soon")
    network.connect("bob", to="ann")
    network.wait(SETTLE_S + 3.0)
    assert not ann.node.waits_to_catch_up
    assert set(ann.texts) == {f"late {number}" for number in range(500)}
    network.say("ann", "back")
    network.run()
    assert network["bob"].texts == ["back"]
    stamps = [item.envelope.stamp for item in ann.stored]
    assert stamps[-1] > max(stamps[:-1])


def test_member_that_was_away_too_does_not_end_it_when_another_has_more() -> None:
    network = Network("bob", "carl")
    ann = network.add("ann", restored=True)
    late = [chat(ann.node.identity, f"late {number}", stamp=STAMP + number) for number in range(2000)]
    for envelope in late:
        network["carl"].index.add(envelope)
    network.connect("ann", to="bob")
    network.wait(SETTLE_S - 1.0)
    assert ann.node.waits_to_catch_up
    network.connect("ann", to="carl")
    while ann.node.waits_to_catch_up:
        network.wait(0.1)
    assert len(ann.texts) == 2000

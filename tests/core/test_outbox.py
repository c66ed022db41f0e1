"""How far our own messages have come: queued, sent, refused, delivered; and receipts to others for theirs."""

from typing import Any

import pytest

from chatcore import outbox, requests
from chatcore.api import ERROR_CODES
from chatcore.clock import COUNTER_BITS, MAX_SKEW_MS, HybridClock, Now, wall_ms_of
from chatcore.envelopes import Announce, Envelope
from chatcore.errors import BadClientId, ClockApart, OutboxFull
from chatcore.events import (
    CommitFailed,
    MessageAdded,
    Notice,
    Output,
    Persist,
    Priority,
    ReceiptDue,
    Rejected,
    Replied,
    Send,
    SentReply,
    SetTimer,
    StateChanged,
    StatesDue,
    Stop,
    StoredMessage,
)
from chatcore.ids import LinkId, PeerId
from chatcore.messages import (
    MAX_SHORT_IDS,
    REFUSED_EXPIRED,
    REFUSED_FUTURE,
    Ihave,
    Publish,
    Receipt,
    Refused,
)
from chatcore.outbox import MAX_OFFERED
from chatcore.own import MAX_CONFIRMERS, OwnMessage, State
from chatcore.recent import short_id
from tests.support.core import (
    ANN,
    BOB,
    CARL,
    DORA,
    LOBBY,
    START,
    WINE,
    MemoryOwnLog,
    Playbook,
    chat,
    job_of,
    of,
    one,
    publish,
    sent,
    written,
)


def receipt(*envelopes: Envelope) -> Receipt:
    return Receipt(tuple(short_id(envelope.id) for envelope in envelopes))


def last(book: Playbook) -> Envelope:
    return book.stored[-1].envelope


def state_of(book: Playbook, envelope: Envelope) -> OwnMessage:
    found = book.node.own_message(envelope.id)
    assert found is not None
    return found


def said(book: Playbook, text: str = "hello", room: str = "lobby") -> Envelope:
    book.settle(book.say(text, room))
    return last(book)


def to_link(outputs: list[Output], kind: type[Any], link: LinkId) -> list[Any]:
    return [message for links, message in sent(outputs, kind) if link in links]


# Queued, sent


def test_message_said_alone_is_queued() -> None:
    book = Playbook()
    outputs = book.settle(book.say("anyone?"))

    own = OwnMessage(last(book).id, LOBBY)
    assert outputs == [
        Replied(outputs[0].request, SentReply(own, "lobby")),  # type: ignore[union-attr]  # it is a Replied
        MessageAdded("lobby", StoredMessage(1, last(book)), own),
    ]
    assert state_of(book, last(book)).state is State.QUEUED


def test_own_message_and_its_state_are_written_together() -> None:
    persist = one(Playbook().say("hello", client_id="7"), Persist)

    (message,) = persist.messages
    assert persist.own == (OwnMessage(message.id, LOBBY, State.QUEUED, client_id="7"),)


def test_queued_message_is_pushed_to_the_first_neighbour() -> None:
    book = Playbook()
    first, second = said(book, "one"), said(book, "two")

    outputs = book.link_up(BOB)
    assert publish(first) not in to_link(outputs, Publish, book.newest)  # linked, and not yet a neighbour
    outputs = book.befriend(book.newest, outputs)

    assert to_link(outputs, Publish, book.newest)[:2] == [publish(first), publish(second)]
    assert to_link(outputs, Ihave, book.newest) == []  # it is known to have them now
    assert [(news.room, news.own) for news in of(outputs, StateChanged)] == [
        ("lobby", OwnMessage(item.id, LOBBY, State.SENT)) for item in (first, second)
    ]


def test_queued_message_waits_for_a_member_of_its_own_room() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    wine = said(book, "cheers", "wine")

    bob = book.neighbour(BOB, rooms=[LOBBY])
    assert state_of(book, wine).state is State.QUEUED

    outputs = book.link_up(CARL, rooms=[WINE])
    outputs = book.befriend(book.newest, outputs)
    assert publish(wine) in to_link(outputs, Publish, book.newest)
    assert to_link(outputs, Publish, bob) == []


def test_of_many_queued_messages_the_last_are_pushed_at_once() -> None:
    book = Playbook()
    all_said = [said(book, f"text {number}") for number in range(MAX_OFFERED + 5)]

    outputs = book.befriend(book.link(BOB), [])

    pushed = [message.id for message in to_link(outputs, Publish, book.newest)]
    assert pushed[:MAX_OFFERED] == [item.id for item in all_said[5:]]
    assert state_of(book, all_said[0]).state is State.QUEUED
    assert state_of(book, all_said[-1]).state is State.SENT


def test_message_sent_and_not_confirmed_goes_to_the_next_neighbour_too() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hello = said(book)
    book.link_down(bob)

    outputs = book.link_up(CARL)
    assert publish(hello) in to_link(book.befriend(book.newest, outputs), Publish, book.newest)


def test_message_handed_over_is_written_as_sent_a_little_later() -> None:
    book = Playbook()
    book.neighbour(BOB)
    outputs = book.settle(book.say("hello"))
    assert SetTimer(StatesDue(), book.now.mono + 0.25) in outputs
    assert book.own.records[last(book).id].state is State.QUEUED

    book.wait(0.25)
    assert of(book.settle(book.fire(StatesDue())), StateChanged) == []  # the answer has told it
    assert book.own.records[last(book).id].state is State.SENT


def test_what_waited_goes_out_after_a_restart() -> None:
    log = MemoryOwnLog()
    before = Playbook(own=log)
    hello = said(before)

    book = Playbook(own=log)
    assert state_of(book, hello).state is State.QUEUED
    outputs = book.link_up(BOB)
    outputs = book.befriend(book.newest, outputs)

    assert publish(hello) in to_link(outputs, Publish, book.newest)
    book.settle(book.receive(book.newest, receipt(hello)))
    assert log.records[hello.id].state is State.DELIVERED


def test_full_outbox_lets_the_oldest_go_and_still_knows_its_state(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 2)
    book = Playbook()
    first, *rest = [said(book, f"text {number}") for number in range(3)]

    outputs = book.befriend(book.link(BOB), [])

    pushed = [message.id for message in to_link(outputs, Publish, book.newest)]
    assert [item.id for item in rest] == pushed[:2]
    assert state_of(book, first).state is State.QUEUED


def test_message_let_go_of_is_delivered_when_history_repair_brought_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "MAX_WAITING", 2)
    book = Playbook()
    first, *_ = [said(book, f"text {number}") for number in range(3)]

    book.settle(book.receive(book.neighbour(BOB), receipt(first)))

    assert state_of(book, first).state is State.DELIVERED
    assert book.own.unsent() == 0


def test_send_is_refused_while_too_many_wait_for_somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "MAX_UNSENT", 3)
    book = Playbook()
    said(book, "one")
    said(book, "two")
    under_way = book.say("three")

    error = one(book.say("four"), Rejected).error
    assert isinstance(error, OutboxFull)
    assert ERROR_CODES[OutboxFull] == 1016
    assert error.retryable

    book.settle(under_way)
    book.neighbour(BOB)
    assert state_of(book, said(book, "five")).state is State.SENT


# Delivered


def test_receipt_makes_it_delivered_once_that_is_written() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hello = said(book)

    outputs = book.receive(bob, receipt(hello))
    assert of(outputs, StateChanged) == []
    assert state_of(book, hello).state is State.SENT

    delivered = OwnMessage(hello.id, LOBBY, State.DELIVERED, (BOB.peer_id,), 1)
    assert one(outputs, Persist).own == (delivered,)
    assert book.commit(outputs) == [StateChanged("lobby", delivered)]
    assert state_of(book, hello) == delivered


def test_each_member_counts_once() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hello = said(book)

    book.settle(book.receive(bob, receipt(hello)))
    assert book.settle(book.receive(bob, receipt(hello))) == []
    told = book.settle(book.receive(carl, receipt(hello)))

    assert [news.own.confirmed for news in of(told, StateChanged)] == [2]
    assert state_of(book, hello).confirmed_by == (BOB.peer_id, CARL.peer_id)


def test_receipts_during_a_commit_are_gathered_for_the_next() -> None:
    book = Playbook()
    links = book.neighbours(4)
    hello = said(book)

    first = book.receive(links[0], receipt(hello))
    later = [output for link in links[1:] for output in book.receive(link, receipt(hello))]
    assert of(later, Persist) == []

    told = book.settle(first)
    assert [news.own.confirmed for news in of(told, StateChanged)] == [1, 4]


def test_receipt_for_what_is_not_ours_is_ignored() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    carls = chat(CARL, "hi")
    book.hear(bob, carls)

    assert book.receive(bob, receipt(carls), Receipt((b"whatever",))) == []
    assert book.node.own_message(carls.id) is None


def test_receipt_of_somebody_outside_the_room_is_ignored() -> None:
    book = Playbook()
    book.neighbour(BOB)
    hello = said(book)
    carl = book.link(CARL, rooms=[WINE])

    assert book.receive(carl, receipt(hello)) == []


def test_state_never_falls() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hello = said(book)
    book.settle(book.receive(bob, receipt(hello)))

    book.settle(book.receive(carl, Refused(short_id(hello.id), REFUSED_FUTURE, 3_600_000)))
    book.neighbour(DORA)

    assert state_of(book, hello).state is State.DELIVERED


def test_delivered_message_is_not_pushed_again() -> None:
    book = Playbook()
    hello = said(book)
    bob = book.neighbour(BOB)
    book.settle(book.receive(bob, receipt(hello)))

    outputs = book.link_up(CARL)
    outputs = book.befriend(book.newest, outputs)

    assert publish(hello) not in to_link(outputs, Publish, book.newest)
    assert Ihave((short_id(hello.id),)) in to_link(outputs, Ihave, book.newest)


def test_confirmers_are_capped() -> None:
    own = OwnMessage(chat(ANN, "x").id, LOBBY)
    for number in range(MAX_CONFIRMERS + 10):
        own = own.confirmed_too(PeerId(number.to_bytes(32, "big")))

    assert (own.confirmed, len(own.confirmed_by)) == (MAX_CONFIRMERS, MAX_CONFIRMERS)


def test_old_delivered_messages_are_answered_for_by_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_FOLLOWED", 1)
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    first, second = said(book, "one"), said(book, "two")
    book.settle(book.receive(bob, receipt(first, second)))

    book.settle(book.receive(carl, receipt(first, second)))

    assert [state_of(book, item).confirmed for item in (first, second)] == [1, 2]


def test_states_that_cannot_be_written_are_tried_again_later() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hello = said(book)
    outputs = book.receive(bob, receipt(hello))

    failed = book.handle(CommitFailed(job_of(outputs), "disk full"))
    assert of(failed, Persist) == []
    assert SetTimer(StatesDue(), book.now.mono + 5.0) in failed
    assert state_of(book, hello).state is State.SENT

    book.wait(5.0)
    assert one(book.settle(book.fire(StatesDue())), StateChanged).own.state is State.DELIVERED


def test_stop_writes_what_is_known_and_does_not_insist() -> None:
    book = Playbook()
    book.neighbour(BOB)
    hello = said(book)

    stopping = book.handle(Stop())

    assert one(stopping, Persist).own == (OwnMessage(hello.id, LOBBY, State.SENT),)
    assert of(book.handle(CommitFailed(job_of(stopping), "closed")), Persist) == []


# Receipts for others


def test_author_at_the_other_end_hears_that_its_message_is_stored() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    first, second = chat(BOB, "one"), chat(BOB, "two")

    outputs = book.hear(bob, first, second)
    assert sent(outputs, Receipt) == []
    assert SetTimer(ReceiptDue(), book.now.mono + 0.05) in outputs

    assert book.fire(ReceiptDue()) == [Send((bob,), receipt(first, second), Priority.LIVE)]
    assert book.fire(ReceiptDue()) == []


def test_nothing_is_confirmed_before_its_commit() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hi = chat(BOB, "hi")
    checked = book.verify(book.receive(bob, publish(hi)))
    again = book.receive(bob, publish(hi))  # a copy of what is on its way to disk

    assert of([*checked, *again], SetTimer) == [SetTimer(key, at) for key, at in _timers(checked)]
    assert book.fire(ReceiptDue()) == []

    book.commit(checked)
    assert book.fire(ReceiptDue()) == [Send((bob,), receipt(hi), Priority.LIVE)]


def _timers(outputs: list[Output]) -> list[tuple[Any, float]]:
    return [(timer.key, timer.at) for timer in of(outputs, SetTimer) if timer.key != ReceiptDue()]


def test_message_that_could_not_be_stored_is_not_confirmed() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hi = chat(BOB, "hi")
    book.fail(book.verify(book.receive(bob, publish(hi))))

    assert book.fire(ReceiptDue()) == []

    book.hear(bob, hi)
    assert sent(book.fire(ReceiptDue()), Receipt) == [((bob,), receipt(hi))]


def test_message_that_came_by_another_road_is_confirmed_to_its_author() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hi = chat(BOB, "hi")
    book.hear(carl, hi)

    assert book.fire(ReceiptDue()) == [Send((bob,), receipt(hi), Priority.LIVE)]


def test_message_of_an_author_who_is_not_linked_is_confirmed_to_nobody() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)

    assert not _has_receipt_timer(book.hear(bob, chat(CARL, "hi")))


def _has_receipt_timer(outputs: list[Output]) -> bool:
    return any(timer.key == ReceiptDue() for timer in of(outputs, SetTimer))


@pytest.mark.parametrize("restarted", [False, True])
def test_message_stored_before_is_confirmed_again_when_its_author_pushes_it(restarted: bool) -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hi = chat(BOB, "hi")
    if restarted:
        book.index.ids.add(hi.id)
    else:
        book.hear(bob, hi)
        book.fire(ReceiptDue())

    assert not _has_receipt_timer(book.receive(carl, publish(hi)))  # that it has it means nothing to carl
    assert _has_receipt_timer(book.receive(bob, publish(hi)))
    assert book.fire(ReceiptDue()) == [Send((bob,), receipt(hi), Priority.LIVE)]


def test_ephemeral_messages_are_never_confirmed() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    here = written(BOB, Announce(15))

    assert not _has_receipt_timer([*book.hear(bob, here), *book.hear(bob, here)])


def test_receipts_of_one_moment_fit_one_message() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    many = [chat(BOB, f"text {number}") for number in range(MAX_SHORT_IDS + 10)]
    book.index.ids.update(item.id for item in many)

    for item in many:
        book.receive(bob, publish(item), publish(item))

    ((_, message),) = sent(book.fire(ReceiptDue()), Receipt)
    assert len(message.ids) == MAX_SHORT_IDS


def test_author_that_left_meanwhile_hears_nothing() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.hear(bob, chat(BOB, "hi"))
    book.link_down(bob)

    assert sent(book.fire(ReceiptDue()), Receipt) == []


# Refused


def test_author_hears_that_its_clock_is_ahead() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    hour_ahead = chat(BOB, "later", stamp=(START.wall_ms + 3_600_000) << COUNTER_BITS)

    assert book.receive(carl, publish(hour_ahead)) == []  # only its author is told
    assert book.receive(bob, publish(hour_ahead)) == [
        Send((bob,), Refused(short_id(hour_ahead.id), REFUSED_FUTURE, 3_600_000), Priority.LIVE)
    ]
    assert book.refused == {"future": 2}
    assert book.node.counters.lately("future", book.now.mono) == 2
    book.wait(3601)
    assert book.node.counters.lately("future", book.now.mono) == 0


def test_author_hears_that_its_message_is_older_than_what_is_kept() -> None:
    book = Playbook()
    bob, carl = book.link(BOB), book.link(CARL)
    book.index.floors[LOBBY] = START.wall_ms << COUNTER_BITS
    hour_old = chat(BOB, "it waited", stamp=(START.wall_ms - 3_600_000) << COUNTER_BITS)

    assert book.receive(carl, publish(hour_old)) == []  # only its author is told
    assert book.receive(bob, publish(hour_old)) == [
        Send((bob,), Refused(short_id(hour_old.id), REFUSED_EXPIRED, 3_600_000), Priority.LIVE)
    ]
    assert book.refused == {"expired": 2}


def test_message_refused_for_its_age_says_so() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hello = said(book)

    outputs = book.settle(book.receive(bob, Refused(short_id(hello.id), REFUSED_EXPIRED, 3_600_000)))

    assert of(outputs, Notice) == []  # no clock is wrong
    assert state_of(book, hello).state is State.REFUSED
    assert "keeps no messages as old" in state_of(book, hello).reason


def test_presence_from_a_clock_ahead_is_refused_in_silence() -> None:
    book = Playbook()
    ahead = written(BOB, Announce(15), stamp=(START.wall_ms + 3_600_000) << COUNTER_BITS)

    assert book.receive(book.link(BOB), publish(ahead)) == []


def test_refused_message_says_why_and_the_owner_is_told_once() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    first, second = said(book, "one"), said(book, "two")

    outputs = book.settle(book.receive(bob, Refused(short_id(first.id), REFUSED_FUTURE, 7_200_000)))
    assert one(outputs, StateChanged).own.state is State.REFUSED
    reason = state_of(book, first).reason
    assert f"by the clock of peer {BOB.peer_id.short} this node's is 2 h ahead" in reason
    assert isinstance(one(outputs, Notice).error, ClockApart)

    again = book.settle(book.receive(carl, Refused(short_id(second.id), REFUSED_FUTURE, 7_200_000)))
    assert of(again, Notice) == []
    assert state_of(book, second).state is State.REFUSED


def test_refused_message_is_delivered_when_somebody_else_takes_it() -> None:
    book = Playbook()
    bob, carl = book.neighbour(BOB), book.neighbour(CARL)
    hello = said(book)
    book.settle(book.receive(bob, Refused(short_id(hello.id), REFUSED_FUTURE, 7_200_000)))

    book.settle(book.receive(carl, receipt(hello)))

    assert (state_of(book, hello).state, state_of(book, hello).reason) == (State.DELIVERED, "")


def test_refused_message_is_offered_to_the_next_neighbour() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hello = said(book)
    book.settle(book.receive(bob, Refused(short_id(hello.id), REFUSED_FUTURE, 7_200_000)))

    outputs = book.befriend(book.link(CARL), [])
    assert publish(hello) in to_link(outputs, Publish, book.newest)


def test_refusal_for_a_reason_of_a_newer_version_is_told_by_its_number() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    hello = said(book)

    outputs = book.settle(book.receive(bob, Refused(short_id(hello.id), 200, 0)))

    assert of(outputs, Notice) == []
    assert "reason 200" in state_of(book, hello).reason


def test_refusal_of_what_is_not_ours_is_ignored() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)

    assert book.receive(bob, Refused(b"whatever", REFUSED_FUTURE, 7_200_000)) == []


# Client ids


def test_client_id_said_again_is_the_same_message() -> None:
    log = MemoryOwnLog()
    book = Playbook(own=log)
    first = one(book.settle(book.say("hello", client_id="7")), Replied).reply

    for again in (book, Playbook(own=log)):  # after a restart as well
        outputs = again.settle(again.say("hello, again", client_id="7"))
        assert one(outputs, Replied).reply == first
        assert of(outputs, MessageAdded) == []
    assert len(book.stored) == 1


def test_client_id_said_again_is_answered_with_the_state_it_has_by_now() -> None:
    book = Playbook()
    bob = book.neighbour(BOB)
    book.settle(book.say("hello", client_id="7"))
    book.settle(book.receive(bob, receipt(last(book))))

    reply = one(book.settle(book.say("hello", client_id="7")), Replied).reply
    assert isinstance(reply, SentReply)
    assert reply.own.state is State.DELIVERED


def test_client_id_said_again_during_the_commit_waits_for_it() -> None:
    book = Playbook()
    first, second = book.say("hello", client_id="7"), book.say("hello", client_id="7")
    assert second == []

    replies = of(book.commit(first), Replied)
    assert len(replies) == 2
    assert replies[0].request != replies[1].request
    assert replies[0].reply == replies[1].reply


def test_client_id_is_free_again_when_the_commit_failed() -> None:
    book = Playbook()
    first, _ = book.say("hello", client_id="7"), book.say("hello", client_id="7")
    assert len(of(book.fail(first), Rejected)) == 2

    assert one(book.settle(book.say("hello", client_id="7")), Replied)


def test_client_id_counts_in_its_room_alone() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    for room in ("lobby", "wine"):
        book.settle(book.say("hello", room, client_id="7"))

    assert book.texts == ["hello", "hello"]


@pytest.mark.parametrize("client_id", ["", "x" * 65, "\ud800"])
def test_wrong_client_id_is_rejected(client_id: str) -> None:
    (rejected,) = Playbook().say("hello", client_id=client_id)

    assert isinstance(rejected, Rejected)
    assert isinstance(rejected.error, BadClientId)


# Order


@pytest.mark.parametrize("ahead_min", [-9, -1, 1, 4])
def test_reply_sorts_after_what_it_answers_though_the_clocks_differ(ahead_min: int) -> None:
    """Bob's clock is minutes from ours; ours may also have been restarted in between."""
    book = Playbook()
    bobs_wall_ms = START.wall_ms + ahead_min * 60_000
    question = chat(BOB, "what time is it?", stamp=bobs_wall_ms << COUNTER_BITS)
    book.hear(book.neighbour(BOB), question)

    answer = said(book, "late")
    assert answer.stamp > question.stamp

    last_stamp = max(item.envelope.stamp for item in book.stored)
    restarted = Playbook(clock=HybridClock(last_stamp))
    assert said(restarted, "very late").stamp > answer.stamp


def test_reply_of_somebody_whose_clock_is_behind_sorts_after_what_it_answers() -> None:
    ann, bob = Playbook(ANN), Playbook(BOB)
    bob.now = Now(bob.now.mono, bob.now.wall_ms - 4 * 60_000)
    bobs_link, anns_link = ann.neighbour(BOB), bob.neighbour(ANN)

    question = said(ann, "can you hear me?")
    bob.hear(anns_link, question)
    answer = said(bob, "yes")
    ann.hear(bobs_link, answer)

    assert wall_ms_of(answer.stamp) >= ann.now.wall_ms
    assert sorted([answer, question], key=lambda item: item.stamp) == [question, answer]
    assert ann.refused == {}


def test_reply_to_a_message_at_the_limit_is_taken_by_who_is_behind_and_may_sort_before_it() -> None:
    ann, bob = Playbook(ANN), Playbook(BOB)
    bob.now = Now(bob.now.mono, bob.now.wall_ms - 60_000)
    bobs_link = bob.neighbour(ANN)
    question = chat(CARL, "am I early?", stamp=(ann.now.wall_ms + MAX_SKEW_MS) << COUNTER_BITS)

    ann.hear(ann.neighbour(CARL), question)
    answer = said(ann, "by ten minutes")
    bob.hear(bobs_link, answer)

    assert bob.refused == {}
    assert bob.texts == ["by ten minutes"]
    assert answer.stamp < question.stamp

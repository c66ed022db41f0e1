"""Peers that do wrong are let go of with a reason, and not linked with for a day."""

import pytest

from chatcore.audits import ASK_EVERY_S, PATIENCE, PATIENCE_S
from chatcore.clock import Now
from chatcore.discouraged import DISCOURAGED_S, MAX_DISCOURAGED, Discouraged, DiscouragedList
from chatcore.errors import ClosedByPeer, Garbled, Malformed
from chatcore.events import (
    CloseLink,
    Connect,
    Dial,
    DialDue,
    GraftDue,
    PeerChanged,
    Persist,
    PingDue,
    Received,
    Rejected,
)
from chatcore.ids import LinkId
from chatcore.messages import (
    Goodbye,
    Graft,
    Ihave,
    Neighbor,
    Ping,
    Pong,
    Publish,
)
from chatcore.promises import EXCUSES, PROMISE_S
from chatcore.promises import PATIENCE_S as PATIENCE_AMID_S
from chatcore.recent import short_id
from chatcore.score import BAR
from tests.support.core import (
    BOB,
    CARL,
    DORA,
    LOBBY,
    START,
    Playbook,
    chat,
    forged,
    identity,
    of,
    one,
    publish,
    sent,
)

ADDRESS = "bob.example:8080"
PING_S = 5.0


def score(book: Playbook) -> float:
    return book.node.conduct.score(BOB.peer_id, book.now.mono)


def tick(book: Playbook, *answering: LinkId) -> None:
    """Pings are due; some answer theirs at once."""
    book.wait(PING_S)
    outputs = book.fire(PingDue())
    for links, ping in sent(outputs, Ping):
        for link in links:
            if link in answering:
                book.receive(link, Pong(ping.nonce))


def forge(book: Playbook, link: LinkId, text: str) -> None:
    book.verify(book.receive(link, publish(forged(chat(CARL, text)))))


def discourage(book: Playbook) -> list[Persist]:
    """BOB forges two messages; what is to be written of it."""
    writes: list[Persist] = []
    for number in range(2):
        link = book.link(BOB, dialled=ADDRESS)
        outputs = book.verify(book.receive(link, publish(forged(chat(CARL, f"forged {number}")))))
        writes = of(outputs, Persist)
    return writes


# Scores


def test_first_to_bring_a_message_gets_the_credit() -> None:
    book = Playbook()
    first, second = book.neighbour(BOB), book.neighbour(CARL)
    book.hear(first, chat(DORA, "hello"))
    book.hear(second, chat(DORA, "hello"))
    assert score(book) == 1
    assert book.node.conduct.score(CARL.peer_id, book.now.mono) == 0


def test_flood_of_requests_ends_the_link_with_the_reason() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    outputs = book.receive(link, *[Neighbor(LOBBY, urgent=True)] * 200)
    (goodbye,) = [message for _, message in sent(outputs, Goodbye)]
    assert goodbye.reason == "discouraged for another 24 h: requests beyond what is allowed"
    assert one(outputs, PeerChanged).reason == goodbye.reason
    assert [drop.reason for drop in book.node.drops] == [goodbye.reason]


def test_wrong_clock_drops_nobody() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    for number in range(500):
        book.receive(link, publish(chat(CARL, f"{number}", stamp=(START.wall_ms + 86_400_000) << 16)))
    assert book.node.links.get(link) is not None


def test_broken_frame_is_not_held_against_the_peer_but_a_malformed_message_is() -> None:
    book = Playbook()
    book.link_down(book.link(BOB), Garbled())
    assert score(book) == 0
    book.link_down(book.link(BOB), Malformed("nonsense"))
    assert score(book) == -60


# Promises


def announce(book: Playbook, link: LinkId, count: int) -> list[bytes]:
    """BOB announces what nobody has; the ids."""
    shorts = [number.to_bytes(8, "big") for number in range(count)]
    book.receive(link, Ihave(tuple(shorts)))
    book.wait(0.2)
    asked = [message for _, message in sent(book.fire(GraftDue()), Graft)]
    assert sum(len(graft.ids) for graft in asked) == count
    return shorts


def test_peer_that_announces_and_does_not_deliver_is_discouraged() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    announce(book, link, 5)
    tick(book, link)
    tick(book, link)
    assert book.node.links.get(link) is None
    ((record, left_s),) = book.node.discouraged.records(book.now.mono)
    assert record.peer_id == BOB.peer_id
    assert record.reason == "messages announced and not delivered"
    assert left_s <= DISCOURAGED_S


def test_promise_counts_as_broken_once_that_is_proved_and_not_when_it_is_asked_for_again() -> None:
    book = Playbook()
    liar, gone = book.neighbour(BOB), book.neighbour(CARL)
    announce(book, liar, 2)
    book.receive(gone, Ihave((b"nowhere.",)))
    for _ in range(10):
        book.wait(0.4)
        book.fire(GraftDue())
    book.link_down(gone)
    assert book.node.counters.promises_broken == 0

    tick(book, liar)
    tick(book, liar)

    assert book.node.counters.promises_broken == 2


def test_peer_that_delivers_late_breaks_no_promise() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    message = chat(CARL, "here it is")
    book.receive(link, Ihave((short_id(message.id),)))
    book.wait(0.2)
    book.fire(GraftDue())
    tick(book, link)
    book.hear(link, message)
    tick(book, link)
    tick(book, link)
    assert 0.9 < score(book) <= 1
    assert book.node.counters.promises_broken == 0


def test_peer_that_answers_nothing_breaks_no_promise() -> None:
    """Its machine, or the path to it, may be gone: silence is for pings to judge."""
    book = Playbook()
    link = book.neighbour(BOB)
    announce(book, link, 5)
    tick(book)
    tick(book)
    assert score(book) == 0


def test_promise_is_not_judged_before_its_time() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    tick(book, link)
    announce(book, link, 5)
    book.wait(PROMISE_S - 1)
    outputs = book.fire(PingDue())
    for links, ping in sent(outputs, Ping):
        book.receive(links[0], Pong(ping.nonce))
    book.wait(0.1)
    book.fire(PingDue())
    assert score(book) == 0


def test_promise_may_wait_behind_other_messages_that_come_for_a_minute() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    announce(book, link, 5)
    number = 0
    while book.node.links.get(link) is not None:
        number += 1
        book.hear(link, chat(CARL, f"{number}"))
        tick(book, link)
    assert PATIENCE_AMID_S <= number * PING_S <= PATIENCE_AMID_S + 3 * PING_S


def test_promise_is_judged_soon_when_nothing_comes_any_more() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    announce(book, link, 5)
    book.hear(link, chat(CARL, "something else"))
    for _ in range(3):
        tick(book, link)
    assert book.node.links.get(link) is None


@pytest.mark.parametrize("others_come", [True, False])
def test_who_announces_again_had_no_place_for_it_when_others_came_meanwhile(*, others_come: bool) -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    shorts = announce(book, link, 5)
    if others_come:
        book.wait(0.1)
        book.hear(link, chat(CARL, "something else"), chat(CARL, "and more"))
    book.receive(link, Ihave(tuple(shorts)))
    for _ in range(3):
        tick(book, link)
    assert (book.node.links.get(link) is not None) == others_come


def test_neighbour_that_only_announces_is_put_to_the_test() -> None:
    book = Playbook()
    first, second = book.neighbour(BOB), book.neighbour(CARL)
    asked: list[Graft] = []
    for number in range(PATIENCE):
        message = chat(DORA, f"{number}")
        book.hear(second, message)
        outputs = book.receive(first, Ihave((short_id(message.id),)))
        asked += [graft for links, graft in sent(outputs, Graft) if links == (first,)]
        assert (len(asked) > 0) == (number >= PATIENCE - 1)
        book.wait(1 + PATIENCE_S / PATIENCE)
    book.wait(ASK_EVERY_S)
    book.hear(first, message)  # it delivers, and is left alone
    assert not sent(book.receive(first, Ihave((short_id(message.id),))), Graft)


def test_messages_known_already_excuse_no_promise() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    old = chat(CARL, "known")
    book.hear(book.neighbour(DORA), old)
    shorts = announce(book, link, 5)
    book.wait(0.1)
    book.hear(link, old)
    book.receive(link, Ihave(tuple(shorts)))
    for _ in range(3):
        tick(book, link)
    assert book.node.links.get(link) is None


def test_each_message_that_comes_excuses_a_few_promises() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    shorts = announce(book, link, EXCUSES + 5)
    book.wait(0.1)
    book.hear(link, chat(CARL, "something else"))
    book.receive(link, Ihave(tuple(shorts)))
    for _ in range(3):
        tick(book, link)
    assert book.node.links.get(link) is None


# The list


def test_discouraged_peer_is_refused_with_the_reason_and_dialled_no_more() -> None:
    book = Playbook(bootstrap=(ADDRESS,))
    discourage(book)
    outputs = book.link_up(BOB)
    assert one(outputs, CloseLink).error.kind == "discouraged"
    (goodbye,) = [message for _, message in sent(outputs, Goodbye)]
    assert goodbye.reason.endswith("forged messages")
    for _ in range(20):
        book.wait(60.0)
        assert of(book.fire(DialDue()), Dial) == []
    book.wait(DISCOURAGED_S)
    assert [dial.address for dial in of(book.fire(PingDue()), Dial)] == [ADDRESS]
    book.link_up(BOB)
    assert book.node.links.to(BOB.peer_id) is not None


def test_connect_to_a_discouraged_peer_says_why_not() -> None:
    book = Playbook()
    discourage(book)
    error = one(book.handle(Connect(book.next_request(), ADDRESS)), Rejected).error
    assert error.kind == "peer_refused"
    assert "forged messages" in str(error)
    assert error.hint == f"chatctl unblock {BOB.peer_id.short}"


def test_discouraged_peer_stays_so_across_a_restart_and_a_set_clock() -> None:
    writes = discourage(Playbook())
    (record,) = writes[0].discouraged
    for wall_ms in (START.wall_ms + 1000, START.wall_ms - 86_400_000 * 365):
        found = DiscouragedList([record], Now(5.0, wall_ms)).find(BOB.peer_id, 5.0)
        assert found is not None
        assert found[1] <= DISCOURAGED_S
    later = Now(5.0, START.wall_ms + round(DISCOURAGED_S * 1000))
    assert DiscouragedList([record], later).find(BOB.peer_id, 5.0) is None


def test_full_list_lets_go_of_whom_it_would_have_let_go_of_first() -> None:
    found = DiscouragedList((), START)
    for number in range(MAX_DISCOURAGED + 1):
        now = Now(START.mono + number, START.wall_ms + 1000 * number)
        changes = found.add(identity(100 + number).peer_id, "", "", "why", now)
    assert [(item.peer_id, item.until_ms) for item in changes[1:]] == [(identity(100).peer_id, 0)]
    assert len(found) == MAX_DISCOURAGED


def test_bootstrap_address_of_a_discouraged_peer_is_not_dialled_after_a_restart() -> None:
    record = Discouraged(BOB.peer_id, ADDRESS, "bob", "why", START.wall_ms + 60_000)
    book = Playbook(bootstrap=(ADDRESS,), discouraged=(record,), started=False)
    assert of(book.start(), Dial) == []
    book.wait(61.0)
    assert [dial.address for dial in of(book.fire(DialDue()), Dial)] == [ADDRESS]


@pytest.mark.parametrize("reads", [True, False])
def test_blame_for_what_came_over_a_link_just_lost_is_remembered(*, reads: bool) -> None:
    book = Playbook()
    link = book.link(BOB)
    if reads:
        book.handle(Received(link, (Publish(1, chat(CARL, "x").id, b"\x90", bytes(64)),)))
    else:
        book.link_down(link, Malformed("nonsense"))
    assert BAR < score(book) == -60
    book.link_down(link, ClosedByPeer())

"""Histories that differ become one; whoever answers wrongly, late or not at all is bounded and counted."""

import random
from collections.abc import Iterable, Sequence
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatcore import agenda, answering, ranges, reconcile, repair
from chatcore.clock import MAX_SKEW_MS
from chatcore.codec import MAX_PLAINTEXT_BYTES, encode_message
from chatcore.envelopes import Envelope
from chatcore.events import (
    CloseLink,
    LookedUp,
    LookUp,
    MessageAdded,
    Output,
    Persist,
    Received,
    RepairDue,
    Send,
    SetTimer,
    Verified,
    Verify,
)
from chatcore.ids import LinkId, MessageId
from chatcore.messages import (
    Compare,
    Compared,
    FetchIds,
    FetchRange,
    History,
    HistoryMessage,
    Listed,
    Part,
    Publish,
    Range,
    Rooms,
)
from chatcore.texts import MAX_TEXT_BYTES
from tests.support.core import (
    BOB,
    CARL,
    DORA,
    LOBBY,
    STAMP,
    TEA,
    Playbook,
    chat,
    forged,
    identity,
    of,
    one,
    publish,
    sent,
)
from tests.support.core_network import Network
from tests.support.sortedindex import SortedIndex, key_of

AUTHOR = identity(77)
HORIZON = (STAMP + (MAX_SKEW_MS << 16)).to_bytes(8, "big")
DIALLED = "192.0.2.9:8080"
SECOND = 1000 << 16


@cache
def spoken(count: int, *, moments: int = 10**9) -> tuple[Envelope, ...]:
    """Messages of one author; those of one moment are told apart by their ids alone."""
    start = STAMP - 3600 * SECOND
    return tuple([chat(AUTHOR, f"m{number}", stamp=start + number % moments) for number in range(count)])


def index_of(envelopes: Iterable[Envelope]) -> SortedIndex:
    index = SortedIndex()
    for envelope in envelopes:
        index.add(envelope)
    return index


class Talk:
    """All that two nodes say about their histories, and how long it is."""

    def __init__(self, network: Network) -> None:
        self.said: list[tuple[str, HistoryMessage]] = []
        send = network._send

        def listen(member, link, message):  # type: ignore[no-untyped-def]  # as Network has it
            if isinstance(message, HistoryMessage):
                assert len(encode_message(message)) <= MAX_PLAINTEXT_BYTES - 3
                self.said.append((member.name, message))
            send(member, link, message)

        network._send = listen  # type: ignore[method-assign]

    def of(self, kind: type[HistoryMessage], name: str) -> list[HistoryMessage]:
        return [message for who, message in self.said if who == name and isinstance(message, kind)]

    def size(self) -> int:
        return sum(
            len(encode_message(message)) for _, message in self.said if not isinstance(message, History)
        )


def pair(ours: Iterable[Envelope], theirs: Iterable[Envelope]) -> tuple[Network, Talk]:
    """Ann, who dials, and Bob, with what each has. They are not linked yet."""
    network = Network("ann", "bob")
    for name, envelopes in (("ann", ours), ("bob", theirs)):
        for envelope in envelopes:
            network[name].index.add(envelope)
    return network, Talk(network)


def link_up(network: Network, seconds: float = 10.0) -> None:
    network.connect("ann", to="bob")
    network.wait(seconds)


def assert_same(network: Network) -> None:
    assert network["ann"].index.all_keys(LOBBY) == network["bob"].index.all_keys(LOBBY)


# Two that become one


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_two_histories_become_the_same(seed: int) -> None:
    rng = random.Random(seed)
    messages = list(spoken(1200, moments=rng.choice((1, 40, 10**9))))[: rng.choice((1, 30, 300, 1200))]
    if rng.random() < 0.5:
        share = rng.choice((0.0, 0.5, 0.95, 1.0))
        ours, theirs = [[item for item in messages if rng.random() < share] for _ in range(2)]
    else:  # a stretch of time is missing
        cut, end = sorted(rng.choices(range(len(messages) + 1), k=2))
        ours, theirs = messages[:cut] + messages[end:], messages[rng.randrange(len(messages)) :]
    network, _ = pair(ours, theirs)
    link_up(network, 60.0)
    assert_same(network)
    assert len(network["ann"].index.ids) == len(set(ours) | set(theirs))
    assert network["ann"].node.counters.repairs_failed == 0


def test_equal_histories_take_two_short_messages() -> None:
    network, talk = pair(spoken(1000), spoken(1000))
    link_up(network)
    assert [type(message) for _, message in talk.said] == [Compare, Compared]
    assert talk.size() <= 64
    longest = Compare(2**16 - 1, b"r" * 8, (Range(HORIZON, HORIZON + b"\0", b"f" * 16),))
    assert len(encode_message(longest)) + len(encode_message(Compared(2**16 - 1, ((),)))) <= 64


def test_hundred_missing_of_ten_thousand_take_four_messages_and_less_than_10_kb() -> None:
    network, talk = pair(spoken(10_000)[:-100], spoken(10_000))
    link_up(network)
    assert_same(network)
    assert len(talk.of(Compare, "ann")) + len(talk.of(Compared, "bob")) <= 4
    assert talk.size() <= 10_000  # with what Bob asks, who lacks nothing
    assert len(network["ann"].stored) == 100


def test_newcomer_gets_the_newest_first_and_everything_once() -> None:
    network, talk = pair([], spoken(2000))
    link_up(network)
    assert_same(network)
    pages = talk.of(History, "bob")
    came = [item.envelope.stamp for item in network["ann"].stored]
    for page in pages:
        assert isinstance(page, History)
        here, came = came[: len(page.messages)], came[len(page.messages) :]
        assert here == sorted(here)  # people are told of a page in the order of its times
        assert not came or came[0] < here[0]
    assert sum(len(page.messages) for page in pages if isinstance(page, History)) == 2000
    assert talk.size() < 1500


def test_what_is_fetched_is_shown_and_counted() -> None:
    network, _ = pair([], spoken(3))
    link_up(network)
    news = [item for item in network["ann"].news if isinstance(item, MessageAdded)]
    assert len(news) == 3
    counters = network["ann"].node.counters
    assert (counters.received, counters.repaired, counters.repairs) == (3, 3, 1)


def test_long_messages_come_a_frame_at_a_time() -> None:
    long = [chat(AUTHOR, "x" * MAX_TEXT_BYTES, stamp=STAMP - number) for number in range(12)]
    network, talk = pair([], long)
    link_up(network)
    assert_same(network)
    assert len(talk.of(History, "bob")) == 12


def test_ids_that_do_not_fit_one_page_are_asked_for_again() -> None:
    long = [chat(AUTHOR, "x" * MAX_TEXT_BYTES, stamp=STAMP - number) for number in range(12)]
    network, talk = pair(spoken(40), [*spoken(40), *long])
    link_up(network)
    assert_same(network)
    assert len(talk.of(FetchIds, "ann")) >= 4


def test_nothing_below_either_floor_is_compared() -> None:
    messages = spoken(400)
    network, talk = pair(messages[200:], messages[100:])
    network["ann"].index.floors[LOBBY] = messages[200].stamp
    network["bob"].index.floors[LOBBY] = messages[100].stamp
    link_up(network)
    assert talk.size() <= 64
    network, talk = pair(messages[:350], messages[300:])
    network["bob"].index.floors[LOBBY] = messages[300].stamp
    link_up(network)
    assert network["ann"].index.all_keys(LOBBY) == index_of(messages).all_keys(LOBBY)
    assert network["bob"].index.all_keys(LOBBY) == index_of(messages[300:]).all_keys(LOBBY)


def test_whoever_dropped_the_old_is_not_asked_for_it_again_and_again() -> None:
    messages = spoken(400)
    network, talk = pair(messages, messages[100:])
    network["bob"].index.floors[LOBBY] = messages[100].stamp
    link_up(network)
    assert not talk.of(FetchRange, "ann") + talk.of(FetchIds, "bob") + talk.of(FetchRange, "bob")
    assert talk.size() < 400


def test_later_rounds_find_what_the_first_could_not_know() -> None:
    network, _ = pair([], [])
    link_up(network)
    network["bob"].index.add(spoken(1)[0])
    network.wait(37.0)
    assert_same(network)


def test_news_goes_on_from_neighbour_to_neighbour() -> None:
    network = Network("ann", "bob", "cleo", "dan")
    for envelope in spoken(300):
        network["ann"].index.add(envelope)
    network.line(["ann", "bob"])
    network.connect("dan", to="cleo")
    network.connect("cleo", to="bob")
    network.connect("bob", to="ann")
    network.wait(3.0)
    for member in network.members.values():
        assert len(member.index.ids) == 300, member.name
        assert len(member.stored) <= 300


# One node and a scripted peer


def asked(outputs: Iterable[Output], kind: type[HistoryMessage]) -> list[tuple[LinkId, HistoryMessage]]:
    return [(links[0], message) for links, message in sent(outputs, kind)]


def open_session(book: Playbook, link: LinkId) -> Compare:
    """What the node asks once a link it dialled is up."""
    book.wait(repair.STAGGER_S)
    ((to, question),) = asked(book.fire(RepairDue()), Compare)
    assert to == link
    assert isinstance(question, Compare)
    return question


def dialled(book: Playbook) -> LinkId:
    return book.neighbour(BOB, dialled=DIALLED)


def listed(question: Compare, envelopes: Sequence[Envelope]) -> Compared:
    ids = tuple([item.id for item in envelopes])
    return Compared(question.token, ((Listed(question.ranges[0].lower, ids),),))


def page(
    question: Compare | FetchIds | FetchRange, envelopes: Iterable[Envelope], lower: bytes = b""
) -> History:
    return History(question.token, lower, tuple([Publish.of(item, 0) for item in envelopes]))


def test_who_dialled_asks_after_a_short_while() -> None:
    book = Playbook()
    outputs = book.link_up(BOB, dialled=DIALLED)
    assert not asked(outputs, Compare)
    timer = next(output for output in outputs if isinstance(output, SetTimer) and output.key == RepairDue())
    assert book.now.mono <= timer.at <= book.now.mono + repair.STAGGER_S
    question = open_session(book, book.newest)
    assert question.ranges[0].lower == b""
    assert question.ranges[0].fingerprint == ranges.NOTHING


def test_who_was_called_asks_only_when_there_is_a_difference() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    book.wait(1.0)
    assert not asked(book.fire(RepairDue()), Compare)

    same = Compare(1, LOBBY[:8], (Range(b"", HORIZON, ranges.NOTHING),))
    assert asked(book.receive(link, same), Compared) == [(link, Compared(1, ((),)))]
    other = Compare(2, LOBBY[:8], (Range(b"", HORIZON, b"f" * 16),))
    outputs = book.receive(link, other)
    assert asked(outputs, Compared) == [(link, Compared(2, ((Listed(b"", ()),),)))]
    assert len(asked(outputs, Compare)) == 1
    deeper = Compare(2, LOBBY[:8], (Range(b"", HORIZON, b"g" * 16),))
    assert len(asked(book.receive(link, deeper), Compare)) == 0


def test_every_half_minute_some_member_is_asked() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    book.wait(37.0)
    assert [to for to, _ in asked(book.fire(RepairDue()), Compare)] == [link]


def test_fetched_message_is_stored_and_not_handed_on() -> None:
    book = Playbook()
    link, other = dialled(book), book.neighbour(CARL)
    question = open_session(book, link)
    (wanted,) = sent(book.receive(link, listed(question, spoken(2))), FetchIds)
    assert set(wanted[1].ids) == {item.id for item in spoken(2)}
    outputs = book.settle(book.receive(link, page(question, spoken(2))))
    assert not sent(outputs, Publish)
    assert book.texts == ["m0", "m1"]
    # The other neighbour is asked at once: it sees that we have news.
    assert [to for to, _ in asked(outputs, Compare)] == [other]


def test_fetched_page_is_checked_and_stored_behind_what_is_said_now() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    book.receive(link, listed(question, spoken(2)))
    check = one(book.receive(link, page(question, spoken(2))), Verify)
    persist = one(book.handle(Verified(check.job, (True, True))), Persist)
    assert (check.history, persist.history) == (True, True)

    check = one(book.receive(link, publish(chat(AUTHOR, "now"))), Verify)
    persist = one(book.handle(Verified(check.job, (True,))), Persist)
    assert (check.history, persist.history) == (False, False)


def test_copy_pushed_while_the_fetched_one_is_checked_is_handed_on() -> None:
    book = Playbook()
    link, other, third = dialled(book), book.neighbour(CARL), book.neighbour(DORA)
    question = open_session(book, link)
    (message,) = spoken(1)
    book.receive(link, listed(question, [message]))
    checking = book.receive(link, page(question, [message]))
    book.receive(other, publish(message))
    outputs = book.settle(checking)
    assert [set(links) for links, _ in sent(outputs, Publish)] == [{link, third}]


def test_page_with_a_message_that_was_pushed_meanwhile_counts_as_a_copy() -> None:
    book = Playbook()
    link, other = dialled(book), book.neighbour(CARL)
    question = open_session(book, link)
    pushed, missing = spoken(2)
    book.receive(link, listed(question, [pushed, missing]))
    book.settle(book.receive(other, publish(pushed)))
    book.settle(book.receive(link, page(question, [pushed, missing])))
    counters = book.node.counters
    assert (counters.received, counters.repaired, counters.duplicate) == (2, 1, 1)


def test_id_is_asked_for_once_and_again_when_that_link_is_lost() -> None:
    book = Playbook()
    first, second = dialled(book), book.neighbour(CARL, dialled="192.0.2.10:8080")
    book.wait(repair.STAGGER_S)
    questions = dict(asked(book.fire(RepairDue()), Compare))
    assert set(questions) == {first, second}
    one_of, other = questions[first], questions[second]
    assert isinstance(one_of, Compare)
    assert isinstance(other, Compare)
    assert len(sent(book.receive(first, listed(one_of, spoken(1))), FetchIds)) == 1
    assert not sent(book.receive(second, listed(other, spoken(1))), FetchIds)
    outputs = book.link_down(first)
    book.wait(agenda.LOOK_AGAIN_S)
    again = asked([*outputs, *book.fire(RepairDue())], Compare)
    assert [to for to, _ in again] == [second]
    question = again[0][1]
    assert isinstance(question, Compare)
    assert len(sent(book.receive(second, listed(question, spoken(1))), FetchIds)) == 1


def test_message_of_the_future_is_refused_as_a_live_one() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    early = chat(AUTHOR, "soon", stamp=STAMP + ((MAX_SKEW_MS + 5000) << 16))
    assert key_of(early) >= question.ranges[0].upper
    book.receive(link, listed(question, [early]))
    book.settle(book.receive(link, page(question, [early])))
    assert book.refused["future"] == 1
    assert book.texts == []


def test_failed_commit_ends_the_session_and_blames_nobody() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    book.receive(link, listed(question, spoken(1)))
    book.fail(book.verify(book.receive(link, page(question, spoken(1)))))
    assert book.node.counters.repairs_failed == 0
    book.wait(40.0)
    assert len(asked(book.fire(RepairDue()), Compare)) == 1


def test_peer_of_no_shared_room_is_told_nothing() -> None:
    book = Playbook()
    book.index.add(spoken(1)[0])
    link = book.link(BOB, rooms=[TEA])
    for message in (
        Compare(1, LOBBY[:8], (Range(b"", HORIZON, b"f" * 16),)),
        FetchIds(1, LOBBY[:8], (spoken(1)[0].id,)),
        FetchRange(1, LOBBY[:8], b"", HORIZON),
    ):
        assert book.receive(link, message) == []
    assert book.refused["not_in_room"] == 3


def test_message_of_another_room_is_not_served() -> None:
    book = Playbook()
    secret = chat(AUTHOR, "psst", room=TEA)
    book.index.add(secret)
    link = book.neighbour(BOB)
    ((_, reply),) = sent(book.receive(link, FetchIds(1, LOBBY[:8], (secret.id,))), History)
    assert reply.messages == ()


# Peers that misbehave


def test_answers_nobody_asked_for_are_ignored() -> None:
    book = Playbook()
    link = book.neighbour(BOB)
    assert book.receive(link, Compared(1, ((Listed(b"", (MessageId(b"x" * 32),)),),))) == []
    assert book.receive(link, History(1, b"", (publish(spoken(1)[0]),))) == []
    assert book.refused == {"unasked_history": 2}


def test_peer_that_does_not_answer_is_given_up_and_another_is_asked() -> None:
    book = Playbook()
    link, other = dialled(book), book.neighbour(CARL)
    open_session(book, link)
    book.wait(reconcile.ANSWER_S)
    outputs = book.fire(RepairDue())
    assert [to for to, _ in asked(outputs, Compare)] == [other]
    assert book.refused["silent_history"] == 1
    assert book.node.counters.repairs_failed == 1
    difference = Compare(9, LOBBY[:8], (Range(b"", HORIZON, b"f" * 16),))
    assert not asked(book.receive(link, difference), Compare)  # not so soon


def test_peer_that_differs_for_ever_is_left_after_ten_rounds() -> None:
    book = Playbook()
    for envelope in spoken(30):
        book.index.add(envelope)
    link = dialled(book)
    question = open_session(book, link)
    rounds = 0
    while True:
        asked_for = question.ranges[0]
        lie = Part(asked_for.lower, rounds.to_bytes(16, "big"), 1000)
        more = asked(book.receive(link, Compared(question.token, ((lie,),))), Compare)
        rounds += 1
        if not more:
            break
        ((_, following),) = more
        assert isinstance(following, Compare)
        question = following
    assert rounds == reconcile.MAX_ROUNDS
    book.wait(agenda.FRUITLESS_S - 0.1)
    assert not asked(book.receive(link, Compare(1, LOBBY[:8], (Range(b"", HORIZON, b"f" * 16),))), Compare)


@pytest.mark.parametrize(
    "answers",
    [
        (),
        ((), ()),
        ((Part(b"\xff", b"f" * 16, 5),),),
        ((Part(b"\x05", b"f" * 16, 5), Part(b"\x05", b"f" * 16, 5)),),
        ((Part(b"\x05", b"f" * 16, 5), Listed(b"\x06", ())),),
    ],
)
def test_answer_that_does_not_fit_its_question_ends_the_session(
    answers: tuple[tuple[Part | Listed, ...], ...],
) -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    assert not asked(book.receive(link, Compared(question.token, answers)), FetchRange)
    assert book.refused["bad_history"] == 1
    assert book.active() == {link}


def test_messages_that_were_not_asked_for_end_the_session() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    book.receive(link, listed(question, spoken(2)[:1]))
    outputs = book.receive(link, page(question, spoken(2)))
    assert book.settle(outputs) == outputs  # nothing to check
    assert (book.texts, book.refused["bad_history"]) == ([], 1)


@pytest.mark.parametrize(("lower", "count"), [(b"\xff" * 9, 1), (b"\x01", 0)])
def test_page_that_does_not_go_on_ends_the_session(lower: bytes, count: int) -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    gap = Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),))
    ((_, wanted),) = sent(book.receive(link, gap), FetchRange)
    book.receive(link, page(wanted, spoken(2)[:count], lower))
    assert book.refused["bad_history"] == 1


def test_pages_that_bring_nothing_new_are_not_asked_for_for_ever() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    gap = Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),))
    outputs = book.receive(link, gap)
    refused = [chat(AUTHOR, "no", room=TEA, stamp=number) for number in range(20)]
    pages = 0
    while fetches := sent(outputs, FetchRange):
        wanted = fetches[0][1]
        lower = (10**6 - pages).to_bytes(8, "big")
        outputs = book.settle(book.receive(link, page(wanted, refused[:1], lower)))
        pages += 1
    assert pages == reconcile.MAX_USELESS_PAGES
    assert book.refused["bad_history"] == 1


def test_messages_of_a_page_are_told_in_the_order_of_their_times() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),)))
    ((_, wanted),) = sent(outputs, FetchRange)
    book.settle(book.receive(link, page(wanted, spoken(5)[::-1], b"\x01")))
    assert book.texts == [f"m{number}" for number in range(5)]


def test_pages_overtaken_by_what_is_pushed_are_no_reason_to_stop() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),)))
    stock = spoken(reconcile.MAX_USELESS_PAGES + 3)
    book.hear(link, *stock[:-1])
    for number, envelope in enumerate(stock):
        ((_, wanted),) = sent(outputs, FetchRange)
        lower = (10**6 - number).to_bytes(8, "big")
        outputs = book.settle(book.receive(link, page(wanted, [envelope], lower)))

    assert book.texts[-1] == "m5"
    assert "bad_history" not in book.refused


def test_peer_that_goes_on_with_what_has_come_otherwise_is_asked_again_a_little_later() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),)))
    here = spoken(1)[0]
    book.hear(link, here)
    pages = 0
    while fetches := sent(outputs, FetchRange):
        lower = (10**6 - pages).to_bytes(8, "big")
        outputs = book.settle(book.receive(link, page(fetches[0][1], [here], lower)))
        pages += 1
    assert pages == reconcile.MAX_OVERTAKEN_PAGES
    book.wait(agenda.FRUITLESS_S - 0.1)
    assert not sent(book.fire(RepairDue()), Compare)
    book.wait(0.1)
    assert len(sent(book.fire(RepairDue()), Compare)) == 1
    assert "bad_history" not in book.refused


def test_endless_pages_end_with_the_session_and_somebody_else_is_asked() -> None:
    book = Playbook()
    link, other = dialled(book), book.neighbour(CARL)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),)))
    stock = spoken(200)
    pages = 0
    while fetches := sent(outputs, FetchRange):
        lower = (10**6 - pages).to_bytes(8, "big")
        outputs = book.settle(book.receive(link, page(fetches[0][1], stock[pages : pages + 1], lower)))
        pages += 1
    assert pages == reconcile.MAX_PAGES
    ((to, again),) = asked(outputs, Compare)
    assert to == other
    # Whoever has had its turn is asked again once the other has nothing more for us, and no sooner.
    outputs = book.receive(other, Compared(again.token, ((),)))
    assert [to for to, _ in asked(outputs, Compare)] == [link]


def in_line(book: Playbook) -> tuple[FetchRange, list[LinkId], LinkId]:
    """One member fills a gap, two more wait to: the page asked for, those two in their order, and the one."""
    link = dialled(book)
    others = [book.neighbour(CARL), book.neighbour(DORA)]
    lots = ((Part(b"", b"f" * 16, 10**9),),)
    outputs = book.receive(link, Compared(open_session(book, link).token, lots))
    ((_, fetch),) = sent(outputs, FetchRange)
    for other in others:
        outputs = book.receive(other, Compare(1, LOBBY[:8], (Range(b"", HORIZON, b"x" * 16),)))
        ((_, question),) = asked(outputs, Compare)
        assert not sent(book.receive(other, Compared(question.token, lots)), FetchRange)
    return fetch, others, link


def test_who_waits_in_line_is_asked_when_its_turn_comes_and_not_before() -> None:
    book = Playbook()
    fetch, (first, second), link = in_line(book)
    book.wait(agenda.LOOK_AGAIN_S)
    assert not asked(book.fire(RepairDue()), Compare)
    outputs = book.settle(book.receive(link, page(fetch, spoken(1))))
    ((to, question),) = asked(outputs, Compare)
    assert to == first
    outputs = book.receive(first, Compared(question.token, ((),)))
    assert second in [to for to, _ in asked(outputs, Compare)]


def test_who_has_left_the_room_lets_the_next_in_line_have_its_turn() -> None:
    book = Playbook()
    fetch, (first, second), link = in_line(book)
    book.receive(first, Rooms(frozenset()))
    outputs = book.settle(book.receive(link, page(fetch, spoken(1))))
    assert [to for to, _ in asked(outputs, Compare)] == [second]


def test_lone_member_is_asked_on_when_its_session_is_used_up() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),)))
    for number, message in enumerate(spoken(reconcile.MAX_PAGES)):
        (fetch,) = sent(outputs, FetchRange)
        lower = (10**6 - number).to_bytes(8, "big")
        outputs = book.settle(book.receive(link, page(fetch[1], [message], lower)))
    assert [to for to, _ in asked(outputs, Compare)] == [link]


def test_gaps_are_filled_newest_first_whenever_they_are_found() -> None:
    def bound(number: int) -> bytes:
        return (STAMP + number).to_bytes(8, "big")

    def next_fetch() -> FetchRange | None:
        found = [item for item in session.next_questions(0.0, may_fill=True) if isinstance(item, FetchRange)]
        return found[0] if found else None

    def fill(lower: bytes) -> None:
        session.on_history(page(FetchRange(1, LOBBY[:8], b"", HORIZON), spoken(1), lower))

    index = index_of([chat(AUTHOR, "here", stamp=STAMP + 250)])
    session = reconcile.Session(LinkId(1), LOBBY, 1, 0.0, [Range(b"", HORIZON, b"\1" * 16)])
    list(session.next_questions(0.0, may_fill=True))
    parts = (Part(bound(100), b"\2" * 16, 50), Part(b"", b"\3" * 16, 50))
    session.on_compared(Compared(1, (parts,)), index, list)
    assert next_fetch() == FetchRange(1, LOBBY[:8], b"", bound(100))  # of which we know already
    closer = (
        Part(bound(300), b"\4" * 16, 20),
        Part(bound(200), b"\5" * 16, 20),
        Part(bound(150), b"\6" * 16, 10),
        Part(bound(100), b"\7" * 16, 10),
    )
    session.on_compared(Compared(1, (closer,)), index, list)
    fill(bound(60))
    assert next_fetch() == FetchRange(1, LOBBY[:8], bound(300), HORIZON)
    fill(bound(300))
    # The next two, and what is left of the one below them, are all one.
    assert next_fetch() == FetchRange(1, LOBBY[:8], bound(100), bound(200))
    fill(bound(170))
    assert session.outstanding == 19 + 49
    assert next_fetch() == FetchRange(1, LOBBY[:8], bound(100), bound(170))
    fill(bound(100))
    assert next_fetch() == FetchRange(1, LOBBY[:8], b"", bound(60))
    fill(b"")
    assert next_fetch() is None


def test_slow_pages_end_with_the_session() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 10**9),),)))
    pages = 0
    while fetches := sent(outputs, FetchRange):
        book.wait(reconcile.ANSWER_S - 1)
        lower = (10**6 - pages).to_bytes(8, "big")
        outputs = book.settle(book.receive(link, page(fetches[0][1], spoken(200)[pages : pages + 1], lower)))
        pages += 1
    assert pages <= 1 + reconcile.SESSION_S / (reconcile.ANSWER_S - 1)


def test_promised_ids_that_do_not_come_are_given_up() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    book.receive(link, listed(question, spoken(3)))
    outputs = book.receive(link, page(question, []))
    assert not sent(outputs, FetchIds)
    assert book.node.history_of(LOBBY, book.now) == (False, 0)


def test_page_with_a_forged_message_ends_the_link() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    book.receive(link, listed(question, spoken(1)))
    outputs = book.settle(book.receive(link, page(question, [forged(spoken(1)[0])])))
    assert one(outputs, CloseLink).link == link
    assert book.texts == []


def test_page_with_what_is_no_envelope_ends_the_link() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 5),),)))
    junk = History(question.token, b"", (Publish(0, MessageId(b"j" * 32), b"junk", bytes(64)),))
    assert one(book.receive(link, junk), CloseLink).link == link


def test_no_more_sessions_than_allowed_are_open_at_a_time() -> None:
    book = Playbook()
    for number in range(100, 130):
        book.link(identity(number), dialled=f"192.0.2.{number}:8080")
    book.wait(1.0)
    assert len(asked(book.fire(RepairDue()), Compare)) == repair.MAX_SESSIONS


def test_bad_peer_that_asks_meanwhile_is_not_asked_again_any_sooner() -> None:
    book = Playbook()
    book.index.add(spoken(1)[0])
    link = dialled(book)
    question = open_session(book, link)
    deeper = Part(question.ranges[0].lower, b"f" * 16, 9)
    ((_, following),) = sent(book.receive(link, Compared(question.token, ((deeper,),))), Compare)
    book.receive(link, Compare(7, LOBBY[:8], (Range(b"", HORIZON, b"f" * 16),)))  # planned behind this one
    outputs = book.receive(link, Compared(following.token, ()))
    assert book.refused["bad_history"] == 1
    assert not asked(outputs, Compare)
    book.wait(agenda.BAD_PAUSE_S - 1.0)
    assert not asked(book.fire(RepairDue()), Compare)
    book.wait(1.0)
    assert [to for to, _ in asked(book.fire(RepairDue()), Compare)] == [link]


# Answering, on its own


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 1200), lower=st.integers(0, 1200), upper=st.integers(0, 1200))
def test_answer_covers_the_whole_range_and_is_bounded(count: int, lower: int, upper: int) -> None:
    messages = spoken(1200)
    index = index_of(messages[:count])
    bounds = sorted({key_of(messages[min(at, 1199)])[:8] for at in (lower, upper)})
    span = Range(bounds[0], bounds[1] if len(bounds) > 1 else HORIZON, b"f" * 16)
    reply = answering.answer(index, LOBBY, Compare(1, LOBBY[:8], (span,) * 16))
    assert len(encode_message(reply)) < MAX_PLAINTEXT_BYTES
    for parts in reply.answers:
        upper_bound = span.upper
        for part in parts:
            found = index.fingerprint(LOBBY, part.lower, upper_bound)
            if isinstance(part, Part):
                assert (part.fingerprint, part.count) == (ranges.fingerprint(found), found.size)
            else:
                assert len(part.ids) == found.size
            upper_bound = part.lower
        assert upper_bound == span.lower


def test_fetch_asks_for_no_more_ids_than_a_page_holds() -> None:
    network, talk = pair(spoken(1200)[::2], spoken(1200))
    link_up(network, 60.0)
    fetches = [message for message in talk.of(FetchIds, "ann") if isinstance(message, FetchIds)]
    assert max(len(message.ids) for message in fetches) <= answering.PAGE_MESSAGES
    assert_same(network)


def test_outputs_of_a_session_yield_to_live_messages() -> None:
    book = Playbook()
    for envelope in spoken(5):
        book.index.add(envelope)
    link = book.neighbour(BOB)
    (reply,) = of(book.receive(link, FetchRange(1, LOBBY[:8], b"", HORIZON)), Send)
    assert reply.priority.name == "BULK"


def test_who_asks_us_while_we_begin_to_ask_it_is_not_asked_once_more() -> None:
    book = Playbook()
    link = dialled(book)
    ours = open_session(book, link)
    theirs = Compare(9, LOBBY[:8], (Range(b"", HORIZON, b"x" * 16),))
    (wanted,) = of(book.node.handle(Received(link, (theirs,)), book.now), LookUp)
    book.receive(link, Compared(ours.token, ((),)))  # its answer is here before ours is found
    reply, alike = answering.look_up(book.index, wanted.room, wanted.question)
    outputs = book.handle(LookedUp(wanted.job, reply, tuple(alike)))
    assert sent(outputs, Compared)
    assert not asked(outputs + book.fire(RepairDue()), Compare)


def test_what_is_removed_while_it_is_fetched_is_nobodys_fault_and_not_asked_for_again() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    stock = spoken(100)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 100),),)))
    ((_, wanted),) = sent(outputs, FetchRange)
    outputs = book.settle(book.receive(link, page(wanted, stock[90:], key_of(stock[90]))))
    ((_, wanted),) = sent(outputs, FetchRange)
    book.index.floors[LOBBY] = stock[95].stamp
    outputs = book.settle(book.receive(link, page(wanted, stock[80:90], key_of(stock[80]))))
    assert not sent(outputs, FetchRange)
    assert "bad_history" not in book.refused
    assert book.node.counters.repairs_failed == 0


def test_range_that_reaches_below_a_new_floor_is_asked_for_down_to_it() -> None:
    book = Playbook()
    link = dialled(book)
    question = open_session(book, link)
    stock = spoken(100)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 100),),)))
    ((_, wanted),) = sent(outputs, FetchRange)
    book.index.floors[LOBBY] = stock[50].stamp
    outputs = book.settle(book.receive(link, page(wanted, stock[90:], key_of(stock[90]))))
    ((_, wanted),) = sent(outputs, FetchRange)
    assert (wanted.lower, wanted.upper) == (key_of(stock[50])[:8], key_of(stock[90]))


@pytest.mark.parametrize("who", ["they", "we"])
def test_room_left_in_the_middle_ends_what_is_asked_there_and_is_taken_up_when_it_is_joined_again(
    who: str,
) -> None:
    book = Playbook()
    link = dialled(book)
    other = book.link(CARL)
    question = open_session(book, link)
    outputs = book.receive(link, Compared(question.token, ((Part(b"", b"f" * 16, 100),),)))
    assert sent(outputs, FetchRange)
    if who == "they":
        outputs = book.receive(link, Rooms(frozenset()))
        assert links_of(outputs, Compare) == [other]
        outputs = book.receive(link, Rooms(frozenset({LOBBY})))
    else:
        book.commit(book.leave("lobby"))
        outputs = book.commit(book.join("lobby"))
    book.wait(1.0)
    outputs += book.fire(RepairDue())
    assert link in links_of(outputs, Compare)
    book.wait(reconcile.ANSWER_S - 1.5)
    book.fire(RepairDue())
    assert "silent_history" not in book.refused


def links_of(outputs: list[Output], kind: type) -> list[LinkId]:
    return [link for links, _ in sent(outputs, kind) for link in links]

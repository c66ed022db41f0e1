"""Questions about history: each is paid for from its link's share, and waits when nothing is left."""

from collections.abc import Iterable

from chatcore import answering, serving
from chatcore.answering import PAGE_MESSAGES
from chatcore.clock import MAX_SKEW_MS
from chatcore.events import (
    LookedUp,
    LookUp,
    Output,
    Priority,
    Received,
    Send,
    ServeDue,
    SetTimer,
    Stop,
    WritingPaused,
)
from chatcore.ids import LinkId, MessageId
from chatcore.limits import Meter
from chatcore.messages import Compare, Compared, FetchIds, FetchRange, History, Range, Rooms
from chatcore.reconcile import ANSWER_S
from chatcore.serving import ALL_US_PER_S, LINK_US_PER_S, MAX_WAITING, STALE_S, Serving
from tests.support.core import BOB, CARL, LOBBY, STAMP, Playbook, chat, identity, of, sent
from tests.support.sortedindex import SortedIndex, key_of

AUTHOR = identity(77)
HISTORY = [chat(AUTHOR, f"m{number}", stamp=STAMP - (2000 - number << 26)) for number in range(2000)]
HORIZON = (STAMP + (MAX_SKEW_MS << 16)).to_bytes(8, "big")
PAGE = FetchRange(1, LOBBY[:8], b"", HORIZON)
FIRST, SECOND = LinkId(1), LinkId(2)


def with_history() -> Playbook:
    book = Playbook()
    for envelope in HISTORY:
        book.index.add(envelope)
    return book


STOCK = with_history().index


def costly() -> Compare:
    """Ranges that lie on no block's bounds and differ."""
    bounds = [(key_of(HISTORY[at])[:20], key_of(HISTORY[at + 1000])[:20]) for at in range(16)]
    return Compare(1, LOBBY[:8], tuple([Range(lower, upper, b"\7" * 16) for lower, upper in bounds]))


def answers(outputs: Iterable[Output], link: LinkId) -> int:
    found = [links for kind in (Compared, History) for links, _ in sent(outputs, kind)]
    return found.count((link,))


def served(machine: Serving, mono: float) -> list[LinkId]:
    """Who is answered before something has to be waited for."""
    links = []
    while (wanted := machine.next(mono)) is not None:
        reply, _ = answering.look_up(STOCK, wanted.room, wanted.question)
        asked = machine.done(wanted.job, reply, mono)
        assert asked is not None
        links.append(asked.link)
    return links


def test_meter_lets_a_debt_be_waited_for() -> None:
    meter = Meter(100.0, 10.0, 0.0)
    assert meter.ready(0.0)
    meter.charge(30.0)
    assert not meter.ready(0.1)
    assert meter.ready_at() == 0.2
    assert meter.ready(0.2)


def test_costly_questions_are_answered_at_the_rate_of_the_work_they_are() -> None:
    machine = Serving()
    count = 0
    for turn in range(1000):  # a hundred a second
        machine.ask(FIRST, LOBBY, costly(), turn / 100)
        count += len(served(machine, turn / 100))
    price = serving._price(costly(), answering.answer(STOCK, LOBBY, costly()))
    assert price > 5_000
    assert 8 * LINK_US_PER_S < count * price < 11 * LINK_US_PER_S


def test_many_askers_together_take_no_more_than_the_share_of_all() -> None:
    machine = Serving()
    links = [LinkId(number) for number in range(1, 21)]
    taken: list[LinkId] = []
    for turn in range(500):
        for link in links:
            machine.ask(link, LOBBY, PAGE, turn / 100)
        taken += served(machine, turn / 100)
    price = serving.QUESTION_US + serving.MESSAGE_US * PAGE_MESSAGES
    assert 4 * ALL_US_PER_S < len(taken) * price < 6 * ALL_US_PER_S
    shares = [taken.count(link) for link in links]
    assert max(shares) - min(shares) <= 1


def test_newcomer_that_asks_page_after_page_never_waits() -> None:
    machine = Serving()
    for page in range(60 * 30):  # 7,700 messages a second
        assert machine.ask(FIRST, LOBBY, PAGE, page / 60)
        assert served(machine, page / 60) == [FIRST]


def test_flooder_is_blamed_and_waits_and_others_are_answered() -> None:
    book = with_history()
    flooder, other = book.neighbour(BOB), book.neighbour(CARL)
    outputs = book.receive(flooder, *[PAGE] * 100)
    at_once = answers(outputs, flooder)
    assert at_once < 10
    assert book.refused["history_rate"] == 100 - 1 - MAX_WAITING  # one is looked up
    book.wait(0.01)
    outputs = book.receive(other, costly())
    assert answers(outputs, other) == 1
    rest, waited = answers(outputs, flooder), 0.0
    timers = [timer.at for timer in of(outputs, SetTimer) if timer.key == ServeDue()]
    while timers:
        waited += timers[-1] - book.now.mono
        book.wait(timers[-1] - book.now.mono)
        outputs = book.fire(ServeDue())
        rest += answers(outputs, flooder)
        timers = [timer.at for timer in of(outputs, SetTimer) if timer.key == ServeDue()]
    assert at_once + rest == 1 + MAX_WAITING
    assert waited < 1.0


def test_peer_that_does_not_take_its_pages_is_read_none_for() -> None:
    book = with_history()
    link = book.neighbour(BOB)
    assert book.handle(WritingPaused(link, paused=True)) == []
    assert answers(book.receive(link, PAGE, PAGE), link) == 0
    assert answers(book.handle(WritingPaused(link, paused=False)), link) == 2


def test_question_that_waited_too_long_is_left_unanswered() -> None:
    machine = Serving()
    machine.handle_writing(FIRST, 0.0, paused=True)
    for _ in range(MAX_WAITING):
        assert machine.ask(FIRST, LOBBY, PAGE, 0.0)
    assert not machine.ask(FIRST, LOBBY, PAGE, 1.0)
    assert machine.ask(FIRST, LOBBY, PAGE, STALE_S)
    machine.handle_writing(FIRST, STALE_S, paused=False)
    assert served(machine, STALE_S) == [FIRST]
    machine.handle_writing(FIRST, STALE_S, paused=True)
    machine.ask(FIRST, LOBBY, PAGE, STALE_S)
    machine.handle_writing(FIRST, 2 * STALE_S, paused=False)
    assert served(machine, 2 * STALE_S) == []


def test_link_that_goes_takes_its_questions_along() -> None:
    machine = Serving()
    machine.ask(FIRST, LOBBY, PAGE, 0.0)
    machine.ask(SECOND, LOBBY, PAGE, 0.0)
    machine.handle_link_gone(FIRST)
    assert served(machine, 0.0) == [SECOND]
    assert machine.due() is None


def test_page_of_ids_holds_no_more_messages_than_any_other() -> None:
    small = [chat(AUTHOR, "x", stamp=STAMP - number) for number in range(200)]
    stock = SortedIndex()
    for envelope in small:
        stock.add(envelope)
    ids = tuple([MessageId(envelope.id) for envelope in small])
    page = answering.serve_ids(stock, LOBBY, FetchIds(1, LOBBY[:8], ids))
    assert len(page.messages) == PAGE_MESSAGES


def test_one_question_is_looked_up_at_a_time() -> None:
    machine = Serving()
    machine.ask(FIRST, LOBBY, PAGE, 0.0)
    machine.ask(SECOND, LOBBY, PAGE, 0.0)
    first = machine.next(0.0)
    assert first is not None
    assert machine.next(0.0) is None
    assert machine.due() is None
    machine.handle_link_gone(FIRST)
    asked = machine.done(first.job, None, 0.0)
    assert asked is not None
    assert asked.link == FIRST
    assert served(machine, 0.0) == [SECOND]


def test_answer_that_never_comes_is_given_up() -> None:
    machine = Serving()
    machine.ask(FIRST, LOBBY, PAGE, 0.0)
    lost = machine.next(0.0)
    assert lost is not None
    machine.ask(SECOND, LOBBY, PAGE, ANSWER_S - 1.0)
    assert served(machine, ANSWER_S - 1.0) == []
    assert served(machine, ANSWER_S) == [SECOND]
    assert machine.done(lost.job, None, ANSWER_S) is None


def looked_up_for(seconds: float) -> Serving:
    """One question took so long, and the next waits."""
    machine = Serving()
    machine.ask(FIRST, LOBBY, PAGE, 0.0)
    wanted = machine.next(0.0)
    assert wanted is not None
    machine.ask(FIRST, LOBBY, PAGE, seconds)
    assert machine.done(wanted.job, None, seconds) is not None
    return machine


def test_slow_disk_is_paid_for_by_who_asks_for_what_is_on_it() -> None:
    machine = looked_up_for(0.5)
    assert served(machine, 4.0) == []  # half a second is what it may take in five
    assert served(machine, 5.5) == [FIRST]


def test_busy_machine_makes_no_question_dearer() -> None:
    assert served(looked_up_for(0.01), 0.01) == [FIRST]


def test_process_that_was_stopped_meanwhile_serves_soon_again() -> None:
    assert served(looked_up_for(3600.0), 3600.0) == [FIRST]


def test_answer_goes_to_nobody_when_its_link_or_room_has_gone() -> None:
    for gone in ("our room", "its room", "the link"):
        book = with_history()
        link, other = book.neighbour(BOB), book.neighbour(CARL)
        first, second = book.node.handle(Received(link, (PAGE,)), book.now), book.receive(other, PAGE)
        (wanted,) = of(first, LookUp)
        assert answers(second, other) == 0
        match gone:
            case "our room":
                book.commit(book.leave("lobby"))
            case "its room":
                book.receive(link, Rooms(frozenset()))
            case "the link":
                book.link_down(link)
        found, alike = answering.look_up(book.index, wanted.room, wanted.question)
        outputs = book.handle(LookedUp(wanted.job, found, tuple(alike)))
        assert answers(outputs, link) == 0
        assert answers(outputs, other) == (gone != "our room")


def test_store_that_cannot_be_read_leaves_one_question_unanswered() -> None:
    book = with_history()
    link = book.neighbour(BOB)
    (wanted,) = of(book.node.handle(Received(link, (PAGE, PAGE)), book.now), LookUp)
    assert answers(book.handle(LookedUp(wanted.job, None)), link) == 1


def test_what_was_looked_up_goes_nowhere_once_the_node_stops() -> None:
    book = with_history()
    link = book.neighbour(BOB)
    (wanted,) = of(book.node.handle(Received(link, (PAGE, PAGE)), book.now), LookUp)
    book.handle(Stop())
    found, alike = answering.look_up(book.index, wanted.room, wanted.question)
    assert book.node.handle(LookedUp(wanted.job, found, tuple(alike)), book.now) == []


def test_long_pages_let_all_else_pass() -> None:
    book = with_history()
    link = book.neighbour(BOB)
    wanted = FetchIds(1, LOBBY[:8], (HISTORY[0].id,))
    outputs = [*book.receive(link, PAGE, wanted), *book.receive(book.neighbour(CARL), costly())]
    told = [(type(item.message), item.priority) for item in of(outputs, Send)]
    assert [item for item in told if item[0] in (History, Compared)] == [
        (History, Priority.BULK),
        (History, Priority.HISTORY),
        (Compared, Priority.HISTORY),
    ]


def test_page_that_begins_below_the_floor_ends_where_the_asker_wants() -> None:
    book = with_history()
    book.index.floors[LOBBY] = HISTORY[-3].stamp
    page, _ = answering.look_up(book.index, LOBBY, PAGE)
    assert isinstance(page, History)
    assert (page.lower, len(page.messages)) == (b"", 3)
    page, _ = answering.look_up(book.index, LOBBY, FetchRange(1, LOBBY[:8], b"", key_of(HISTORY[5])))
    assert page == History(1, b"", ())

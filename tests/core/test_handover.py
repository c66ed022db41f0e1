"""Many messages of our own that nobody has: in which batches they go to neighbours, and when that ends."""

from chatcore.envelopes import Envelope
from chatcore.events import HandOverDue, Output, SetTimer
from chatcore.handover import COPIES, LOOK_S, PATIENCE_S, QUIET_S, ROUND_S
from chatcore.ids import MessageId
from chatcore.messages import ROOM_TAG_BYTES, FetchIds, Publish, Receipt
from chatcore.outbox import MAX_OFFERED, MAX_OFFERED_BYTES
from chatcore.own import State
from chatcore.recent import short_id
from tests.support.core import BOB, CARL, DORA, LOBBY, TEA, WINE, MemoryOwnLog, Playbook, identity, of, sent


def said(book: Playbook, count: int, room: str = "lobby") -> list[Envelope]:
    for number in range(count):
        book.settle(book.say(f"text {number}", room))
    return [item.envelope for item in book.stored[-count:]]


def pushed(outputs: list[Output]) -> list[MessageId]:
    return [message.id for _, message in sent(outputs, Publish)]


def asked_again(outputs: list[Output]) -> list[float]:
    return [timer.at for timer in of(outputs, SetTimer) if timer.key == HandOverDue()]


def due(book: Playbook) -> list[Output]:
    book.wait(QUIET_S)
    return book.settle(book.fire(HandOverDue()))


def confirming(envelopes: list[Envelope]) -> Receipt:
    return Receipt(tuple(short_id(envelope.id) for envelope in envelopes))


def unsent(book: Playbook, envelopes: list[Envelope]) -> int:
    found = [book.node.own_message(envelope.id) for envelope in envelopes]
    return sum(own is not None and own.state is State.QUEUED for own in found)


def test_older_ones_follow_in_batches_to_a_neighbour_that_stays() -> None:
    book = Playbook()
    many = said(book, 2 * MAX_OFFERED + 40)
    outputs = book.befriend(book.link(BOB), [])
    assert asked_again(outputs) == [book.now.mono + QUIET_S]
    assert unsent(book, many) == MAX_OFFERED + 40

    first = due(book)
    assert pushed(first) == [envelope.id for envelope in many[:MAX_OFFERED]]
    assert asked_again(first) == [book.now.mono + LOOK_S]
    book.settle(book.receive(book.newest, confirming(many[:MAX_OFFERED])))
    assert pushed(due(book)) == [envelope.id for envelope in many[MAX_OFFERED : MAX_OFFERED + 40]]
    assert unsent(book, many) == 0


def test_next_batch_waits_until_the_last_is_confirmed_but_not_for_ever() -> None:
    book = Playbook()
    many = said(book, 2 * MAX_OFFERED + 40)
    book.befriend(book.link(BOB), [])
    assert len(pushed(due(book))) == MAX_OFFERED

    book.settle(book.receive(book.newest, confirming(many[1:MAX_OFFERED])))
    book.wait(PATIENCE_S - LOOK_S)
    outputs = book.fire(HandOverDue())
    assert pushed(outputs) == []
    assert asked_again(outputs) == [book.now.mono + LOOK_S]

    book.wait(LOOK_S)
    assert len(pushed(book.fire(HandOverDue()))) == 40


def test_it_ends_when_a_whole_round_finds_no_neighbour_for_any() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    wine = said(book, MAX_OFFERED + 1, "wine")  # a room of nobody else
    outputs = book.befriend(book.link(BOB, rooms=[LOBBY]), [])
    assert asked_again(outputs)

    rounds = 0
    while asked_again(outputs):
        assert rounds < 9
        outputs = due(book)
        assert pushed(outputs) == []
        rounds += 1
    assert rounds == 2  # the log was gone through in two batches
    assert unsent(book, wine) == len(wine)

    outputs = book.befriend(book.link(CARL, rooms=[WINE]), [])
    assert asked_again(outputs)
    assert pushed(due(book)) == [wine[0].id]


def test_nothing_is_looked_for_when_nothing_waits() -> None:
    book = Playbook()
    assert asked_again(book.befriend(book.link(BOB), [])) == []


def test_second_neighbour_does_not_hurry_it() -> None:
    book = Playbook()
    said(book, MAX_OFFERED + 1)
    assert asked_again(book.befriend(book.link(BOB), []))
    assert asked_again(book.befriend(book.link(CARL), [])) == []


def test_what_the_first_neighbour_was_handed_is_not_pushed_again() -> None:
    """Its state is not on disk yet, where it is still among those that nobody has."""
    book = Playbook()
    three = said(book, 3)
    outputs = book.befriend(book.link(BOB), [])
    assert pushed(outputs)[:3] == [envelope.id for envelope in three]
    assert book.own.unsent() == 3

    assert pushed(due(book)) == []


def test_what_memory_had_no_place_for_follows_too() -> None:
    log = MemoryOwnLog()
    many = said(Playbook(own=log), MAX_OFFERED + 2)
    numbers = log.numbers

    book = Playbook(own=log)
    book.befriend(book.link(DORA), [])
    assert pushed(due(book)) == [envelope.id for envelope in sorted(many[:2], key=lambda e: numbers[e.id])]


def test_long_ones_go_a_few_at_a_time() -> None:
    book = Playbook()
    for number in range(30):
        book.settle(book.say(f"{number} " + "long " * 3000))
    many = [item.envelope for item in book.stored]

    first = pushed(book.befriend(book.link(BOB), []))
    assert (
        MAX_OFFERED_BYTES - 16_384
        < sum(len(item.payload) for item in many if item.id in first)
        <= MAX_OFFERED_BYTES
    )
    assert first[-1] == many[-1].id or first[-2] == many[-1].id  # and that we are here

    rest: list[MessageId] = []
    while unsent(book, many):
        batch = pushed(due(book))
        assert 0 < len(batch) < 10
        rest += batch
        book.settle(book.receive(book.newest, confirming([item for item in many if item.id in batch])))
    assert set(rest) | set(first) >= {item.id for item in many}


def test_it_waits_while_members_fetch_what_is_ours() -> None:
    """The same messages would else be on their way twice, and late for whoever asked for them."""
    book = Playbook()
    many = said(book, MAX_OFFERED + 3)
    bob = book.neighbour(BOB)
    book.wait(QUIET_S - 1)
    book.settle(book.receive(bob, FetchIds(1, LOBBY[:ROOM_TAG_BYTES], (many[0].id,))))
    assert unsent(book, many) == 2

    book.wait(1)
    outputs = book.fire(HandOverDue())
    assert pushed(outputs) == []
    assert asked_again(outputs) == [book.now.mono + QUIET_S - 1]
    assert {many[1].id, many[2].id} <= set(pushed(due(book)))


def test_two_neighbours_get_each_batch() -> None:
    book = Playbook()
    many = said(book, MAX_OFFERED + 1)
    for peer in (BOB, CARL, DORA):
        book.befriend(book.link(peer), [])

    links = [
        link for links, message in sent(due(book), Publish) for link in links if message.id == many[0].id
    ]
    assert len(links) == COPIES


def test_what_is_never_confirmed_goes_to_others_round_after_round() -> None:
    """The link ends, or the neighbour says nothing: it may have stored nothing."""
    book = Playbook()
    many = said(book, 2 * MAX_OFFERED)
    bob = book.neighbour(BOB)
    assert len(pushed(due(book))) == MAX_OFFERED
    book.link_down(bob)

    carl = book.neighbour(CARL)
    gone: set[MessageId] = set()
    for _ in range(9):
        gone |= {message.id for links, message in sent(due(book), Publish) if links == (carl,)}
        book.wait(PATIENCE_S)
    assert {envelope.id for envelope in many[:MAX_OFFERED]} <= gone


def test_unconfirmed_batch_is_gone_through_again_after_a_while() -> None:
    book = Playbook()
    said(book, MAX_OFFERED + 1)
    book.neighbour(BOB)
    pauses: list[float] = []
    for _ in range(5):
        book.wait(PATIENCE_S)
        pauses += [round(at - book.now.mono, 3) for at in asked_again(book.fire(HandOverDue()))]
    assert ROUND_S in pauses
    assert set(pauses) == {LOOK_S, ROUND_S}


def test_neighbours_that_come_and_go_do_not_hold_it_up() -> None:
    book = Playbook()
    said(book, MAX_OFFERED + 1)
    book.neighbour(BOB)
    for number in range(100, 104):
        book.wait(QUIET_S / 4)
        book.link_down(book.neighbour(identity(number)))
    outputs = book.fire(HandOverDue())
    assert len(pushed(outputs)) > 0


def test_neighbour_won_in_mid_round_gets_what_the_round_has_passed() -> None:
    book = Playbook()
    book.settle(book.join("wine"))
    lobby = said(book, MAX_OFFERED + 9)
    said(book, 3 * MAX_OFFERED, "wine")  # a room of nobody else
    book.settle(book.join("tea"))
    book.neighbour(BOB, rooms=[TEA])
    due(book)
    due(book)

    book.neighbour(CARL, rooms=[LOBBY])
    went: list[MessageId] = []
    for _ in range(12):
        went += pushed(due(book))
    assert lobby[0].id in went

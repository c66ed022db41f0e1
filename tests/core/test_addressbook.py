"""Which addresses are dialled, and when next."""

import random
from collections.abc import Collection

import pytest

from chatcore.addressbook import MAX_KEPT, MAX_LEARNED, POOR_AFTER, AddressBook
from chatcore.config import LinkConfig
from chatcore.errors import OwnAddress, TooManyAddresses
from chatcore.ids import PeerId
from tests.support.core import BOB, CARL, identity

HERE = "here.example:1"
THERE = "there.example:1"


def a_book(seed: int = 1) -> AddressBook:
    return AddressBook(LinkConfig(), random.Random(seed))


def due(book: AddressBook, mono: float, linked: Collection[PeerId], wanted: int) -> list[str]:
    return [entry.address for entry in book.due(mono, linked, wanted)]


def pause(book: AddressBook, mono: float) -> float:
    at = book.next_due((), learned_too=True)
    assert at is not None
    return at - mono


def test_kept_address_is_dialled_however_many_links_there_are() -> None:
    book = a_book()
    book.keep(HERE)

    assert due(book, 0.0, (), -5) == [HERE]


def test_kept_addresses_are_dialled_before_learned_ones() -> None:
    book = a_book()
    book.learn(THERE, BOB.peer_id)
    book.keep(HERE)

    assert due(book, 0.0, (), 1) == [HERE]


def test_learned_address_that_is_kept_later_is_dialled_for_ever() -> None:
    book = a_book()
    book.learn(HERE, BOB.peer_id)
    book.keep(HERE)

    assert due(book, 0.0, (), 0) == [HERE]
    assert [entry.address for entry in book.unreached(())] == [HERE]


def test_kept_address_that_is_learned_again_stays_kept() -> None:
    book = a_book()
    book.keep(HERE)
    book.learn(HERE, BOB.peer_id)

    assert due(book, 0.0, [BOB.peer_id], 0) == [HERE]


def test_address_of_a_linked_peer_is_not_dialled() -> None:
    book = a_book()
    book.keep(HERE)
    book.due(0.0, (), 1)
    book.handle_linked(HERE, BOB.peer_id)

    assert due(book, 0.0, [BOB.peer_id], 1) == []
    assert due(book, 0.0, [CARL.peer_id], 1) == [HERE]


def test_failures_double_the_pause_up_to_five_minutes_each_with_jitter() -> None:
    book = a_book()
    book.keep(HERE)
    for number in range(40):
        book.handle_failed(HERE, 100.0, "no")
        wanted = min(2.0**number, 300.0)
        assert 0.5 * wanted <= pause(book, 100.0) <= 1.5 * wanted


def test_jitter_covers_its_whole_width() -> None:
    pauses = []
    for seed in range(200):
        book = a_book(seed)
        book.keep(HERE)
        book.handle_failed(HERE, 0.0, "no")
        pauses.append(pause(book, 0.0))

    assert min(pauses) < 0.6
    assert max(pauses) > 1.4


@pytest.mark.parametrize(("lived_s", "factor"), [(59.9, 8.0), (60.0, 1.0)])
def test_link_that_held_for_a_minute_starts_again_from_one_second(lived_s: float, factor: float) -> None:
    book = a_book()
    book.keep(HERE)
    for _ in range(3):
        book.handle_failed(HERE, 0.0, "no")
    book.handle_linked(HERE, BOB.peer_id)

    book.handle_lost(HERE, 100.0, lived_s, "closed")

    assert 0.5 * factor <= pause(book, 100.0) <= 1.5 * factor


def test_own_address_is_forgotten_and_refused() -> None:
    book = a_book()
    book.keep(HERE)
    book.handle_self(HERE)
    book.learn(HERE, BOB.peer_id)

    assert due(book, 0.0, (), 8) == []
    with pytest.raises(OwnAddress):
        book.keep(HERE)


def test_memory_of_own_addresses_is_bounded() -> None:
    book = a_book()
    for number in range(MAX_KEPT + 1):
        book.handle_self(f"me{number}.example:1")

    book.keep(f"me{MAX_KEPT}.example:1")
    assert due(book, 0.0, (), 8) == [f"me{MAX_KEPT}.example:1"]


def test_kept_addresses_are_bounded() -> None:
    book = a_book()
    for number in range(MAX_KEPT):
        book.keep(f"a{number}.example:1")
    book.keep("a0.example:1")

    with pytest.raises(TooManyAddresses):
        book.keep(HERE)
    assert len(book.due(0.0, (), 0)) == MAX_KEPT


def test_learned_addresses_are_bounded() -> None:
    book = a_book()
    for number in range(MAX_LEARNED + 10):
        book.learn(f"a{number}.example:1", identity(number + 1).peer_id)

    assert len(book.due(0.0, (), MAX_LEARNED * 2)) == MAX_LEARNED


def a_full_book() -> AddressBook:
    book = a_book()
    for number in range(MAX_LEARNED):
        book.learn(f"a{number}.example:1", identity(number + 1).peer_id)
    return book


def in_book(book: AddressBook) -> set[str]:
    return {f"a{n}.example:1" for n in range(MAX_LEARNED) if book.peer_at(f"a{n}.example:1")}


def test_full_book_takes_a_new_address_for_one_that_never_answered() -> None:
    book = a_full_book()
    for number in range(1, MAX_LEARNED):
        book.handle_linked(f"a{number}.example:1", identity(number + 1).peer_id)

    book.learn(HERE, BOB.peer_id)

    assert book.peer_at(HERE) == BOB.peer_id
    assert in_book(book) == {f"a{n}.example:1" for n in range(1, MAX_LEARNED)}


def test_full_book_takes_a_new_address_for_one_that_failed_often() -> None:
    book = a_full_book()
    for number in range(MAX_LEARNED):
        book.handle_linked(f"a{number}.example:1", identity(number + 1).peer_id)
    for _ in range(POOR_AFTER - 1):
        book.handle_failed("a7.example:1", 0.0, "no")
    book.learn(HERE, BOB.peer_id)
    assert book.peer_at(HERE) is None

    book.handle_failed("a7.example:1", 0.0, "no")
    book.learn(HERE, BOB.peer_id)

    assert book.peer_at(HERE) == BOB.peer_id
    assert book.peer_at("a7.example:1") is None


def test_full_book_keeps_what_is_kept_linked_or_being_dialled() -> None:
    book = a_full_book()
    book.keep("a1.example:1")
    book.take("a2.example:1", 0.0)
    linked = [identity(4).peer_id]
    for number in range(2 * MAX_LEARNED):
        book.learn(f"b{number}.example:1", identity(MAX_LEARNED + number + 1).peer_id, linked)

    assert {"a1.example:1", "a2.example:1", "a3.example:1"} <= in_book(book)
    assert len(book.due(0.0, (), MAX_LEARNED * 4)) <= MAX_LEARNED + 1


def test_news_of_unknown_addresses_is_ignored() -> None:
    book = a_book()
    book.handle_linked(HERE, BOB.peer_id)
    book.handle_failed(HERE, 0.0, "no")
    book.handle_lost(HERE, 0.0, 100.0, "no")
    book.handle_self(HERE)

    assert book.next_due((), learned_too=True) is None


def test_next_due_leaves_out_learned_addresses_unless_asked() -> None:
    book = a_book()
    book.learn(HERE, BOB.peer_id)

    assert book.next_due((), learned_too=False) is None
    assert book.next_due((), learned_too=True) == 0.0


def test_peer_last_seen_at_an_address_is_remembered() -> None:
    book = a_book()
    assert book.peer_at(HERE) is None
    book.keep(HERE)
    assert book.peer_at(HERE) is None
    book.handle_linked(HERE, BOB.peer_id)
    book.handle_lost(HERE, 0.0, 1.0, "closed")
    assert book.peer_at(HERE) == BOB.peer_id


def test_somebody_in_particular_is_expected_at_a_learned_address_only() -> None:
    book = a_book()
    book.keep(HERE)
    book.learn(THERE, BOB.peer_id)

    expected = {entry.address: entry.expected for entry in book.due(0.0, (), 8)}
    assert expected == {HERE: None, THERE: BOB.peer_id}


def test_learned_address_of_somebody_else_is_forgotten_and_a_kept_one_is_not() -> None:
    book = a_book()
    book.keep(HERE)
    book.learn(THERE, BOB.peer_id)

    for address in (HERE, THERE):
        book.forget(address)

    assert due(book, 0.0, (), 8) == [HERE]

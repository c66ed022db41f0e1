"""Which addresses are dialled, and when next."""

import random
from collections.abc import Collection, Iterable

import pytest

from chatcore.addressbook import MAX_KEPT, MAX_TESTS, POOR_AFTER, AddressBook
from chatcore.buckets import BUCKET, NEW_BUCKETS, NEW_PER_SOURCE
from chatcore.config import LinkConfig
from chatcore.errors import OwnAddress, TooManyAddresses
from chatcore.ids import PeerId
from chatcore.records import KnownAddress
from tests.support.core import BOB, CARL, identity, signed

HERE = "192.0.2.1:1"
THERE = "198.51.100.1:1"
TELLER = b"group"
SECRET = bytes(range(32))


def a_book(seed: int = 1) -> AddressBook:
    return AddressBook(LinkConfig(), random.Random(seed), SECRET)


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
    book.learn(signed(BOB, THERE), TELLER)
    book.keep(HERE)

    assert due(book, 0.0, (), 1) == [HERE]


def test_learned_address_that_is_kept_later_is_dialled_for_ever() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.keep(HERE)

    assert due(book, 0.0, (), 0) == [HERE]
    assert [entry.address for entry in book.unreached(())] == [HERE]


def test_kept_address_that_is_learned_again_stays_kept() -> None:
    book = a_book()
    book.keep(HERE)
    book.learn(signed(BOB, HERE), TELLER)

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
    book.learn(signed(BOB, HERE), TELLER)

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


# The tables


def learned(
    book: AddressBook, numbers: Iterable[int], source: bytes = TELLER, *, spread: bool = True
) -> list[str]:
    """Addresses of as many peers, each in a group of its own or all in one; those that are in the book."""
    addresses = []
    for number in numbers:
        high, low = divmod(number, 250)
        address = f"{20 + high}.{low}.0.1:1" if spread else f"20.20.{high}.{low + 1}:1"
        book.learn(signed(identity(number + 1), address), source)
        addresses.append(address)
    return [address for address in addresses if book.peer_at(address) is not None]


def groups(count: int) -> list[bytes]:
    return [bytes([50 + number // 250, number % 250]) for number in range(count)]


def test_one_group_of_tellers_fills_no_more_than_its_buckets() -> None:
    book = a_book()

    for _ in range(3):
        left = learned(book, range(2000))
        assert 0 < len(left) <= NEW_PER_SOURCE * BUCKET


def test_all_tellers_together_fill_the_table_and_no_more() -> None:
    book = a_book()
    for place, source in enumerate(groups(100)):
        learned(book, range(100 * place, 100 * place + 100), source)

    known, _ = book.unsaved()
    assert 2000 < len(known) <= NEW_BUCKETS * BUCKET


def test_flood_of_one_group_leaves_what_others_told() -> None:
    book = a_book()
    honest = [learned(book, [number], source)[0] for number, source in enumerate(groups(60))]
    learned(book, range(1000, 9000), b"flood")

    assert sum(book.peer_at(address) is not None for address in honest) > 0.9 * len(honest)


def test_failed_dial_deletes_nothing() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    for number in range(50):
        book.handle_failed(HERE, 1000.0 * number, "no")

    assert book.peer_at(HERE) == BOB.peer_id


def test_full_bucket_lets_go_of_what_failed_often_first() -> None:
    book = a_book()
    before = learned(book, range(400), spread=False)  # one group, one teller: one bucket
    assert len(before) == BUCKET
    for _ in range(POOR_AFTER):
        book.handle_failed(before[7], 0.0, "no")

    book.learn(signed(BOB, "20.20.99.99:1"), TELLER)

    assert book.peer_at("20.20.99.99:1") == BOB.peer_id
    assert [book.peer_at(address) is None for address in before] == [place == 7 for place in range(BUCKET)]


def test_full_bucket_keeps_what_is_linked_or_being_dialled() -> None:
    book = a_book()
    first, second, *_ = learned(book, range(16), spread=False)
    book.take(first, 0.0)
    linked = [peer_id for peer_id in [book.peer_at(second)] if peer_id is not None]
    for number in range(100, 400):
        who = identity(number)
        book.learn(signed(who, f"20.20.9.{number % 250 + 1}:{number}"), TELLER, linked)

    assert book.peer_at(first) is not None
    assert book.peer_at(second) is not None


def test_bucket_full_of_what_is_being_dialled_takes_no_newcomer() -> None:
    book = a_book()
    before = learned(book, range(10, 26), spread=False)
    for address in before:
        book.take(address, 0.0)

    book.learn(signed(BOB, "20.20.99.99:1"), TELLER)

    assert book.peer_at("20.20.99.99:1") is None
    assert all(book.peer_at(address) is not None for address in before)


def test_newest_record_of_a_peer_takes_the_place_of_its_older_one() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE, age_s=60), TELLER)
    book.learn(signed(BOB, THERE, age_s=90), TELLER)
    assert (book.peer_at(HERE), book.peer_at(THERE)) == (BOB.peer_id, None)

    book.learn(signed(BOB, THERE, age_s=30), TELLER)

    assert (book.peer_at(HERE), book.peer_at(THERE)) == (None, BOB.peer_id)


def test_address_two_peers_claim_stays_the_first_ones_until_it_proves_wrong() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE, age_s=60), TELLER)
    book.learn(signed(CARL, HERE), TELLER)
    assert book.peer_at(HERE) == BOB.peer_id

    book.forget(HERE)
    book.learn(signed(CARL, HERE), TELLER)
    assert book.peer_at(HERE) == CARL.peer_id


def a_full_tried_bucket() -> tuple[AddressBook, str, str]:
    """With the oldest in it, and one that waits to take its place."""
    book = a_book()
    for number in range(400):
        address = f"20.20.{number // 250}.{number % 250 + 1}:1"
        book.learn(signed(identity(number + 1), address), bytes([number % 250]))
        book.handle_linked(address, identity(number + 1).peer_id, float(number))
        tested = book.feel(0.0, [identity(other + 1).peer_id for other in range(number, number + 1)])
        if tested is not None and book._tests:
            return book, tested.address, book._tests[tested.address]
        if tested is not None:
            tested.dialling = False
    raise AssertionError("no bucket is ever full")


def is_tried(book: AddressBook, address: str) -> bool:
    return address in book._tried


def test_full_bucket_of_tried_ones_tests_its_oldest_before_it_goes() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)

    book.handle_failed(oldest, 0.0, "no")

    assert not is_tried(book, oldest)
    assert is_tried(book, newcomer)
    assert book.peer_at(oldest) is not None


def test_one_that_is_tested_is_who_answered_longest_ago() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    bucket = book._places.tried(oldest)
    crowd = book._tried.crowd(bucket)

    assert book._places.tried(newcomer) == bucket
    assert book._book[oldest].answered_at == min(book._book[address].answered_at for address in crowd)


def test_tests_are_bounded_and_those_beyond_may_come_again() -> None:
    book = a_book()
    for number in range(3000):
        address = f"{20 + number % 60}.20.{number // 250}.{number % 250 + 1}:1"
        book.learn(signed(identity(number + 1), address), bytes(divmod(number, 250)))
        book.handle_linked(address, identity(number + 1).peer_id, float(number))

    assert len(book._tests) == MAX_TESTS


def test_linked_one_need_not_be_tested() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    answered = book.peer_at(oldest)
    assert answered is not None
    book._book[oldest].dialling = False

    felt = book.feel(1e9, [answered])

    assert felt is None or felt.address != oldest
    assert book._tests == {}
    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)


def test_name_where_somebody_answered_is_in_no_table() -> None:
    book = a_book()
    book.keep("friend.example:1")
    book.handle_linked("friend.example:1", BOB.peer_id)

    assert not is_tried(book, "friend.example:1")
    assert book.unsaved() == ((), ())


def test_oldest_that_answers_keeps_its_place() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    answered = book.peer_at(oldest)
    assert answered is not None

    book.handle_linked(oldest, answered, 1000.0)
    book.handle_lost(oldest, 1000.0, 1.0, "closed")

    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)
    assert book.peer_at(newcomer) is not None


def test_half_of_what_is_picked_has_answered() -> None:
    book = a_book()
    learned(book, range(1, 60))
    book.learn(signed(BOB, HERE), TELLER)
    book.handle_linked(HERE, BOB.peer_id)

    picked = [book.pick(0.0, ()) for _ in range(400)]

    assert 0.4 < sum(item is not None and item.address == HERE for item in picked) / 400 < 0.6


def test_only_what_answered_is_told_to_others() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.learn(signed(CARL, THERE), TELLER)
    book.handle_linked(HERE, BOB.peer_id)

    assert book.proven() == [signed(BOB, HERE)]


# Restarts


def restarted(book: AddressBook) -> AddressBook:
    known, _ = book.unsaved()
    again = a_book(2)
    again.load(known)
    return again


def test_book_is_the_same_after_a_restart() -> None:
    book = a_book()
    others = learned(book, range(10, 70))
    book.learn(signed(BOB, HERE), TELLER)
    book.handle_linked(HERE, BOB.peer_id)

    again = restarted(book)

    assert again.unsaved() == ((), ())
    assert again.proven() == [signed(BOB, HERE)]
    assert [again.peer_at(address) for address in others] == [book.peer_at(address) for address in others]


def test_anchors_are_dialled_first_after_a_restart() -> None:
    book = a_book()
    anchors = learned(book, range(30))[3:5]
    book.set_anchors(anchors)

    assert due(restarted(book), 0.0, (), 0) == anchors


def test_only_what_changed_is_written() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.learn(signed(CARL, THERE), TELLER)
    book.unsaved()
    book.forget(HERE)
    book.set_anchors([THERE])

    known, forgotten = book.unsaved()

    record = signed(CARL, THERE)
    assert known == (KnownAddress(THERE, CARL.peer_id, record, TELLER, tried=False, anchor=True),)
    assert forgotten == (HERE,)


# Found on the local network


def test_noted_address_is_dialled_by_whoever_noted_it_alone() -> None:
    book = a_book()
    book.note(HERE)

    assert due(book, 0.0, (), 8) == []
    assert book.pick(0.0, ()) is book.feel(0.0, ()) is None
    assert book.next_due((), learned_too=True) is None
    assert book.take(HERE, 0.0)


def test_noted_address_never_reaches_the_disk() -> None:
    book = a_book()
    book.note(HERE)
    book.take(HERE, 0.0)
    book.handle_failed(HERE, 0.0, "no")
    book.withdraw(HERE)

    assert book.unsaved() == ((), ())
    assert book.next_try(HERE) is None


def test_note_changes_nothing_of_a_known_address() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.note(HERE)
    book.withdraw(HERE)

    assert book.knows(signed(BOB, HERE))
    assert due(book, 0.0, (), 1) == [HERE]


def test_noted_address_where_somebody_answered_is_one_like_any_other() -> None:
    book = a_book()
    book.note(HERE)
    book.handle_linked(HERE, BOB.peer_id)
    book.learn(signed(BOB, HERE), TELLER)
    book.withdraw(HERE)

    assert is_tried(book, HERE)
    assert book.proven() == [signed(BOB, HERE)]


def test_noted_address_that_somebody_signs_keeps_what_became_of_its_dials() -> None:
    book = a_book()
    book.note(HERE)
    book.handle_failed(HERE, 100.0, "no")
    book.learn(signed(BOB, HERE), TELLER)
    book.withdraw(HERE)

    assert book.peer_at(HERE) == BOB.peer_id
    assert pause(book, 100.0) > 0.0
    assert [item.address for item in book.unsaved()[0]] == [HERE]


def test_withdrawn_address_that_the_operator_asked_for_stays() -> None:
    book = a_book()
    book.note(HERE)
    book.keep(HERE)
    book.withdraw(HERE)

    assert due(book, 0.0, (), 0) == [HERE]


# The rest


def test_record_of_somebody_else_than_who_answered_does_not_hold() -> None:
    book = a_book()
    book.learn(signed(CARL, HERE), TELLER)
    book.keep(HERE)
    book.handle_linked(HERE, BOB.peer_id)

    assert book.proven() == []
    book.learn(signed(CARL, THERE), TELLER)
    assert book.peer_at(THERE) == CARL.peer_id
    assert book.peer_at(HERE) == BOB.peer_id


def test_address_kept_no_more_is_not_dialled() -> None:
    book = a_book()
    book.keep(HERE)
    book.handle_linked(HERE, BOB.peer_id)
    assert book.kept_of(BOB.peer_id) == [HERE]

    assert book.unkeep(HERE)
    assert not book.unkeep(HERE)
    assert due(book, 0.0, (), 8) == []


def test_news_of_unknown_addresses_is_ignored() -> None:
    book = a_book()
    book.handle_linked(HERE, BOB.peer_id)
    book.handle_failed(HERE, 0.0, "no")
    book.handle_lost(HERE, 0.0, 100.0, "no")
    book.handle_self(HERE)

    assert book.next_due((), learned_too=True) is None


def test_next_due_leaves_out_learned_addresses_unless_asked() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)

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
    book.learn(signed(BOB, THERE), TELLER)

    expected = {entry.address: entry.expected for entry in book.due(0.0, (), 8)}
    assert expected == {HERE: None, THERE: BOB.peer_id}


def test_learned_address_of_somebody_else_is_forgotten_and_a_kept_one_is_not() -> None:
    book = a_book()
    book.keep(HERE)
    book.learn(signed(BOB, THERE), TELLER)

    for address in (HERE, THERE):
        book.forget(address)

    assert due(book, 0.0, (), 8) == [HERE]

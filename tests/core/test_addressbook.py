"""Which addresses are dialled, and when next."""

from collections.abc import Collection

import pytest

from chatcore.addressbook import LOST_FAILURES, MAX_KEPT, AddressBook
from chatcore.addresstables import MAX_UNSAVED
from chatcore.config import LinkConfig
from chatcore.errors import OwnAddress, TooManyAddresses
from chatcore.ids import PeerId
from chatcore.records import KnownAddress
from tests.support.books import HERE, TELLER, THERE, a_book, is_tried, learned
from tests.support.core import BOB, CARL, signed


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


def test_kept_addresses_are_dialled_before_learned_ones_and_take_none_of_their_places() -> None:
    book = a_book()
    book.learn(signed(BOB, THERE), TELLER)
    book.keep(HERE)

    assert due(book, 0.0, (), 1) == [HERE, THERE]


def test_dials_of_lost_and_nearby_addresses_take_no_places_of_learned_ones() -> None:
    book = a_book()
    lost, nearby = "198.51.100.7:1", "10.0.0.1:1"
    book.learn(signed(CARL, lost), TELLER)
    book.handle_linked(lost, CARL.peer_id)
    book.handle_lost(lost, 0.0, 100.0, "no word", wordless=True)
    book.note(nearby)
    assert book.take(nearby, 0.0)
    assert due(book, 10.0, (), 0) == [lost]
    book.learn(signed(BOB, THERE), TELLER)

    assert due(book, 10.0, (), 1) == [THERE]


def test_learned_addresses_that_are_being_dialled_hold_their_places() -> None:
    book = a_book()
    learned(book, range(3))

    assert [len(due(book, 0.0, (), wanted)) for wanted in (1, 2, 2, 3)] == [1, 1, 0, 1]


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


def test_addresses_are_counted_by_who_named_them() -> None:
    book = a_book()
    book.keep(THERE)
    book.note(HERE)
    assert (book.asked_for, book.heard_of) == (1, 1)
    book.handle_self(THERE)
    assert (book.asked_for, book.heard_of) == (0, 1)
    assert book.is_own(THERE)
    assert not book.is_own(HERE)


def test_memory_of_own_addresses_is_bounded() -> None:
    book = a_book()
    for number in range(MAX_KEPT + 1):
        book.handle_self(f"192.0.2.{number}:1")

    book.keep(f"192.0.2.{MAX_KEPT}:1")
    assert due(book, 0.0, (), 8) == [f"192.0.2.{MAX_KEPT}:1"]


def test_kept_addresses_are_bounded() -> None:
    book = a_book()
    for number in range(MAX_KEPT):
        book.keep(f"a{number}.example:1")
    book.keep("a0.example:1")

    with pytest.raises(TooManyAddresses):
        book.keep(HERE)
    assert len(book.due(0.0, (), 0)) == MAX_KEPT


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
    book.handle_wrong_peer(HERE, BOB.peer_id, 0.0, "somebody else")
    book.set_anchors([THERE])

    known, forgotten = book.unsaved()

    record = signed(CARL, THERE)
    assert known == (KnownAddress(THERE, CARL.peer_id, record, TELLER, tried=False, anchor=True),)
    assert forgotten == (HERE,)


def test_what_could_not_be_written_is_written_the_next_time() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.learn(signed(CARL, THERE), TELLER)
    book.unsaved()
    book.handle_wrong_peer(HERE, BOB.peer_id, 0.0, "somebody else")
    book.set_anchors([THERE])
    known, forgotten = unsaved = book.unsaved()
    assert book.unsaved() == ((), ())

    book.handle_not_saved([*(item.address for item in known), *forgotten])

    assert book.unsaved() == unsaved == (known, (HERE,))


def test_memory_of_what_could_not_be_written_is_bounded() -> None:
    book = a_book()
    for number in range(3):
        book.handle_not_saved(f"192.0.2.{number}:{port}" for port in range(1, MAX_UNSAVED))

    assert len(book.unsaved()[1]) == MAX_UNSAVED


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
    book.withdraw([HERE])

    assert book.unsaved() == ((), ())
    assert book.next_try(HERE) is None


def test_note_changes_nothing_of_a_known_address() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.note(HERE)
    book.withdraw([HERE])

    assert book.knows(signed(BOB, HERE))
    assert due(book, 0.0, (), 1) == [HERE]


def test_noted_address_where_somebody_answered_is_one_like_any_other() -> None:
    book = a_book()
    book.note(HERE)
    book.handle_linked(HERE, BOB.peer_id)
    book.learn(signed(BOB, HERE), TELLER)
    book.withdraw([HERE])

    assert is_tried(book, HERE)
    assert book.proven() == [signed(BOB, HERE)]


def test_noted_address_that_somebody_signs_keeps_what_became_of_its_dials() -> None:
    book = a_book()
    book.note(HERE)
    book.handle_failed(HERE, 100.0, "no")
    book.learn(signed(BOB, HERE), TELLER)
    book.withdraw([HERE])

    assert book.peer_at(HERE) == BOB.peer_id
    assert pause(book, 100.0) > 0.0
    assert [item.address for item in book.unsaved()[0]] == [HERE]


NEAR = "[fe80::8%2]:8080"


def test_withdrawn_address_in_no_table_is_forgotten_though_somebody_answered_there() -> None:
    book = a_book()
    book.note(NEAR)
    book.handle_linked(NEAR, BOB.peer_id)

    book.withdraw([NEAR], [BOB.peer_id])
    assert book.peer_at(NEAR) == BOB.peer_id
    book.withdraw([], [CARL.peer_id])

    assert book.peer_at(NEAR) is None


def test_withdrawn_address_in_no_table_stays_for_as_long_as_it_is_looked_for() -> None:
    book = a_book()
    book.note(NEAR)
    book.handle_linked(NEAR, BOB.peer_id)
    book.handle_lost(NEAR, 0.0, 100.0, "no word", wordless=True)

    book.withdraw([NEAR])
    assert due(book, 1e6, (), 0) == [NEAR]
    for _ in range(LOST_FAILURES):
        book.handle_failed(NEAR, 0.0, "no")
    book.withdraw([])

    assert book.peer_at(NEAR) is None


def test_withdrawn_address_that_is_noted_again_stays() -> None:
    book = a_book()
    book.note(NEAR)
    book.handle_linked(NEAR, BOB.peer_id)
    book.withdraw([NEAR], [BOB.peer_id])
    book.note(NEAR)
    book.withdraw([])

    assert book.peer_at(NEAR) == BOB.peer_id


def test_withdrawn_address_that_the_operator_asked_for_stays() -> None:
    book = a_book()
    book.note(HERE)
    book.keep(HERE)
    book.withdraw([HERE])

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
        book.handle_wrong_peer(address, BOB.peer_id, 0.0, "somebody else")

    assert due(book, 1000.0, (), 8) == [HERE]


def test_claim_on_an_address_where_its_peer_has_answered_does_it_no_harm() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.handle_linked(HERE, BOB.peer_id)
    longest = LinkConfig().backoff_first_s * (1 + LinkConfig().backoff_jitter)
    for _ in range(5):
        book.handle_failed(HERE, -1e6, "no")
    for attempt in range(20):
        assert book.take(HERE, 10.0 * attempt)
        book.handle_wrong_peer(HERE, CARL.peer_id, 10.0 * attempt, "somebody else")
        at = book.next_try(HERE)
        assert at is not None
        assert 0 < at - 10.0 * attempt <= longest  # a pause, as for any dial, and never a longer one

    assert book.knows(signed(BOB, HERE))
    assert is_tried(book, HERE)


def test_claim_on_a_kept_address_does_it_no_harm() -> None:
    book = a_book()
    book.keep(HERE)
    for attempt in range(20):
        book.handle_wrong_peer(HERE, CARL.peer_id, 10.0 * attempt, "somebody else")

    assert due(book, 10.0 * 20, (), 8) == [HERE]
    (entry,) = book.unreached(())
    assert (entry.failures, entry.reason) == (0, None)


def test_address_where_its_peer_has_answered_is_not_forgotten_when_somebody_else_does() -> None:
    book = a_book()
    book.learn(signed(BOB, HERE), TELLER)
    book.handle_linked(HERE, BOB.peer_id)

    book.handle_wrong_peer(HERE, BOB.peer_id, 0.0, "somebody else")

    assert is_tried(book, HERE)
    assert book.next_try(HERE) != 0.0

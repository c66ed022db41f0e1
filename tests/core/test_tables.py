"""New and tried addresses: who gets a place, who makes way, and who is tested before it goes."""

from collections.abc import Iterable

from chatcore.addressbook import AddressBook
from chatcore.addressentry import POOR_AFTER
from chatcore.addresstables import MAX_LOST, MAX_TESTS
from chatcore.buckets import BUCKET, NEW_BUCKETS, NEW_PER_SOURCE
from tests.support.books import HERE, TELLER, THERE, a_book, is_tried, learned
from tests.support.core import BOB, CARL, identity, signed


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

    book.handle_wrong_peer(HERE, BOB.peer_id, 0.0, "somebody else")
    book.learn(signed(CARL, HERE), TELLER)
    assert book.peer_at(HERE) == CARL.peer_id


def a_full_tried_bucket() -> tuple[AddressBook, str, str]:
    """With the oldest in it, and one that waits to take its place."""
    book = a_book()
    for number in range(400):
        address = f"20.20.{number // 250}.{number % 250 + 1}:1"
        book.learn(signed(identity(number + 1), address), TELLER)
        book.handle_linked(address, identity(number + 1).peer_id, float(number))
        tested = book.feel(0.0, [identity(other + 1).peer_id for other in range(number, number + 1)])
        if tested is not None and book._tables._tests:
            return book, tested.address, book._tables._tests[tested.address]
        if tested is not None:
            tested.dialling = False
    raise AssertionError("no bucket is ever full")


def test_full_bucket_of_tried_ones_tests_its_oldest_before_it_goes() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)

    book.handle_failed(oldest, 0.0, "no")

    assert not is_tried(book, oldest)
    assert is_tried(book, newcomer)
    assert book.peer_at(oldest) is not None


def fail_often(book: AddressBook, address: str) -> None:
    for number in range(POOR_AFTER):
        book.handle_failed(address, 10.0 * number, "no")


def test_newcomer_that_is_gone_too_by_now_gets_no_place() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    fail_often(book, newcomer)
    learned(book, range(1000, 1000 + BUCKET - 1), spread=False)  # the bucket of new ones is full

    book.handle_failed(oldest, 0.0, "no")

    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)
    for _ in range(50):
        book.pick(1e9, ())


def test_newcomer_that_failed_before_and_is_linked_gets_the_place() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    fail_often(book, newcomer)
    linked = book.peer_at(newcomer)
    assert linked is not None

    book.handle_failed(oldest, 0.0, "no", [linked])

    assert is_tried(book, newcomer)


def test_one_that_is_gone_takes_the_place_of_who_came_for_its_own() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    others = learned(book, range(1000, 1000 + BUCKET - 1), spread=False)

    book.handle_failed(oldest, 0.0, "no")

    assert is_tried(book, newcomer)
    assert [address for address in (oldest, *others) if book.peer_at(address) is None] == []


def test_one_that_is_tested_is_who_answered_longest_ago() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    bucket = book._tables._places.tried(oldest)
    crowd = book._tables._tried.crowd(bucket)

    assert book._tables._places.tried(newcomer) == bucket
    assert book._tables.entries[oldest].answered_at == min(
        book._tables.entries[address].answered_at for address in crowd
    )


def test_tests_are_bounded_and_those_beyond_may_come_again() -> None:
    book = a_book()
    for number in range(3000):
        address = f"{20 + number % 60}.20.{number // 250}.{number % 250 + 1}:1"
        book.learn(signed(identity(number + 1), address), bytes(divmod(number, 250)))
        book.handle_linked(address, identity(number + 1).peer_id, float(number))

    assert len(book._tables._tests) == MAX_TESTS


def test_linked_one_need_not_be_tested() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    answered = book.peer_at(oldest)
    assert answered is not None
    book._tables.entries[oldest].dialling = False

    felt = book.feel(1e9, [answered])

    assert felt is None or felt.address != oldest
    assert book._tables._tests == {}
    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)


def test_lost_link_is_no_failed_test() -> None:
    book, oldest, newcomer = a_full_tried_bucket()

    book.handle_lost(oldest, 0.0, 1.0, "closed")
    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)

    book.handle_failed(oldest, 0.0, "no")
    assert not is_tried(book, oldest)
    assert is_tried(book, newcomer)


def test_somebodys_claim_settles_no_test_and_another_peer_there_does() -> None:
    book, oldest, newcomer = a_full_tried_bucket()

    book.handle_wrong_peer(oldest, CARL.peer_id, 0.0, "somebody else")
    assert is_tried(book, oldest)
    assert not is_tried(book, newcomer)

    book.handle_wrong_peer(oldest, book.peer_at(oldest), 0.0, "somebody else")
    assert not is_tried(book, oldest)
    assert is_tried(book, newcomer)


def test_linked_one_is_not_put_to_the_test() -> None:
    book, oldest, newcomer = a_full_tried_bucket()
    linked, answered = book.peer_at(oldest), book.peer_at(newcomer)
    assert linked is not None
    assert answered is not None
    book._tables._tests.clear()

    book.handle_linked(newcomer, answered, 1000.0, [linked])

    assert list(book._tables._tests.values()) == [newcomer]
    assert oldest not in book._tables._tests
    assert book._tables._places.tried(next(iter(book._tables._tests))) == book._tables._places.tried(newcomer)


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


# Looked for


def gone(book: AddressBook, numbers: Iterable[int], *, called: bool) -> list[str]:
    """Addresses where peers have answered once, and from where they went without a word."""
    addresses = learned(book, numbers)
    for address in addresses:
        peer_id = book.peer_at(address)
        assert peer_id is not None
        book.handle_linked(address, peer_id)
        book.handle_lost(address, 0.0, 100.0, "no word", wordless=True, called=called)
    return addresses


def looked_for(book: AddressBook) -> list[str]:
    return [entry.address for entry in book.due(1e6, (), 0)]


def test_callers_that_go_without_a_word_push_out_nobody_we_had_dialled() -> None:
    book = a_book()
    dialled = gone(book, range(10, 10 + MAX_LOST), called=False)

    gone(book, range(100, 100 + 2 * MAX_LOST), called=True)

    assert looked_for(book) == dialled


def test_callers_that_go_without_a_word_make_way_for_who_was_dialled() -> None:
    book = a_book()
    ours = gone(book, range(10, 20), called=False)
    claims = gone(book, range(100, 100 + 2 * MAX_LOST), called=True)

    more = gone(book, [20, 21], called=False)

    assert looked_for(book) == [*ours, *claims[-4:], *more]


def test_one_that_called_and_that_was_dialled_since_makes_way_no_more() -> None:
    book = a_book()
    (first,) = gone(book, [10], called=True)
    book.handle_lost(first, 0.0, 100.0, "no word", wordless=True, called=False)
    book.handle_lost(first, 0.0, 100.0, "no word", wordless=True, called=True)

    gone(book, range(100, 100 + MAX_LOST), called=True)

    assert first in looked_for(book)


def test_where_a_caller_only_says_that_it_lives_is_not_looked_for() -> None:
    book = a_book()
    (claimed,) = learned(book, [10])

    book.handle_lost(claimed, 0.0, 100.0, "no word", wordless=True, called=True)

    assert looked_for(book) == []

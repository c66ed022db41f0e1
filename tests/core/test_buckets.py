"""Tables of addresses in buckets: whoever has few networks fills few of them, and cannot tell which."""

import random
from collections import Counter

from chatcore.buckets import (
    BUCKET,
    NEW_BUCKETS,
    NEW_PER_SOURCE,
    TRIED_BUCKETS,
    TRIED_PER_GROUP,
    Buckets,
    Places,
)

SECRET = bytes(range(32))
PLACES = Places(SECRET)


def addresses(count: int, group: str = "20.20") -> list[str]:
    return [f"{group}.{number // 250}.{number % 250 + 1}:1" for number in range(count)]


def groups(count: int) -> list[str]:
    return [f"{20 + number // 250}.{number % 250}" for number in range(count)]


def test_new_addresses_of_one_teller_share_a_few_buckets_whatever_their_networks() -> None:
    found = {PLACES.new(f"{group}.0.1:1", b"teller") for group in groups(5000)}

    assert len(found) == NEW_PER_SOURCE


def test_new_addresses_of_one_teller_and_one_network_share_one_bucket() -> None:
    assert len({PLACES.new(address, b"teller") for address in addresses(1000)}) == 1


def test_tellers_together_have_all_buckets() -> None:
    found = {PLACES.new("20.20.0.1:1", bytes(divmod(number, 256))) for number in range(5000)}

    assert found == set(range(NEW_BUCKETS))


def test_tried_addresses_of_one_network_share_a_few_buckets() -> None:
    assert len({PLACES.tried(address) for address in addresses(5000)}) == TRIED_PER_GROUP


def test_networks_together_have_all_tried_buckets() -> None:
    found = {PLACES.tried(address) for group in groups(1000) for address in addresses(5, group)}

    assert found == set(range(TRIED_BUCKETS))


def test_nobody_without_the_secret_knows_which_addresses_meet() -> None:
    other = Places(SECRET[::-1])
    some = addresses(200)

    assert [PLACES.tried(address) for address in some] != [other.tried(address) for address in some]
    assert [PLACES.new(a, a.encode()) for a in some] != [other.new(a, a.encode()) for a in some]


def test_bucket_is_crowded_once_it_is_full() -> None:
    table = Buckets(random.Random(1))
    some = addresses(BUCKET)
    for address in some[:-1]:
        table.put(address, 7)
    assert table.crowd(7) == []
    table.put(some[-1], 7)

    assert table.crowd(7) == some
    assert table.crowd(8) == []
    table.remove(some[0])
    assert table.crowd(7) == []
    assert (some[0] in table, some[1] in table, len(table)) == (False, True, BUCKET - 1)


def test_full_bucket_is_drawn_no_more_often_than_one_with_a_single_address() -> None:
    table = Buckets(random.Random(1))
    for address in addresses(BUCKET):
        table.put(address, 7)
    table.put("66.6.6.6:1", 8)

    drawn = Counter(table.pick(lambda _: True) for _ in range(1000))

    assert 400 < drawn["66.6.6.6:1"] < 600
    assert len(drawn) == BUCKET + 1


def test_only_what_fits_is_drawn() -> None:
    table = Buckets(random.Random(1))
    some = addresses(40)
    for number, address in enumerate(some):
        table.put(address, number % 5)

    assert {table.pick(lambda address: address == some[3]) for _ in range(20)} == {some[3]}
    assert table.pick(lambda _: False) is None

"""A room's history in the store, a page at a time."""

import queue
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatd.store import Batch, BatchResult, Store, Stored
from chatd.store.reading import Point

AUTHOR = Identity(b"a" * 32)
ROOMS = [RoomId(bytes(31) + bytes([number])) for number in (1, 2)]
STAMPS = [1, 5, 5, 5, 9, 12, 12, 2**64 - 1]
DEADLINE_S = 5.0


def _stored(store: Store) -> list[Stored]:
    """In the order of the first room."""
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    store.start(results.put)
    said = [
        seal(AUTHOR, room, stamp, "ann", Chat(f"{number}"))
        for room in ROOMS
        for number, stamp in enumerate(STAMPS)
    ]
    store.submit(Batch(1, said))
    (result,) = results.get(timeout=DEADLINE_S)
    first = [item for item in result.stored if item.envelope.room == ROOMS[0]]
    return sorted(first, key=lambda item: (item.envelope.stamp, item.envelope.id))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[Stored]]]:
    store = Store.open(tmp_path_factory.mktemp("pages") / "store", sync=False)
    yield store, _stored(store)
    store.close()


bounds = st.none() | st.integers(0, 14) | st.sampled_from(range(len(STAMPS))).map(str)
"""None, a stamp, or as text the place of a message."""


def _point(stored: list[Stored], bound: int | str | None) -> Point | None:
    if bound is None:
        return None
    if isinstance(bound, int):
        return Point(bound)
    envelope = stored[int(bound)].envelope
    return Point(envelope.stamp, envelope.id)


@given(bounds, bounds, st.integers(1, 10))
def test_page_is_what_lies_between_nearest_to_where_it_begins(
    kept: tuple[Store, list[Stored]], before: int | str | None, after: int | str | None, limit: int
) -> None:
    store, stored = kept
    high, low = _point(stored, before), _point(stored, after)
    between = [
        item
        for item in stored
        if (high is None or (item.envelope.stamp, item.envelope.id) < high)
        and (low is None or (item.envelope.stamp, item.envelope.id) > low)
    ]
    wanted = between[:limit] if low is not None else between[-limit:]
    assert store.page(ROOMS[0], limit, high, low) == wanted


def test_id_is_found_by_its_beginning(kept: tuple[Store, list[Stored]]) -> None:
    store, stored = kept
    text = str(stored[3].envelope.id)
    for digits in (64, 33, 20):
        assert store.with_id(text[:digits]) == [stored[3]]
    assert (
        len(store.with_id(next(digit for digit in "0123456789abcdef" if len(store.with_id(digit)) > 1))) == 2
    )
    other = "0" if text[20] != "0" else "1"
    assert store.with_id(text[:20] + other) == []
    assert store.with_id("f" * 64) == []


def test_last_room_in_the_table_pages_like_the_others(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", sync=False)
    try:
        _stored(store)
        assert [item.envelope.stamp for item in store.page(ROOMS[1], 3)] == [12, 12, 2**64 - 1]
        assert (
            store.page(RoomId(b"\xff" * 32), 3) == store.page(RoomId(b"\xff" * 32), 3, None, Point(0)) == []
        )
    finally:
        store.close()

"""Names of rooms by id, read from the store no more often than they change."""

import queue
from collections.abc import Iterator

import pytest

from chatcore.ids import RoomId
from chatcore.names import room_id
from chatd.roomnames import RoomNames
from chatd.store import Batch, BatchResult, RoomEntry, Store
from tests.support.core import Playbook

TEA, WINE, COFFEE = (room_id("main", name) for name in ("tea", "wine", "coffee"))
DEADLINE_S = 10.0


@pytest.fixture
def store() -> Iterator[Store]:
    store = Store.temporary()
    yield store
    store.close()


def test_names_of_rooms_left_are_read_once_and_again_when_one_comes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    store.start(results.put)

    def keep(room: RoomId, name: str) -> None:
        store.submit(Batch(1, rooms=[RoomEntry(room, name, joined=False)]))
        assert results.get(timeout=DEADLINE_S)[0].error is None

    reads = 0
    read = store.rooms

    def count() -> list[RoomEntry]:
        nonlocal reads
        reads += 1
        return read()

    monkeypatch.setattr(store, "rooms", count)
    node, names = Playbook().node, RoomNames(store)
    keep(TEA, "tea")
    keep(COFFEE, "wine")  # of another network
    assert [names.find(node, room) for room in (TEA, WINE, COFFEE) * 100] == ["tea", None, None] * 100
    assert reads == 1

    keep(WINE, "wine")
    assert names.all(node) == {TEA: "tea", WINE: "wine", room_id("main", "lobby"): "lobby"}
    assert names.find(node, WINE) == "wine"
    assert reads == 2

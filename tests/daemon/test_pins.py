"""Pinned messages: in the store, against retention, in what peers compare, and over the API."""

import queue
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest

from chatcore.answering import answer
from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.events import PinRecord
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.messages import Compare, Range
from chatcore.ranges import fingerprint, room_tag
from chatcore.ranges import floor as floor_of
from chatd.store import Batch, BatchResult, Policy, Store, Trimmed
from chatd.store.reading import Point
from tests.support.daemon import Daemon, RpcError

AUTHOR = Identity(b"a" * 32)
TEA, WINE = RoomId(b"t" * 32), RoomId(b"w" * 32)
DAY_MS = 86_400_000
DEADLINE_S = 30.0
END = b"\xff" * 8


def message(age_days: float, room: RoomId = TEA) -> Envelope:
    stamp = int(time.time() * 1000 - age_days * DAY_MS) << COUNTER_BITS
    return seal(AUTHOR, room, stamp, "ada", Chat(f"{age_days} days"))


def pin_of(envelope: Envelope, *, pinned: bool = True) -> PinRecord:
    return PinRecord(envelope.room, envelope.stamp, envelope.id, pinned)


class Keeper:
    def __init__(self, store: Store, trims: "queue.SimpleQueue[Trimmed]") -> None:
        self.store = store
        self.trims = trims
        self._results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
        store.start(self._results.put)

    def keep(self, *envelopes: Envelope, pins: tuple[PinRecord, ...] = ()) -> None:
        self.store.submit(Batch(1, envelopes, pins=pins))
        assert self._results.get(timeout=DEADLINE_S)[0].error is None

    def trimmed(self) -> Trimmed:
        return self.trims.get(timeout=DEADLINE_S)

    def pinned(self, room: RoomId = TEA) -> list[Envelope]:
        return [item.envelope for item in self.store.pins.page(room, 100)]

    def kept(self, room: RoomId = TEA) -> list[Envelope]:
        return [item.envelope for item in self.store.page(room, 10_000)]


Opener = Callable[..., Keeper]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Opener]:
    opened: list[Store] = []

    def open_store(policy: Policy | None = None) -> Keeper:
        for store in opened:
            store.close()
        trims: queue.SimpleQueue[Trimmed] = queue.SimpleQueue()
        opened.append(
            Store.open(tmp_path / "store", sync=False, policy=policy or Policy(), on_trim=trims.put)
        )
        return Keeper(opened[-1], trims)

    yield open_store
    for store in opened:
        store.close()


MONTHS = Policy(retain_ms=90 * DAY_MS)

# In the store


def test_pins_are_listed_by_room_in_order_and_survive_a_restart(start: Opener) -> None:
    keeper = start()
    many = [message(age) for age in (5, 4, 3, 2, 1)]
    wine = message(1, WINE)
    keeper.keep(*many, wine)
    keeper.keep(pins=(pin_of(many[3]), pin_of(wine), pin_of(many[1]), pin_of(many[3])))

    for _ in range(2):
        assert keeper.pinned() == [many[1], many[3]]
        assert keeper.pinned(WINE) == [wine]
        assert len(keeper.store.pins) == 3
        assert pin_of(many[1]) in keeper.store.pins
        assert pin_of(many[0]) not in keeper.store.pins
        keeper = start()


def test_pins_are_paged_both_ways(start: Opener) -> None:
    keeper = start()
    many = [message(age) for age in range(9, 0, -1)]
    keeper.keep(*many, pins=tuple(pin_of(item) for item in many[::2]))

    def page(limit: int, **bounds: Point) -> list[Envelope]:
        return [item.envelope for item in keeper.store.pins.page(TEA, limit, **bounds)]

    middle = Point(many[4].stamp, many[4].id)
    assert page(2) == [many[6], many[8]]
    assert page(1, before=middle) == [many[2]]
    assert page(1, after=middle) == [many[6]]


def test_unpinned_message_is_listed_no_longer(start: Opener) -> None:
    keeper = start()
    one, other = message(2), message(1)
    keeper.keep(one, other, pins=(pin_of(one), pin_of(other)))
    keeper.keep(pins=(pin_of(one, pinned=False), pin_of(message(7), pinned=False)))
    assert keeper.pinned() == [other]
    assert start().pinned() == [other]


def test_message_that_is_not_in_the_log_is_not_pinned(start: Opener) -> None:
    keeper = start()
    keeper.keep(pins=(pin_of(message(1)),))
    assert len(keeper.store.pins) == 0


def test_pins_are_found_by_the_start_of_an_id(start: Opener) -> None:
    keeper = start()
    many = [message(age) for age in range(300)]
    keeper.keep(*many, pins=tuple(pin_of(item) for item in many))
    assert keeper.store.pins.starting_with(str(many[7].id)[:10]) == [pin_of(many[7])]
    assert len(keeper.store.pins.starting_with(str(many[7].id)[:1])) > 1


def test_store_from_before_there_were_pins_is_opened(start: Opener, tmp_path: Path) -> None:
    keeper = start()
    keeper.keep(message(1))
    keeper.store.close()
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(b"pins", txn=txn))
    again = start()
    again.keep(one := message(2), pins=(pin_of(one),))
    assert again.pinned() == [one]


# Against retention


def test_pinned_messages_stay_whatever_their_age(start: Opener) -> None:
    keeper = start()
    many = [message(age) for age in (300, 250, 200, 150, 1, 0)]
    keeper.keep(*many, pins=(pin_of(many[1]), pin_of(many[3]), pin_of(many[4])))
    keeper = start(MONTHS)
    assert keeper.trimmed() == Trimmed(2, 1)
    assert keeper.kept() == [many[1], *many[3:]]
    assert keeper.pinned() == [many[1], many[3], many[4]]
    assert keeper.store.floor(TEA) > many[3].stamp


def test_unpinned_message_goes_when_its_time_has_come(start: Opener) -> None:
    keeper = start()
    old, new = message(300), message(0)
    keeper.keep(old, new, pins=(pin_of(old),))
    keeper = start(MONTHS)
    keeper.keep(message(0.1))
    keeper.keep(pins=(pin_of(old, pinned=False),))
    assert old in keeper.kept()
    keeper = start(MONTHS)
    assert keeper.trimmed() == Trimmed(1, 1)
    assert old not in keeper.kept()


def test_pinned_messages_stay_when_the_quota_presses(start: Opener) -> None:
    keeper = start(Policy(most_bytes=64 * 1024 * 1024))
    first = [seal(AUTHOR, TEA, stamp, "ada", Chat("x" * 16_000)) for stamp in range(1, 101)]
    keeper.keep(*first, pins=tuple(pin_of(item) for item in first[10:20]))
    for start_at in range(101, 5000, 100):
        keeper.keep(*[seal(AUTHOR, TEA, start_at + at, "ada", Chat("x" * 16_000)) for at in range(100)])
    assert keeper.trimmed().messages > 100
    assert keeper.kept()[:10] == first[10:20]
    assert keeper.pinned() == first[10:20]


def test_history_repair_neither_counts_nor_lists_pins_below_the_floor(start: Opener) -> None:
    keeper = start()
    old = [message(300 - number / 100) for number in range(300)]
    new = [message(1 - number / 1000) for number in range(300)]
    keeper.keep(*old, *new, pins=tuple(pin_of(item) for item in old[::7]))
    keeper = start(MONTHS)
    assert keeper.trimmed().messages == 300 - len(old[::7])
    store = keeper.store

    lower = floor_of(store, TEA)
    ours = store.fingerprint(TEA, lower, END)
    assert ours.size == 300
    assert ours.total == sum(int.from_bytes(item.id, "big") for item in new) % 2**256
    assert store.fingerprint(TEA, b"", END).size == 300 + len(old[::7])
    # A member that never had the old ones, and one that keeps everything, find nothing to ask for.
    equal = Compare(1, room_tag(TEA), (Range(b"", END, fingerprint(ours)),))
    assert answer(store, TEA, equal).answers == ((),)
    other = Compare(1, room_tag(TEA), (Range(b"", END, b"f" * 16),))
    (parts,) = answer(store, TEA, other).answers
    assert all(part.lower >= lower for part in parts)


# Over the API


def refusal(daemon: Daemon, method: str, **params: Any) -> RpcError:
    with pytest.raises(RpcError) as caught:
        daemon.call(method, **params)
    return caught.value


def test_pin_and_unpin_are_idempotent_and_say_what_changed(shared: Daemon) -> None:
    shared.call("room.join", room="idem")
    sent = shared.call("message.send", text="keep me", room="idem")["id"]
    assert shared.call("message.pins", room="idem") == []
    expected = {"id": sent, "room": "idem", "pinned": True}
    assert shared.call("message.pin", id=sent) == {**expected, "changed": True}
    assert shared.call("message.pin", id=sent[:10].upper()) == {**expected, "changed": False}
    assert [item["text"] for item in shared.call("message.pins", room="idem")] == ["keep me"]
    assert shared.call("message.unpin", id=sent[:12]) == {**expected, "pinned": False, "changed": True}
    assert shared.call("message.unpin", id=sent) == {**expected, "pinned": False, "changed": False}
    assert shared.call("message.pins", room="idem") == []


def test_pages_of_pins_are_those_of_a_history(shared: Daemon) -> None:
    shared.call("room.join", room="paged")
    ids = [shared.call("message.send", text=f"{number}", room="paged")["id"] for number in range(10)]
    for message_id in ids[::2]:
        shared.call("message.pin", id=message_id)

    def texts(**params: Any) -> list[str]:
        return [item["text"] for item in shared.call("message.pins", room="#Paged", **params)]

    assert texts() == ["0", "2", "4", "6", "8"]
    assert texts(limit=2) == ["6", "8"]
    assert texts(limit=2, before=ids[5]) == ["2", "4"]
    assert texts(limit=2, after=ids[4]) == ["6", "8"]
    assert texts(after=0, limit=1) == ["0"]
    assert shared.call("message.pins", room="paged") == shared.call("message.history", room="paged")[::2]
    assert refusal(shared, "message.pins", room="nowhere").kind == "not_in_room"


@pytest.mark.parametrize("text", ["f" * 64, "f" * 10, "f" * 9, "f" * 65, "lobby", ""])
def test_unknown_message_can_be_neither_pinned_nor_unpinned(shared: Daemon, text: str) -> None:
    for method in ("message.pin", "message.unpin"):
        error = refusal(shared, method, id=text)
        assert (error.code, error.kind) == (1020, "no_such_message")


FEW = "from chatd import main, pinning; pinning.MAX_PINS = 2; main.main()"


def test_no_more_are_pinned_than_may_be(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "few")
    daemon.program = [sys.executable, "-c", FEW]
    with daemon:
        ids = [daemon.call("message.send", text=f"{number}")["id"] for number in range(3)]
        for message_id in ids[:2]:
            daemon.call("message.pin", id=message_id)
        error = refusal(daemon, "message.pin", id=ids[2])
        assert (error.code, error.kind) == (1015, "too_many_pins")
        assert "2 messages are pinned already" in str(error)
        assert not daemon.call("message.pin", id=ids[0])["changed"]
        daemon.call("message.unpin", id=ids[0])
        assert daemon.call("message.pin", id=ids[2])["changed"]

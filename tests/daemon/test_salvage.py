"""What a damaged store keeps beside its messages: what became of our own, client ids, and pins."""

import contextlib
import queue
import shutil
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatcore.clock import COUNTER_BITS
from chatcore.discouraged import Discouraged
from chatcore.envelopes import SIGNING_CONTEXT, Chat, Envelope, open_envelope, seal
from chatcore.events import PinRecord
from chatcore.identity import Identity
from chatcore.ids import PeerId, RoomId
from chatcore.own import OwnMessage, State
from chatcore.people import Person
from chatcore.wire import pack
from chatd.store import Batch, BatchResult, Policy, RoomEntry, Store, Trimmed, records
from chatd.store.folder import DATA_FILE
from chatd.store.pages import DEFAULT_PAGE_BYTES, Node, PageFile
from chatd.store.readiness import make_ready
from chatd.store.salvage import MAX_GAP, greatest
from chatd.store.strays import Strays
from tests.support.daemon import Daemon

AUTHOR = Identity(b"a" * 32)
ROOM = RoomId(b"r" * 32)
PEER = PeerId(b"p" * 32)
DAY_MS = 86_400_000
DEADLINE_S = 30.0


def message(age_days: float) -> Envelope:
    stamp = int(time.time() * 1000 - age_days * DAY_MS) << COUNTER_BITS
    return seal(AUTHOR, ROOM, stamp, "ada", Chat(f"{age_days} days"))


def own(envelope: Envelope, state: State, client_id: str = "") -> OwnMessage:
    return OwnMessage(envelope.id, ROOM, state, client_id=client_id)


def pin(envelope: Envelope) -> PinRecord:
    return PinRecord(ROOM, envelope.stamp, envelope.id, pinned=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@contextlib.contextmanager
def opened(folder: Path, policy: Policy | None = None) -> Iterator[Store]:
    trims: queue.SimpleQueue[Trimmed] = queue.SimpleQueue()
    store = Store.open(folder, sync=False, policy=policy or Policy(), on_trim=trims.put)
    try:
        yield store
        if policy is not None:
            trims.get(timeout=DEADLINE_S)
    finally:
        store.close()


def fill(
    folder: Path,
    messages: Sequence[Envelope],
    states: Sequence[OwnMessage] = (),
    pins: Sequence[PinRecord] = (),
    policy: Policy | None = None,
    **others: Any,
) -> None:
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    with opened(folder) as store:
        store.start(results.put)
        store.submit(Batch(1, messages, own=states, pins=pins, **others))
        assert results.get(timeout=DEADLINE_S)[0].error is None
    if policy is not None:
        with opened(folder, policy) as store:
            store.start(results.put)


def wipe_root(folder: Path, table: bytes) -> None:
    """Nothing in the table can be found any more."""
    with (folder / DATA_FILE).open("r+b") as file:
        pages = PageFile(file)
        file.seek(pages.tables()[table].root * pages.page_bytes)
        file.write(bytes(pages.page_bytes))


def salvage(folder: Path) -> None:
    told: list[str] = []
    make_ready(folder, lambda event, _: told.append(event))
    assert "store_quarantined" in told


def damage(folder: Path, table: bytes = b"clients") -> None:
    wipe_root(folder, table)
    salvage(folder)


@pytest.mark.parametrize("table", [b"clients", b"room"])
def test_client_ids_are_found_again(folder: Path, table: bytes) -> None:
    many = [message(age) for age in range(30, 0, -1)]
    said = [own(item, State(number % 4), f"ü{number}") for number, item in enumerate(many)]
    fill(folder, many, [*said[:-1], own(many[-1], State.SENT)])
    damage(folder, table)
    with opened(folder) as store:
        assert [store.own.by_client(ROOM, f"ü{number}") for number in range(30)] == [*said[:-1], None]
        assert store.own.find(many[3].id) == said[3]


def test_client_id_of_a_message_that_is_lost_and_nobody_has_is_free_again(folder: Path) -> None:
    lost, handed, kept = message(3), message(2), message(1)
    states = [own(lost, State.QUEUED, "lost"), own(handed, State.SENT, "handed"), own(kept, State.SENT, "k")]
    fill(folder, [lost, handed, kept], states)
    spoil_record(folder, lost, handed)
    damage(folder)
    with opened(folder) as store:
        assert store.known([lost.id, handed.id, kept.id]) == {kept.id}
        assert store.own.by_client(ROOM, "lost") is None
        assert store.own.by_client(ROOM, "handed") == states[1]
        assert store.own.by_client(ROOM, "k") == states[2]


def spoil_record(folder: Path, *envelopes: Envelope) -> None:
    """In every page that holds it, freed ones as well."""
    data = bytearray((folder / DATA_FILE).read_bytes())
    for envelope in envelopes:
        at = data.find(envelope.payload)
        while at >= 0:
            data[at + 5] ^= 1
            at = data.find(envelope.payload, at)
    (folder / DATA_FILE).write_bytes(data)


def test_number_of_a_lost_message_is_not_given_to_another(folder: Path) -> None:
    kept, lost = message(2), message(1)
    fill(folder, [kept, lost], [own(kept, State.SENT), own(lost, State.SENT, "7")])
    spoil_record(folder, lost)
    damage(folder)
    with opened(folder) as store:
        results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
        store.start(results.put)
        store.submit(Batch(1, [new := message(0)]))
        assert results.get(timeout=DEADLINE_S)[0].stored[0].seq == 3
        assert store.own.find(new.id) is None


def test_pins_are_kept_also_of_messages_that_are_lost(folder: Path) -> None:
    many = [message(age) for age in (4, 3, 2, 1)]
    fill(folder, many, pins=[pin(many[1]), pin(many[2])])
    spoil_record(folder, many[2])
    damage(folder, b"room")
    with opened(folder) as store:
        assert [item.envelope for item in store.pins.page(ROOM, 10)] == [many[1]]
        results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
        store.start(results.put)
        store.submit(Batch(1, [many[2]]))  # as history repair brings it
        assert results.get(timeout=DEADLINE_S)[0].error is None
        assert [item.envelope for item in store.pins.page(ROOM, 10)] == many[1:3]


def test_what_retention_had_to_leave_alone_is_kept_and_what_it_removed_is_not(folder: Path) -> None:
    ages = (400, 300, 250, 200, 150, 1)
    many = [message(age) for age in ages]
    waiting = own(many[3], State.QUEUED, "7")
    fill(folder, many, [waiting], [pin(many[1])], Policy(retain_ms=90 * DAY_MS))
    damage(folder)
    with opened(folder) as store:
        assert [item.envelope for item in store.page(ROOM, 10)] == [many[1], many[3], many[5]]
        assert [item.envelope for item in store.pins.page(ROOM, 10)] == [many[1]]
        assert store.own.waiting(10) == [(waiting, many[3])]
        assert store.floor(ROOM) > many[4].stamp


@pytest.mark.parametrize("pages", [range(2), range(4), range(8)])
def test_what_is_known_survives_damaged_first_pages(folder: Path, pages: range) -> None:
    """Nothing says any more which table is where."""
    many = [message(age) for age in range(300, 0, -1)]
    said = [own(item, State(number % 4), f"ü{number}") for number, item in enumerate(many)]
    rooms = [RoomEntry(ROOM, "lobby", joined=True), RoomEntry(RoomId(b"s" * 32), "tea", joined=False)]
    people = [Person(PEER, "Bobby", blocked=True, username="bob")]
    discouraged = [Discouraged(PEER, "192.0.2.1:1", "bob", "lies", 17)]
    fill(
        folder,
        many,
        said,
        [pin(many[7]), pin(many[150])],
        rooms=rooms,
        people=people,
        discouraged=discouraged,
    )
    with (folder / DATA_FILE).open("r+b") as file:
        size = PageFile(file).page_bytes
        for page in pages:
            file.seek(page * size)
            file.write(bytes(size))
    salvage(folder)
    with opened(folder) as store:
        assert {item.id for item in many} >= store.known([item.id for item in many])
        kept = [item for item in many if store.known([item.id])]
        assert len(kept) > 250
        states = {item.id: state for item, state in zip(many, said, strict=True)}
        assert [store.own.find(item.id) for item in kept] == [states[item.id] for item in kept]
        assert store.own.by_client(ROOM, "ü150") == said[150]
        assert [item.envelope for item in store.pins.page(ROOM, 10)] == [many[7], many[150]]
        assert sorted(store.rooms(), key=lambda room: room.name) == rooms
        assert (store.people(), store.discouraged()) == (people, discouraged)
        (aside,) = store.quarantined
        assert (
            "The tables discouraged, meta, own, people, pins, rooms could not be"
            in (aside / "README").read_text()
        )


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_stray_entries_with_one_key_the_one_that_says_more_counts(turned: bool) -> None:
    less, more = (
        Node(key, records.seal(pack(fields)), 0)
        for key, fields in ((ROOM, ["lobby", False]), (ROOM, ["lobby", True]))
    )
    strays = Strays()
    strays.add([more, less] if turned else [less, more])
    assert strays.found == {"rooms": {ROOM: more.value}}


def test_of_stale_states_the_highest_is_kept(folder: Path) -> None:
    """Freed pages hold what was known before."""
    said = [message(age) for age in range(40, 0, -1)]
    fill(folder, said, [own(item, State.QUEUED) for item in said])
    for state in (State.SENT, State.DELIVERED):
        fill(folder, (), [own(item, state) for item in said])
    with (folder / DATA_FILE).open("r+b") as file:
        file.write(bytes(2 * 4096))
    salvage(folder)
    with opened(folder) as store:
        assert {store.own.find(item.id) for item in said} == {own(item, State.DELIVERED) for item in said}


def test_absurd_number_of_a_damaged_entry_is_not_kept(folder: Path) -> None:
    many = [message(age) for age in range(30, 0, -1)]
    fill(folder, many, [own(many[-1], State.SENT, "7")])
    data = bytearray((folder / DATA_FILE).read_bytes())
    start = data.find(many[-1].payload) - records.RECORD_HEADER_BYTES
    while start > 0:
        data[start - 8] |= 0x40  # the highest byte of its key
        start = data.find(many[-1].payload, start + 100) - records.RECORD_HEADER_BYTES
    (folder / DATA_FILE).write_bytes(data)
    damage(folder)
    with opened(folder) as store:
        assert store.last_seq() == 30
        assert [item.envelope for item in store.newest(ROOM, 1)] == many[-1:]
        assert store.own.find(many[-1].id) == own(many[-1], State.SENT, "7")
        assert store.own.by_client(ROOM, "7") == own(many[-1], State.SENT, "7")
        assert store.own.last() == 30


@pytest.mark.parametrize(
    ("numbers", "last"),
    [
        ([], 0),
        ([1], 1),
        ([1, 2, 3, 2**40, 2**63], 3),
        ([7, 5_000_000, 5_000_001, 5_000_002], 5_000_002),
        ([1, 2, 3, 3 + MAX_GAP], 3 + MAX_GAP),
        ([1, 2, 3, 4 + MAX_GAP], 3),
    ],
)
def test_greatest_number_is_not_far_from_the_others(numbers: list[int], last: int) -> None:
    assert greatest(numbers) == last


def test_message_said_again_after_a_salvage_is_not_sent_twice(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node")
    with daemon:
        first = daemon.call("message.send", text="pay the rent", client_id="rent-11")
        daemon.call("message.send", text="thanks")
        daemon.call("message.pin", id=first["id"])
        daemon.kill()
        wipe_root(daemon.home / "store", b"clients")
        daemon.start()
        assert daemon.call("node.status")["store"]["quarantined"]
        assert daemon.call("message.send", text="pay the rent", client_id="rent-11")["id"] == first["id"]
        assert daemon.texts == ["pay the rent", "thanks"]
        assert [item["id"] for item in daemon.call("message.pins")] == [first["id"]]


STRANGER = Identity(b"s" * 32)


def hostile(leaf: bytes, start: int) -> Envelope:
    """A chat message with a field that a newer version may have, in which `leaf` begins at byte `start`."""
    stamp = int(time.time() * 1000) << COUNTER_BITS
    head = [1, ROOM, STRANGER.public_key, stamp, "eve", "hi"]
    padding = start - len(pack([*head, bytes(9000)])) + 9000
    payload = pack([*head, (bytes(padding) + leaf).ljust(9000, b"\0")])
    return open_envelope(payload, STRANGER.sign(SIGNING_CONTEXT, payload))


def leaf_page(number: int, entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """As LMDB writes one: header, offsets, and the nodes from its end."""
    size, offsets, nodes = DEFAULT_PAGE_BYTES, list[int](), b""
    for key, value in entries:
        nodes = struct.pack("@HHHH", len(value), 0, 0, len(key)) + key + value + nodes
        offsets.append(size - len(nodes))
    head = struct.pack("@QHHHH", number, 0, 0x02, 16 + 2 * len(offsets), size - len(nodes))
    head += struct.pack(f"@{len(offsets)}H", *offsets)
    return head + bytes(size - len(head) - len(nodes)) + nodes


@pytest.mark.parametrize("spoiled", [False, True])
def test_bytes_of_a_stranger_are_not_taken_for_the_store_s_own(folder: Path, *, spoiled: bool) -> None:
    """With the message that holds them whole, and, as nothing tells them from a page then, damaged."""
    many = [message(age) for age in range(30, 0, -1)]
    late = seal(STRANGER, ROOM, many[-1].stamp + 1, "eve", Chat("mine"))
    record = records.encode_record(records.pack_u64(1), late.signature, late.payload)
    entries = [
        (b"schema", records.seal(records.pack_u64(999))),
        (b"floor/" + ROOM, records.seal(records.pack_u64(2**63))),
        (b"last_stamp", records.seal(records.pack_u64(2**63))),
        (b"last_seq", records.seal(records.pack_u64(2**60))),
        (records.pack_u64(2), record),  # the number of the first of `many`
    ]
    start = DEFAULT_PAGE_BYTES - 16 - (4 + 8 + 64)
    probe = hostile(b"PROBE" * 9, start)
    fill(folder, [probe, *many])
    page, rest = divmod((folder / DATA_FILE).read_bytes().find(b"PROBE" * 9), DEFAULT_PAGE_BYTES)
    assert not rest
    shutil.rmtree(folder)
    evil = hostile(leaf_page(page, entries), start)
    fill(folder, [evil, *many])
    assert (folder / DATA_FILE).read_bytes().find(leaf_page(page, entries)) == page * DEFAULT_PAGE_BYTES

    if spoiled:
        data = bytearray((folder / DATA_FILE).read_bytes())
        data[(page - 1) * DEFAULT_PAGE_BYTES + 900] ^= 1
        (folder / DATA_FILE).write_bytes(data)
    damage(folder, b"meta")

    with opened(folder) as store:
        found = {stored.envelope.id for stored in store.after(0, 100)}
        assert found >= {item.id for item in many}
        assert (late.id in found) == spoiled
        assert store.floor(ROOM) == 0
        assert store.last_seq() < 100
        assert store.last_stamp() <= max(item.stamp for item in [evil, *many])

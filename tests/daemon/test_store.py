"""The store against a real LMDB in a temporary folder, a really full disk and a really killed process."""

import contextlib
import os
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import lmdb
import pytest

from chatcore.envelopes import Chat, Envelope, seal
from chatcore.errors import Stopping
from chatcore.identity import Identity
from chatcore.ids import DIGEST_BYTES, MessageId, RoomId
from chatcore.index import Signed
from chatd.store import (
    MAX_LOOKED_AT,
    SCHEMA,
    Batch,
    BatchResult,
    Damaged,
    RoomEntry,
    Store,
    StoreUnusable,
    records,
)
from chatd.store.faults import DAMAGED_HINT

AUTHOR = Identity(b"a" * 32)
ROOM = RoomId(b"r" * 32)
OTHER_ROOM = RoomId(b"s" * 32)
ABOVE = b"\xff" * 8
DEADLINE_S = 5.0
SMALL_MAP = 128 * 1024


def message(stamp: int, text: str = "hello", room: RoomId = ROOM) -> Envelope:
    return seal(AUTHOR, room, stamp, "ada", Chat(text))


def messages(count: int, *, start: int = 1, size: int = 200) -> list[Envelope]:
    return [message(stamp, f"{stamp}".ljust(size, "x")) for stamp in range(start, start + count)]


class Keeper:
    """A started store and what it said so far."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.groups: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
        store.start(self.groups.put)

    def keep(self, *envelopes: Envelope, rooms: tuple[RoomEntry, ...] = ()) -> BatchResult:
        self.store.submit(Batch(1, envelopes, rooms))
        (result,) = self.groups.get(timeout=DEADLINE_S)
        return result

    def results(self, count: int) -> list[BatchResult]:
        found: list[BatchResult] = []
        while len(found) < count:
            found += self.groups.get(timeout=DEADLINE_S)
        return found


Opener = Callable[..., Keeper]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def start(folder: Path) -> Iterator[Opener]:
    """Opens and starts the store in `folder`; closes it in the end."""
    with contextlib.ExitStack() as stack:

        def open_store(**options: object) -> Keeper:
            store = Store.open(folder, sync=False, **options)  # type: ignore[arg-type]  # passed on as given
            stack.callback(store.close)
            return Keeper(store)

        yield open_store


def change_raw(folder: Path, table: bytes, key: bytes, value: bytes) -> None:
    with lmdb.open(str(folder), max_dbs=8, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(key, value, db=env.open_db(table, txn=txn))


# Writing and reading


def test_store_returns_what_it_was_given(start: Opener) -> None:
    keeper = start()
    result = keeper.keep(message(5, "hé"), message(3))
    assert result.error is None
    assert [stored.seq for stored in result.stored] == [1, 2]
    assert keeper.store.after(0, 10) == list(result.stored)
    assert keeper.store.last_seq() == 2
    assert keeper.store.last_stamp() == 5


def test_store_is_empty_at_first(start: Opener) -> None:
    store = start().store
    assert (store.last_seq(), store.last_stamp(), store.rooms()) == (0, 0, [])
    assert store.after(0, 10) == store.newest(ROOM, 10) == []
    assert store.known([]) == store.known([message(1).id]) == set()
    assert store.backlog_bytes == 0


def test_store_leaves_out_message_repeated_within_a_batch(start: Opener) -> None:
    result = start().keep(message(1), message(1), message(2))
    assert [stored.envelope.stamp for stored in result.stored] == [1, 2]


def test_store_leaves_out_message_of_an_earlier_commit(start: Opener) -> None:
    keeper = start()
    keeper.keep(message(1))
    result = keeper.keep(message(1), message(2))
    assert [(stored.seq, stored.envelope.stamp) for stored in result.stored] == [(2, 2)]
    assert keeper.keep(message(2)) == BatchResult(1)


def test_store_gives_message_in_two_batches_of_a_group_to_the_first(folder: Path) -> None:
    with _held_back(folder) as keeper:
        keeper.store.submit(Batch(1, [message(1)]))
        keeper.store.submit(Batch(2, [message(1), message(2)]))
    group = keeper.groups.get(timeout=DEADLINE_S)
    assert [(result.job, [s.envelope.stamp for s in result.stored]) for result in group] == [
        (1, [1]),
        (2, [2]),
    ]
    keeper.store.close()


def test_store_tells_of_a_whole_group_at_once(folder: Path) -> None:
    with _held_back(folder) as keeper:
        for job in range(50):
            keeper.store.submit(Batch(job, [message(job)]))
        assert keeper.store.backlog_bytes > 50 * len(message(1).payload)
    assert [result.job for result in keeper.groups.get(timeout=DEADLINE_S)] == list(range(50))
    keeper.store.close()
    assert keeper.store.backlog_bytes == 0


@contextlib.contextmanager
def _held_back(folder: Path) -> Iterator[Keeper]:
    """The writer is kept busy in a callback, so that what is submitted meanwhile becomes one group."""
    store = Store.open(folder, sync=False)
    busy, go_on = threading.Event(), threading.Event()
    groups: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()

    def on_results(results: list[BatchResult]) -> None:
        if results[0].job < 0:
            busy.set()
            go_on.wait(DEADLINE_S)
        else:
            groups.put(results)

    keeper = Keeper.__new__(Keeper)
    keeper.store, keeper.groups = store, groups
    store.start(on_results)
    store.submit(Batch(-1))
    assert busy.wait(DEADLINE_S)
    yield keeper
    go_on.set()


def test_newest_sorts_by_stamp_whatever_the_order_of_arrival(start: Opener) -> None:
    keeper = start()
    keeper.keep(*[message(stamp) for stamp in (30, 10, 2**63, 20)])
    stamps = [stored.envelope.stamp for stored in keeper.store.newest(ROOM, 3)]
    assert stamps == [20, 30, 2**63]


def test_newest_keeps_rooms_apart(start: Opener) -> None:
    keeper = start()
    edges = [RoomId(b"r" * 31 + bytes([last])) for last in (ord("r") - 1, ord("r"), ord("r") + 1)]
    keeper.keep(*[message(stamp, room=room) for room in edges for stamp in (1, 2)])
    for room in edges:
        assert [s.envelope.room for s in keeper.store.newest(room, 10)] == [room, room]
    assert keeper.store.newest(RoomId(b"\xff" * 32), 10) == []


def test_newest_sorts_equal_stamps_by_id(start: Opener) -> None:
    keeper = start()
    same = [message(7, text) for text in "abcdef"]
    keeper.keep(*same)
    ids = [stored.envelope.id for stored in keeper.store.newest(ROOM, 10)]
    assert ids == sorted(envelope.id for envelope in same)


def test_after_pages_through_the_log_once(start: Opener) -> None:
    keeper = start()
    kept = messages(25)
    keeper.keep(*kept)
    seen, seq = [], 0
    while page := keeper.store.after(seq, 10):
        assert len(page) <= 10
        seen += [stored.envelope for stored in page]
        seq = page[-1].seq
    assert seen == kept
    assert keeper.store.after(25, 10) == keeper.store.after(2**63, 10) == []


def test_known_finds_only_what_is_stored(start: Opener) -> None:
    keeper = start()
    kept = messages(20)
    keeper.keep(*kept[::2])
    found = keeper.store.known([envelope.id for envelope in kept])
    assert found == {envelope.id for envelope in kept[::2]}
    assert all(type(each) is MessageId for each in found)


def test_rooms_hold_the_last_word(start: Opener) -> None:
    keeper = start()
    lobby = RoomEntry(ROOM, "lobby", joined=True)
    keeper.keep(rooms=(lobby, RoomEntry(OTHER_ROOM, "été", joined=True)))
    keeper.keep(rooms=(RoomEntry(OTHER_ROOM, "été", joined=False),))
    assert keeper.store.rooms() == [lobby, RoomEntry(OTHER_ROOM, "été", joined=False)]


# Opening, closing and the life of the writer


def test_store_goes_on_where_it_stopped_when_reopened(folder: Path, start: Opener) -> None:
    first = start()
    kept = messages(10)
    first.keep(message(99), *kept, rooms=(RoomEntry(ROOM, "lobby", joined=True),))
    first.store.close()
    again = start()
    assert (again.store.last_seq(), again.store.last_stamp()) == (11, 99)
    assert again.store.rooms() == [RoomEntry(ROOM, "lobby", joined=True)]
    assert again.keep(kept[0], message(100)).stored[0].seq == 12


def test_commits_reach_the_disk_unless_told_otherwise(folder: Path) -> None:
    store = Store.open(folder)
    try:
        flags = store._tables._env.flags()
        assert (flags["sync"], flags["metasync"]) == (True, True)
        assert (flags["writemap"], flags["map_async"]) == (False, False)
    finally:
        store.close()


def test_store_files_are_for_their_owner_only(folder: Path, start: Opener) -> None:
    start()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701, 0o1777])
@pytest.mark.parametrize("content", [None, "photo.jpg", "data.mdb"])
def test_folder_open_to_others_is_refused_and_left_as_it_was(
    folder: Path, mode: int, content: str | None
) -> None:
    folder.mkdir()
    if content is not None:
        (folder / content).write_text("mine")
        (folder / content).chmod(0o644)
    folder.chmod(mode)
    for use in (Store.prepare, Store.open):
        with pytest.raises(StoreUnusable, match=rf"others .* may read it \(mode {mode:04o}\)") as caught:
            use(folder)
        assert caught.value.hint == f"chmod 700 {folder}, or choose another folder"
    assert folder.stat().st_mode & 0o7777 == mode
    assert [path.name for path in folder.iterdir()] == ([content] if content else [])
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} <= {0o644}


def test_folder_made_before_is_used_as_it_is(folder: Path, start: Opener) -> None:
    folder.mkdir(mode=0o700)
    (folder / "notes.txt").write_text("mine")
    (folder / "notes.txt").chmod(0o644)
    start()
    assert (folder / "notes.txt").stat().st_mode & 0o777 == 0o644


def test_close_writes_everything_queued(folder: Path, start: Opener) -> None:
    keeper = start()
    for job, envelope in enumerate(messages(500)):
        keeper.store.submit(Batch(job, [envelope]))
    keeper.store.close()
    assert [result.job for result in keeper.results(500)] == list(range(500))
    assert len(start().store.after(0, 1000)) == 500


def test_close_twice_is_close_once(start: Opener) -> None:
    store = start().store
    store.close()
    store.close()


def test_submit_after_close_is_refused_at_once(start: Opener) -> None:
    keeper = start()
    keeper.store.close()
    assert keeper.keep(message(1)).error == "the daemon is stopping"


def test_reading_after_close_is_refused(start: Opener) -> None:
    store = start().store
    store.close()
    with pytest.raises(Stopping):
        store.after(0, 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_writer_outlives_a_listener_that_raises(folder: Path) -> None:
    told: queue.SimpleQueue[int] = queue.SimpleQueue()

    def on_results(results: list[BatchResult]) -> None:
        told.put(results[0].job)
        raise ZeroDivisionError

    store = Store.open(folder, sync=False)
    store.start(on_results)
    for job in (1, 2):
        store.submit(Batch(job, [message(job)]))
        assert told.get(timeout=DEADLINE_S) == job
    assert store.last_seq() == 2
    store.close()


def test_group_that_cannot_be_written_fails_alone(start: Opener) -> None:
    keeper = start()
    impossible = message(2)._replace(id=cast("MessageId", b""))
    assert keeper.keep(message(1), impossible).error is not None
    assert keeper.store.after(0, 10) == []
    assert keeper.keep(message(3)).stored[0].seq == 1


# Growth


def test_map_grows_while_another_thread_reads(folder: Path, start: Opener) -> None:
    keeper = start(map_bytes=SMALL_MAP)
    keeper.keep(*messages(20))
    kept = messages(400, start=1000, size=8000)
    turns = threading.Semaphore(0)
    lengths: queue.SimpleQueue[int] = queue.SimpleQueue()

    def read() -> None:
        for _ in range(60):
            turns.acquire()  # a reader without a pause would starve the writer of the interpreter lock
            lengths.put(len(keeper.store.after(0, 1000)))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for job in range(20):
        keeper.store.submit(Batch(job, kept[job * 20 : job * 20 + 20]))
        turns.release(3)
    assert sum(len(result.stored) for result in keeper.results(20)) == 400
    seen = [lengths.get(timeout=DEADLINE_S) for _ in range(60)]
    assert seen == sorted(seen)
    assert (folder / "data.mdb").stat().st_size > 16 * SMALL_MAP
    assert [stored.seq for stored in keeper.store.after(0, 1000)] == list(range(1, 421))


def test_map_moves_only_when_the_last_reader_has_left(start: Opener) -> None:
    keeper = start(map_bytes=SMALL_MAP)
    keeper.keep(message(1))
    tables = keeper.store._tables
    lengths: queue.SimpleQueue[int] = queue.SimpleQueue()
    late = threading.Thread(target=lambda: lengths.put(len(keeper.store.after(0, 1000))), daemon=True)
    with tables.reading() as txn:
        keeper.store.submit(Batch(2, messages(100, start=2, size=8000)))
        deadline = time.monotonic() + DEADLINE_S
        while not tables._gate._taken:
            assert time.monotonic() < deadline
            os.sched_yield()
        late.start()
        assert txn.stat(tables.log)["entries"] == 1
        assert keeper.groups.empty()
        assert lengths.empty()
    assert len(keeper.results(1)[0].stored) == 100
    assert lengths.get(timeout=DEADLINE_S) in {1, 101}


def test_map_doubles_as_often_as_one_group_needs(start: Opener) -> None:
    keeper = start(map_bytes=SMALL_MAP)
    assert len(keeper.keep(*messages(300, size=8000)).stored) == 300


def test_store_refuses_politely_at_its_greatest_size(start: Opener) -> None:
    keeper = start(map_bytes=SMALL_MAP, max_map_bytes=2 * SMALL_MAP)
    assert keeper.keep(*messages(100, size=8000)).error == "the store has reached its greatest size"
    assert keeper.keep(message(1)).error is None


def test_store_larger_than_the_map_asked_for_opens(folder: Path, start: Opener) -> None:
    first = start()
    first.keep(*messages(100, size=8000))
    first.store.close()
    again = start(map_bytes=SMALL_MAP)
    assert len(again.store.after(0, 200)) == 100
    assert again.keep(message(1)).error is None


# A full disk


@pytest.fixture(params=["tmpfs", "file size limit"])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A folder that takes about 1 MiB, and what gives it more. Without root only the limit is there."""
    mounted = request.param == "tmpfs" and _mount(tmp_path, "size=1m")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    if not mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, hard))

    def give_more() -> None:
        if mounted:
            assert _mount(tmp_path, "remount,size=64m")
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    try:
        yield tmp_path / "store", give_more
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        if mounted:
            subprocess.run(["umount", "-l", tmp_path], check=True)


def _mount(where: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(where)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_store_survives_a_full_disk_and_goes_on_when_space_returns(
    small_disk: tuple[Path, Callable[[], None]],
) -> None:
    folder, give_more = small_disk
    keeper = Keeper(Store.open(folder))
    kept: list[MessageId] = []
    for first in range(0, 10_000, 50):
        result = keeper.keep(*messages(50, start=first, size=1000))
        if result.error is not None:
            break
        kept += [stored.envelope.id for stored in result.stored]
    assert result.error is not None
    assert result.error.startswith(("no space left", "the disk is full or failing"))
    assert result.stored == ()
    assert kept
    assert keeper.keep(*messages(50, start=20_000, size=1000)).error is not None
    assert keeper.store.known(kept) == set(kept)
    assert keeper.store.last_seq() == len(kept)
    give_more()
    assert keeper.keep(*messages(50, start=20_000, size=1000)).stored[0].seq == len(kept) + 1
    keeper.store.close()
    reopened = Store.open(folder)
    assert reopened.known(kept) == set(kept)
    assert len(reopened.after(0, 20_000)) == len(kept) + 50
    reopened.close()


def test_store_refuses_to_be_made_on_a_full_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreUnusable, match="no space left") as caught:
            Store.open(tmp_path / "store")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.hint == "free disk space"


# Damage


def flip_byte(folder: Path, needle: bytes) -> None:
    path = folder / "data.mdb"
    data = bytearray(path.read_bytes())
    places = [index for index in range(len(data)) if data.startswith(needle, index)]
    assert places
    for place in places:  # a stale copy in a page since freed may hold it too
        data[place] ^= 0x20
    path.write_bytes(data)


def test_damaged_record_is_skipped_and_told_of_once(folder: Path, start: Opener) -> None:
    first = start()
    first.keep(message(1, "one"), message(2, "two two two"), message(3, "three"))
    first.store.close()
    flip_byte(folder, b"two two two")
    told: list[Damaged] = []
    store = start(on_damage=told.append).store
    for _ in range(2):
        assert [stored.seq for stored in store.after(0, 10)] == [1, 3]
        assert [stored.envelope.stamp for stored in store.newest(ROOM, 10)] == [1, 3]
    assert store.damaged == 1
    assert told == [Damaged(records.pack_u64(2), "its checksum is wrong")]


def test_page_stays_full_when_records_in_it_are_damaged(folder: Path, start: Opener) -> None:
    first = start()
    first.keep(*messages(6))
    first.store.close()
    for seq in (2, 5):
        change_raw(folder, b"log", records.pack_u64(seq), b"nonsense")
    store = start().store
    assert [stored.seq for stored in store.after(0, 3)] == [1, 3, 4]
    assert [stored.seq for stored in store.newest(ROOM, 3)] == [3, 4, 6]
    assert store.damaged == 2


def test_index_entry_never_passes_one_message_for_another(folder: Path, start: Opener) -> None:
    first = start()
    first.keep(message(1), message(2, room=OTHER_ROOM), message(3))
    first.store.close()
    change_raw(folder, b"room", records.room_key(message(1)), records.pack_u64(2))
    change_raw(folder, b"room", records.room_key(message(4)), records.pack_u64(77))
    store = start().store
    assert [stored.seq for stored in store.newest(ROOM, 10)] == [3]
    assert store.damaged == 2


def test_page_for_others_holds_what_was_signed_newest_first(start: Opener) -> None:
    kept = [message(number, f"{number} ".ljust(50, "x")) for number in range(1, 7)]
    opened = start()
    opened.keep(*kept, message(4, "elsewhere", room=OTHER_ROOM))
    store = opened.store
    signed = [Signed(item.id, item.payload, item.signature) for item in reversed(kept)]
    keys = [records.room_key(item)[DIGEST_BYTES:] for item in reversed(kept)]
    assert store.signed(ROOM, b"", ABOVE, 6, 10_000) == (signed, b"")
    assert store.signed(ROOM, b"", ABOVE, 4, 10_000) == (signed[:4], keys[3])
    assert store.signed(ROOM, b"", ABOVE, 6, 2 * len(kept[0].payload)) == (signed[:2], keys[1])
    assert store.signed(ROOM, keys[4], keys[0], 6, 10_000) == (signed[1:5], keys[4])
    assert store.signed(ROOM, keys[4], keys[4], 6, 10_000) == ([], keys[4])
    assert store.signed(RoomId(bytes(32)), b"", ABOVE, 6, 10_000) == ([], b"")


def test_page_for_others_holds_nothing_damaged(folder: Path, start: Opener) -> None:
    kept = [message(number, f"{number} ".ljust(50, "x")) for number in range(1, 7)]
    first = start()
    first.keep(*kept)
    first.store.close()
    flip_byte(folder, b"1 xxx")
    change_raw(folder, b"log", records.pack_u64(2), b"nonsense")
    change_raw(folder, b"log", records.pack_u64(3), records.seal(b"too short"))
    change_raw(folder, b"room", records.room_key(kept[3]), records.pack_u64(77))
    change_raw(folder, b"room", records.room_key(kept[4]), records.pack_u64(6))
    opened = start()
    page = opened.store.signed(ROOM, b"", ABOVE, 2, 10_000)
    assert [item.id for item in page.messages] == [kept[5].id]
    assert page.lower == b""  # of those below none can be handed on
    assert opened.store.damaged == 5


def test_page_that_meets_nothing_but_damage_ends(folder: Path, start: Opener) -> None:
    kept = [message(number) for number in range(2 * MAX_LOOKED_AT + 2)]
    first = start()
    first.keep(*kept)
    first.store.close()
    for number in range(2, 2 * MAX_LOOKED_AT + 3):
        change_raw(folder, b"log", records.pack_u64(number), b"nonsense")
    opened = start()
    assert opened.store.signed(ROOM, b"", ABOVE, 2, 10_000) == ([], b"")
    assert opened.store.damaged == 2 * MAX_LOOKED_AT


def test_damaged_room_and_stamp_are_left_out(folder: Path, start: Opener) -> None:
    first = start()
    first.keep(message(9), rooms=(RoomEntry(ROOM, "lobby", joined=True),))
    first.store.close()
    change_raw(folder, b"rooms", ROOM, b"\0\0\0\0nonsense")
    change_raw(folder, b"meta", b"last_stamp", bytes(12))
    keeper = start()
    assert (keeper.store.rooms(), keeper.store.last_stamp(), keeper.store.damaged) == ([], 0, 2)
    keeper.keep(message(10))
    assert keeper.store.last_stamp() == 10


@pytest.mark.parametrize("keep_pages", [0.01, 1, 2, 3, 10, -1])
def test_file_cut_short_is_refused(folder: Path, start: Opener, keep_pages: float) -> None:
    first = start()
    first.keep(*messages(200))
    first.store.close()
    path = folder / "data.mdb"
    pages = keep_pages if keep_pages > 0 else path.stat().st_size // 4096 + keep_pages
    os.truncate(path, int(pages * 4096))
    before = path.read_bytes()
    with pytest.raises(StoreUnusable, match="cut short") as caught:
        Store.open(folder)
    assert caught.value.hint == DAMAGED_HINT
    assert "peers" not in caught.value.hint
    assert path.read_bytes() == before


def test_file_of_garbage_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "data.mdb").write_bytes(os.urandom(20_000))
    with pytest.raises(StoreUnusable, match="not an LMDB file"):
        Store.open(folder)


def test_newer_schema_is_refused(folder: Path, start: Opener) -> None:
    start().store.close()
    change_raw(folder, b"meta", b"schema", records.seal(records.pack_u64(SCHEMA + 1)))
    with pytest.raises(StoreUnusable, match="written by a newer chatd") as caught:
        Store.open(folder)
    assert caught.value.hint == "update chatd"


def test_environment_of_another_program_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with lmdb.open(str(folder), lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"theirs", b"data")
    with pytest.raises(StoreUnusable, match="belongs to another program"):
        Store.open(folder)


def test_folder_that_is_a_file_is_refused(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(StoreUnusable, match="it is not a folder"):
        Store.open(folder)


def test_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Nothing is forbidden to root, so the child becomes nobody first; anybody else meets root's folder."""
    script = (
        "import os, pathlib, sys; from chatd.store import Store, StoreUnusable\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "try: Store.open(pathlib.Path(sys.argv[1]))\n"
        "except StoreUnusable as error: print(error.kind, error.hint)\n"
    )
    tmp_path.chmod(0o700)
    where = tmp_path / "store" if os.geteuid() == 0 else Path("/root/store")
    command = [sys.executable, "-c", script, str(where)]
    found = subprocess.run(command, env=_child_env(), capture_output=True, check=False)
    assert found.stdout.startswith(b"store_unusable make the folder readable and writable"), found.stderr


# Without a name


def test_temporary_store_grows_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    keeper = Keeper(Store.temporary(map_bytes=SMALL_MAP))
    assert list(tmp_path.iterdir()) == []
    kept = messages(500, size=2000)
    assert len(keeper.keep(*kept).stored) == 500
    assert [stored.envelope for stored in keeper.store.after(0, 1000)] == kept
    assert list(tmp_path.iterdir()) == []
    keeper.store.close()


def test_two_temporary_stores_know_nothing_of_each_other() -> None:
    one, two = Keeper(Store.temporary()), Keeper(Store.temporary())
    one.keep(message(1))
    assert (one.store.last_seq(), two.store.last_seq()) == (1, 0)
    one.store.close()
    two.store.close()


# A process killed


def _child_env() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_every_acknowledged_message_is_there_after_kill_9(folder: Path) -> None:
    program = Path(__file__).with_name("store_child.py")
    promised: set[MessageId] = set()
    for round_ in range(4):
        with subprocess.Popen(
            [sys.executable, program, folder], stdout=subprocess.PIPE, text=True, env=_child_env()
        ) as child:
            assert child.stdout is not None
            target = len(promised) + 200 + 37 * round_
            while len(promised) < target:
                promised.add(MessageId.parse(child.stdout.readline().rstrip("\n")))
            child.kill()
            promised |= {MessageId.parse(line[:-1]) for line in child.stdout if line.endswith("\n")}
        store = Store.open(folder)
        assert store.known(sorted(promised)) == promised
        stored = store.after(0, 100_000)
        assert [each.seq for each in stored] == list(range(1, len(stored) + 1))
        assert {each.envelope.id for each in store.newest(ROOM, 100_000)} >= promised
        assert store.damaged == 0
        store.close()

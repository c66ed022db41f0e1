"""What happens to a store before it is opened: looked over after an unclean end, mended or refused."""

import contextlib
import os
import queue
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import lmdb
import pytest

from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.ids import DIGEST_BYTES, RoomId
from chatcore.index import Signed
from chatd.store import (
    Batch,
    BatchResult,
    RoomEntry,
    Store,
    StoreUnusable,
    child,
    marks,
    postings,
    records,
    tail,
)
from chatd.store.folder import DATA_FILE
from chatd.store.look import look_at
from chatd.store.readiness import make_ready

AUTHOR = Identity(b"a" * 32)
ROOM = RoomId(b"r" * 32)
PAGE = 4096
END = b"\xff" * 41
DEADLINE_S = 10.0

Look = Callable[[Store, Envelope], Sequence[object]]


def message(stamp: int, text: str = "hello") -> Envelope:
    return seal(AUTHOR, ROOM, stamp, "ada", Chat(text))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    store = Store.open(folder, sync=False)
    try:
        yield store
    finally:
        store.close()


def fill(folder: Path, count: int = 200, size: int = 300) -> list[Envelope]:
    """A store with so many messages, and closed cleanly."""
    kept = [message(stamp, f"{stamp} ".ljust(size, "x")) for stamp in range(1, count + 1)]
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    with opened(folder) as store:
        store.start(results.put)
        for start in range(0, count, 20):
            store.submit(Batch(start, kept[start : start + 20], [RoomEntry(ROOM, "lobby", joined=True)]))
    return kept


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, event: str, fields: Mapping[str, Any]) -> None:
        self.events.append((event, fields))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    @property
    def steps(self) -> list[str]:
        """Without the word that it takes long, which depends on the machine."""
        return [name for name in self.names if name != "store_checking"]

    def fields(self, name: str) -> Mapping[str, Any]:
        return dict(self.events)[name]


def unclean(folder: Path) -> None:
    (folder / marks.CLEAN_FILE).unlink()


def wipe_page(folder: Path, number: int) -> None:
    with (folder / DATA_FILE).open("r+b") as file:
        file.seek(number * PAGE)
        file.write(bytes(PAGE))


def stored_stamps(folder: Path) -> list[int]:
    with opened(folder) as store:
        return [stored.envelope.stamp for stored in store.after(0, 100_000)]


# Was it closed cleanly?


def test_store_closed_cleanly_is_not_looked_over(folder: Path) -> None:
    fill(folder)
    told = Told()
    make_ready(folder, told)
    assert told.events == []
    assert stored_stamps(folder) == list(range(1, 201))


def test_folder_without_a_store_is_ready(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    told = Told()
    make_ready(folder, told)
    assert told.events == []


@pytest.mark.parametrize("missing", [True, False])
def test_store_whose_data_has_gone_is_refused_until_its_owner_begins_anew(
    folder: Path, missing: bool
) -> None:
    fill(folder)
    data = folder / DATA_FILE
    data.unlink() if missing else os.truncate(data, 0)
    for look in (lambda: make_ready(folder, Told()), lambda: look_at(folder)):
        with pytest.raises(StoreUnusable, match="is missing" if missing else "is empty") as caught:
            look()
        assert f"rm {folder / marks.CLEAN_FILE}" in caught.value.hint
    unclean(folder)
    assert make_ready(folder, Told()) == []
    assert stored_stamps(folder) == []


def test_open_store_is_not_clean_until_it_is_closed(folder: Path) -> None:
    fill(folder)
    assert marks.is_clean(folder)
    with opened(folder):
        assert not marks.is_clean(folder)
    assert marks.is_clean(folder)


def test_store_closed_twice_does_not_call_the_next_ones_clean(folder: Path) -> None:
    fill(folder)
    first = Store.open(folder, sync=False)
    first.close()
    with opened(folder):
        first.close()
        assert not marks.is_clean(folder)


def test_store_whose_pages_turned_out_damaged_is_not_called_clean(folder: Path) -> None:
    fill(folder)
    with opened(folder) as store, pytest.raises(StoreUnusable), store._tables.reading():
        raise lmdb.CorruptedError("a page of the wrong kind")
    assert not marks.is_clean(folder)


def test_file_exchanged_or_edited_while_nobody_had_it_open_is_looked_over(folder: Path) -> None:
    fill(folder)
    os.utime(folder / DATA_FILE)
    told = Told()
    make_ready(folder, told)
    assert told.steps == ["store_check", "store_checked"]


def test_store_refused_stays_as_clean_as_it_was(folder: Path) -> None:
    fill(folder)
    with lmdb.open(str(folder), max_dbs=8, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"schema", records.seal(records.pack_u64(99)), db=env.open_db(b"meta", txn=txn))
    marks.leave(folder)
    with pytest.raises(StoreUnusable, match="written by a newer chatd"):
        make_ready(folder, Told())
    assert marks.is_clean(folder)


# Looking it over


def test_unclean_store_is_looked_over_and_keeps_everything(folder: Path) -> None:
    fill(folder)
    unclean(folder)
    told = Told()
    make_ready(folder, told)
    assert told.steps == ["store_check", "store_checked"]
    assert told.fields("store_checked")["messages"] == 200
    assert told.fields("store_checked")["damaged"] == 0
    assert stored_stamps(folder) == list(range(1, 201))


def test_single_damaged_records_are_counted_and_nothing_is_moved(folder: Path) -> None:
    fill(folder)
    spoil(folder, b"177 xx", b"199 xx")
    told = Told()
    make_ready(folder, told)
    assert told.fields("store_checked")["damaged"] == 2
    assert stored_stamps(folder) == [stamp for stamp in range(1, 201) if stamp not in (177, 199)]


def spoil(folder: Path, *texts: bytes) -> None:
    data = bytearray((folder / DATA_FILE).read_bytes())
    for text in texts:
        for place in [index for index in range(len(data)) if data.startswith(text, index)]:
            data[place] ^= 1
    (folder / DATA_FILE).write_bytes(data)


def test_message_with_a_wrong_checksum_is_missing_and_taken_again(folder: Path) -> None:
    kept = fill(folder)
    spoil(folder, b"177 xx", b"200 xx")
    damaged = make_ready(folder, Told())
    assert damaged == [177, 200]
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    store = Store.open(folder, sync=False, damaged=damaged)
    try:
        gone = [kept[176].id, kept[199].id]
        assert store.damaged == 2
        assert store.known(gone) == set()
        assert store.fingerprint(ROOM, b"", END).size == len(store.keys(ROOM, b"", END, 1000)) == 198
        store.start(results.put)
        store.submit(Batch(1, [kept[176], kept[199]]))
        (result,) = results.get(timeout=DEADLINE_S)
        assert [item.seq for item in result.stored] == [201, 202]
        assert [item.envelope for item in store.newest(ROOM, 1000)] == kept
        assert store.fingerprint(ROOM, b"", END).size == 200
    finally:
        store.close()
    assert marks.is_clean(folder)


def test_search_index_lets_go_of_a_message_nobody_can_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MAX_SEGMENT_MESSAGES", 50)
    fill(folder)
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    with opened(folder) as store:
        store.start(results.put)
        end = time.monotonic() + DEADLINE_S
        while store.search_lag:
            assert time.monotonic() < end
            time.sleep(0.01)  # the writer tells nobody
    spoil(folder, b"177 xx")
    store = Store.open(folder, sync=False, damaged=make_ready(folder, Told()))
    try:
        with store._tables.reading() as txn, txn.cursor(store._tables.search.postings) as cursor:
            words = [bytes(key)[postings.SEGMENT_BYTES :] for key, _ in cursor]
        assert any(word.endswith(b"176") for word in words)
        assert not any(word.endswith(b"177") for word in words)
    finally:
        store.close()


def by_id(store: Store, item: Envelope) -> list[Envelope]:
    return store.messages([item.id], 100_000)


def in_a_page(store: Store, item: Envelope) -> list[Signed]:
    key = records.room_key(item)[DIGEST_BYTES:]
    return store.signed(ROOM, key, key + b"\0", 1, 100_000).messages


@pytest.mark.parametrize("look", [by_id, in_a_page])
def test_message_found_damaged_is_taken_out_while_the_store_is_open(folder: Path, look: Look) -> None:
    kept = fill(folder)
    spoil(folder, b"177 xx")
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    with opened(folder) as store:
        store.start(results.put)
        assert look(store, kept[176]) == []
        end = time.monotonic() + DEADLINE_S
        while store.known([kept[176].id]):
            assert time.monotonic() < end
            time.sleep(0.01)  # the writer tells nobody
        assert store.fingerprint(ROOM, b"", END).size == 199
    assert marks.is_clean(folder)


@pytest.mark.parametrize("look", [by_id, in_a_page])
def test_store_with_something_damaged_left_in_it_is_not_called_clean(folder: Path, look: Look) -> None:
    kept = fill(folder)
    spoil(folder, b"177 xx")
    with opened(folder) as store:  # nothing writes here
        assert look(store, kept[176]) == []
    assert not marks.is_clean(folder)


def test_true_copy_replaces_a_damaged_record_nobody_noticed(folder: Path) -> None:
    kept = fill(folder)
    spoil(folder, b"177 xx")
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    with opened(folder) as store:
        store.start(results.put)
        store.submit(Batch(1, [kept[176], kept[176], kept[0]]))
        (result,) = results.get(timeout=DEADLINE_S)
        assert [item.envelope for item in result.stored] == [kept[176]]
        assert [item.envelope for item in store.newest(ROOM, 1000)] == kept
        assert store.fingerprint(ROOM, b"", END).size == 200


def test_store_with_too_many_damaged_messages_is_salvaged(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fill(folder)
    spoil(folder, b"177 xx", b"178 xx", b"179 xx")
    (tmp_path / "sitecustomize.py").write_text(
        "import chatd.store.damage\nchatd.store.damage.MAX_DAMAGED_KEPT = 2\n"
    )
    monkeypatch.syspath_prepend(tmp_path)  # the child's path is ours
    told = Told()
    assert make_ready(folder, told) == []
    assert "store_quarantined" in told.names
    assert len(stored_stamps(folder)) == 197


def test_program_that_looks_says_how_far_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    unclean(folder)
    monkeypatch.setattr(child, "TELL_EVERY_S", 0.0)
    told = Told()
    make_ready(folder, told)
    assert "store_checking" in told.names
    assert "seconds" in told.fields("store_checking")


# Damage


@pytest.mark.parametrize("page", [2, 3, 5, 8])
def test_damaged_structure_is_moved_aside_and_what_is_whole_is_kept(folder: Path, page: int) -> None:
    fill(folder)
    before = (folder / DATA_FILE).read_bytes()
    wipe_page(folder, page)
    told = Told()
    make_ready(folder, told)
    if "store_quarantined" not in told.names:  # a page that was free
        assert stored_stamps(folder) == list(range(1, 201))
        return
    found = stored_stamps(folder)
    assert len(found) > 150
    assert set(found) <= set(range(1, 201))
    with opened(folder) as store:
        (aside,) = store.quarantined
        assert store.last_stamp() == 200
        assert [item.envelope.stamp for item in store.newest(ROOM, 1000)] == found
        assert all(item.seq == item.envelope.stamp for item in store.after(0, 1000))
    assert len((aside / DATA_FILE).read_bytes()) == len(before)
    readme = (aside / "README").read_text()
    assert told.fields("store_quarantined")["why"] in readme
    assert f"{len(found)} messages" in readme
    assert aside.stat().st_mode & 0o777 == 0o700
    again = Told()
    make_ready(folder, again)
    assert again.events == []


def test_store_goes_on_after_a_quarantine(folder: Path) -> None:
    fill(folder)
    os.truncate(folder / DATA_FILE, 12 * PAGE)
    make_ready(folder, Told())
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    with opened(folder) as store:
        last = store.last_seq()
        store.start(results.put)
        store.submit(Batch(1, [message(1000)]))
        assert results.get(timeout=DEADLINE_S)[0].stored[0].seq == last + 1


@pytest.mark.parametrize("content", [b"this is no database" * 1000, bytes(40_000), os.urandom(40_000)])
def test_nothing_to_save_is_refused_and_left_alone(folder: Path, content: bytes) -> None:
    folder.mkdir(mode=0o700)
    (folder / DATA_FILE).write_bytes(content)
    with pytest.raises(StoreUnusable, match="nothing in it can be read"):
        make_ready(folder, Told())
    assert (folder / DATA_FILE).read_bytes() == content
    assert [path.name for path in folder.iterdir()] == [DATA_FILE]


def test_forged_record_in_a_damaged_file_is_not_saved(folder: Path) -> None:
    """Its checksum is right, its author's signature is not."""
    fill(folder, 50)
    forged = message(999)._replace(signature=b"\1" * 64)
    with lmdb.open(str(folder), max_dbs=8, lib_version=0) as env, env.begin(write=True) as txn:
        record = records.encode_record(records.pack_u64(1), forged.signature, forged.payload)
        txn.put(records.pack_u64(999), record, db=env.open_db(b"log", txn=txn))
    with (folder / DATA_FILE).open("r+b") as file:  # the header that counts says nothing any more
        file.write(bytes(16))
    told = Told()
    make_ready(folder, told)
    assert "store_quarantined" in told.names
    assert set(stored_stamps(folder)) <= set(range(1, 51))


def test_children_that_die_of_what_they_read_count_as_damage(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder)
    unclean(folder)
    run = child.run

    def killed(where: Path, program: str, *arguments: Path, **options: Any) -> dict[str, Any]:
        if program == "chatd.store.check":
            raise child.KilledByDamage("reading it killed a process (SIGBUS)")
        return run(where, program, *arguments, **options)

    monkeypatch.setattr("chatd.store.child.run", killed)
    told = Told()
    make_ready(folder, told)
    assert "SIGBUS" in told.fields("store_quarantined")["why"]
    assert stored_stamps(folder) == list(range(1, 201))


PROGRAMS = {
    "dies_of_damage": "import os, signal; os.kill(os.getpid(), signal.SIGBUS)",
    "is_killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "fails": "raise SystemExit(7)",
    "says_why": 'print(\'{"error": "Input/output error"}\')',
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_only_deadly_signals_count_as_damage(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{name}.py").write_text(PROGRAMS[name])
    monkeypatch.syspath_prepend(str(tmp_path))
    expected = child.KilledByDamage if name == "dies_of_damage" else StoreUnusable
    with pytest.raises(expected):
        child.run(tmp_path, name, event="x", tell=Told())


def test_random_damage_never_changes_a_message(folder: Path) -> None:
    """A dozen kinds; `make faults` does 180 on real daemons."""
    kept = {envelope.id: envelope for envelope in fill(folder)}
    whole = (folder / DATA_FILE).read_bytes()
    rng = random.Random(7)
    for _ in range(12):
        data = bytearray(whole)
        for _ in range(rng.choice((1, 4, 64))):
            data[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        (folder / DATA_FILE).write_bytes(data[: rng.choice((len(data), rng.randrange(len(data))))])
        try:
            make_ready(folder, Told())
            with opened(folder) as store:
                for stored in store.after(0, 1000):
                    assert kept[stored.envelope.id] == stored.envelope
        except StoreUnusable as error:
            assert error.why  # noqa: PT017 - either is right, and no third thing is


KILLED_WHILE_SAVING = """
import os, sys
from pathlib import Path
from chatd.store.look import look_at
from chatd.store.readiness import make_ready

left = int(sys.argv[2])

def hook(event, arguments):
    global left
    if event in ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "open"):
        left -= 1
        if left == 0:
            os._exit(9)

sys.addaudithook(hook)
make_ready(Path(sys.argv[1]), lambda event, fields: None)
"""


def killed_at_every_step(folder: Path, steps: range) -> Iterator[int]:
    """Make it ready in a process that dies after so many things it did to files, for each of `steps`."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for step in steps:
        command = [sys.executable, "-c", KILLED_WHILE_SAVING, str(folder), str(step)]
        done = subprocess.run(command, env=environment, check=False, timeout=60)
        assert done.returncode in (0, 9), signal.strsignal(-done.returncode)
        yield step
        if done.returncode == 0:
            return


def test_quarantine_killed_at_any_moment_loses_nothing_that_could_be_saved(folder: Path) -> None:
    fill(folder)
    with (folder / DATA_FILE).open("r+b") as file:
        file.write(bytes(16))
    damaged = (folder / DATA_FILE).read_bytes()
    for _ in killed_at_every_step(folder, range(4, 60, 3)):
        now = (folder / DATA_FILE).read_bytes()
        if now != damaged:
            break
    make_ready(folder, Told())
    assert stored_stamps(folder) == list(range(1, 201))
    with opened(folder) as store:
        assert store.quarantined

"""What the store keeps about people: across restarts, salvage and backups, and by damage."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

import lmdb
import pytest

from chatcore.discouraged import Discouraged, over
from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity
from chatcore.ids import PeerId, RoomId
from chatcore.people import Person
from chatd.store import Batch, BatchResult, Damaged, Store
from chatd.store.copying import snapshot
from chatd.store.folder import DATA_FILE
from chatd.store.readiness import make_ready
from tests.daemon.test_readiness import PAGE, Told, fill, wipe_page

BOB, CARL = PeerId(b"b" * 32), PeerId(b"c" * 32)
BOBBY = Person(BOB, "Bobby", blocked=True, username="bob")
AWAY = Discouraged(CARL, "192.0.2.7:8080", "carl", "forged messages", 1_772_535_600_000)

Opener = Callable[..., Store]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Opener]:
    with contextlib.ExitStack() as stack:

        def open_store(on_damage: Callable[[Damaged], None] | None = None, name: str = "store") -> Store:
            store = Store.open(tmp_path / name, sync=False, on_damage=on_damage)
            stack.callback(store.close)
            return store

        yield open_store


def keep(store: Store, people: Sequence[Person], discouraged: Sequence[Discouraged] = ()) -> None:
    groups: SimpleQueue[list[BatchResult]] = SimpleQueue()
    store.start(groups.put)
    message = seal(Identity(b"a" * 32), RoomId(b"r" * 32), 1000, "ada", Chat("hello"))
    store.submit(Batch(1, (message,), people=people, discouraged=discouraged))
    assert groups.get(timeout=10.0)[0].error is None


def test_people_and_the_discouraged_survive_a_restart(start: Opener) -> None:
    store = start()
    keep(store, [BOBBY], [AWAY])
    store.close()
    store = start()
    assert (store.people(), store.discouraged()) == ([BOBBY], [AWAY])


def test_what_is_settled_no_more_is_forgotten(start: Opener) -> None:
    store = start()
    keep(store, [BOBBY], [AWAY])
    store.close()
    store = start()
    keep(store, [Person(BOB, username="bob")], [over(AWAY)])
    store.close()
    store = start()
    assert (store.people(), store.discouraged()) == ([], [])


def test_store_from_before_is_opened(start: Opener, tmp_path: Path) -> None:
    store = start()
    keep(store, [])
    store.close()
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        for name in (b"people", b"discouraged"):
            txn.drop(env.open_db(name, txn=txn))
    store = start()
    assert (store.people(), store.discouraged()) == ([], [])
    keep(store, [BOBBY])


@pytest.mark.parametrize("value", [b"nonsense", b"", b"\x00" * 5])
def test_damaged_record_is_told_and_the_others_are_read(start: Opener, tmp_path: Path, value: bytes) -> None:
    store = start()
    keep(store, [BOBBY], [AWAY])
    store.close()
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(CARL, value, db=env.open_db(b"people", txn=txn))
        txn.put(b"short key", value, db=env.open_db(b"discouraged", txn=txn))
    damaged: list[Damaged] = []
    store = start(damaged.append)
    assert (store.people(), store.discouraged()) == ([BOBBY], [AWAY])
    assert len(damaged) == 2


def test_people_are_saved_from_a_damaged_file(start: Opener, tmp_path: Path) -> None:
    fill(tmp_path / "store")
    store = start()
    keep(store, [BOBBY], [AWAY])
    store.close()
    whole = (tmp_path / "store" / DATA_FILE).read_bytes()
    quarantined = 0
    for page in range(2, len(whole) // PAGE):
        names = set(re.findall(rb"Bobby|forged messages", whole[page * PAGE : (page + 1) * PAGE]))
        if names or quarantined == 2:
            continue
        (tmp_path / "store" / DATA_FILE).write_bytes(whole)
        wipe_page(tmp_path / "store", page)
        told = Told()
        make_ready(tmp_path / "store", told)
        if "store_quarantined" in told.names:
            quarantined += 1
            store = start()
            assert (store.people(), store.discouraged()) == ([BOBBY], [AWAY])
            store.close()
    assert quarantined == 2


def test_backup_carries_them(start: Opener, tmp_path: Path) -> None:
    store = start()
    keep(store, [BOBBY], [AWAY])
    store.close()
    (tmp_path / "copy").mkdir(mode=0o700)
    (tmp_path / "copy" / DATA_FILE).write_bytes(b"".join(snapshot(tmp_path / "store")))
    copy = start(name="copy")
    assert (copy.people(), copy.discouraged()) == ([BOBBY], [AWAY])

"""An older schema on its way to the present one, and the process dying at every step of it."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lmdb
import pytest

from chatd.store import StoreUnusable, marks, records, tables
from chatd.store.folder import DATA_FILE
from chatd.store.lmdbtypes import Environment, Txn
from chatd.store.migrate import MIGRATIONS, migrate
from chatd.store.readiness import make_ready
from tests.daemon.test_readiness import Told, fill, opened, stored_stamps

OLD = Path(f"{DATA_FILE}.schema-1")


def mark(env: Environment, txn: Txn) -> None:
    """A step that tests take from schema 1 to 2: a table of its own, and an entry in it."""
    table = env.open_db(b"marked", txn=txn)
    txn.put(b"step", b"taken", db=table)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """This chatd knows schema 2, and the way there."""
    monkeypatch.setattr(tables, "SCHEMA", 2)
    monkeypatch.setitem(MIGRATIONS, 1, mark)


def schema_of(path: Path) -> int | None:
    with (
        lmdb.open(str(path), subdir=False, readonly=True, lock=False, max_dbs=8, lib_version=0) as env,
        env.begin() as txn,
    ):
        meta = env.open_db(b"meta", txn=txn, create=False)
        return tables.sealed_number(txn.get(tables.SCHEMA_KEY, db=meta))


def nothing(event: str, fields: Mapping[str, Any]) -> None:
    """Tells nobody."""


def test_present_schema_is_left_alone(folder: Path) -> None:
    fill(folder, 20)
    before = (folder / DATA_FILE).stat()
    assert migrate(folder, nothing) is False
    assert (folder / DATA_FILE).stat().st_ino == before.st_ino


def test_older_schema_becomes_the_present_one_and_the_old_file_stays(folder: Path, newer: None) -> None:
    tables_schema, tables.SCHEMA = tables.SCHEMA, 1
    fill(folder)
    tables.SCHEMA = tables_schema
    told = Told()
    make_ready(folder, told)
    assert told.names == ["store_migrating", "store_migrated"]
    assert (schema_of(folder / DATA_FILE), schema_of(folder / OLD)) == (2, 1)
    assert stored_stamps(folder) == list(range(1, 201))
    assert (folder / DATA_FILE).stat().st_mode & 0o777 == 0o600
    assert (folder / OLD).exists()
    make_ready(folder, Told())  # stopped cleanly and started again: the new one has proved itself
    assert not (folder / OLD).exists()
    assert stored_stamps(folder) == list(range(1, 201))


def test_old_file_stays_while_the_new_one_was_not_closed_cleanly(folder: Path, newer: None) -> None:
    tables_schema, tables.SCHEMA = tables.SCHEMA, 1
    fill(folder)
    tables.SCHEMA = tables_schema
    make_ready(folder, Told())
    make_ready(folder, Told())
    assert (folder / OLD).exists()


def test_step_that_fails_leaves_the_old_store(
    folder: Path, newer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables_schema, tables.SCHEMA = tables.SCHEMA, 1
    fill(folder)
    tables.SCHEMA = tables_schema

    def fails(env: Environment, txn: Txn) -> None:
        mark(env, txn)
        raise lmdb.Error("no luck")

    monkeypatch.setitem(MIGRATIONS, 1, fails)
    before = (folder / DATA_FILE).read_bytes()
    with pytest.raises(StoreUnusable, match="no luck"):
        make_ready(folder, Told())
    assert (folder / DATA_FILE).read_bytes() == before
    assert marks.is_clean(folder)
    assert not (folder / OLD).exists()


def test_schema_without_a_way_from_it_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    monkeypatch.setattr(tables, "SCHEMA", 4)
    with pytest.raises(StoreUnusable, match="schema 2 is too old"):
        make_ready(folder, Told())


def test_store_from_before_rooms_had_sizes_is_counted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(folder)
    with opened(folder) as store, store._tables.reading() as txn:
        sizes = store._tables.sizes.all(txn)
    with lmdb.open(str(folder), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        txn.drop(env.open_db(b"sizes", txn=txn))
        txn.put(b"schema", records.seal(records.pack_u64(1)), db=env.open_db(b"meta", txn=txn))
    told = Told()
    make_ready(folder, told)
    assert told.names[-2:] == ["store_migrating", "store_migrated"]
    assert schema_of(folder / DATA_FILE) == 2
    with opened(folder) as store, store._tables.reading() as txn:
        assert store._tables.sizes.all(txn) == sizes != {}


MIGRATES_AND_DIES = """
import os, sys
from pathlib import Path
from chatd.store import tables
from chatd.store.migrate import MIGRATIONS
from chatd.store.readiness import make_ready
from tests.daemon.test_migrate import mark, nothing

MIGRATIONS[1] = mark
tables.SCHEMA = 2
left = int(sys.argv[2])
watched = ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "open")

def hook(event, arguments):
    global left
    if event in watched and sys.argv[1] in str(arguments):
        left -= 1
        if left == 0:
            os._exit(9)

sys.addaudithook(hook)
make_ready(Path(sys.argv[1]), nothing)
"""


def test_migration_killed_at_any_step_leaves_the_old_store_or_the_new_one(
    folder: Path, newer: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SCHEMA", 1)
    fill(folder, 50)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    schemas: list[int | None] = []
    steps = 0
    while not schemas or schemas[-1] == 1:
        steps += 1
        command = [sys.executable, "-c", MIGRATES_AND_DIES, str(folder), str(steps)]
        code = subprocess.run(command, env=environment, check=False, timeout=60).returncode
        assert code in (0, 9)
        found = schema_of(folder / DATA_FILE)
        assert found in (1, 2)
        schemas.append(found)
        assert steps < 100
    assert steps > 8  # or nothing was tried
    monkeypatch.setattr(tables, "SCHEMA", 2)
    make_ready(folder, Told())
    assert stored_stamps(folder) == list(range(1, 51))
    with opened(folder) as store, store._tables.reading() as txn:
        assert txn.get(records.pack_u64(1), db=store._tables.log)
    assert {path.name for path in folder.iterdir()} >= {DATA_FILE, OLD.name}

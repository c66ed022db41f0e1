"""An older schema becomes the present one on a copy: the folder always holds the old file or the new.

A step changes a store of one schema into the next, within one transaction. The old file stays beside the new
one until the daemon has been stopped and started once.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import lmdb

from chatd.store import records, tables
from chatd.store.batches import StoreUnusable
from chatd.store.child import Tell
from chatd.store.derived import RoomIndex
from chatd.store.folder import DATA_FILE, FOLDER_MODE, check_data_file, sync_folder
from chatd.store.lmdbtypes import Environment, Txn
from chatd.store.sizes import RoomSizes

Step = Callable[[Environment, Txn], None]


def _add_sizes(env: Environment, txn: Txn) -> None:
    room = RoomIndex()
    room.open(env, txn, create=False)
    RoomSizes(room).open(env, txn, create=True)


MIGRATIONS: dict[int, Step] = {1: _add_sizes}
"""From schema N to N + 1, by N."""

STAGING = "migrating.tmp"
SPARE_BYTES = 64 * 1024 * 1024


def migrate(folder: Path, tell: Tell) -> bool:
    """Whether there was anything to do. Raises StoreUnusable, OSError or lmdb.Error, over the old file."""
    staging = folder / STAGING
    shutil.rmtree(staging, ignore_errors=True)
    check_data_file(folder)
    schema = schema_of(folder)
    if schema is None or schema == tables.SCHEMA:
        return False
    tables.refuse_newer(folder, schema)
    missing = [number for number in range(schema, tables.SCHEMA) if number not in MIGRATIONS]
    if missing:
        why = f"its schema {schema} is too old for this chatd"
        raise StoreUnusable(folder, why, "open it once with a version in between")
    tell("store_migrating", {"from": schema, "to": tables.SCHEMA})
    try:
        staging.mkdir(mode=FOLDER_MODE)
        _copy(folder, staging)
        _run_steps(staging, schema)
        _exchange(folder, staging, schema)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    tell("store_migrated", {"from": schema, "to": tables.SCHEMA, "old": str(_old(folder, schema))})
    return True


def drop_old(folder: Path) -> None:
    """The new schema has served from a start to a clean stop."""
    for path in folder.glob(f"{DATA_FILE}.schema-*"):
        path.unlink()


def _old(folder: Path, schema: int) -> Path:
    return folder / f"{DATA_FILE}.schema-{schema}"


def schema_of(folder: Path) -> int | None:
    """None for a file that is not ours. Raises lmdb.Error, OSError or RecordDamaged."""
    with (
        lmdb.open(str(folder), readonly=True, lock=False, max_dbs=1, lib_version=0) as env,
        env.begin() as txn,
    ):
        try:
            meta = env.open_db(b"meta", txn=txn, create=False)
        except lmdb.NotFoundError:
            return None  # not ours, which opening it will say
        return tables.sealed_number(txn.get(tables.SCHEMA_KEY, db=meta))


def _copy(folder: Path, staging: Path) -> None:
    with lmdb.open(str(folder), readonly=True, lock=False, lib_version=0) as env:
        env.copy(str(staging), compact=True)


def _run_steps(staging: Path, schema: int) -> None:
    # Twice its size and a spare: a step may write everything anew.
    size = 2 * (staging / DATA_FILE).stat().st_size + SPARE_BYTES
    with lmdb.open(str(staging), map_size=size, max_dbs=tables.MAX_TABLES, mode=0o600, lib_version=0) as env:
        for number in range(schema, tables.SCHEMA):
            with env.begin(write=True) as txn:
                MIGRATIONS[number](env, txn)
                meta = env.open_db(b"meta", txn=txn, create=False)
                txn.put(tables.SCHEMA_KEY, records.seal(records.pack_u64(number + 1)), db=meta)
        env.sync(True)


def _exchange(folder: Path, staging: Path, schema: int) -> None:
    old = _old(folder, schema)
    old.unlink(missing_ok=True)
    try:
        os.link(folder / DATA_FILE, old)
    except OSError:  # a file system without hard links
        shutil.copyfile(folder / DATA_FILE, old)
    (staging / DATA_FILE).chmod(0o600)
    sync_folder(folder)
    (staging / DATA_FILE).rename(folder / DATA_FILE)
    sync_folder(folder)

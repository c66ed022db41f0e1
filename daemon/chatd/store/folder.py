"""The store's folder: private or refused, and looked over before LMDB maps what is in it."""

import os
import shlex
import stat
from pathlib import Path

import lmdb.verify

from chatd.store.batches import StoreUnusable
from chatd.store.faults import DAMAGED_HINT
from chatd.store.records import NotDataFile, read_header

FOLDER_MODE = 0o700
_OTHERS = 0o077
DATA_FILE = "data.mdb"
LMDB_LOCK = "lock.mdb"
STORE_LOCK = "store.lock"
"""Ours, on which a second daemon fails; LMDB's own is for its readers."""


def prepare_folder(folder: Path) -> None:
    """Make it where it is missing. One that is there stays as it is. Raises StoreUnusable or OSError."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True)
    except FileExistsError:
        refuse_folder(folder)
    else:
        sync_folder(folder.parent)


def refuse_folder(folder: Path) -> None:
    """Where something is there that is no folder, or not private. Raises StoreUnusable or OSError."""
    if not os.path.lexists(folder):
        return
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise StoreUnusable(folder, "it is not a folder", "move it away, or choose another with --db-path")
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OTHERS:
        why = f"others on this machine may read it (mode {mode:04o})"
        hint = f"chmod 700 {shlex.quote(str(folder))}, or choose another folder"
        raise StoreUnusable(folder, why, hint)


def refuse_unwritable(folder: Path) -> None:
    """Files of LMDB's that may not be opened for writing. Raises OSError; changes nothing."""
    for name in (DATA_FILE, LMDB_LOCK):
        if (path := folder / name).exists():
            os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))


def sync_folder(folder: Path) -> None:
    """A new file's name must survive a power cut as surely as what is in it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_data_file(folder: Path) -> None:
    """Refuse what is not LMDB's or is cut short, before it is mapped. Raises StoreUnusable or OSError."""
    path = folder / DATA_FILE
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        with path.open("rb") as file:
            header = read_header(file)
    except NotDataFile as error:
        raise StoreUnusable(folder, error.why, DAMAGED_HINT) from error
    if path.stat().st_size < header.pages * header.page_bytes and not _is_sound(path):
        raise StoreUnusable(folder, "its data file is cut short", DAMAGED_HINT)


def _is_sound(path: Path) -> bool:
    """Only free pages may lie beyond the end. Slow, and so asked only of a file that is short."""
    try:
        return not lmdb.verify.verify(str(path))  # type: ignore[no-untyped-call]  # py-lmdb has no types there
    except lmdb.verify.VerifyError:
        return False

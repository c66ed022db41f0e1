"""Whether the store was closed cleanly: a file that is there only while nobody has the store open.

It holds the data file's size and time of change, so that a file exchanged or edited meanwhile is looked over
too.
"""

import contextlib
import os
import shlex
from pathlib import Path

from chatd.store.batches import StoreUnusable
from chatd.store.folder import DATA_FILE, sync_folder

CLEAN_FILE = "clean"


def is_clean(folder: Path) -> bool:
    """True also where there is no data yet."""
    try:
        found = _fingerprint(folder)
    except FileNotFoundError:
        return True
    try:
        return (folder / CLEAN_FILE).read_text() == found
    except (OSError, ValueError):
        return False


def refuse_bereft(folder: Path) -> None:
    """Raises StoreUnusable when it was closed cleanly and its data has gone since.

    An empty store in its place would look as if nothing had ever been said.
    """
    data, mark = folder / DATA_FILE, folder / CLEAN_FILE
    if not mark.exists() or (data.exists() and data.stat().st_size):
        return
    what = "is empty" if data.exists() else "is missing"
    why = f"its {DATA_FILE} {what}, though it held the history when the store was closed"
    anew = f"to begin with an empty history: rm {shlex.quote(str(mark))}"
    raise StoreUnusable(folder, why, f"put it back, or restore a backup; {anew}")


def take(folder: Path) -> bool:
    """From here on a death leaves an unclean store. Whether it was clean until now."""
    clean = is_clean(folder)
    try:
        (folder / CLEAN_FILE).unlink()
    except FileNotFoundError:
        return clean
    sync_folder(folder)
    return clean


def leave(folder: Path) -> None:
    """The store is closed. A disk too full for this line costs a check at the next start, no more."""
    with contextlib.suppress(OSError):
        path = folder / CLEAN_FILE
        temporary = path.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(_fingerprint(folder))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
        sync_folder(folder)


def _fingerprint(folder: Path) -> str:
    found = (folder / DATA_FILE).stat()
    return f"{found.st_size} {found.st_mtime_ns}\n"

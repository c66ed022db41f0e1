"""What the system or LMDB says went wrong, as one phrase and what to do about it; never content."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import lmdb

from chatd.store.batches import StoreUnusable
from chatd.store.records import RecordDamaged

DAMAGED_HINT = "restore the folder from a backup, or move it away to start with an empty history"

_FULL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def refusing(folder: Path) -> Iterator[None]:
    """Whatever the system or LMDB says against a folder, as StoreUnusable."""
    try:
        yield
    except RecordDamaged as error:
        raise StoreUnusable(folder, error.why, DAMAGED_HINT) from error
    except (lmdb.Error, OSError) as error:
        code = _errno(error)
        if code in _FULL_ERRNOS or code == errno.EIO:
            hint = "free disk space"
        elif code in {errno.EACCES, errno.EPERM, errno.EROFS}:
            hint = "make the folder readable and writable for the user who runs chatd"
        elif isinstance(error, OSError):
            hint = "choose another folder"
        else:
            hint = DAMAGED_HINT
        raise StoreUnusable(folder, describe(error), hint) from error


def describe(error: Exception) -> str:
    """One phrase, from the system's or LMDB's own words; never content."""
    code = _errno(error)
    if code in _FULL_ERRNOS:
        return f"no space left ({os.strerror(code)})"
    if code == errno.EIO:  # LMDB's word for a write that ended early, which is how a disk fills up
        return f"the disk is full or failing ({os.strerror(code)})"
    if code > 0:
        return os.strerror(code)
    if isinstance(error, lmdb.Error):
        return str(error)
    return type(error).__name__


def _errno(error: Exception) -> int:
    """Positive: the system's number. Zero or below: it has none; LMDB's own codes are negative."""
    if isinstance(error, lmdb.Error):
        return getattr(error, "code", 0)  # one that Python code made has none
    return error.errno or 0 if isinstance(error, OSError) else 0

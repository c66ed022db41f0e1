"""A program of its own, `python -m chatd.store.check FILE`: is this data file whole?

In a process of its own because a damaged page kills the one that touches it. First the structure, which
`lmdb.verify` reads without mapping the file; only then the records' checksums, through LMDB. One JSON object
a line on standard output; memory does not grow with the store.
"""

import sys
import time
from pathlib import Path

import lmdb
import lmdb.verify

from chatd.store import records
from chatd.store.child import say
from chatd.store.damage import MAX_DAMAGED_KEPT
from chatd.store.faults import describe
from chatd.store.lmdbtypes import Cursor
from chatd.store.records import RecordDamaged

SAY_EVERY_S = 0.25


def main(path: Path) -> None:
    try:
        problems = _problems(path)
        if problems:
            say(damaged=problems[0], problems=len(problems))
        else:
            _check_records(path)
    except (OSError, lmdb.Error) as error:
        say(error=describe(error))


def _problems(path: Path) -> list[str]:
    say(phase="structure")
    try:
        return list(lmdb.verify.verify(str(path)))  # type: ignore[no-untyped-call]  # py-lmdb has no types there
    except lmdb.verify.VerifyError as error:
        return [str(error)]


def _check_records(path: Path) -> None:
    # Without LMDB's lock file: the caller holds the lock of the whole store, so nobody writes.
    with lmdb.open(
        str(path), subdir=False, readonly=True, lock=False, max_dbs=1, readahead=True, lib_version=0
    ) as env:
        try:
            log = env.open_db(b"log", create=False)
        except lmdb.NotFoundError:
            say(done=True, records=0, damaged_records=[])
            return
        with env.begin() as txn, txn.cursor(log) as cursor:
            total = txn.stat(log)["entries"]
            damaged = _find_damaged(cursor, total)
            if len(damaged) > MAX_DAMAGED_KEPT:
                say(damaged=f"more than {MAX_DAMAGED_KEPT} messages have a wrong checksum", problems=1)
            else:
                say(done=True, records=total, damaged_records=damaged)


def _find_damaged(cursor: Cursor, total: int) -> list[int]:
    """Their numbers, no more than it takes to tell that there are too many to mend one by one."""
    damaged, said = list[int](), time.monotonic()
    for number, (key, value) in enumerate(cursor.iternext()):
        try:
            records.unseal(value)
        except RecordDamaged:
            damaged.append(int.from_bytes(key, "big"))
            if len(damaged) > MAX_DAMAGED_KEPT:
                break
        if not number % 1024 and time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            say(phase="checksums", share=round(number / total, 3))
    return damaged


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""A compact copy of a store that is in use, as a stream: one snapshot, and memory does not grow with it.

For a process of its own: a snapshot held for long in the daemon would hold back its map when that must grow.
"""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import lmdb

from chatd.store.faults import refusing

CHUNK_BYTES = 64 * 1024


def snapshot(folder: Path) -> Iterator[bytes]:
    """Raises StoreUnusable."""
    failed: list[Exception] = []
    with refusing(folder), lmdb.open(str(folder), readonly=True, create=False, lib_version=0) as env:
        source, sink = os.pipe()

        def copy() -> None:
            try:
                env.copyfd(sink, compact=True)
            except lmdb.Error as error:
                failed.append(error)
            finally:
                os.close(sink)

        copying = threading.Thread(target=copy, daemon=True)
        copying.start()
        try:
            with os.fdopen(source, "rb") as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    yield chunk
        finally:  # also of one that is given up: the thread must not read what is closed
            copying.join()
        if failed:
            raise failed[0]

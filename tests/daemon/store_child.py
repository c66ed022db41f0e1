"""A program for test_store.py: writes messages until it is killed, and prints the ids it was promised."""

import itertools
import queue
import sys
from pathlib import Path

from chatcore.envelopes import Chat, seal
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatd.store import Batch, BatchResult, Store

BATCH_MESSAGES = 5
QUEUED_BATCHES = 8


def main(folder: Path) -> None:
    author, room = Identity(b"a" * 32), RoomId(b"r" * 32)
    results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()
    store = Store.open(folder, map_bytes=256 * 1024)
    store.start(results.put)
    waiting = 0
    for first in itertools.count(store.last_stamp() + 1, BATCH_MESSAGES):
        stamps = range(first, first + BATCH_MESSAGES)
        store.submit(Batch(first, [seal(author, room, stamp, "ada", Chat("x" * 300)) for stamp in stamps]))
        waiting += 1
        while waiting >= QUEUED_BATCHES:
            for result in results.get():
                waiting -= 1
                sys.stdout.writelines(f"{stored.envelope.id}\n" for stored in result.stored)
                sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

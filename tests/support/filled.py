"""A store with a whole history in it, really signed, as a node has it that was there all the time."""

import itertools
import secrets
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.names import LOBBY, room_id
from chatd.store import Batch, BatchResult, Store

AUTHORS = 16
EVERY_MS = 1000
PADDING_BYTES = 70
"""Makes messages of about 300 bytes, hexadecimal so that they compress to no less than half."""

BATCH = 500
DEADLINE_S = 900.0


def messages(count: int) -> Iterator[Envelope]:
    """In the lobby, one a second, the last of them just now, by people who take turns; numbered from 0."""
    people = [Identity(secrets.token_bytes(32)) for _ in range(AUTHORS)]
    start_ms = time.time_ns() // 1_000_000 - count * EVERY_MS
    room = room_id("main", LOBBY)
    for number, author in zip(range(count), itertools.cycle(people), strict=False):
        stamp = start_ms + number * EVERY_MS << COUNTER_BITS
        text = f"note {number} {secrets.token_hex(PADDING_BYTES)}"
        yield seal(author, room, stamp, f"person{number % AUTHORS}", Chat(text))


def fill(folder: Path, count: int) -> None:
    """Make the store, with its search index; one commit at a time, so that memory stays small."""
    store = Store.open(folder, sync=False)
    kept = threading.Semaphore(0)

    def count_kept(results: list[BatchResult]) -> None:
        for result in results:
            assert result.error is None, result.error
            kept.release()

    store.start(count_kept)
    try:
        said = messages(count)
        while batch := tuple(islice(said, BATCH)):
            store.submit(Batch(1, batch))
            assert kept.acquire(timeout=DEADLINE_S)
        end = time.monotonic() + DEADLINE_S
        while store.search_lag and time.monotonic() < end:
            time.sleep(0.01)  # the writer's thread tells nobody
    finally:
        store.close()

"""Reading a long history: searches and pages of stores of 100,000 messages and, when asked for, a million.

The messages are of a made-up language whose words are as unevenly frequent as real ones (Zipf). They are not
signed: nothing here looks at signatures, and a million would take minutes.
"""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, islice
from pathlib import Path

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import KIND_CHAT, Chat, Envelope, message_id
from chatcore.identity import SIGNATURE_BYTES
from chatcore.ids import RoomId
from chatcore.names import room_id
from chatcore.wire import pack
from chatcore.words import parse
from chatd.store import Batch, BatchResult, Store
from chatd.store.reading import Point
from chatd.store.search import Search
from chatd.store.terms import Wanted

SMALL, LARGE = 100_000, 1_000_000
BATCH = 500
MESSAGE_WORDS = (2, 24)
VOCABULARY = 30_000
AUTHORS = 50
ROOMS = tuple(room_id("main", name) for name in ("lobby", "tea", "rust", "games"))
EVERY_MS = 1000
START_MS = 1_700_000_000_000
SEARCHES = 400
PAGES = 200
PAGE = 50
DEADLINE_S = 900.0


@dataclass
class Reading:
    """Seconds for each search and page; `depths` are shares of the room's messages that are newer."""

    messages: int
    store_s: float = 0.0
    index_s: float = 0.0
    index_bytes: float = 0.0
    searches: list[float] = field(default_factory=list)
    frequent: list[float] = field(default_factory=list)
    prefixes: list[float] = field(default_factory=list)
    pages: dict[float, list[float]] = field(default_factory=dict)


class Language:
    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)
        letters = "etaoinshrdlucmfwypvbgkjqxz"
        self.words = list(
            dict.fromkeys(
                "".join(self._random.choices(letters, k=self._random.randint(2, 10)))
                for _ in range(VOCABULARY)
            )
        )
        self._weights = list(accumulate(1 / (rank + 3) for rank in range(len(self.words))))

    def text(self) -> str:
        count = self._random.randint(*MESSAGE_WORDS)
        return " ".join(self._random.choices(self.words, cum_weights=self._weights, k=count))

    def messages(self) -> Iterator[Envelope]:
        """A message a second, in four rooms, by fifty people."""
        keys = [self._random.randbytes(32) for _ in range(AUTHORS)]
        signature = self._random.randbytes(SIGNATURE_BYTES)
        number = 0
        while True:
            number += 1
            room, author, text = ROOMS[number % len(ROOMS)], self._random.randrange(AUTHORS), self.text()
            stamp = START_MS + number * EVERY_MS << COUNTER_BITS
            name = f"person{author}"
            payload = pack([KIND_CHAT, room, keys[author], stamp, name, text])
            yield Envelope(
                message_id(payload), room, keys[author], stamp, name, Chat(text), True, payload, signature
            )


class Building:
    """Stores messages and waits: for their commits, and until the index has them."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept = threading.Semaphore(0)
        store.start(self._on_results)

    def _on_results(self, results: list[BatchResult]) -> None:
        for result in results:
            assert result.error is None, result.error
            self._kept.release()

    def keep(self, messages: Iterator[Envelope], count: int) -> float:
        """Seconds the store took, without what making the messages took."""
        took = 0.0
        for _ in range(0, count, BATCH * 8):
            batches = [tuple(islice(messages, BATCH)) for _ in range(8)]
            start = time.perf_counter()
            for batch in batches:
                self.store.submit(Batch(1, batch))
            for _ in batches:
                assert self._kept.acquire(timeout=DEADLINE_S)
            took += time.perf_counter() - start
        return took

    def wait_indexed(self) -> float:
        start = time.perf_counter()
        while self.store.search_lag:
            assert time.perf_counter() - start < DEADLINE_S
            time.sleep(0.01)  # the writer's thread tells nobody
        return time.perf_counter() - start


def search_s(store: Store, query: str, room: RoomId | None = None) -> float:
    rooms = ROOMS if room is None else (room,)
    start = time.perf_counter()
    store.search(Search(Wanted(parse(query), rooms), PAGE))
    return time.perf_counter() - start


def page_s(store: Store, share: float, count: int) -> float:
    """One page of 50 with that share of all messages newer than it."""
    stamp = START_MS + int(count * (1 - share)) * EVERY_MS << COUNTER_BITS
    start = time.perf_counter()
    store.page(ROOMS[0], PAGE, before=Point(stamp + 1))
    return time.perf_counter() - start


def measure(folder: Path, count: int) -> Reading:
    language = Language()
    found = Reading(count)
    store = Store.open(folder / f"store{count}", sync=False)
    building = Building(store)
    try:
        found.store_s = building.keep(language.messages(), count)
        found.index_s = building.wait_indexed()
        found.index_bytes = store.search_bytes()
        rng = random.Random(2)
        common, all_words = language.words[:30], language.words
        for _ in range(SEARCHES):
            # A word is as likely to be asked for as it is to be said: mostly frequent ones.
            asked = rng.sample(language.text().split() + rng.sample(all_words[:2000], 2), 2)
            found.searches.append(search_s(store, " ".join(asked)))
            found.frequent.append(search_s(store, " ".join(rng.sample(common, 2)), ROOMS[1]))
            found.prefixes.append(search_s(store, f"{rng.choice(all_words)} {rng.choice(all_words)[:2]}*"))
        for share in (0.0, 0.5, 0.99):
            found.pages[share] = [page_s(store, share, count) for _ in range(PAGES)]
    finally:
        store.close()
    return found

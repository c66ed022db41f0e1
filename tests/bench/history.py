"""Reading a long history: searches and pages of stores of 100,000 messages and, when asked for, a million.

The messages are of a made-up language whose words are as unevenly frequent as real ones (Zipf). They are not
signed: nothing here looks at signatures, and a million would take minutes.
"""

import random
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
MESSAGE_WORDS = (3, 24)
VOCABULARY = 30_000
AUTHORS = 50
ROOMS = tuple(room_id("main", name) for name in ("lobby", "tea", "rust", "games"))
EVERY_MS = 1000
START_MS = 1_700_000_000_000
SEARCHES = 400
PAGES = 200
PAGE = 50
DEPTHS = (0.0, 0.5, 0.999)
DEADLINE_S = 900.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Seconds for each search and page of one run; `pages` by the share of messages that are newer."""

    searches: list[float]
    frequent: list[float]
    apart: list[float]
    prefixes: list[float]
    pages: dict[float, list[float]]


@dataclass(frozen=True, slots=True)
class Result:
    index_per_second: float
    """Messages, while nothing else is to be done."""

    index_bytes: float
    """For each message."""

    runs: list[Reading]


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
            room, author = ROOMS[number % len(ROOMS)], self._random.randrange(AUTHORS)
            text = f"{self.text()} {'odd' if number % 2 else 'even'}"
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

    def keep(self, messages: Iterator[Envelope], count: int) -> None:
        for _ in range(0, count, BATCH):
            self.store.submit(Batch(1, tuple(islice(messages, BATCH))))
            assert self._kept.acquire(timeout=DEADLINE_S)

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


def read(store: Store, language: Language, count: int, rng: random.Random) -> Reading:
    """People ask for words as unevenly as they use them; `frequent` are two of the thirty
    most frequent, `apart` two that are in every other message each and never in the same."""
    words, common = language.words, language.words[:30]
    asked = [" ".join(rng.sample(language.text().split(), 2)) for _ in range(SEARCHES)]
    return Reading(
        searches=[search_s(store, query) for query in asked],
        frequent=[search_s(store, " ".join(rng.sample(common, 2)), ROOMS[1]) for _ in range(SEARCHES)],
        apart=[search_s(store, "odd even") for _ in range(SEARCHES)],
        prefixes=[search_s(store, f"{rng.choice(words)} {rng.choice(words)[:2]}*") for _ in range(SEARCHES)],
        pages={share: [page_s(store, share, count) for _ in range(PAGES)] for share in DEPTHS},
    )


def measure(folder: Path, count: int, runs: int) -> Result:
    """One store, `runs` times."""
    language = Language()
    store = Store.open(folder / "store", sync=False)
    building = Building(store)
    try:
        building.keep(language.messages(), count)
        left = store.search_lag
        took = building.wait_indexed()
        size = store.search_bytes() / count
        rng = random.Random(2)
        return Result(left / took, size, [read(store, language, count, rng) for _ in range(runs)])
    finally:
        store.close()

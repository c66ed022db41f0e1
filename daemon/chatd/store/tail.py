"""The newest messages of the search index, in memory until there are enough of them for a segment on disk."""

import threading
from collections.abc import Iterator, Sequence

from chatd.store.batches import Stored
from chatd.store.postings import Order, Place, encode_holders
from chatd.store.terms import AUTHOR, NAME, Author, Wanted, terms_of

MAX_SEGMENT_MESSAGES = 4096
MAX_SEGMENT_POSTINGS = 128 * 1024
"""Words counted once for each message; keeps a flood of long messages from filling the memory."""


class Tail:
    """Written by the writer's thread, read by any."""

    def __init__(self, upto: int) -> None:
        self.start = upto
        """The number of the last message that is not in here but on disk."""

        self.upto = upto
        """The last message in here, or passed over because it is not one to be found."""

        self._lock = threading.Lock()
        self._places: list[Place] = []
        self._holders: dict[bytes, list[int]] = {}
        self._postings = 0

    @property
    def is_full(self) -> bool:
        return len(self._places) >= MAX_SEGMENT_MESSAGES or self._postings >= MAX_SEGMENT_POSTINGS

    def add(self, item: Stored) -> None:
        terms = list(terms_of(item.envelope))
        with self._lock:
            if terms:
                number = len(self._places)
                self._places.append(Place(item.envelope.stamp, item.seq))
                for term in terms:
                    self._holders.setdefault(term, []).append(number)
                self._postings += len(terms)
            self.upto = item.seq

    def pass_over(self, seq: int) -> None:
        """There is nothing to be found up to this number."""
        self.upto = max(self.upto, seq)

    def find(self, wanted: Wanted) -> tuple[int, list[Place]]:
        """The last message looked at, and those that match but for what only the text tells."""
        with self._lock:
            found: set[int] | None = None
            for holders in self._holders_of_each(wanted):
                found = set(holders) if found is None else found.intersection(holders)
                if not found:
                    break
            numbers = range(len(self._places)) if found is None else found
            return self.upto, [self._places[number] for number in numbers]

    def _holders_of_each(self, wanted: Wanted) -> Iterator[Sequence[int] | set[int]]:
        exact = [self._holders.get(term, []) for term in wanted.exact_terms()]
        yield from sorted(exact, key=len)
        if wanted.author is not None:
            yield self._by(wanted.author)
        for prefix in wanted.prefix_terms():
            yield self._with_prefix(prefix)

    def _by(self, author: Author) -> set[int]:
        named = set(self._holders.get(NAME + author.name.encode(), []))
        if not author.peer_id:
            return named
        keyed = self._with_prefix(AUTHOR + author.peer_id.encode())
        return named | keyed if author.either else named & keyed

    def _with_prefix(self, prefix: bytes) -> set[int]:
        return {number for term, held in self._holders.items() if term.startswith(prefix) for number in held}

    def as_segment(self) -> tuple[Order, Place, Place, list[tuple[bytes, bytes]]]:
        """Its messages by time, the first and the last of them, and who holds each term, sorted."""
        count = len(self._places)
        by_time = sorted(range(count), key=self._places.__getitem__)
        rank = [0] * count
        for number, before in enumerate(by_time):
            rank[before] = number
        places = [self._places[number] for number in by_time]
        holders = [
            (term, encode_holders(sorted([rank[number] for number in held]), count))
            for term, held in sorted(self._holders.items())
        ]
        return Order.of(places, self.start + 1), places[0], places[-1], holders

"""Searches: from what is wanted to messages, the newest first.

Segments on disk, the tail in memory, and what is in neither yet is read from the log. Every hit is read
again, its checksum verified and its text compared with what was asked for: a damaged index may lose a
message, and never shows a wrong one.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from chatd.store import postings
from chatd.store.batches import Stored
from chatd.store.index import SearchIndex, with_prefix
from chatd.store.lmdbtypes import Txn
from chatd.store.postings import Place, Segment
from chatd.store.terms import AUTHOR, NAME, Author, Wanted

MAX_UNINDEXED_READ = 500
"""Of what is not indexed yet; each is decoded and its text split, about 20 us."""

MAX_READ = 2000
"""Messages one search reads to look whether they match, about 25 us each. Whole words name those that do; a
prefix that was given up, or words that must stand side by side, leave more to be read."""

MAX_PREFIX_WORDS = 2000
"""Words with one prefix that are looked at in one segment, about 1 us each. A prefix with more of them is in
so many messages that reading some finds as much."""

MAX_PREFIX_WORK = 60_000
"""Of those words in all segments of one search; beyond it they count for `LEAST_PREFIX_WORDS` in each."""

LEAST_PREFIX_WORDS = 64
"""So that a prefix nobody uses, and a seldom one, still rule out whole segments."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The store as it is to one search; `last_seq` is the last message it has to know of."""

    txn: Txn
    last_seq: int
    read: Callable[[Txn, int], Stored | None]
    """A message by its number, its checksum verified; None when it is gone or damaged."""

    read_on: Callable[[Txn, int, int], Sequence[Stored]]
    """So many messages behind a number, in the order of arrival."""


@dataclass(frozen=True, slots=True)
class Search:
    """What is wanted, and where: between two places, themselves left out."""

    wanted: Wanted
    limit: int
    before: Place | None = None
    after: Place | None = None

    def covers(self, place: Place) -> bool:
        return (self.before is None or place < self.before) and (self.after is None or self.after < place)

    def may_be_in(self, segment: Segment) -> bool:
        return (self.before is None or segment.oldest <= self.before.stamp) and (
            self.after is None or segment.newest >= self.after.stamp
        )


@dataclass(frozen=True, slots=True)
class Found:
    """`messages` from the newest on. `rest` is where to go on, None when there is nothing more.

    Going on at `rest` neither misses nor repeats any. `stopped` when the search has read as many as one may
    before it had found what was asked for, or when the index is damaged; `unindexed` messages are not in the
    index yet and were not looked at.
    """

    messages: list[Stored]
    rest: Place | None = None
    stopped: bool = False
    unindexed: int = 0


def find(index: SearchIndex, store: Snapshot, search: Search) -> Found | None:
    """None when the index moved on under this snapshot: take a new one.

    Raises:
        RecordDamaged: what says which messages a part of the index is about.
    """
    tail, upto = index.tail, index.read_upto(store.txn)
    if upto is None or tail.start > upto:
        return None
    tail_upto, places = tail.find(search.wanted)
    fresh = store.read_on(store.txn, max(upto, tail_upto), MAX_UNINDEXED_READ)
    recent = [place for place in places if place.seq > upto]
    recent += [
        Place(item.envelope.stamp, item.seq) for item in fresh if search.wanted.is_met_by(item.envelope)
    ]
    unindexed = max(0, store.last_seq - fresh[-1].seq) if len(fresh) == MAX_UNINDEXED_READ else 0
    messages: list[Stored] = []
    last: Place | None = None
    candidates = _Hunt(index, store.txn, search).newest_first(sorted(recent))
    for read, place in enumerate(candidates):
        if len(messages) == search.limit or read == MAX_READ:
            return Found(messages, last, len(messages) < search.limit, unindexed)
        last = place
        stored = store.read(store.txn, place.seq)
        if stored is not None and search.wanted.is_met_by(stored.envelope):
            messages.append(stored)
    return Found(messages, unindexed=unindexed)


class _Hunt:
    """One search through the segments, the newest first. Each is opened once: 0.1 ms, and its prefixes.

    What it has done never ends it: segments may overlap in time, as messages do not arrive in their order,
    and nothing older may come before what is in a segment that is not open yet.
    """

    def __init__(self, index: SearchIndex, txn: Txn, search: Search) -> None:
        self._index = index
        self._txn = txn
        self._search = search
        self._exact = search.wanted.exact_terms()
        self._prefixes = search.wanted.prefix_terms()
        self._prefix_work = 0

    def newest_first(self, recent: list[Place]) -> Iterator[Place]:
        """Those that may match. `recent` are sorted."""
        waiting = [part for part in self._index.load_segments(self._txn) if self._search.may_be_in(part)]
        waiting.sort(key=lambda part: part.newest)
        heap: list[tuple[int, int, Iterator[Place]]] = []
        _push(heap, (place for place in reversed(recent) if self._search.covers(place)))
        while heap or waiting:
            while waiting and (not heap or waiting[-1].newest >= -heap[0][0]):
                _push(heap, self._places_in(waiting.pop()))
            if heap:
                stamp, seq, more = heapq.heappop(heap)
                _push(heap, more)
                yield Place(-stamp, -seq)

    def _places_in(self, segment: Segment) -> Iterator[Place]:
        bits = self._holders(segment)
        if not bits:
            return
        order = self._index.load_order(self._txn, segment)
        search = self._search
        if search.before is not None:
            bits &= (1 << order.number_of(search.before)) - 1
        for number in postings.newest_first(bits):
            place = order.place(number)
            if not search.covers(place):
                return
            yield place

    def _holders(self, segment: Segment) -> int:
        """Who in this segment matches, but for what only the text tells."""
        bits = (1 << segment.size) - 1
        for term in self._exact:
            bits &= self._of(segment, term)
            if not bits:
                return 0
        if self._search.wanted.author is not None:
            bits &= self._by(segment, self._search.wanted.author)
        for prefix in self._prefixes:
            if not bits:
                return 0
            bits &= self._with_prefix(segment, prefix)
        return bits

    def _of(self, segment: Segment, term: bytes) -> int:
        value = self._txn.get(segment.key + term, db=self._index.postings)
        return 0 if value is None else postings.decode_holders(value)

    def _by(self, segment: Segment, author: Author) -> int:
        named = self._of(segment, NAME + author.name.encode())
        if not author.peer_id:
            return named
        keyed = self._with_prefix(segment, AUTHOR + author.peer_id.encode())
        return named | keyed if author.either else named & keyed

    def _with_prefix(self, segment: Segment, prefix: bytes) -> int:
        """Everybody when it begins more words than are looked at: then only the text tells."""
        most = MAX_PREFIX_WORDS if self._prefix_work < MAX_PREFIX_WORK else LEAST_PREFIX_WORDS
        with self._txn.cursor(self._index.postings) as cursor:
            values = list(islice(with_prefix(cursor, segment.key + prefix), most + 1))
        self._prefix_work += len(values)
        return (1 << segment.size) - 1 if len(values) > most else postings.holders_of_any(values)


def _push(heap: list[tuple[int, int, Iterator[Place]]], places: Iterator[Place]) -> None:
    for place in places:
        heapq.heappush(heap, (-place.stamp, -place.seq, places))
        return

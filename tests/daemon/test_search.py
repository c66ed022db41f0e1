"""Searching the store: against brute force, while it is written, and with an index that is old or damaged."""

import contextlib
import errno
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chatcore import words
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.words import parse
from chatd.store import Batch, BatchResult, Damaged, Store, Stored, postings, records, search, tail, writer
from chatd.store.index import UPTO_KEY
from chatd.store.postings import Place
from chatd.store.search import Found, Search
from chatd.store.terms import Author, Wanted
from tests.support.daemon import wait_until

PEOPLE = [Identity(letter * 32) for letter in (b"a", b"b", b"c")]
NAMES = ["ann", "Zoë", "ann"]
ROOMS = [RoomId(letter * 32) for letter in (b"r", b"s")]
DEADLINE_S = 20.0
VOCABULARY = ["tea", "teapot", "Straße", "STRASSE", "日本語", "日本", "café", "🎉", "rare"]


def message(stamp: int, text: str = "hello", *, author: int = 0, room: int = 0) -> Envelope:
    return seal(PEOPLE[author], ROOMS[room], stamp, NAMES[author], Chat(text))


class Shelf:
    """A started store whose batches are waited for."""

    def __init__(self, folder: Path, on_damage: list[Damaged] | None = None, **options: Any) -> None:
        listener = None if on_damage is None else on_damage.append
        self.store = Store.open(folder, sync=False, on_damage=listener, **options)
        self._kept = threading.Semaphore(0)
        self.stored: list[Stored] = []
        self.store.start(self._on_results)

    def _on_results(self, results: list[BatchResult]) -> None:
        for result in results:
            assert result.error is None
            self.stored += result.stored
            self._kept.release()

    def keep(self, *envelopes: Envelope) -> None:
        self.store.submit(Batch(1, envelopes))
        assert self._kept.acquire(timeout=DEADLINE_S)

    def wait_indexed(self) -> None:
        wait_until(lambda: not self.store.search_lag, "the index", deadline_s=DEADLINE_S)

    def find(self, query: str, **options: Any) -> Found:
        return self.store.search(wanted(query, **options))

    def texts(self, query: str, **options: Any) -> list[str]:
        return [text_of(item) for item in self.find(query, **options).messages]


def text_of(item: Stored) -> str:
    assert isinstance(item.envelope.body, Chat)
    return item.envelope.body.text


def wanted(
    query: str,
    *,
    rooms: Sequence[RoomId] = ROOMS,
    author: str | None = None,
    limit: int = 50,
    before: Place | None = None,
    after: Place | None = None,
) -> Search:
    who = None if author is None else Author.parse(author)
    return Search(Wanted(parse(query), rooms, who), limit, before, after)


def brute_force(stored: Sequence[Stored], asked: Search) -> list[int]:
    places = [
        Place(item.envelope.stamp, item.seq) for item in stored if asked.wanted.is_met_by(item.envelope)
    ]
    return [place.seq for place in sorted(places, reverse=True) if asked.covers(place)]


Opener = Callable[..., Shelf]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def shelve(folder: Path) -> Iterator[Opener]:
    """Opens the store in `folder`; the one before is closed first, the last one in the end."""
    shelves: list[Shelf] = []

    def open_shelf(**options: object) -> Shelf:
        for shelf in shelves:
            shelf.store.close()
        shelves.append(Shelf(folder, **options))  # type: ignore[arg-type]  # passed on as given
        return shelves[-1]

    yield open_shelf
    for shelf in shelves:
        shelf.store.close()


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "MAX_SEGMENT_MESSAGES", 7)


@pytest.fixture
def few_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A search stops after five messages, and gives up on a prefix of more than two words."""
    monkeypatch.setattr(search, "MAX_READ", 5)
    monkeypatch.setattr(search, "MAX_PREFIX_WORDS", 2)
    monkeypatch.setattr(search, "MAX_PREFIX_WORK", 20)
    monkeypatch.setattr(search, "LEAST_PREFIX_WORDS", 1)


@pytest.fixture
def never_indexed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "INDEX_AFTER_S", 3600.0)


def remove(shelf: Shelf, gone: Sequence[Stored]) -> None:
    """As retention does, in one transaction."""
    tables = shelf.store._tables
    with tables.writing() as txn:
        for item in gone:
            txn.delete(records.pack_u64(item.seq), db=tables.log)
            txn.delete(item.envelope.id, db=tables.ids)
        for derived in tables.derived:
            derived.remove(txn, gone)
    shelf.stored = [item for item in shelf.stored if item not in gone]


def raw(folder: Path, table: bytes) -> dict[bytes, bytes]:
    with lmdb.open(str(folder), max_dbs=16, lib_version=0) as env, env.begin() as txn:
        return dict(txn.cursor(env.open_db(table, txn=txn, create=False)))


def change(folder: Path, table: bytes, *, put: dict[bytes, bytes] | None = None, drop: bool = False) -> None:
    with lmdb.open(str(folder), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        handle = env.open_db(table, txn=txn)
        if drop:
            txn.drop(handle)
        for key, value in (put or {}).items():
            txn.put(key, value, db=handle)


# What is found


texts = (
    st.lists(st.sampled_from(VOCABULARY), min_size=0, max_size=4).map(" ".join).map(lambda text: f"{text}.")
)
said = st.tuples(st.integers(1, 30), texts, st.integers(0, 2), st.integers(0, 1))
queries = st.lists(
    st.sampled_from([*VOCABULARY, "te*", "str*", "日", "本語", "x*", "absent"]), min_size=1, max_size=3
).map(" ".join)
places = st.none() | st.builds(Place, st.integers(0, 31), st.integers(0, 40))
asks = st.tuples(
    queries,
    st.sampled_from([ROOMS, ROOMS[:1], ROOMS[1:], [RoomId(b"x" * 32)]]),
    st.sampled_from([None, "ann", "ANN", "zoe", str(PEOPLE[2].peer_id), f"ann~{str(PEOPLE[0].peer_id)[:4]}"]),
    places,
    places,
)


def page_through(shelf: Shelf, query: str, before: Place | None, limit: int, **options: Any) -> list[int]:
    seen: list[int] = []
    while True:
        found = shelf.find(query, before=before, limit=limit, **options)
        assert not found.stopped
        assert not found.unindexed
        seen += [item.seq for item in found.messages]
        if found.rest is None:
            return seen
        before = found.rest
        assert len(found.messages) == limit


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(said, max_size=12), min_size=1, max_size=4),
    st.lists(asks, min_size=1, max_size=8),
    st.sets(st.integers(0, 40), max_size=12),
    st.booleans(),
    st.integers(1, 5),
)
def test_search_finds_what_reading_everything_finds(  # noqa: PLR0917 - hypothesis gives them by place
    small_segments: None,
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[tuple[int, str, int, int]]],
    asked: list[tuple[str, Sequence[RoomId], str | None, Place | None, Place | None]],
    leaving: set[int],
    indexed: bool,
    limit: int,
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("search") / "store")
    with contextlib.closing(shelf.store):
        for batch in batches:
            shelf.keep(*[message(stamp, text, author=who, room=where) for stamp, text, who, where in batch])
        if indexed:
            shelf.wait_indexed()
        remove(shelf, [item for item in shelf.stored if item.seq in leaving])
        for query, rooms, author, before, after in asked:
            options: dict[str, Any] = {"rooms": rooms, "author": author, "after": after}
            everything = brute_force(shelf.stored, wanted(query, before=before, **options))
            assert page_through(shelf, query, before, limit, **options) == everything


@pytest.mark.parametrize(
    ("query", "text"),
    [("strasse", "Die Straße"), ("CAFE\u0301", "café"), ("σίσυφος", "ΣΊΣΥΦΟΣ"), ("本語", "日本語")],
)
def test_spelling_makes_no_difference(shelve: Opener, query: str, text: str) -> None:
    shelf = shelve()
    shelf.keep(message(1, text), message(2, "nothing of it"))
    assert shelf.texts(query) == [text]
    shelf.wait_indexed()
    assert shelf.texts(query) == [text]


def test_message_is_found_as_soon_as_it_is_stored(shelve: Opener, never_indexed: None) -> None:
    shelf = shelve()
    for stamp in range(1, 20):
        shelf.keep(message(stamp, f"number {stamp}"))
        assert shelf.texts(f"number {stamp}") == [f"number {stamp}"]


def test_newest_by_time_come_first_whatever_the_order_of_arrival(
    shelve: Opener, small_segments: None
) -> None:
    shelf = shelve()
    stamps = random.Random(1).sample(range(1, 200), 100)
    for start in range(0, 100, 10):
        shelf.keep(*[message(stamp, f"tea {stamp}") for stamp in stamps[start : start + 10]])
    shelf.wait_indexed()
    assert shelf.texts("tea", limit=30) == [f"tea {stamp}" for stamp in sorted(stamps, reverse=True)[:30]]


def test_search_goes_on_while_messages_come_in(shelve: Opener, small_segments: None) -> None:
    shelf = shelve()
    done = threading.Event()
    wrong: list[str] = []

    def look() -> None:
        while not done.is_set():
            kept = len(shelf.stored)
            found = shelf.texts("tea", limit=1000)
            if len(found) < kept or len(set(found)) != len(found):
                wrong.append(f"{len(found)} of {kept}")

    looking = threading.Thread(target=look)
    looking.start()
    for stamp in range(1, 400, 4):
        shelf.keep(*[message(number, f"tea {number}") for number in range(stamp, stamp + 4)])
    done.set()
    looking.join()
    assert wrong == []


def test_much_said_word_and_seldom_one_are_found_together(shelve: Opener, small_segments: None) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, "tea" + " rare" * (stamp == 3)) for stamp in range(1, 100)])
    shelf.wait_indexed()
    assert [item.envelope.stamp for item in shelf.find("rare tea").messages] == [3]


def test_message_with_too_many_words_is_found_by_the_first(shelve: Opener) -> None:
    shelf = shelve()
    shelf.keep(message(1, " ".join(f"w{n}" for n in range(words.MAX_WORDS_PER_MESSAGE + 1))))
    shelf.wait_indexed()
    assert len(shelf.texts("w0")) == 1
    assert shelf.texts(f"w{words.MAX_WORDS_PER_MESSAGE}") == []


# Honest about what it did not do


def test_messages_not_indexed_yet_are_counted(
    shelve: Opener, never_indexed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_UNINDEXED_READ", 5)
    shelf = shelve()
    shelf.keep(*[message(stamp, "tea") for stamp in range(1, 13)])
    found = shelf.find("tea")
    assert len(found.messages) == 5
    assert found.unindexed == 7


def test_search_that_would_take_too_long_stops_and_goes_on_from_there(
    shelve: Opener, small_segments: None, few_read: None
) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea word{stamp}" + " rare" * (stamp == 3)) for stamp in range(1, 60)])
    shelf.wait_indexed()
    found = shelf.find("word* tea*", limit=20)
    assert found.stopped
    assert [item.envelope.stamp for item in found.messages] == [59, 58, 57, 56, 55]
    assert found.rest == Place(55, 55)
    assert go_on(shelf, "word* tea*", limit=20) == list(range(59, 0, -1))
    assert go_on(shelf, "word* rare*") == [3]
    assert not shelf.find("word* absent*").stopped  # a prefix nobody uses leaves nothing to be read


def test_prefix_of_many_words_fills_its_pages_though_old_messages_come_last(
    shelve: Opener, small_segments: None
) -> None:
    """As to somebody new: history comes newest first, and in between what is said now."""
    shelf = shelve()
    for batch in range(10):
        said = [message(1000 - batch * 6 - number, many_words(batch * 6 + number)) for number in range(6)]
        shelf.keep(*said, message(1001 + batch, many_words(batch)))
    shelf.wait_indexed()
    pages: list[list[int]] = []
    before = None
    while True:
        found = shelf.find("s*", before=before, limit=20)
        assert not found.stopped
        pages.append([item.envelope.stamp for item in found.messages])
        before = found.rest
        if before is None:
            break
    assert [len(page) for page in pages] == [20, 20, 20, 10]
    assert [stamp for page in pages for stamp in page] == sorted(
        (item.envelope.stamp for item in shelf.stored), reverse=True
    )


def many_words(number: int) -> str:
    return " ".join(f"s{number}x{n}" for n in range(1000))


def go_on(shelf: Shelf, query: str, **options: Any) -> list[int]:
    """The numbers of all messages that match, from as many pages as it takes."""
    seen: list[int] = []
    before = None
    while True:
        found = shelf.find(query, before=before, **options)
        seen += [item.seq for item in found.messages]
        if found.rest is None:
            assert not found.stopped
            return seen
        assert found.stopped == (len(found.messages) < options.get("limit", 50))
        assert before is None or found.rest < before
        before = found.rest


arrivals = st.lists(st.tuples(st.integers(1, 30), texts), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals, st.lists(queries, min_size=1, max_size=5), st.integers(1, 12))
def test_going_on_neither_misses_nor_repeats_any_whatever_the_order_of_arrival(  # noqa: PLR0917 - as above
    small_segments: None,
    few_read: None,
    tmp_path_factory: pytest.TempPathFactory,
    arrived: list[tuple[int, str]],
    asked: list[str],
    limit: int,
) -> None:
    shelf = Shelf(tmp_path_factory.mktemp("search") / "store")
    with contextlib.closing(shelf.store):
        shelf.keep(*[message(stamp, f"{text} {number}") for number, (stamp, text) in enumerate(arrived)])
        shelf.wait_indexed()
        for query in asked:
            everything = brute_force(shelf.stored, wanted(query))
            assert go_on(shelf, query, limit=limit) == everything


# Removal


def test_removed_message_leaves_no_word_behind(shelve: Opener, folder: Path, small_segments: None) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea secret{stamp}") for stamp in range(1, 31)])
    shelf.wait_indexed()
    remove(shelf, [item for item in shelf.stored if item.seq in {2, 9, 10, 30}])
    assert shelf.texts("secret2") == shelf.texts("secret9") == shelf.texts("secret30") == []
    assert len(shelf.texts("tea")) == 26
    shelf.store.close()
    keys = raw(folder, b"postings")
    assert not any(key.endswith((b"wsecret2", b"wsecret9", b"wsecret10")) for key in keys)
    assert any(key.endswith(b"wsecret3") for key in keys)


def test_segment_goes_with_its_last_message(shelve: Opener, folder: Path, small_segments: None) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea {stamp}") for stamp in range(1, 29)])
    shelf.wait_indexed()
    remove(shelf, [item for item in shelf.stored if item.seq in {1, 3, 5, 7, 9}])
    remove(shelf, [item for item in shelf.stored if item.seq in {2, 4, 6}])
    shelf.keep(message(40, "tea 40"))
    shelf.wait_indexed()
    assert [item.seq for item in shelf.find("tea").messages] == [29, *range(28, 9, -1), 8]
    shelf.store.close()
    assert len(raw(folder, b"segments")) == 3
    assert not any(key.startswith(b"\0\0\0\1") for key in raw(folder, b"postings"))


# Building


def test_index_is_kept_over_a_restart(shelve: Opener, folder: Path, small_segments: None) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea {stamp}") for stamp in range(1, 20)])
    shelf.wait_indexed()
    shelf.store.close()
    before = raw(folder, b"segments")
    assert len(before) == 2
    shelf = shelve()
    assert len(shelf.texts("tea")) == 19
    shelf.wait_indexed()
    shelf.keep(message(30, "more tea"))
    assert len(shelf.texts("tea")) == 20
    shelf.store.close()
    assert raw(folder, b"segments") == before


@pytest.mark.parametrize("way", ["no table", "other words", "damaged"])
def test_index_that_is_missing_or_of_other_rules_is_made_from_the_log(
    shelve: Opener, folder: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea {stamp}") for stamp in range(1, 31)])
    shelf.wait_indexed()
    shelf.store.close()
    if way == "no table":
        change(folder, b"postings", drop=True)
        change(folder, b"segments", drop=True)
        with lmdb.open(str(folder), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
            txn.delete(UPTO_KEY, db=env.open_db(b"meta", txn=txn))
    elif way == "other words":
        monkeypatch.setattr(words, "VERSION", 2)
    else:
        change(folder, b"meta", put={UPTO_KEY: b"nonsense"})
    shelf = shelve()
    shelf.wait_indexed()
    assert len(shelf.texts("tea")) == 30
    shelf.store.close()
    assert len(raw(folder, b"segments")) == 4


def test_building_goes_on_where_it_was_interrupted(
    shelve: Opener, folder: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "INDEX_AFTER_S", 3600.0)
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea {stamp}") for stamp in range(1, 31)])
    for _ in range(3):  # as the writer would, which is not there when the process dies
        shelf.store._tables.search.step(shelf.store._tables, 30)
    shelf.store.close()
    assert len(raw(folder, b"segments")) == 3
    monkeypatch.setattr(writer, "INDEX_AFTER_S", 0.01)
    shelf = shelve()
    shelf.wait_indexed()
    assert len(shelf.texts("tea")) == 30
    shelf.store.close()
    assert len(raw(folder, b"segments")) == 4


def test_index_far_behind_is_built_though_there_is_always_something_to_write(
    shelve: Opener, never_indexed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_LAG", 10)
    shelf = shelve()
    for stamp in range(1, 40):
        shelf.keep(message(stamp, "tea"))
    wait_until(lambda: shelf.store.search_lag <= 10, "the index")


def test_flood_of_long_messages_makes_smaller_segments(
    shelve: Opener, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MAX_SEGMENT_POSTINGS", 500)
    shelf = shelve()
    for stamp in range(1, 11):
        shelf.keep(message(stamp, " ".join(f"w{stamp}x{n}" for n in range(200))))
    shelf.wait_indexed()
    assert shelf.texts("w3x7")[0].startswith("w3x0")
    shelf.store.close()
    assert len(raw(folder, b"segments")) == 3


def test_index_grows_the_map_where_it_must(folder: Path, small_segments: None) -> None:
    shelf = Shelf(folder, map_bytes=128 * 1024)
    with contextlib.closing(shelf.store):
        for stamp in range(1, 60):
            shelf.keep(message(stamp, " ".join(f"w{stamp}x{n}" for n in range(100))))
        shelf.wait_indexed()
        assert len(shelf.texts("w59x99")) == 1


def test_index_that_cannot_be_written_leaves_everything_else_alone(
    shelve: Opener, folder: Path, small_segments: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea {stamp}") for stamp in range(1, 4)])
    shelf.wait_indexed()

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "no")

    with monkeypatch.context() as patch:
        patch.setattr(shelf.store._tables.search, "_write_segment", fail)
        for stamp in range(4, 30):
            shelf.keep(message(stamp, f"tea {stamp}"))
        wait_until(lambda: shelf.store._tables.search._retry_at > 0, "the failure")
        shelf.keep(message(99, "tea 99"))
        assert len(shelf.texts("tea")) == 30
    shelf.store._tables.search._retry_at = 0.0  # a minute later
    shelf.keep(message(100, "tea 100"))
    shelf.wait_indexed()
    assert shelf.store.search_lag == 0
    assert len(shelf.texts("tea")) == 31
    shelf.store.close()
    assert len(raw(folder, b"segments")) > 1


# Damage


def test_altered_text_is_never_returned(shelve: Opener, folder: Path) -> None:
    shelf = shelve()
    shelf.keep(message(1, "tea one"), message(2, "tea two"), message(3, "tea three"))
    shelf.store.close()
    key = records.pack_u64(2)
    change(folder, b"log", put={key: raw(folder, b"log")[key].replace(b"tea two", b"tea 666")})
    damaged: list[Damaged] = []
    shelf = shelve(on_damage=damaged)
    for _ in range(2):
        assert shelf.texts("tea") == ["tea three", "tea one"]
        assert shelf.texts("666") == []
        shelf.wait_indexed()
    assert [item.key for item in damaged] == [key]


def test_damaged_index_shows_nothing_that_does_not_match(
    shelve: Opener, folder: Path, small_segments: None
) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, "tea" if stamp % 2 else "milk") for stamp in range(1, 29)])
    shelf.wait_indexed()
    shelf.store.close()
    rng = random.Random(3)
    whole = raw(folder, b"postings")
    for _ in range(30):
        key, value = rng.choice(list(whole.items()))
        at = rng.randrange(max(1, len(value)))
        broken = value[:at] + bytes([rng.randrange(256)]) + value[at + 1 :]
        change(folder, b"postings", put={key: broken[: rng.randrange(len(broken) + 1)]})
        shelf = shelve()
        assert set(shelf.texts("tea", limit=100)) <= {"tea"}
        shelf.store.close()
        change(folder, b"postings", put={key: value})


def test_damaged_list_of_segments_is_told(shelve: Opener, folder: Path, small_segments: None) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, "tea") for stamp in range(1, 15)])
    shelf.wait_indexed()
    shelf.store.close()
    (key, *_), value = raw(folder, b"segments").keys(), b"nonsense"
    change(folder, b"segments", put={key: value})
    damaged: list[Damaged] = []
    shelf = shelve(on_damage=damaged)
    found = shelf.find("tea")
    assert found.stopped
    assert [item.key for item in damaged] == [b"search"]
    shelf.keep(message(15, "tea"))
    shelf.wait_indexed()
    assert len(shelf.texts("tea")) == 15


def test_removal_that_is_given_up_changes_nothing(shelve: Opener, folder: Path, small_segments: None) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea{stamp}") for stamp in range(1, 20)])
    shelf.wait_indexed()
    tables = shelf.store._tables
    with contextlib.suppress(ZeroDivisionError), tables.writing() as txn:
        tables.search.remove(txn, shelf.stored)
        tables.search._begin_anew(txn)
        1 / 0  # noqa: B018 - whatever ends the transaction
    shelf.keep(*[message(stamp, f"tea{stamp}") for stamp in range(20, 40)])
    shelf.wait_indexed()
    assert [item.seq for item in shelf.find("tea*").messages] == list(range(39, 0, -1))
    shelf.store.close()
    assert len(raw(folder, b"segments")) == 5


def test_removal_from_a_damaged_index_has_it_made_anew(
    shelve: Opener, folder: Path, small_segments: None
) -> None:
    shelf = shelve()
    shelf.keep(*[message(stamp, f"tea{stamp}") for stamp in range(1, 20)])
    shelf.wait_indexed()
    stored = shelf.stored
    shelf.store.close()
    key = b"\0\0\0\1\0"
    change(folder, b"postings", put={key: b"nonsense"})
    shelf = shelve()
    shelf.stored = stored
    remove(shelf, stored[:1])
    shelf.keep(message(50, "tea50"))
    shelf.wait_indexed()
    assert [item.seq for item in shelf.find("tea*").messages] == [20, *range(19, 1, -1)]


# Holders of a word


@given(st.sets(st.integers(0, 4095), min_size=1), st.sets(st.integers(0, 4095)))
def test_holders_come_back_as_they_were_written(numbers: set[int], gone: set[int]) -> None:
    written = postings.encode_holders(sorted(numbers), 4096)
    assert list(postings.newest_first(postings.decode_holders(written))) == sorted(numbers, reverse=True)
    left = postings.without(written, sum(1 << number for number in gone), 4096)
    assert left == (postings.encode_holders(sorted(numbers - gone), 4096) if numbers - gone else None)


@given(st.binary(max_size=40))
def test_any_bytes_are_holders(value: bytes) -> None:
    assert postings.decode_holders(value) >= 0

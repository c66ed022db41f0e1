"""What the store lets go of: by age, by its quota, and never what must stay."""

import contextlib
import queue
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.own import OwnMessage, State
from chatd.store import Batch, BatchResult, Policy, Store, Trimmed, records, retention
from chatd.store.folder import DATA_FILE
from chatd.store.sizes import MESSAGE_BYTES
from chatd.store.trusted import CATCH_UP, TrustedTime

AUTHOR = Identity(b"a" * 32)
TEA, WINE = RoomId(b"t" * 32), RoomId(b"w" * 32)
DAY_MS = 86_400_000
MIB = 1024 * 1024
DEADLINE_S = 30.0


def message(age_days: float, text: str = "hello", room: RoomId = TEA) -> Envelope:
    stamp = int(time.time() * 1000 - age_days * DAY_MS) << COUNTER_BITS
    return seal(AUTHOR, room, stamp, "ada", Chat(text))


class Keeper:
    def __init__(self, store: Store, trims: "queue.SimpleQueue[Trimmed]") -> None:
        self.store = store
        self.trims = trims
        self.results: queue.SimpleQueue[list[BatchResult]] = queue.SimpleQueue()

    def start(self) -> None:
        self.store.start(self.results.put)

    def keep(self, *envelopes: Envelope) -> BatchResult:
        self.store.submit(Batch(1, envelopes))
        return self.results.get(timeout=DEADLINE_S)[0]

    def say(self, *envelopes: Envelope) -> BatchResult:
        """Our own, that nobody has."""
        own = [OwnMessage(item.id, item.room) for item in envelopes]
        self.store.submit(Batch(1, envelopes, own=own))
        return self.results.get(timeout=DEADLINE_S)[0]

    def settle(self) -> None:
        """The pass that runs has ended: the writer waits for long."""
        end = time.monotonic() + DEADLINE_S
        while self.store.retention.wait_s == 0.0:
            assert time.monotonic() < end
            time.sleep(0.01)  # nothing tells of a pass that removed nothing

    def ages(self, room: RoomId = TEA) -> list[int]:
        now = time.time() * 1000
        found = self.store.newest(room, 100_000)
        return [int((now - (item.envelope.stamp >> COUNTER_BITS)) / DAY_MS) for item in found]


Opener = Callable[..., contextlib.AbstractContextManager[Keeper]]


@contextlib.contextmanager
def opened(folder: Path, policy: Policy | None = None, *, protected: Any = None) -> Iterator[Keeper]:
    trims: queue.SimpleQueue[Trimmed] = queue.SimpleQueue()
    store = Store.open(folder / "store", sync=False, policy=policy or Policy(), on_trim=trims.put)
    if protected is not None:
        store.retention.protected = protected
    try:
        yield Keeper(store, trims)
    finally:
        store.close()


def fill(folder: Path, *envelopes: Envelope) -> None:
    with opened(folder) as keeper:
        keeper.start()
        assert keeper.keep(*envelopes).error is None


# By age


def test_messages_over_their_age_go_and_the_rest_stays(tmp_path: Path) -> None:
    fill(tmp_path, *[message(age + 0.5, f"{age}") for age in range(200)], message(0))
    with opened(tmp_path, Policy(retain_ms=90 * DAY_MS)) as keeper:
        keeper.start()
        keeper.keep(message(0, "now"))
        assert keeper.trims.get(timeout=DEADLINE_S) == Trimmed(110, 1)
        assert keeper.ages() == [*range(89, -1, -1), 0, 0]
        assert len(keeper.store.after(0, 1000)) == 92
        assert keeper.store.damaged == 0


def test_page_on_its_way_while_its_like_is_removed_leaves_nothing_below_the_floor(tmp_path: Path) -> None:
    fill(tmp_path, message(0), *[message(age + 0.5, f"{age}") for age in range(20)])
    with opened(tmp_path, Policy(retain_ms=10 * DAY_MS)) as keeper:
        keeper.start()
        keeper.keep(message(0, "now"))
        keeper.trims.get(timeout=DEADLINE_S)
        late, in_time = message(15.2, "late"), message(5.2, "in time")
        assert [item.envelope for item in keeper.keep(late, in_time).stored] == [in_time]
        assert len(keeper.ages()) == 13


def test_floor_lets_nothing_below_it_and_outlives_a_restart(tmp_path: Path) -> None:
    old = [message(age + 0.5, f"{age}") for age in range(50)]
    fill(tmp_path, message(0), *old)
    with opened(tmp_path, Policy(retain_ms=10 * DAY_MS)) as keeper:
        keeper.start()
        keeper.keep(message(0, "now"))
        keeper.trims.get(timeout=DEADLINE_S)
        floor = keeper.store.floor(TEA)
        assert old[11].stamp < floor <= old[9].stamp
        assert keeper.store.floor(WINE) > 0
        assert keeper.store.known([item.id for item in old]) == {item.id for item in old[:10]}
    with opened(tmp_path) as keeper:  # everything is kept again, but what went does not come back
        assert old[11].stamp < keeper.store.floor(TEA) <= floor
        assert keeper.store.floor(WINE) == 0


def test_everything_is_kept_by_default(tmp_path: Path) -> None:
    fill(tmp_path, message(20_000), message(0))
    with opened(tmp_path) as keeper:
        keeper.start()
        keeper.keep(message(1))
        assert keeper.store.floor(TEA) == 0
        assert len(keeper.ages()) == 3


def test_protected_messages_stay_whatever_their_age(tmp_path: Path) -> None:
    fill(tmp_path, *[message(age, f"{age}") for age in (300, 200, 100, 1, 0)])
    with opened(tmp_path, Policy(retain_ms=90 * DAY_MS), protected={2}.__contains__) as keeper:
        keeper.start()
        keeper.keep(message(0, "now"))
        keeper.trims.get(timeout=DEADLINE_S)
        assert keeper.ages() == [200, 1, 0, 0]


def test_numbers_are_not_given_out_again_when_the_last_message_went(tmp_path: Path) -> None:
    fill(tmp_path, message(0), message(500), message(400))
    with opened(tmp_path, Policy(retain_ms=90 * DAY_MS)) as keeper:
        keeper.start()
        keeper.trims.get(timeout=DEADLINE_S)
        assert [item.seq for item in keeper.store.after(0, 10)] == [1]
    with opened(tmp_path) as keeper:
        assert keeper.store.last_seq() == 3
        keeper.start()
        assert keeper.keep(message(0, "next")).stored[0].seq == 4


@pytest.mark.parametrize("days_ahead", [1, 3650])
def test_wall_clock_far_ahead_removes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days_ahead: int
) -> None:
    policy = Policy(retain_ms=90 * DAY_MS)
    with opened(tmp_path, policy) as keeper:
        keeper.start()
        keeper.keep(*[message(age, f"{age}") for age in range(80)])
        keeper.settle()
    ahead = int(time.time() * 1000) + days_ahead * DAY_MS
    monkeypatch.setattr(retention, "wall_ms", lambda: ahead)
    with opened(tmp_path, policy) as keeper:
        keeper.start()
        wrong = seal(AUTHOR, TEA, ahead << COUNTER_BITS, "ada", Chat("from the future"))
        keeper.keep(wrong)
        keeper.keep(message(0, "again"))
        keeper.settle()
        assert len(keeper.store.newest(TEA, 1000)) == 82
    for _ in range(3):  # and is wrong still
        with opened(tmp_path, policy) as keeper:
            keeper.start()
            keeper.keep(message(0, "again"))
            keeper.settle()
            assert len(keeper.store.newest(TEA, 1000)) >= 82


def test_trusted_time_follows_a_clock_that_is_right_and_hardly_one_that_is_wrong() -> None:
    year_ms, hour_ms = 365 * DAY_MS, 3_600_000
    back = TrustedTime(100 * year_ms, 0.0)  # it was off for a year, or the clock is a year ahead
    assert back.move(101 * year_ms, 101 * year_ms, 0.0) == 100 * year_ms
    assert back.move(101 * year_ms, 101 * year_ms, 3600.0) == 100 * year_ms + CATCH_UP * hour_ms
    days = 16 * 86_400.0
    assert back.move(101 * year_ms, 101 * year_ms, days) == 101 * year_ms

    assert TrustedTime(100 * year_ms, 0.0).move(101 * year_ms, 0, 3600.0) == 100 * year_ms + hour_ms

    ahead = TrustedTime(110 * year_ms, 0.0)
    assert ahead.move(100 * year_ms, 110 * year_ms, 3600.0) == 100 * year_ms
    assert ahead.ms == 110 * year_ms - (CATCH_UP - 2) * hour_ms


# By size


def plenty(count: int, room: RoomId = TEA, start: int = 1) -> list[Envelope]:
    return [seal(AUTHOR, room, stamp, "ada", Chat("x" * 16_000)) for stamp in range(start, start + count)]


def test_quota_holds_under_load_and_the_largest_room_pays(tmp_path: Path) -> None:
    policy = Policy(most_bytes=64 * MIB)
    with opened(tmp_path, policy) as keeper:
        keeper.start()
        assert keeper.keep(*plenty(100, WINE)).error is None
        newest = 0
        for start in range(1, 8001, 100):
            result = keeper.keep(*plenty(100, start=start))
            assert result.error is None
            newest = start + 99
        assert keeper.store.used_bytes() <= 64 * MIB
        assert len(keeper.store.newest(WINE, 1000)) == 100
        keeper.settle()
        found = [item.envelope.stamp for item in keeper.store.newest(TEA, 100_000)]
        assert found == list(range(newest - len(found) + 1, newest + 1))
        assert 1000 < len(found) < 4000
        assert keeper.store.floor(TEA) == found[0]
        assert keeper.store.floor(WINE) == 0
    assert (tmp_path / "store" / DATA_FILE).stat().st_size <= 64 * MIB


def test_flood_of_long_messages_leaves_a_room_of_many_short_ones_alone(tmp_path: Path) -> None:
    short = [seal(AUTHOR, WINE, stamp, "ada", Chat(f"{stamp}")) for stamp in range(1, 8001)]
    fill(tmp_path, *short)
    with opened(tmp_path, Policy(most_bytes=64 * MIB)) as keeper:
        keeper.start()
        for start in range(1, 5001, 100):
            assert keeper.keep(*plenty(100, start=start)).error is None
        keeper.settle()
        assert keeper.store.used_bytes() <= 64 * MIB
        assert keeper.store.floor(WINE) == 0 < keeper.store.floor(TEA)
        assert len(keeper.store.newest(WINE, 10_000)) == 8000
        assert 1000 < len(keeper.store.newest(TEA, 10_000)) < 4500


def sizes(store: Store) -> dict[RoomId, int]:
    with store._tables.reading() as txn:
        return store._tables.sizes.all(txn)


def test_size_of_each_room_follows_what_comes_and_goes(tmp_path: Path) -> None:
    tea = [message(age, f"{age}") for age in (300, 200, 1)]
    wine = message(300, "wine", WINE)
    fill(tmp_path, *tea, wine)
    with opened(tmp_path) as keeper:
        both = {TEA: size_of(*tea), WINE: size_of(wine)}
        assert sizes(keeper.store) == both
    with lmdb.open(str(tmp_path / "store"), max_dbs=16, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(TEA, b"nonsense", db=env.open_db(b"sizes", txn=txn))
    now = message(0, "now")
    with opened(tmp_path, Policy(retain_ms=90 * DAY_MS)) as keeper:
        assert sizes(keeper.store) == both
        keeper.start()
        keeper.keep(now)
        keeper.trims.get(timeout=DEADLINE_S)
        assert sizes(keeper.store) == {TEA: size_of(tea[2], now)}


def size_of(*envelopes: Envelope) -> int:
    return sum(len(envelope.payload) + MESSAGE_BYTES for envelope in envelopes)


def test_store_larger_than_its_new_quota_becomes_less(tmp_path: Path) -> None:
    with opened(tmp_path) as keeper:
        keeper.start()
        for start in range(1, 6001, 200):
            assert keeper.keep(*plenty(200, start=start)).error is None
        assert keeper.store.used_bytes() > 80 * MIB
    with opened(tmp_path, Policy(most_bytes=64 * MIB)) as keeper:
        keeper.start()
        assert keeper.keep(*plenty(1, start=10_000)).error is None
        assert keeper.trims.get(timeout=DEADLINE_S).messages > 1000
        assert keeper.store.used_bytes() < 64 * MIB
        assert keeper.keep(*plenty(1, start=10_001)).error is None


def test_quota_full_of_what_must_stay_is_a_clear_error(tmp_path: Path) -> None:
    with opened(tmp_path, Policy(most_bytes=64 * MIB), protected=lambda _: True) as keeper:
        keeper.start()
        errors = [
            result.error
            for start in range(1, 6001, 100)
            if (result := keeper.keep(*plenty(100, start=start))).error is not None
        ]
        assert errors
        assert all("the store has reached its limit of 64 MiB (--max-store)" in error for error in errors)
        kept = len(keeper.store.newest(TEA, 100_000))
        assert kept > 1000
        keeper.store.retention.protected = lambda _: False
        keeper.keep(*plenty(1, start=9000))
        end = time.monotonic() + DEADLINE_S
        while keeper.keep(*plenty(50, start=int(9000 + time.monotonic() * 1000))).error is not None:
            assert time.monotonic() < end


def test_store_full_of_what_waits_says_so_keeps_its_limit_and_takes_what_becomes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "LOOK_WHEN_FULL_S", 0.05)
    policy, kept = Policy(most_bytes=64 * MIB), list[Envelope]()
    for _ in range(3):  # each start gave the file some more
        with opened(tmp_path, policy) as keeper:
            keeper.start()
            while (result := keeper.say(*(said := plenty(100, start=len(kept) + 1)))).error is None:
                kept += said
            keeper.settle()
            result = keeper.say(*plenty(1, start=99_999))
            assert result.error is not None
            assert f"full of {len(kept)} messages of its own" in result.error
            assert "chatctl connect" in result.hint
            assert "--max-store" in result.hint
            smaller = OwnMessage(kept[0].id, TEA, State.SENT)
            keeper.store.submit(Batch(3, own=[smaller]))
            assert keeper.results.get(timeout=DEADLINE_S)[0].error is None
            assert keeper.store.refusal == (result.error, result.hint)  # that one is taken says nothing
    assert (tmp_path / "store" / DATA_FILE).stat().st_size <= 64 * MIB

    with opened(tmp_path, policy) as keeper:
        keeper.start()
        states = [OwnMessage(item.id, TEA, State.DELIVERED) for item in kept]
        keeper.store.submit(Batch(2, own=states))
        assert keeper.results.get(timeout=DEADLINE_S)[0].error is None
        end = time.monotonic() + DEADLINE_S
        while keeper.say(*plenty(1, start=99_999)).error is not None:
            assert time.monotonic() < end


def test_live_messages_do_not_wait_for_a_long_pass(tmp_path: Path) -> None:
    fill(tmp_path, *[message(100 + age / 1000, f"{age}") for age in range(20_000)], message(0))
    with opened(tmp_path, Policy(retain_ms=90 * DAY_MS)) as keeper:
        keeper.start()
        keeper.keep(message(0, "first"))
        slowest = 0.0
        while keeper.trims.empty():
            started = time.monotonic()
            assert keeper.keep(message(0, f"{started}")).error is None
            slowest = max(slowest, time.monotonic() - started)
        assert keeper.trims.get(timeout=DEADLINE_S).messages == 20_000
        assert slowest < 0.5


def test_damaged_entries_go_like_all_others(tmp_path: Path) -> None:
    old = [message(300 + age, f"{age}") for age in range(5)]
    fill(tmp_path, *old, message(0))
    with lmdb.open(str(tmp_path / "store"), max_dbs=8, lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(records.room_key(old[1]), b"odd", db=env.open_db(b"room", txn=txn))
        txn.put(records.pack_u64(3), b"nonsense", db=env.open_db(b"log", txn=txn))
    with opened(tmp_path, Policy(retain_ms=90 * DAY_MS)) as keeper:
        keeper.start()
        assert keeper.trims.get(timeout=DEADLINE_S) == Trimmed(5, 1)
        assert keeper.ages() == [0]
        assert keeper.store.damaged == 0

"""What the doctor says of the clock, the disk, the store and the limits of the machine."""

import os
from pathlib import Path

import pytest

from chatcore.clock import MAX_SKEW_MS
from chatd.doctor.clocks import check_clock
from chatd.doctor.history import History, check_store
from chatd.doctor.machine import (
    FULL_BYTES,
    NEARLY_FULL_BYTES,
    OWN_FILES,
    Disk,
    Files,
    check_disk,
    check_files,
    disk_at,
    files_now,
)
from chatd.doctor.verdicts import State
from chatd.doctor.wording import count, size, span
from chatd.folders import existing, refusal
from chatd.links import MAX_CALLERS
from chatd.store import Policy
from tests.support.readonly import read_only

HOUR_MS = 3_600_000
GIB = 2**30

# The clock


def test_clock_ahead_of_all_peers_is_ours_to_set() -> None:
    verdict = check_clock([-HOUR_MS, -HOUR_MS - 900, -HOUR_MS + 5000])
    assert verdict.state is State.BROKEN
    assert verdict.finding == "peers refuse what is said here"
    assert verdict.cause == "this machine's clock is about 1 h ahead of 3 of 3 peers"
    assert "timedatectl set-ntp true" in verdict.fix


def test_clock_behind_most_peers_is_ours_to_set() -> None:
    verdict = check_clock([2 * HOUR_MS, 2 * HOUR_MS, 0])
    assert verdict.state is State.BROKEN
    assert verdict.finding == "what peers say is refused here"
    assert verdict.cause == "this machine's clock is about 2 h behind 2 of 3 peers"


def test_clock_apart_from_the_only_peer_may_be_either() -> None:
    verdict = check_clock([-HOUR_MS])
    assert verdict.state is State.BROKEN
    assert "ahead of 1 of 1 peers; or that peer's clock is wrong" in verdict.cause


def test_clock_apart_from_half_the_peers_may_be_either() -> None:
    verdict = check_clock([HOUR_MS, 0])
    assert verdict.state is State.WARN
    assert verdict.cause == "this machine's clock is about 1 h behind 1 of 2 peers, and agrees with as many"


def test_clock_of_few_peers_apart_is_theirs() -> None:
    verdict = check_clock([HOUR_MS, 0, -HOUR_MS, 0, 10, 20])
    assert verdict.state is State.WARN
    assert verdict.finding == "the clocks of 2 of 6 peers are 10 minutes off, or more"
    assert verdict.cause.startswith("theirs, most likely")


@pytest.mark.parametrize(
    ("ahead_ms", "state"), [(MAX_SKEW_MS - 1, State.OK), (MAX_SKEW_MS, State.BROKEN), (0, State.OK)]
)
def test_clocks_may_be_apart_as_far_as_messages_may(ahead_ms: int, state: State) -> None:
    assert check_clock([ahead_ms] * 3).state is state
    assert check_clock([-ahead_ms] * 3).state is state


def test_clock_that_agrees_says_by_how_much() -> None:
    assert check_clock([1500, 900, -2000]).finding == "0.9 s from 3 peers, by the middle one"


def test_clock_nobody_can_be_asked_about_is_unknown() -> None:
    assert check_clock([]).state is State.UNKNOWN


def test_messages_from_the_future_tell_of_a_clock_as_well() -> None:
    verdict = check_clock([], 2)
    assert (verdict.state, verdict.finding) == (State.WARN, "2 messages from the future were refused")


# The disk


def test_disk_that_takes_nothing_is_broken(tmp_path: Path) -> None:
    verdict = check_disk(Disk(tmp_path, 0, "the file system is read-only"))
    assert (verdict.state, verdict.cause) == (State.BROKEN, "the file system is read-only")


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (FULL_BYTES - 1, State.BROKEN),
        (FULL_BYTES, State.WARN),
        (NEARLY_FULL_BYTES - 1, State.WARN),
        (NEARLY_FULL_BYTES, State.OK),
    ],
)
def test_disk_warns_before_it_is_full(tmp_path: Path, free: int, state: State) -> None:
    assert check_disk(Disk(tmp_path, free)).state is state


def test_disk_of_a_folder_yet_to_be_made_is_that_of_the_folder_above(tmp_path: Path) -> None:
    found = disk_at(tmp_path / "a" / "b")
    assert existing(found.folder) == tmp_path
    assert found.free_bytes > 0
    assert found.refuses is None


def test_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path) is None
    with read_only(tmp_path):
        why = refusal(tmp_path)
    assert why is not None
    assert str(tmp_path) in why
    assert ("is read-only" if os.geteuid() == 0 else "may not write") in why


# The store


def test_store_says_how_much_it_holds_and_keeps() -> None:
    verdict = check_store(History(GIB, Policy(90 * 86_400_000, 2 * GIB)))
    assert verdict.state is State.OK
    assert verdict.finding == "1 GiB used, 2 GiB at most; messages are kept for 90 d"
    unlimited = check_store(History(5 * GIB, Policy(), persist=False))
    assert unlimited.finding.endswith("no limit; messages are kept forever, and only until the daemon stops")


@pytest.mark.parametrize(
    ("history", "state", "says"),
    [
        (History(1, Policy(), failing="no space left"), State.BROKEN, "no space left"),
        (History(1, Policy(), restored=True), State.WARN, "restored from a backup"),
        (History(1, Policy(), damaged=1), State.WARN, "1 record with a wrong checksum"),
        (History(1, Policy(), quarantined=("/x/q",)), State.WARN, "moved to /x/q"),
        (History(8 * GIB, Policy(most_bytes=10 * GIB)), State.WARN, "the oldest messages are removed"),
        (History(8 * GIB - 1, Policy(most_bytes=10 * GIB)), State.OK, ""),
    ],
)
def test_store_that_is_not_well_says_why(history: History, state: State, says: str) -> None:
    verdict = check_store(history)
    assert verdict.state is state
    assert says in verdict.cause


def test_store_that_is_full_is_mended_as_send_says() -> None:
    full = History(1, Policy(), failing="full of own messages", mend="link with a member")
    assert check_store(full).fix == "link with a member"
    assert check_store(History(1, Policy(), failing="no space left")).fix.startswith("free disk space")


# Files


@pytest.mark.parametrize(
    ("files", "state"),
    [
        (Files(1024, 100, 50), State.OK),
        (Files(200, 100, 50), State.WARN),
        (Files(1024, 100, 1000), State.WARN),
        (Files(128, 120, 50), State.BROKEN),
        (Files(50 + MAX_CALLERS + OWN_FILES, 100, 50), State.OK),
        (Files(50 + MAX_CALLERS + OWN_FILES - 1, 100, 50), State.WARN),
    ],
)
def test_files_are_enough_for_peers_and_callers(files: Files, state: State) -> None:
    verdict = check_files(files)
    assert verdict.state is state
    assert bool(verdict.fix) is (state is not State.OK)


def test_files_of_this_process_are_counted() -> None:
    found = files_now(50)
    assert 0 < found.open < found.limit


# Words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0, "0 s"), (3.14, "3.1 s"), (89, "89 s"), (90, "1.5 min"), (3299, "55 min"), (3590, "1 h")),
        *((5400, "1.5 h"), (86_400, "24 h"), (172_800, "2 d"), (90 * 86_400, "90 d")),
    ],
)
def test_span_is_as_people_say_it(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(5, "5 B"), (1024, "1 KiB"), (1536, "1.5 KiB"), (64 * 2**20, "64 MiB"), (2 * GIB, "2 GiB")],
)
def test_size_is_as_people_say_it(amount: int, text: str) -> None:
    assert size(amount) == text


def test_count_has_its_plural() -> None:
    assert (count(1, "peer"), count(2, "peer")) == ("1 peer", "2 peers")
    assert count(2, "address", "addresses") == "2 addresses"

"""History looked up for peers in a thread, beside a real node, store and links."""

import asyncio
import threading
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from chatcore.events import JobId, LookedUp, LookUp
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.index import SignedPage
from chatcore.messages import FetchRange, History
from chatcore.names import LOBBY, room_id
from chatd.lookups import LookUps
from chatd.store import Store, StoreUnusable
from tests.daemon.test_driver import DEADLINE_S, running
from tests.support.peer import Peer, publish, said

ROOM = room_id("main", LOBBY)
EVERYTHING = FetchRange(1, ROOM[:8], b"", b"\xff" * 8)


class SlowDisk:
    """Reading a page of the store waits until it is let go on, as for a disk that must seek."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reads = threading.Event()
        self.goes_on = threading.Event()
        self._read = store.signed
        monkeypatch.setattr(store, "signed", self.signed)

    def signed(self, room: RoomId, lower: bytes, upper: bytes, most: int, most_bytes: int) -> SignedPage:
        self.reads.set()
        assert self.goes_on.wait(DEADLINE_S)
        return self._read(room, lower, upper, most, most_bytes)


def pages(peer: Peer) -> list[History]:
    return [message for message in peer.received if isinstance(message, History)]


async def test_what_is_said_now_passes_a_page_that_a_slow_disk_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.temporary()
    async with running(store) as (shell, address), Peer.dial(address) as peer:
        disk = SlowDisk(store, monkeypatch)
        await shell.send("before")
        await peer.send(EVERYTHING)
        assert await asyncio.to_thread(disk.reads.wait, DEADLINE_S)
        await peer.send(*publish([said(Identity(b"p" * 32), "hello")]))
        await shell.until(lambda: "hello" in shell.texts())
        await shell.send("after")
        assert not pages(peer)
        disk.goes_on.set()
        await peer.until(lambda: bool(pages(peer)))
        assert len(pages(peer)[0].messages) == 3


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (StoreUnusable(Path("store"), "a page of it is damaged", "restore a backup"), {"why", "hint"}),
        (OSError("nobody thought of it"), {"exc_info"}),
    ],
)
async def test_page_that_cannot_be_read_is_told_of_and_the_next_one_is_sent(
    monkeypatch: pytest.MonkeyPatch, error: Exception, fields: set[str]
) -> None:
    store = Store.temporary()
    read, failed = store.signed, list[int]()

    def fail_once(room: RoomId, lower: bytes, upper: bytes, most: int, most_bytes: int) -> SignedPage:
        if not failed:
            failed.append(1)
            raise error
        return read(room, lower, upper, most, most_bytes)

    monkeypatch.setattr(store, "signed", fail_once)
    with capture_logs() as logs:
        async with running(store) as (shell, address), Peer.dial(address) as peer:
            await shell.send("hello")
            await peer.send(EVERYTHING, EVERYTHING)
            await peer.until(lambda: bool(pages(peer)))
            assert len(pages(peer)) == 1
    (line,) = [entry for entry in logs if entry["event"] == "history_unreadable"]
    assert line.keys() == {"event", "log_level"} | fields
    assert line["log_level"] == "error"


async def test_failures_without_end_are_not_told_of_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.temporary()
    monkeypatch.delattr(Store, "signed")
    with capture_logs() as logs:
        async with running(store) as (_, address), Peer.dial(address) as peer:
            for _ in range(20):
                await peer.send(EVERYTHING)
                await peer.settle()
    assert 0 < len([entry for entry in logs if entry["event"] == "history_unreadable"]) < 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("chatd-look-up")]


async def test_nothing_is_answered_from_a_store_that_is_closed() -> None:
    store, found = Store.temporary(), list[LookedUp]()
    store.close()
    look_ups = LookUps(store, found.append)
    look_ups.start(LookUp(JobId(1), ROOM, EVERYTHING))
    await asyncio.to_thread(look_ups.close)
    await asyncio.sleep(0)  # what the thread left behind for the loop comes first
    assert found == []

"""The driver with a real node, store and links in this process: requests, checks, backpressure, failures."""

import asyncio
import random
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path

import lmdb
import pytest
from structlog.testing import capture_logs

from chatcore.codec import encode_message, pack_batches
from chatcore.config import NodeConfig
from chatcore.envelopes import Chat
from chatcore.errors import BadAddress, HandshakeFailed, NotInRoom, Stopping, StoreFailed, TextEmpty
from chatcore.events import (
    AddressesDue,
    AddressesNotSaved,
    Connect,
    Input,
    JobId,
    JoinRoom,
    MessageAdded,
    News,
    PeerChanged,
    PresenceDue,
    RoomReply,
    SendText,
    SentReply,
    SetTimer,
    Started,
    Stop,
    StrangerRefused,
    TimerFired,
    TimerKey,
    Verify,
)
from chatcore.identity import Identity
from chatcore.ids import LinkId
from chatcore.messages import Goodbye, Introduction, Receipt
from chatcore.names import LOBBY, room_id, split_address
from chatcore.node import Node
from chatcore.own import State
from chatcore.receipts import GATHER_S
from chatcore.records import sign_record
from chatd import driver as driver_module
from chatd.driver import Driver
from chatd.links import Links
from chatd.store import BatchResult, Store
from tests.support.peer import Peer, credentials, publish, said

DEADLINE_S = 10.0
SEED = b"d" * 32


class Shell:
    """What `chatd` puts together, without settings and server."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.driver = Driver(store)
        identity = Identity(SEED)
        config = NodeConfig(username="ann")
        self.links = Links(
            credentials(identity),
            config.link,
            post=self.driver.post,
            now=self.driver.now,
            hello=self.driver.hello,
        )
        node = Node(identity, config, index=store, rng=random.Random(1), now=self.driver.now())
        self.driver.attach(node, self.links)
        self.news: list[News] = []
        self._changed = asyncio.Event()
        self.driver.publish = self._take

    def _take(self, news: News) -> None:
        self.news.append(news)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def texts(self) -> list[str]:
        found = []
        for news in self.news:
            if isinstance(news, MessageAdded):
                assert isinstance(news.stored.envelope.body, Chat)
                found.append(news.stored.envelope.body.text)
        return found

    async def send(self, text: str, room: str = "lobby") -> SentReply:
        reply = await self.driver.request(lambda number: SendText(number, room, text))
        assert isinstance(reply, SentReply)
        return reply


@asynccontextmanager
async def running(store: Store | None = None) -> AsyncIterator[tuple[Shell, str]]:
    store = store or Store.temporary()
    shell = Shell(store)
    address = await shell.links.listen("127.0.0.1", 0)
    store.start(shell.driver.take_results)
    try:
        async with asyncio.TaskGroup() as group:
            await shell.links.serve(group)
            shell.driver.post(Started())
            yield shell, address
            shell.driver.post(Stop())
            await shell.links.stop(1.0)
            async with asyncio.timeout(DEADLINE_S):
                await shell.driver.finished()
    finally:
        await asyncio.to_thread(store.close)
        shell.driver.close()


# Requests


async def test_request_is_answered_once_it_is_on_disk() -> None:
    async with running() as (shell, _):
        reply = await shell.send("hello")
        assert shell.store.known([reply.own.id]) == {reply.own.id}
        assert (reply.room, reply.own.state) == ("lobby", State.QUEUED)
        assert shell.texts() == ["hello"]


async def test_author_hears_that_its_message_is_stored_after_the_commit_and_not_before() -> None:
    author = Identity(b"p" * 32)
    async with running() as (shell, address), Peer.dial(address, credentials(author)) as peer:
        with shell.store._tables.writing():  # LMDB takes one writer at a time: the store's waits for us
            await peer.send(*publish([said(author, "hello")]))
            await peer.settle()
            await asyncio.sleep(3 * GATHER_S)  # nothing is to come, and nothing can say so
            assert [item for item in peer.received if isinstance(item, Receipt)] == []
            assert shell.texts() == []
        await peer.until(lambda: any(isinstance(item, Receipt) for item in peer.received))
        assert shell.texts() == ["hello"]


async def test_request_that_is_rejected_raises_what_is_wrong() -> None:
    async with running() as (shell, _):
        with pytest.raises(TextEmpty):
            await shell.send("")
        with pytest.raises(NotInRoom):
            await shell.send("hello", "elsewhere")
        with pytest.raises(BadAddress):
            await shell.driver.request(lambda number: Connect(number, "nowhere"))


async def test_request_is_done_though_whoever_asked_has_gone() -> None:
    async with running() as (shell, _):
        asking = asyncio.create_task(shell.send("from one who left"))
        await asyncio.sleep(0)
        asking.cancel()
        await shell.until(lambda: shell.texts() == ["from one who left"])
        await shell.driver.finished()
        assert (await shell.send("next")).room == "lobby"


async def test_many_requests_at_once_are_each_answered_with_their_own() -> None:
    async with running() as (shell, _):
        replies = await asyncio.gather(*(shell.send(f"text {number}") for number in range(500)))
        written = {
            item.envelope.id: item.envelope.body for item in shell.store.newest(room_id("main", LOBBY), 500)
        }
        assert [written[reply.own.id] for reply in replies] == [
            Chat(f"text {number}") for number in range(500)
        ]
        joined = await shell.driver.request(lambda number: JoinRoom(number, "games"))
        assert joined == RoomReply("games", changed=True)


async def test_request_after_the_stop_is_rejected() -> None:
    async with running() as (shell, _):
        shell.driver.post(Stop())
        with pytest.raises(Stopping):
            await shell.send("too late")


async def test_finished_waits_for_requests_under_way() -> None:
    async with running() as (shell, _):
        asking = [asyncio.create_task(shell.send(f"text {number}")) for number in range(100)]
        await asyncio.sleep(0)
        await shell.driver.finished()
        assert shell.store.last_seq() == 100
        await asyncio.gather(*asking)


# Checks and commits


async def test_finished_waits_for_signatures_under_check() -> None:
    async with running() as (shell, address), Peer.dial(address) as peer:
        driver, gate = shell.driver, threading.Event()
        for _ in range(driver._pool._max_workers):
            driver._pool.submit(gate.wait)  # signatures wait behind these
        try:
            await peer.send(*publish([said(SEED_OF_OTHERS, f"text {number}") for number in range(300)]))
            await peer.settle()
            assert driver._checks
            await shell.send("answered meanwhile")
            finishing = asyncio.create_task(driver.finished())
            await peer.settle()
            assert not finishing.done()
        finally:
            gate.set()
        await finishing
        await shell.until(lambda: len(shell.texts()) == 301)


async def test_single_message_waits_for_no_thread() -> None:
    async with running() as (shell, address), Peer.dial(address) as peer:
        driver, gate = shell.driver, threading.Event()
        for _ in range(driver._pool._max_workers):
            driver._pool.submit(gate.wait)
        driver._checks[LinkId(99)] += 128  # a page of history, in a thread of its own
        try:
            await peer.send(*publish([said(SEED_OF_OTHERS, "one")]))
            await shell.until(lambda: shell.texts() == ["one"])
            # Behind others in the threads it waits like them: the loop is not to do a flood's work.
            await peer.send(*publish([said(SEED_OF_OTHERS, f"many {number}") for number in range(10)]))
            await peer.settle()
            await peer.send(*publish([said(SEED_OF_OTHERS, "one more")]))
            await peer.settle()
            assert shell.texts() == ["one"]
        finally:
            gate.set()
        await shell.until(lambda: len(shell.texts()) == 12)
        del driver._checks[LinkId(99)]
        driver._look_quiet()


async def test_flood_of_single_messages_is_checked_in_threads() -> None:
    async with running() as (shell, address), Peer.dial(address) as flooder:
        driver, gate = shell.driver, threading.Event()
        for _ in range(driver._pool._max_workers):
            driver._pool.submit(gate.wait)
        singles = publish([said(SEED_OF_OTHERS, f"single {number}") for number in range(40)])
        frames = [flooder.sealed(pack_batches([encode_message(single)])[0]) for single in singles]
        try:
            await flooder.send_raw(b"".join(frames))  # they come in one turn of the loop
            await flooder.settle()
            await shell.send("ours, behind all commits before it")
            assert len(shell.texts()) == driver_module.MAX_ON_THE_SPOT + 1
        finally:
            gate.set()
        await shell.until(lambda: len(shell.texts()) == 41)


async def test_what_is_said_now_is_checked_while_history_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as (shell, address), Peer.dial(address) as peer:
        driver, gate = shell.driver, threading.Event()
        verified, page, checked = driver._verified, JobId(99), asyncio.Event()

        def watched(output: Verify, done: "Future[tuple[bool, ...]]") -> None:
            if output.job != page:
                verified(output, done)
                return
            del driver._checks[output.link]
            driver._look_quiet()
            checked.set()

        monkeypatch.setattr(driver, "_verified", watched)
        driver._history_pool.submit(gate.wait)
        driver._verify(Verify(page, LinkId(99), (said(SEED_OF_OTHERS, "long ago"),), history=True))
        try:
            await peer.send(*publish([said(SEED_OF_OTHERS, f"now {number}") for number in range(10)]))
            await shell.until(lambda: len(shell.texts()) == 10)
            assert not checked.is_set()
        finally:
            gate.set()
        await checked.wait()


SEED_OF_OTHERS = Identity(b"o" * 32)


async def test_flooder_is_read_only_as_fast_as_its_signatures_are_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver_module, "MAX_CHECKS_PER_LINK", 50)
    states: list[bool] = []
    async with running() as (shell, address), Peer.dial(address) as flooder, Peer.dial(address) as other:
        pause = shell.links.pause

        def watched(link: LinkId, *, paused: bool) -> None:
            states.append(paused)
            pause(link, paused=paused)

        monkeypatch.setattr(shell.links, "pause", watched)
        for start in range(0, 2000, 100):
            await flooder.send(
                *publish([said(SEED_OF_OTHERS, f"flood {start + number}") for number in range(100)])
            )
        await other.send(*publish([said(SEED_OF_OTHERS, "from another")]))
        await shell.until(lambda: len(shell.texts()) == 2001)
        assert "from another" in shell.texts()
        assert sorted(set(shell.texts())) == sorted(shell.texts())
        assert True in states
        assert states[-1] is False
        assert not shell.driver._checks


async def test_store_that_falls_behind_slows_reading_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver_module, "MAX_STORE_BACKLOG_BYTES", 1000)
    states: list[bool] = []
    async with running() as (shell, address), Peer.dial(address) as peer:
        pause_all = shell.links.pause_all

        def watched(*, paused: bool) -> None:
            states.append(paused)
            pause_all(paused=paused)

        monkeypatch.setattr(shell.links, "pause_all", watched)
        for start in range(0, 500, 50):
            await peer.send(*publish([said(SEED_OF_OTHERS, f"{start + number}") for number in range(50)]))
        await shell.until(lambda: len(shell.texts()) == 500)
        assert True in states
        await asyncio.gather(*(shell.send(f"ours {number}") for number in range(20)))
        await peer.settle()
        assert shell.links.reading


async def test_store_that_is_full_refuses_and_lives(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store", map_bytes=256 * 1024, max_map_bytes=256 * 1024)
    async with running(store) as (shell, _):

        async def fill() -> None:
            while True:
                await shell.send("x" * 10_000)

        with capture_logs() as lines, pytest.raises(StoreFailed, match="greatest size") as caught:
            await fill()
        assert caught.value.retryable
        kept = store.last_seq()
        assert kept > 0
        assert [line["event"] for line in lines if line["log_level"] == "error"] == ["commit_failed"]
        assert len(shell.texts()) == kept
        with pytest.raises(TextEmpty):
            await shell.send("")


# The rest


async def test_news_of_peers_are_told_and_logged() -> None:
    async with running() as (shell, address):
        with capture_logs() as lines:
            async with Peer.dial(address) as peer:
                await shell.until(lambda: any(isinstance(news, PeerChanged) for news in shell.news))
                await peer.send(Goodbye("lunch"))
                await peer.closed()
            await shell.until(
                lambda: [news.up for news in shell.news if isinstance(news, PeerChanged)] == [True, False]
            )
        up, down = lines
        assert (up["event"], up["username"], up["direction"]) == ("peer_up", "peer", "in")
        assert "why" not in up
        assert (down["event"], down["why"]) == ("peer_down", "the peer says: lunch")


async def test_notices_of_one_kind_are_one_line_a_second() -> None:
    async with running() as (shell, _):
        with capture_logs() as lines:
            for number in range(500):
                shell.driver.post(StrangerRefused(f"192.0.2.1:{number + 1}", HandshakeFailed("nonsense")))
        assert len(lines) == 1
        assert (lines[0]["event"], lines[0]["kind"], lines[0]["why"]) == (
            "stranger_refused",
            "handshake",
            "nonsense",
        )
        assert shell.driver.node.counters.refused["handshake"] == 500


async def test_timer_of_the_same_key_replaces_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async with running() as (shell, _):
        fired: asyncio.Queue[TimerKey] = asyncio.Queue()
        monkeypatch.setattr(shell.driver, "_fire", fired.put_nowait)
        key = PresenceDue()
        mono = shell.driver.now().mono
        shell.driver._perform([SetTimer(key, mono + 60), SetTimer(key, mono), SetTimer(key, mono - 5)])
        async with asyncio.timeout(DEADLINE_S):
            assert await fired.get() == key
        assert fired.empty()


async def test_peer_hears_goodbye_when_the_node_stops() -> None:
    async with running() as (shell, address), Peer.dial(address) as peer:
        await shell.until(lambda: any(isinstance(news, PeerChanged) for news in shell.news))
        shell.driver.post(Stop())
        await peer.closed()
        assert [message.reason for message in peer.received if isinstance(message, Goodbye)] == [
            "the node is stopping"
        ]
        assert split_address(address)


async def test_addresses_that_could_not_be_written_are_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    somebody = Identity(b"p" * 32)
    async with running() as (shell, address), Peer.dial(address, credentials(somebody)) as peer:
        record = sign_record(somebody, "127.0.0.1:4000", shell.driver.now().wall_ms // 1000)
        await peer.send(Introduction((record,)))
        await peer.settle()
        await shell.send("what was written at the start is on disk")
        told: asyncio.Queue[Input] = asyncio.Queue()
        post = shell.driver.post
        with monkeypatch.context() as broken, capture_logs() as lines:

            def fail(*_: object) -> None:
                raise lmdb.DiskError("no space left")

            def watch(event: Input) -> None:
                post(event)
                if isinstance(event, AddressesNotSaved):
                    told.put_nowait(event)

            broken.setattr(shell.store._tables.addresses, "put", fail)
            broken.setattr(shell.driver, "post", watch)
            post(TimerFired(AddressesDue()))
            async with asyncio.timeout(DEADLINE_S):
                assert await told.get() == AddressesNotSaved(("127.0.0.1:4000",))
        assert "addresses_not_saved" in [line["event"] for line in lines]
        assert shell.store.addresses() == []

        post(TimerFired(AddressesDue()))
        await shell.send("this is written after them")

        assert [item.record for item in shell.store.addresses()] == [record]


async def test_failed_write_is_remembered_until_one_succeeds() -> None:
    async with running() as (shell, _):
        await shell.send("what was written at the start is on disk")
        shell.driver.take_results(
            [BatchResult(shell.store.last_seq(), error="no space left", hint="make some")]
        )
        done = asyncio.Event()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(shell.driver, "post", lambda _: done.set())
            await asyncio.wait_for(done.wait(), DEADLINE_S)
        assert (shell.driver.write_error, shell.driver.write_hint) == ("no space left", "make some")
        await shell.send("there is space again")
        assert (shell.driver.write_error, shell.driver.write_hint) == (None, "")

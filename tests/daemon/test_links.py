"""Sockets in this process: deadlines, caps, slow readers and dials, against real TCP on loopback."""

import asyncio
import random
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from chatcore.addresses import Scope
from chatcore.config import LinkConfig
from chatcore.envelopes import MAX_PAYLOAD_BYTES
from chatcore.errors import ClosedByPeer
from chatcore.events import (
    Dial,
    DialFailed,
    Input,
    LinkDown,
    LinkUp,
    Priority,
    ReadingPaused,
    Received,
    Send,
    StrangerRefused,
    WritingPaused,
)
from chatcore.ids import LinkId, MessageId
from chatcore.messages import Goodbye, Ping, Pong, Publish
from chatcore.names import split_address
from chatd import connection as connection_module
from chatd import links as links_module
from chatd.dialling import MAX_ADDRESSES
from chatd.links import MAX_CALLERS, MAX_CALLERS_OF_ONE_HOME, Links
from tests.support.peer import NOW, Peer, credentials, hang_up, hello
from tests.support.resolving import resolve_to

DEADLINE_S = 10.0
Kind = TypeVar("Kind")


class Node:
    """Takes what the links post, in place of the real one."""

    def __init__(self, config: LinkConfig) -> None:
        self.inputs: list[Input] = []
        self._changed = asyncio.Event()
        self.links = Links(
            credentials(), config, post=self._post, now=lambda: NOW, hello=lambda: hello(username="us")
        )

    def _post(self, event: Input) -> None:
        self.inputs.append(event)
        self._changed.set()

    async def expect(self, kind: type[Kind]) -> Kind:
        """The next input of a kind; what came before it is left out."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                while self.inputs:
                    event = self.inputs.pop(0)
                    if isinstance(event, kind):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def send(self, link: LinkId, *messages: Any) -> None:
        for message in messages:
            self.links.send(Send((link,), message, Priority.LIVE))
        self.links.flush()


@asynccontextmanager
async def listening(config: LinkConfig | None = None) -> AsyncIterator[tuple[Node, str]]:
    node = Node(config or LinkConfig())
    address = await node.links.listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        await node.links.serve(group)
        yield node, address
        await node.links.stop(0.5)


async def call(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*split_address(address))


async def ended(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def turns(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it is so: nothing tells of a connection that is not linked yet."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - as said
            await asyncio.sleep(0)


# Callers


async def test_caller_that_says_nothing_is_let_go_at_the_deadline() -> None:
    async with listening(LinkConfig(handshake_s=0.1)) as (node, address):
        reader, writer = await call(address)
        assert await ended(reader) == b""
        refused = await node.expect(StrangerRefused)
        assert refused.error.kind == "handshake"
        assert "no handshake within" in str(refused.error)
        assert refused.address == "{}:{}".format(*writer.get_extra_info("sockname"))
        await hang_up(writer)


async def test_caller_that_drips_bytes_does_not_move_the_deadline() -> None:
    async with listening(LinkConfig(handshake_s=0.2)) as (node, address):
        reader, writer = await call(address)
        ending = asyncio.create_task(ended(reader))
        writer.write((500).to_bytes(4, "big"))
        async with asyncio.timeout(DEADLINE_S):
            while not ending.done():
                writer.write(b"x")
                await asyncio.wait([ending], timeout=0.02)
        assert (await node.expect(StrangerRefused)).error.kind == "handshake"
        await hang_up(writer)


async def test_callers_beyond_the_cap_make_the_oldest_leave_at_once() -> None:
    async with listening() as (node, address):
        # Without a turn of the loop between them: it takes all that the kernel holds for it at once.
        first = [socket.create_connection(split_address(address)) for _ in range(90)]
        await turns(lambda: len(node.links._strangers) == 90)
        then = [socket.create_connection(split_address(address)) for _ in range(90)]
        beyond = len(first) + len(then) - MAX_CALLERS
        await node.until(lambda: len(node.inputs) >= beyond)
        assert len(node.links._strangers) == MAX_CALLERS
        assert all(isinstance(event, StrangerRefused) for event in node.inputs)
        assert len(node.inputs) == beyond
        async with Peer.dial(address):
            await node.expect(LinkUp)
        for caller in first + then:
            caller.close()


async def test_callers_of_one_home_make_its_own_oldest_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links_module, "home_of", str.encode)  # else this machine's callers are not counted
    async with listening() as (node, address):
        there = split_address(address)
        other = socket.create_connection(there, source_address=("127.0.0.2", 0))
        await turns(lambda: len(node.links._strangers) == 1)
        callers = [socket.create_connection(there) for _ in range(MAX_CALLERS_OF_ONE_HOME + 2)]
        await node.until(lambda: len(node.inputs) >= 2)
        assert [str(event.error) for event in node.inputs if isinstance(event, StrangerRefused)] == 2 * [
            "too many connections from one address wait for their handshake"
        ]
        assert len(node.links._strangers) == MAX_CALLERS_OF_ONE_HOME + 1
        assert next(iter(node.links._strangers)).address.startswith("127.0.0.2:")
        for caller in (other, *callers):
            caller.close()


async def test_flood_of_callers_does_not_end_a_call_of_ours() -> None:
    async with listening() as (node, address), _silent_listener() as silent:
        node.links.dial(Dial(silent, None))
        await turns(lambda: bool(node.links._strangers))
        ours = next(iter(node.links._strangers))
        calls = await asyncio.gather(*(call(address) for _ in range(MAX_CALLERS + 10)))
        await node.until(lambda: len(node.inputs) >= 10)
        assert ours in node.links._strangers
        await asyncio.gather(*(hang_up(writer) for _, writer in calls))


async def test_caller_that_is_linked_is_no_stranger_any_more() -> None:
    async with listening(LinkConfig(handshake_s=0.2)) as (node, address):
        async with Peer.dial(address) as peer:
            up = await node.expect(LinkUp)
            assert (up.hello.username, up.dialled) == ("peer", None)
            assert up.told == hello().rooms
            assert not node.links._strangers
            late, writer = await call(address)
            await ended(late)  # a whole deadline later
            assert peer.failed is None
            await hang_up(writer)
        down = await node.expect(LinkDown)
        assert (down.link, down.error.kind) == (up.link, "closed")


# Talking


async def test_messages_go_both_ways_in_order() -> None:
    async with listening() as (node, address), Peer.dial(address) as peer:
        link = (await node.expect(LinkUp)).link
        node.send(link, *(Ping(number) for number in range(3000)))
        await peer.until(lambda: len(peer.received) == 3000)
        assert peer.received == [Ping(number) for number in range(3000)]
        await peer.send(*(Pong(number) for number in range(3000)))
        got: list[Any] = []
        while len(got) < 3000:
            received = await node.expect(Received)
            assert received.link == link
            got += received.messages
        assert got == [Pong(number) for number in range(3000)]
        assert node.links.bytes_in > 3000
        assert node.links.bytes_out > 3000


async def test_urgent_messages_overtake_what_waits_in_the_outbox() -> None:
    async with listening() as (node, address), Peer.dial(address) as peer:
        link = (await node.expect(LinkUp)).link
        node.links.send(Send((link,), Ping(1), Priority.BULK))
        node.links.send(Send((link,), Ping(2), Priority.CONTROL))
        node.links.flush()
        await peer.until(lambda: len(peer.received) == 2)
        assert peer.received == [Ping(2), Ping(1)]


async def test_link_that_is_closed_says_its_last_words_first() -> None:
    async with listening() as (node, address), Peer.dial(address) as peer:
        link = (await node.expect(LinkUp)).link
        node.links.send(Send((link,), Goodbye("enough"), Priority.CONTROL))
        node.links.close(link, ClosedByPeer("enough"))
        await peer.closed()
        assert peer.received == [Goodbye("enough")]
        assert (await node.expect(LinkDown)).error.kind == "closed"
        node.send(link, Ping(1))  # nobody is there: nothing happens
        node.links.close(link, ClosedByPeer("again"))


async def test_link_that_is_paused_is_not_read_until_it_goes_on() -> None:
    async with listening() as (node, address), Peer.dial(address) as held, Peer.dial(address) as free:
        first = await node.expect(LinkUp)
        second = await node.expect(LinkUp)
        ids = {first.peer_id: first.link, second.peer_id: second.link}
        node.links.pause(first.link, paused=True)
        for peer in (held, free):
            await peer.send(Ping(1))
        assert (await node.expect(Received)).link == ids[second.peer_id]
        node.links.pause(first.link, paused=False)
        assert (await node.expect(Received)).link == first.link
        node.links.pause_all(paused=True)
        await held.send(Ping(2))
        node.links.pause_all(paused=False)
        assert (await node.expect(Received)).messages == (Ping(2),)


async def test_link_that_comes_while_nobody_is_read_is_told_as_paused() -> None:
    async with listening() as (node, address):
        node.links.pause_all(paused=True)
        async with Peer.dial(address):
            link = (await node.expect(LinkUp)).link
            assert await node.expect(ReadingPaused) == ReadingPaused(link, paused=True)
            node.links.pause_all(paused=False)
            assert await node.expect(ReadingPaused) == ReadingPaused(link, paused=False)


async def test_link_that_comes_while_all_are_read_is_not_told_as_paused() -> None:
    async with listening() as (node, address), Peer.dial(address) as peer:
        await node.expect(LinkUp)
        await peer.send(Ping(1))
        await node.until(lambda: any(isinstance(event, Received) for event in node.inputs))
        assert [event for event in node.inputs if isinstance(event, ReadingPaused)] == []


# Slow readers


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "SLOW_AFTER_S", 0.3)
    monkeypatch.setattr(connection_module, "LINGER_S", 0.1)


BIG = Publish(1, MessageId(bytes(32)), bytes(MAX_PAYLOAD_BYTES), bytes(64))


@pytest.mark.usefixtures("impatient")
async def test_peer_that_never_reads_is_dropped_and_the_others_are_served() -> None:
    async with listening() as (node, address), Peer.dial(address) as deaf:
        link = (await node.expect(LinkUp)).link
        async with Peer.dial(address) as honest:
            other = (await node.expect(LinkUp)).link
            deaf.stop_reading()
            outbox = node.links._open[link].outbox
            while not node.links.dropped:  # the kernel's buffers, the transport's, then the outbox
                node.send(link, BIG)
                await asyncio.sleep(0)
            assert outbox.bytes <= 1024 * 1024
            node.send(other, *(Ping(number) for number in range(100)))
            await honest.until(lambda: len(honest.received) == 100)
            down = await node.expect(LinkDown)
            assert (down.link, down.error.kind) == (link, "too_slow")
            assert honest.failed is None
            assert len(node.links._open) == 1


@pytest.mark.usefixtures("impatient")
async def test_peer_that_reads_slowly_but_reads_is_kept() -> None:
    async with listening() as (node, address), Peer.dial(address) as slow:
        link = (await node.expect(LinkUp)).link
        connection = node.links._open[link]
        transport = slow.writer.transport
        for number in range(4):
            transport.pause_reading()  # type: ignore[attr-defined]  # a read transport as well
            while connection._writable:
                node.send(link, BIG)
                await asyncio.sleep(0)
            assert connection._slow is not None
            transport.resume_reading()  # type: ignore[attr-defined]  # as above
            node.send(link, Ping(number))
            await slow.until(lambda number=number: Ping(number) in slow.received)  # type: ignore[misc]  # bound
            assert connection._slow is None, "its patience ends though the peer has read everything"
            told = [event for event in node.inputs if isinstance(event, WritingPaused)]
            assert told == [WritingPaused(link, paused=True), WritingPaused(link, paused=False)] * (
                number + 1
            )
        assert slow.failed is None
        assert node.links.dropped == 0


@pytest.mark.usefixtures("impatient")
async def test_peer_that_never_reads_does_not_hold_up_the_stop() -> None:
    async with listening() as (node, address), Peer.dial(address) as deaf:
        link = (await node.expect(LinkUp)).link
        deaf.stop_reading()
        for _ in range(400):
            node.send(link, BIG)
        node.links.close(link, ClosedByPeer("stopping"))
        async with asyncio.timeout(2.0):
            await node.links.stop(0.2)
            await node.expect(LinkDown)


# Dials


@asynccontextmanager
async def _silent_listener() -> AsyncIterator[str]:
    """Takes calls and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_dial_that_leads_to_a_link_says_so_on_both_sides() -> None:
    async with listening() as (node, address), listening() as (other, _):
        other.links.dial(Dial(address, None))
        there, here = await other.expect(LinkUp), await node.expect(LinkUp)
        assert (there.dialled, here.dialled) == (address, None)
        assert there.address == address
        assert there.peer_id == node.links.credentials.peer_id
        assert here.peer_id == other.links.credentials.peer_id


async def _to_nobody() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{unused.getsockname()[1]}"


async def _to_no_host() -> str:
    return "no.such.host.invalid:80"


async def _to_a_strange_host() -> str:
    return "a..b:80"


@pytest.mark.parametrize(
    ("target", "says"),
    [(_to_nobody, "connection refused"), (_to_no_host, ""), (_to_a_strange_host, "")],
)
async def test_dial_that_reaches_nobody_says_why(target: Callable[[], Awaitable[str]], says: str) -> None:
    async with listening() as (node, _):
        address = await target()
        node.links.dial(Dial(address, None))
        failed = await node.expect(DialFailed)
        assert (failed.address, failed.error.kind) == (address, "unreachable")
        assert says in str(failed.error)
        assert str(failed.error)


async def test_dial_to_somebody_silent_ends_at_the_deadline() -> None:
    async with listening(LinkConfig(handshake_s=0.1)) as (node, _), _silent_listener() as silent:
        node.links.dial(Dial(silent, None))
        failed = await node.expect(DialFailed)
        assert (failed.address, failed.error.kind) == (silent, "handshake")


async def test_dial_to_something_else_is_told_apart() -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x00\x00\x20" + secrets.token_bytes(32))
        await hang_up(writer)

    async with listening() as (node, _):
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        node.links.dial(Dial(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", None))
        assert (await node.expect(DialFailed)).error.kind == "not_chatd"
        server.close()


async def test_dial_to_ourselves_is_told_once() -> None:
    async with listening() as (node, address):
        node.links.dial(Dial(address, None))
        assert (await node.expect(DialFailed)).error.kind == "self"
        await turns(lambda: not node.links._strangers and not node.links.own_calls)
        assert node.inputs == []


@pytest.mark.parametrize(
    ("hosts", "kind"),
    [
        (("127.0.0.1",), "self"),
        (("127.0.0.1", "127.0.0.2"), "unreachable"),
        (("127.0.0.2",), "unreachable"),
        ((), "unreachable"),
    ],
)
async def test_name_is_our_own_only_where_no_other_address_is_behind_it(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...], kind: str
) -> None:
    async with listening() as (node, address):
        resolve_to(monkeypatch, *hosts)
        name = f"nodes.example:{split_address(address)[1]}"
        node.links.dial(Dial(name, None))
        failed = await node.expect(DialFailed)
        assert (failed.address, failed.error.kind) == (name, kind)


@pytest.mark.parametrize("hosts", [("127.0.0.1", "127.0.0.2"), ("127.0.0.2", "127.0.0.1")])
async def test_name_whose_other_address_answers_in_vain_is_not_our_own(
    monkeypatch: pytest.MonkeyPatch, hosts: tuple[str, ...]
) -> None:
    monkeypatch.setattr(random, "sample", lambda found, _count: list(found))
    async with listening() as (node, address):
        port = split_address(address)[1]
        resolve_to(monkeypatch, *hosts)
        async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.2", port):
            node.links.dial(Dial(f"nodes.example:{port}", None))
            assert (await node.expect(DialFailed)).error.kind == "handshake"


async def test_name_of_many_addresses_that_answer_in_vain_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = 0

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    async with listening() as (node, _):
        resolve_to(monkeypatch, *(f"127.0.0.{number}" for number in range(1, 4 * MAX_ADDRESSES)))
        async with await asyncio.start_server(refuse, "0.0.0.0", 0) as server:
            node.links.dial(Dial(f"nodes.example:{server.sockets[0].getsockname()[1]}", None))
            assert (await node.expect(DialFailed)).error.kind == "handshake"
    assert calls == MAX_ADDRESSES
    assert node.links._tried == {}


async def test_stop_ends_dials_and_strangers_at_once() -> None:
    async with listening() as (node, address), _silent_listener() as silent:
        node.links.dial(Dial(silent, None))
        reader, writer = await call(address)
        await turns(lambda: len(node.links._strangers) == 2)
        async with asyncio.timeout(1.0):
            await node.links.stop(0.5)
            assert await ended(reader) == b""
        await hang_up(writer)
        with pytest.raises(ConnectionRefusedError):
            await call(address)


async def test_port_in_use_is_an_os_error() -> None:
    async with listening() as (_, address):
        host, port = split_address(address)
        with pytest.raises(OSError, match="in use"):
            await Node(LinkConfig()).links.listen(host, port)


async def test_call_that_shakes_hands_is_remembered_by_where_it_came_from() -> None:
    async with listening() as (node, address):
        _, writer = await call(address)
        writer.close()
        await node.expect(StrangerRefused)
        assert node.links.called_from == set()
        async with Peer.dial(address):
            await node.expect(LinkUp)
        assert node.links.called_from == {Scope.LOOPBACK}

"""The WebSocket that outlives the daemon: nothing missed, nothing doubled."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from websockets.frames import CloseCode

from chatcore import api
from chatcore.api import API_VERSION
from chatctl.failures import (
    ApiMismatch,
    BadAnswer,
    BadUsage,
    DaemonUnreachable,
    MaybeDone,
    RpcRefused,
    TimedOut,
)
from chatctl.limits import MAX_REQUEST_BYTES
from chatctl.link import API_MAJOR
from chatctl.place import Place
from chatctl.stream import MAX_UNREAD_UPDATES, Away, Back, Event, Stream, Update
from tests.client.fakechatd import OTHER_ID, FakeChatd, HangUp, Refusal, fake_chatd, message, snapshot
from tests.support.daemon import Daemon

DEADLINE_S = 15


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeChatd]:
    async with fake_chatd(tmp_path / "s") as running:
        yield running


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(str(tmp_path / "s"), ("chatd",))


@pytest.fixture
async def stream(place: Place, fake: FakeChatd) -> AsyncIterator[Stream]:
    async with Stream(place) as opened:
        await opened.open()
        yield opened


async def take(stream: Stream, count: int) -> list[Update]:
    """The next updates. Raises TimeoutError."""
    found: list[Update] = []
    async with asyncio.timeout(DEADLINE_S):
        async for update in stream.updates():
            found.append(update)
            if len(found) == count:
                break
    return found


def texts(updates: list[Update]) -> list[str]:
    return [update.data["text"] for update in updates if isinstance(update, Event)]


async def test_events_follow_the_snapshot_in_order(stream: Stream, fake: FakeChatd) -> None:
    assert stream.connected
    await fake.push(message(1, "a"), message(2, "b"))
    assert texts(await take(stream, 2)) == ["a", "b"]


async def test_call_and_refusal_share_the_connection(stream: Stream, fake: FakeChatd) -> None:
    fake.answer = lambda method, params: {"echo": [method, params]}
    assert await stream.call("a.b", {"x": 1}) == {"echo": ["a.b", {"x": 1}]}
    error = {"code": 1001, "message": "no", "data": {"kind": "k", "hint": "h"}}
    fake.answer = lambda _m, _p: Refusal(error)
    with pytest.raises(RpcRefused, match="no"):
        await stream.call("a.b")


async def test_call_without_an_answer_times_out_and_the_stream_lives(place: Place, fake: FakeChatd) -> None:
    async with Stream(place) as stream:
        await stream.open()
        stream._timeout_s = 0.05  # only now: connecting may take longer on a busy machine
        fake.answer = lambda _m, _p: None
        with pytest.raises(TimedOut):
            await stream.call("a.b")
        await fake.push(message(1))
        assert texts(await take(stream, 1)) == ["hello"]


async def test_stream_comes_back_from_the_last_message_seen(stream: Stream, fake: FakeChatd) -> None:
    await fake.push(message(1), message(7))
    await take(stream, 2)
    await fake.stop()
    assert isinstance((await take(stream, 1))[0], Away)
    assert not stream.connected
    with pytest.raises(DaemonUnreachable, match="away"):
        await stream.call("a.b")
    fake.snapshot = snapshot(seq=9)
    fake.after_subscribe = [message(7, "again"), message(8, "missed"), message(9, "too")]
    await fake.start()
    back, *missed = await take(stream, 3)
    assert isinstance(back, Back)
    assert back.resumed
    assert texts(missed) == ["missed", "too"]
    assert fake.calls[-1] == ("events.subscribe", {"since": 7})


@pytest.mark.parametrize("replaced", [snapshot(seq=3), snapshot(seq=99, peer_id=OTHER_ID)])
async def test_stream_to_another_store_or_identity_starts_anew(
    stream: Stream, fake: FakeChatd, replaced: dict[str, Any]
) -> None:
    await fake.push(message(50))
    await take(stream, 1)
    await fake.stop()
    fake.snapshot = replaced
    fake.after_subscribe = [message(replaced["seq"] + 1, "new")]
    await fake.start()
    _, back, new = await take(stream, 3)
    assert isinstance(back, Back)
    assert not back.resumed
    assert texts([new]) == ["new"]


async def test_call_under_way_when_the_daemon_goes_is_told_so(stream: Stream, fake: FakeChatd) -> None:
    fake.answer = lambda _m, _p: None
    asked = asyncio.create_task(stream.call("message.send"))
    await fake.called("message.send")
    await fake.stop()
    with pytest.raises(DaemonUnreachable, match="may have done it or not"):
        await asked


async def test_call_under_way_when_the_stream_is_closed_is_told_so(place: Place, fake: FakeChatd) -> None:
    fake.answer = lambda _m, _p: None
    async with asyncio.timeout(DEADLINE_S):
        stream = Stream(place, timeout_s=10 * DEADLINE_S)
        await stream.open()
        call = asyncio.create_task(stream.call("a.b"))
        await fake.called("a.b")
        await stream.close()
        with pytest.raises(MaybeDone, match="closed here before an answer"):
            await call


async def test_call_that_is_too_long_fails_alone(stream: Stream, fake: FakeChatd) -> None:
    fake.answer = lambda method, _p: None if method == "waits" else {}
    async with asyncio.timeout(DEADLINE_S):
        waiting = asyncio.create_task(stream.call("waits"))
        await fake.called("waits")
        number = fake.last_id
        with pytest.raises(BadUsage, match=f"the daemon takes {MAX_REQUEST_BYTES}"):
            await stream.call("a.b", {"text": "x" * MAX_REQUEST_BYTES})
        assert await stream.call("a.b") == {}
        fake.answer = lambda _m, _p: json.dumps({"jsonrpc": "2.0", "id": number, "result": "late"})
        other = asyncio.create_task(stream.call("c.d"))
        assert await waiting == "late"
        other.cancel()


async def test_daemon_that_finds_a_call_too_long_is_understood(stream: Stream, fake: FakeChatd) -> None:
    """Its close frame is answered with the same code, which is not our finding its answer too long."""
    fake.answer = lambda _m, _p: HangUp(CloseCode.MESSAGE_TOO_BIG)
    async with asyncio.timeout(DEADLINE_S):
        with pytest.raises(DaemonUnreachable, match="takes no request as long") as caught:
            await stream.call("a.b")
    assert not caught.value.transient
    assert not isinstance(caught.value, BadAnswer)


async def test_garbage_ends_the_connection_and_not_the_stream(stream: Stream, fake: FakeChatd) -> None:
    await fake.sockets[0].send_str("garbage")
    away, back = await take(stream, 2)
    assert isinstance(away, Away)
    assert isinstance(away.why, BadAnswer)
    assert isinstance(back, Back)


async def test_what_a_newer_daemon_adds_is_let_through_or_left_out(stream: Stream, fake: FakeChatd) -> None:
    socket = fake.sockets[0]
    shapes: list[Any] = [[1], {}, {"events": [1, {}, {"topic": "message", "seq": "x"}]}]
    for params in shapes:
        await socket.send_json({"jsonrpc": "2.0", "method": "events", "params": params})
    await socket.send_json({"jsonrpc": "2.0", "id": 999, "result": "nobody asked"})
    await socket.send_json({"jsonrpc": "2.0", "id": [], "result": "nor with that"})
    await fake.push({"seq": 0, "topic": "new", "data": {}}, message(1))
    found = await take(stream, 2)
    assert [update.topic for update in found if isinstance(update, Event)] == ["new", "message"]


async def test_reader_that_is_slow_holds_events_back_and_loses_none(stream: Stream, fake: FakeChatd) -> None:
    count = MAX_UNREAD_UPDATES * 2
    pushing = asyncio.create_task(fake.push(*(message(seq) for seq in range(1, count + 1))))
    found = await take(stream, count)
    await pushing
    assert [update.data["seq"] for update in found if isinstance(update, Event)] == list(range(1, count + 1))


@pytest.mark.parametrize("answer", ["garbage", [], {"seq": 1}, {"seq": "x", "identity": {}}])
async def test_open_refuses_what_is_no_snapshot(place: Place, fake: FakeChatd, answer: Any) -> None:
    fake.snapshot = answer
    async with Stream(place) as stream:
        with pytest.raises(BadAnswer):
            await stream.open()


@pytest.mark.parametrize(
    ("hello", "says"),
    [
        ({"api_version": "2.0.0"}, "speaks version 2.0.0 of the local API, this client version 1"),
        ({"api_version": "10.1"}, "speaks version 10.1"),
        ({"api_version": "2\x1b[2J" + "9" * 1000}, r"speaks version 2\[2J9{16} of"),
        ({"api_version": 1}, "speaks no version we know"),
        ([], "speaks no version we know"),
        (None, "speaks no version we know"),
    ],
)
async def test_open_of_a_daemon_of_another_api_says_what_to_do(
    place: Place, fake: FakeChatd, hello: Any, says: str
) -> None:
    fake.hello = hello
    async with Stream(place) as stream:
        with pytest.raises(ApiMismatch, match=says) as caught:
            await stream.open()
    assert "install the same chatd for both" in caught.value.hint


async def test_daemon_that_comes_back_with_another_api_ends_the_stream(
    stream: Stream, fake: FakeChatd
) -> None:
    await fake.stop()
    assert isinstance((await take(stream, 1))[0], Away)
    fake.hello = {"api_version": "2.0.0"}
    await fake.start()
    with pytest.raises(ApiMismatch):
        await take(stream, 1)


async def test_newer_daemon_of_the_same_api_is_welcome(place: Place, fake: FakeChatd) -> None:
    fake.hello = {"api_version": "1.7.0", "more": True}
    async with Stream(place) as stream:
        assert (await stream.open())["seq"] == 0


def test_clients_are_made_for_the_api_of_this_source() -> None:
    assert api.MAX_REQUEST_BYTES == MAX_REQUEST_BYTES
    assert API_VERSION.partition(".")[0] == str(API_MAJOR)


async def test_stream_asks_for_its_topics_and_from_where_it_was(place: Place, fake: FakeChatd) -> None:
    fake.snapshot = snapshot(seq=9)
    fake.after_subscribe = [message(8, "missed"), message(9, "too")]
    async with Stream(place, topics=("message", "room"), since=7) as stream:
        await stream.open()
        assert texts(await take(stream, 2)) == ["missed", "too"]
    assert fake.calls == [("events.subscribe", {"since": 7, "topics": ["message", "room"]})]


async def test_number_from_another_store_is_not_counted_from(place: Place, fake: FakeChatd) -> None:
    fake.snapshot = snapshot(seq=3)
    fake.after_subscribe = [message(4, "new")]
    async with Stream(place, since=7) as stream:
        await stream.open()
        assert texts(await take(stream, 1)) == ["new"]


async def test_open_refuses_what_is_no_websocket(place: Place, fake: FakeChatd) -> None:
    fake.status = 404
    async with Stream(place) as stream:
        with pytest.raises(BadAnswer, match="HTTP status 404"):
            await stream.open()


async def test_open_of_a_daemon_that_hangs_times_out(place: Place, fake: FakeChatd) -> None:
    fake.snapshot = None
    async with Stream(place, timeout_s=0.05) as stream:
        with pytest.raises(TimedOut):
            await stream.open()


async def test_open_without_a_daemon_says_how_to_start_one(place: Place) -> None:
    async with Stream(place) as stream:
        with pytest.raises(DaemonUnreachable) as absent:
            await stream.open()
    assert absent.value.hint == "start it: chatd"


def test_path_too_long_is_refused_at_once() -> None:
    with pytest.raises(BadUsage):
        Stream(Place("x" * 200, ("chatd",)))


async def test_restarted_daemon_is_followed_from_where_it_was(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node").start()
    try:
        async with Stream(Place(str(daemon.socket), ("chatd",))) as stream:
            await stream.open()
            await asyncio.to_thread(daemon.call, "message.send", text="before")
            assert texts(await take(stream, 1)) == ["before"]
            await asyncio.to_thread(daemon.stop)
            await asyncio.to_thread(daemon.start)
            await asyncio.to_thread(daemon.call, "message.send", text="after")
            (away,) = await take(stream, 1)
            assert isinstance(away, Away)
            while not (said := texts(await take(stream, 1))):
                pass  # it may have been reached once more while it stopped
            assert said == ["after"]
    finally:
        daemon.stop()

"""The class that bots import, against a real daemon: calls, messages, and the daemon's restarts."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chatcore.errors import BadName
from chatctl import jsonrpc
from chatctl.client import Chatd
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
from chatctl.stream import Event
from tests.client.fakechatd import HANG_UP, fake_chatd
from tests.client.oddserver import hangs, odd_server, read_request, says
from tests.conftest import Spawn
from tests.support.daemon import Daemon

if TYPE_CHECKING:
    from chatcore.api import Message

DEADLINE_S = 60


@pytest.fixture
async def chatd(daemon: Daemon) -> AsyncIterator[Chatd]:
    async with asyncio.timeout(DEADLINE_S), Chatd(str(daemon.home)) as entered:
        yield entered


async def said(messages: "AsyncIterator[Message]", count: int) -> list[str]:
    return [(await anext(messages))["text"] for _ in range(count)]


async def test_calls_are_answered_with_their_types(chatd: Chatd) -> None:
    status = await chatd.status()
    assert status["peer_id"] == chatd.identity["peer_id"]
    assert await chatd.peers() == []
    sent = await chatd.send("hello", "#Lobby")
    assert (await chatd.history(limit=1))[0]["id"] == sent["id"]
    assert (await chatd.join("tea"))["changed"]
    assert [room["room"] for room in await chatd.rooms()] == ["lobby", "tea"]
    assert (await chatd.leave("tea"))["changed"]
    assert (await chatd.call("message.search", ["hello"]))["messages"]


async def test_refusal_is_an_error_with_its_kind(chatd: Chatd) -> None:
    with pytest.raises(RpcRefused) as caught:
        await chatd.send(" ")
    assert (caught.value.code, caught.value.kind) == (1001, "text_empty")
    with pytest.raises(RpcRefused, match="topics"):
        await anext(chatd.events(["nonsense"]))


async def test_many_calls_go_on_at_once(chatd: Chatd) -> None:
    sent = await asyncio.gather(*(chatd.send(f"at once {number}") for number in range(200)))
    assert len({item["id"] for item in sent}) == 200


async def test_one_client_id_is_said_once(chatd: Chatd) -> None:
    first = await chatd.send("just once", client_id="mine")
    assert await chatd.send("just once", client_id="mine") == first


async def test_messages_of_the_node_itself_come_when_asked_for(chatd: Chatd) -> None:
    seq = (await chatd.history(limit=1))[0]["seq"]
    everything = chatd.messages(own=True, since=seq)
    for text in ("one", "two"):
        await chatd.send(text)
    assert await said(everything, 2) == ["one", "two"]


async def test_messages_of_one_room_under_any_spelling(chatd: Chatd) -> None:
    seq = (await chatd.history(limit=1))[0]["seq"]
    await chatd.join("tea")
    await chatd.send("in the lobby")
    await chatd.send("in tea", "tea")
    assert await said(chatd.messages("#TEA", own=True, since=seq), 1) == ["in tea"]
    await chatd.leave("tea")
    with pytest.raises(BadName):
        await anext(chatd.messages("a b"))


async def test_unasked_come_those_of_others_alone_or_of_them_what_names_this_node(spawn: Spawn) -> None:
    ann = spawn()
    bob = spawn("--bootstrap", ann.address, username="bob")
    ann.wait_peers(1)
    async with (
        asyncio.timeout(DEADLINE_S),
        Chatd(str(ann.home)) as at_ann,
        Chatd(socket=str(bob.socket)) as at_bob,
    ):
        await at_ann.send("I am ann")
        for text in ("nobody is meant", "ANN, are you there?"):
            await at_bob.send(text)
        assert await said(at_ann.messages(since=0), 2) == ["nobody is meant", "ANN, are you there?"]
        assert await said(at_ann.messages(mentions=True, since=0), 1) == ["ANN, are you there?"]


async def test_events_of_chosen_topics(chatd: Chatd) -> None:
    events = chatd.events(["room"])
    first = asyncio.create_task(anext(events))
    joined = False
    while not first.done():  # until it has subscribed nothing is told
        joined = not joined
        await chatd.send("not asked for")
        await (chatd.join if joined else chatd.leave)("games")
    event = await first
    assert isinstance(event, Event)
    assert (event.topic, event.data["room"]) == ("room", "games")
    await chatd.call("room.join", {"room": "games"})
    await chatd.leave("games")


async def test_iterating_and_calling_in_between_do_not_hold_each_other_up(chatd: Chatd) -> None:
    """More messages than a stream keeps unread, and a call for each."""
    seq = (await chatd.send("the first"))["id"]
    start = (await chatd.history(limit=1))[0]["seq"]
    assert seq
    batch = [{"jsonrpc": "2.0", "method": "message.send", "params": [f"{number}"]} for number in range(100)]
    for _ in range(13):
        await asyncio.to_thread(Daemon(Path(chatd._place.socket).parent).post, json.dumps(batch))
    messages = chatd.messages(own=True, since=start)
    for _ in range(1300):
        await anext(messages)
        await chatd.call("identity.show")


async def test_daemon_that_restarts_is_waited_for_and_nothing_is_lost_or_doubled(spawn: Spawn) -> None:
    daemon = spawn()
    async with asyncio.timeout(DEADLINE_S), Chatd(str(daemon.home)) as chatd:
        messages = chatd.messages(own=True, since=0)
        await chatd.send("before")
        assert await said(messages, 1) == ["before"]
        await asyncio.to_thread(daemon.kill)
        sending = asyncio.create_task(chatd.send("while it is away"))
        await asyncio.sleep(0)
        await asyncio.to_thread(daemon.start)
        await sending
        await asyncio.to_thread(daemon.stop)
        listing = asyncio.create_task(chatd.rooms())
        await asyncio.to_thread(daemon.start)
        assert [room["room"] for room in await listing] == ["lobby"]
        await chatd.send("after")
        assert await said(messages, 2) == ["while it is away", "after"]
        assert daemon.texts == ["before", "while it is away", "after"]


async def test_iteration_ends_when_the_client_is_left(daemon: Daemon) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async with Chatd(str(daemon.home)) as chatd:
            await chatd.send("to begin with")
            messages = chatd.messages(own=True, since=0)
            await anext(messages)

            async def rest() -> int:
                return len([message async for message in messages])

            iterating = asyncio.create_task(rest())
            await chatd.status()
        await iterating


async def test_no_daemon_is_an_error_once_patience_is_over(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable, match="no daemon runs") as caught:
        await Chatd(str(tmp_path), patience_s=0).__aenter__()
    assert "start it: chatd --home" in caught.value.hint


async def test_daemon_that_starts_later_is_waited_for(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "node")
    entering = asyncio.create_task(Chatd(str(daemon.home)).__aenter__())
    await asyncio.sleep(0)
    try:
        await asyncio.to_thread(daemon.start)
        async with asyncio.timeout(DEADLINE_S):
            chatd = await entering
        await chatd.__aexit__(None, None, None)
    finally:
        daemon.stop()


@pytest.mark.parametrize("said", ["garbage", "[]", '{"jsonrpc": "2.0", "id": 0}'])
async def test_what_is_no_chatd_is_a_bad_answer(tmp_path: Path, said: str) -> None:
    async with asyncio.timeout(DEADLINE_S), fake_chatd(tmp_path / "s") as fake:
        fake.answer = lambda _m, _p: said
        with pytest.raises(BadAnswer):
            await Chatd(socket=str(fake.path)).__aenter__()


async def test_daemon_of_another_api_is_said_to_be_so(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), fake_chatd(tmp_path / "s") as fake:
        fake.hello = {"api_version": "2.0.0"}
        with pytest.raises(ApiMismatch):
            await Chatd(socket=str(fake.path)).__aenter__()


async def test_what_speaks_no_http_is_a_bad_answer(tmp_path: Path) -> None:
    with odd_server(tmp_path / "s", says(b"220 hello\r\n")), pytest.raises(BadAnswer):
        await Chatd(socket=str(tmp_path / "s")).__aenter__()


async def test_daemon_that_hangs_times_out(tmp_path: Path) -> None:
    with odd_server(tmp_path / "s", hangs), pytest.raises(TimedOut):
        await Chatd(socket=str(tmp_path / "s"), timeout_s=0.05).__aenter__()


@pytest.mark.parametrize("again", [True, False])
async def test_call_that_may_have_been_done_is_not_repeated_unless_that_is_harmless(
    tmp_path: Path, again: bool
) -> None:
    async with asyncio.timeout(DEADLINE_S), fake_chatd(tmp_path / "s") as fake:
        async with Chatd(socket=str(fake.path)) as chatd:
            fake.answer = lambda _m, _p: HANG_UP if len(fake.calls) == 2 else {}
            if again:
                await chatd.send("x")
            else:
                with pytest.raises(DaemonUnreachable, match="may have done it or not"):
                    await chatd.call("node.rename", ["x"])
        assert len(fake.calls) == (3 if again else 2)


async def test_daemon_that_hangs_up_before_it_was_asked_is_tried_again(tmp_path: Path) -> None:
    """With our greeting unread, which is a reset, or in order. Nothing was asked, nothing is done twice."""
    tried = 0

    def refuse(link: socket.socket) -> None:
        nonlocal tried
        tried += 1
        if tried % 2:
            read_request(link)

    with odd_server(tmp_path / "s", refuse, reads=False):
        with pytest.raises(DaemonUnreachable, match="closed the connection") as caught:
            await Chatd(socket=str(tmp_path / "s"), patience_s=1).__aenter__()
        assert not isinstance(caught.value, MaybeDone | BadAnswer)
    assert tried > 2


async def test_daemon_with_as_many_clients_as_it_takes_is_waited_for(tmp_path: Path) -> None:
    async with asyncio.timeout(DEADLINE_S), fake_chatd(tmp_path / "s") as fake:
        fake.status = 503
        with pytest.raises(DaemonUnreachable, match="too busy"):
            await Chatd(socket=str(fake.path), patience_s=0).__aenter__()
        entering = asyncio.create_task(Chatd(socket=str(fake.path)).__aenter__())
        await asyncio.sleep(0)
        fake.status = 101
        await entering


async def test_request_over_the_limit_is_the_caller_s_fault(chatd: Chatd) -> None:
    with pytest.raises(BadUsage, match="the daemon takes 1048576"):
        await chatd.send("x" * 2_000_000)


async def test_request_of_just_the_limit_is_answered(chatd: Chatd) -> None:
    frame = len(jsonrpc.request(0, "message.search", {"query": ""}))
    with pytest.raises(RpcRefused):
        await chatd.call("message.search", {"query": "x" * (MAX_REQUEST_BYTES - frame)})
    with pytest.raises(BadUsage):
        await chatd.call("message.search", {"query": "x" * (MAX_REQUEST_BYTES - frame + 1)})


async def test_answer_in_time_is_given_however_long_the_goodbye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        asyncio.timeout(DEADLINE_S),
        fake_chatd(tmp_path / "s") as fake,
        Chatd(socket=str(fake.path), timeout_s=2.0) as chatd,
    ):
        fake.lingers = True
        fake.answer = lambda _m, _p: {"changed": True}
        monkeypatch.setattr("chatctl.link.CLOSE_S", 2.5)
        assert await chatd.call("room.leave") == {"changed": True}


async def test_answer_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chatctl.link.MAX_ANSWER_BYTES", 4096)
    async with (
        asyncio.timeout(DEADLINE_S),
        fake_chatd(tmp_path / "s") as fake,
        Chatd(socket=str(fake.path)) as chatd,
    ):
        fake.answer = lambda _m, _p: {"text": "x" * 5000}
        with pytest.raises(BadAnswer, match="over 4096 bytes"):
            await chatd.call("message.history")


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        ("200 OK", "", "HTTP status 200"),
        ("404 Not Found", "", "HTTP status 404"),
        ("302 Found", "Location: http://elsewhere/\r\n", "no WebSocket"),
        ("101 Switching Protocols", "", "no WebSocket"),
    ],
)
async def test_http_without_a_websocket_is_a_bad_answer(
    tmp_path: Path, status: str, headers: str, why: str
) -> None:
    head = f"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n"
    with (
        odd_server(tmp_path / "s", says(head.encode())),
        pytest.raises(BadAnswer, match=why),
    ):
        await Chatd(socket=str(tmp_path / "s")).__aenter__()


def test_path_too_long_is_refused_at_once() -> None:
    with pytest.raises(BadUsage):
        Chatd(socket="x" * 200)


def test_command_line_does_not_import_what_bots_need() -> None:
    code = "import sys, chatctl.rpc, chatctl.cli; print({'asyncio', 'websockets'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"

"""The local API of a real daemon over its real Unix socket: HTTP, WebSocket, and whatever else comes."""

import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcore import api
from chatcore.texts import MAX_TEXT_BYTES
from chatctl.limits import DEFAULT_TIMEOUT_S
from chatctl.place import Place
from chatctl.rpc import Rpc
from chatd.server import MAX_PAGES_OVER_HTTP, MAX_WEBSOCKETS, STALL_S
from tests.conftest import Spawn
from tests.support.daemon import DEADLINE_S, Daemon, RpcError
from tests.support.local import (
    WEBSOCKET_UPGRADE,
    Closed,
    deaf_subscriber,
    exchange,
    gather_calls,
    http,
    send_and_leave,
    websocket,
    websocket_frame,
)
from tests.support.strangers import signed

STOP_S = 5.0
DEAF = 16
"""Subscribers that never read; the more there are, the less the noise of one measurement counts."""


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """One for the whole file; every test leaves it as it found it, and alive."""
    yield shared
    assert shared.call("node.status")["rooms"] == ["lobby"]


def request(method: str, params: Any = None, **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params or [], **more}).encode()


def anonymous_bytes(daemon: Daemon) -> int:
    """Memory of its own; the store's pages, which the kernel may take back, are apart."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]) * 1024


# HTTP


def test_post_is_answered_with_json(daemon: Daemon) -> None:
    status, headers, body = http(daemon.socket, "POST /rpc HTTP/1.1", request("node.status"))
    assert status == 200
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(body)["result"]["username"] == "ann"


def test_post_is_taken_whatever_its_content_type(daemon: Daemon) -> None:
    for kind in ("application/x-www-form-urlencoded", "text/plain; charset=latin-1", "nonsense"):
        status, _, _ = http(
            daemon.socket, "POST /rpc HTTP/1.1", request("node.status"), f"Content-Type: {kind}"
        )
        assert status == 200


def test_post_of_http_1_0_and_in_chunks_is_answered(daemon: Daemon) -> None:
    body = request("node.status")
    old = b"POST /rpc HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    assert b'"result"' in exchange(daemon.socket, old)
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    head = b"POST /rpc HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b'"result"' in exchange(daemon.socket, head + chunks)


def test_notification_is_answered_204_without_a_body(daemon: Daemon) -> None:
    note = json.dumps({"jsonrpc": "2.0", "method": "node.status"}).encode()
    for body in (note, b"[" + note + b"]"):
        status, _, answer = http(daemon.socket, "POST /rpc HTTP/1.1", body)
        assert (status, answer) == (204, b"")


def test_errors_of_json_rpc_are_answered_200(daemon: Daemon) -> None:
    for body, code in ((b"{", -32700), (b"[]", -32600), (request("nope"), -32601)):
        status, answer = daemon.post(body)
        assert (status, json.loads(answer)["error"]["code"]) == (200, code)


@pytest.mark.parametrize(
    "body", [b"\xff\xfe", b'{"jsonrpc": "2.0", "id": "\xc3\x28"}', b"\xed\xa0\x80", b"\0"]
)
def test_body_that_is_not_utf8_is_a_parse_error(daemon: Daemon, body: bytes) -> None:
    _, _, answer = http(daemon.socket, "POST /rpc HTTP/1.1", body)
    assert json.loads(answer)["error"]["code"] == -32700


def test_body_of_the_largest_size_is_taken_and_one_byte_more_is_not(daemon: Daemon) -> None:
    body = request("node.status").ljust(api.MAX_REQUEST_BYTES)
    assert http(daemon.socket, "POST /rpc HTTP/1.1", body)[0] == 200
    status, headers, answer = http(daemon.socket, "POST /rpc HTTP/1.1", body + b" ")
    assert status == 413
    assert answer.decode() == "a request may have 1048576 bytes; split it\n"
    assert headers["content-type"].startswith("text/plain")


def test_body_that_unpacks_to_far_more_is_refused_without_unpacking_it(daemon: Daemon) -> None:
    before = anonymous_bytes(daemon)
    bomb = gzip.compress(bytes(128 * 1024 * 1024))
    status, _, answer = http(daemon.socket, "POST /rpc HTTP/1.1", bomb, "Content-Encoding: gzip")
    assert status == 413
    assert answer.count(b"\n") == 1
    assert anonymous_bytes(daemon) - before < 16 * 1024 * 1024


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("GET /rpc HTTP/1.1", 405, "POST /rpc"),
        ("PUT /rpc HTTP/1.1", 405, "POST /rpc"),
        ("POST /ws HTTP/1.1", 405, "POST /rpc"),
        ("GET /ws HTTP/1.1", 400, "use a WebSocket client for /ws"),
        ("GET / HTTP/1.1", 404, "POST /rpc"),
        ("POST /rpc/ HTTP/1.1", 404, "POST /rpc"),
        ("GET /../../etc/passwd HTTP/1.1", 404, "POST /rpc"),
    ],
)
def test_request_for_something_else_is_told_what_there_is(
    daemon: Daemon, line: str, status: int, says: str
) -> None:
    found, _, body = http(daemon.socket, line)
    assert found == status
    assert says in body.decode()
    assert body.count(b"\n") <= 1
    assert b"Traceback" not in body


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x00" * 100 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: nope\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /rpc HTTP/1.1\r\nHost: x\r\n" + b"A: " + b"a" * 100_000 + b"\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nBad Header\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET /rpc HTTP/1.1\r\nHost: x\r\n\r\n\x00\x01garbage\r\n\r\n",
        b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
)
def test_garbage_on_the_socket_is_refused_in_few_words_and_without_a_traceback(
    daemon: Daemon, garbage: bytes
) -> None:
    before = len(daemon.log)
    answer = exchange(daemon.socket, garbage)
    assert b"Traceback" not in answer
    assert len(answer) < 2000
    assert daemon.call("node.status")
    said = daemon.log[before:]
    assert "Traceback" not in said
    assert said.count("\n") <= 1


def test_client_that_hangs_up_in_the_middle_is_nothing_to_write_about(daemon: Daemon) -> None:
    before = len(daemon.log)
    for cut in (1, 20, 60, 100):
        head = b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500
        with deaf_subscriber(daemon.socket):
            pass
        send_and_leave(daemon.socket, head[:cut])
    assert daemon.call("node.status")
    assert daemon.log[before:] == ""


# What messages may be


@pytest.mark.parametrize(
    ("params", "code", "kind"),
    [
        ({"text": ""}, 1001, "text_empty"),
        ({"text": " \n\t"}, 1001, "text_empty"),
        ({"text": "x" * (MAX_TEXT_BYTES + 1)}, 1002, "text_too_long"),
        ({"text": "é" * (MAX_TEXT_BYTES // 2 + 1)}, 1002, "text_too_long"),
        ({"text": "half \ud800 a pair"}, 1003, "text_not_unicode"),
        ({"text": "hi", "room": "a b"}, 1004, "bad_name"),
        ({"text": "hi", "room": ""}, 1004, "bad_name"),
        ({"text": "hi", "room": "\ud800"}, 1004, "bad_name"),
        ({"text": "hi", "room": "x" * 33}, 1004, "bad_name"),
        ({"text": "hi", "room": "elsewhere"}, 1006, "not_in_room"),
        ({"text": "hi", "nope": "\ud800"}, -32602, "invalid_params"),
        ({}, -32602, "invalid_params"),
    ],
)
def test_message_that_cannot_be_sent_says_why_and_is_not_kept(
    daemon: Daemon, params: dict[str, str], code: int, kind: str
) -> None:
    before = daemon.texts
    with pytest.raises(RpcError) as caught:
        daemon.call("message.send", **params)
    error = caught.value.error
    assert (error["code"], error["data"]["kind"]) == (code, kind)
    assert set(error["data"]) == {"kind", "hint", "retryable"}
    assert error["data"]["hint"]
    assert "Error" not in error["message"]
    assert daemon.texts == before


@pytest.mark.parametrize(
    "text", ["x" * MAX_TEXT_BYTES, "é" * (MAX_TEXT_BYTES // 2), "a\0b", "\x1b[2J", "\U0001f600"]
)
def test_message_comes_back_as_it_was_sent(daemon: Daemon, text: str) -> None:
    sent = daemon.call("message.send", text=text)
    newest = daemon.call("message.history", limit=1)[0]
    assert (newest["id"], newest["text"], newest["room"]) == (sent["id"], text, "lobby")
    assert sent["state"] == "queued"


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("room.join", {"room": "a b"}, 1004),
        ("room.join", {"room": "#"}, 1004),
        ("room.leave", {"room": "elsewhere"}, 1006),
        ("message.history", {"room": "elsewhere"}, 1006),
        ("message.history", {"room": "!"}, 1004),
        ("peer.connect", {"address": "nowhere"}, 1005),
        ("peer.connect", {"address": "\ud800:80"}, 1005),
        ("peer.connect", {"address": "x" * 60_000 + ":80"}, 1005),
        ("events.subscribe", {}, 1011),
    ],
)
def test_request_that_cannot_be_done_says_why(
    daemon: Daemon, method: str, params: dict[str, str], code: int
) -> None:
    with pytest.raises(RpcError) as caught:
        daemon.call(method, **params)
    error = caught.value.error
    assert error["code"] == code
    assert error["data"]["kind"]
    assert error["data"]["hint"]
    assert len(json.dumps(error)) < 1000


def test_room_is_joined_and_left_under_any_of_its_spellings(daemon: Daemon) -> None:
    assert daemon.call("room.join", room="#Games") == {"room": "games", "changed": True}
    assert daemon.call("room.join", room="GAMES") == {"room": "games", "changed": False}
    daemon.call("message.send", room="#GAMES", text="hi")
    assert daemon.call("room.leave", room="games") == {"room": "games", "changed": True}
    assert [item["text"] for item in daemon.call("message.history", room="games")] == ["hi"]


# WebSocket


async def test_websocket_is_greeted_with_versions_and_whose_it_is(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as local:
        status = await local.call("node.status")
    names = ("version", "api_version", "peer_id", "network", "username")
    assert local.hello == {name: status[name] for name in names}
    assert local.hello["api_version"] == api.API_VERSION


async def test_websocket_answers_many_calls_at_once(daemon: Daemon) -> None:
    count = 4 * 64  # four times as many as may be under way
    texts = [f"at once {number}" for number in range(count)]
    async with websocket(daemon.socket) as local:
        answers = await gather_calls(local, [("message.send", {"text": text}) for text in texts])
    assert len({answer["result"]["id"] for answer in answers}) == count
    assert sorted(daemon.texts[-count:]) == sorted(texts)


async def test_websocket_takes_batches_notifications_and_nonsense(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as local:
        send = local.websocket.send_str
        await send('{"jsonrpc": "2.0", "method": "node.status"}')
        await send("{")
        await send(json.dumps([{"jsonrpc": "2.0", "id": n, "method": "node.status"} for n in range(3)]))
        await send("[]")
        await send('{"jsonrpc": "2.0", "id": "\\ud800", "method": "node.status"}')
        got = [json.loads((await local.websocket.receive(10)).data) for _ in range(4)]
    kinds = sorted(str(type(item).__name__) + str(item["id"] if "id" in item else len(item)) for item in got)
    assert kinds == ["dictNone", "dictNone", "dict\ud800", "list3"]


async def test_websocket_over_its_size_is_closed(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as local:
        with contextlib.suppress(ConnectionError):  # it need not read to the end
            await local.websocket.send_str("x" * (api.MAX_REQUEST_BYTES + 1))
        with pytest.raises(Closed):
            await local.receive()
    head = b"\x81\xff" + (api.MAX_REQUEST_BYTES + 1).to_bytes(8, "big") + bytes(4)
    said = exchange(daemon.socket, WEBSOCKET_UPGRADE + head)
    assert said.endswith(b"\x88\x02" + (1009).to_bytes(2, "big"))  # RFC 6455, section 7.4.1: too big


async def test_websocket_of_binary_is_closed_with_the_reason(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as local:
        await local.websocket.send_bytes(b"\x00")
        with pytest.raises(Closed) as caught:
            await local.receive()
    assert caught.value.code == 1003


async def test_subscription_is_answered_before_its_first_event(daemon: Daemon) -> None:
    for _ in range(5):
        async with websocket(daemon.socket) as local:
            for number in range(60):
                await local.post("message.send", text=f"before {number}")
            subscribing = await local.post("events.subscribe")
            for number in range(60):
                await local.post("message.send", text=f"after {number}")
            while subscribing not in local.answers:
                assert not local.events, "an event came before the subscription was answered"
                await local.receive()


async def test_subscription_in_a_batch_is_answered_before_its_first_event(daemon: Daemon) -> None:
    batch = [
        {"jsonrpc": "2.0", "id": "subscribe", "method": "events.subscribe"},
        *({"jsonrpc": "2.0", "id": n, "method": "message.send", "params": [f"in {n}"]} for n in range(90)),
    ]
    for _ in range(5):
        async with websocket(daemon.socket) as local:
            for number in range(60):
                await local.post("message.send", text=f"before {number}")
            await local.websocket.send_str(json.dumps(batch))
            first = None
            while first is None:
                document = json.loads((await local.websocket.receive(10)).data)
                if isinstance(document, list):
                    first = [answer["id"] for answer in document]
                assert "method" not in document, "an event came before the subscription was answered"
            assert first == ["subscribe", *range(90)]
            assert await local.messages(90)


async def test_clients_that_leave_right_after_subscribing_leave_nothing_behind(daemon: Daemon) -> None:
    for _ in range(MAX_WEBSOCKETS + 20):
        deaf_subscriber(daemon.socket).close()
    async with websocket(daemon.socket) as local:
        assert await local.call("node.status")


async def test_subscription_shows_what_is_and_then_what_happens(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as local:
        snapshot = await local.call("events.subscribe")
        assert snapshot["seq"] >= 0
        assert snapshot["identity"]["username"] == "ann"
        assert [room["room"] for room in snapshot["rooms"]] == ["lobby"]
        assert snapshot["peers"] == []
        sent = await local.call("message.send", text="news")
        event = await local.event("message")
        assert event["seq"] == snapshot["seq"] + 1
        assert (event["data"]["id"], event["data"]["text"]) == (sent["id"], "news")
        await local.call("room.join", room="games")
        assert (await local.event("room"))["data"] == {"room": "games", "state": "joined"}
        await local.call("room.leave", room="games")
        assert (await local.event("room"))["data"] == {"room": "games", "state": "left"}


async def test_subscription_with_since_tells_what_was_missed_once_each(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as local:
        seq = (await local.call("events.subscribe"))["seq"]
    missed = [f"missed {number}" for number in range(300)]
    for start in range(0, 300, 100):
        batch = [
            {"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": [text]}
            for text in missed[start : start + 100]
        ]
        daemon.post(json.dumps(batch))
    async with websocket(daemon.socket) as local:
        assert (await local.call("events.subscribe", since=seq))["seq"] == seq + 300
        await local.call("message.send", text="live")
        events = await local.messages(301)
    assert [event["seq"] for event in events] == list(range(seq + 1, seq + 302))
    assert sorted(event["data"]["text"] for event in events[:-1]) == sorted(missed)
    assert events[-1]["data"]["text"] == "live"
    async with websocket(daemon.socket) as local:
        await local.call("events.subscribe", since=seq + 301)
        await local.call("message.send", text="only this")
        assert (await local.messages(1))[0]["data"]["text"] == "only this"


async def test_subscription_under_load_misses_and_repeats_nothing(daemon: Daemon) -> None:
    async with websocket(daemon.socket) as sender, websocket(daemon.socket) as listener:
        seq = (await listener.call("events.subscribe"))["seq"]
        for number in range(50):
            await sender.post("message.send", text=f"load {number}")
        async with websocket(daemon.socket) as late:
            await late.call("events.subscribe", since=seq)
            for number in range(50, 100):
                await sender.post("message.send", text=f"load {number}")
            for local in (listener, late):
                seqs = [event["seq"] for event in await local.messages(100)]
                assert seqs == list(range(seq + 1, seq + 101))


async def test_subscriber_hears_only_its_topics_and_what_names_it(daemon: Daemon) -> None:
    said = signed("nobody is meant", "@Ann, tea?", "annual")
    async with websocket(daemon.socket) as local, websocket(daemon.socket) as all_of_it:
        await all_of_it.call("events.subscribe")
        await local.call("events.subscribe", topics=["mention", "room"])
        await local.call("message.send", text="ann speaks of ann herself")
        assert (await local.call("message.import", messages=said))["stored"] == len(said)
        await local.call("room.join", room="games")
        await local.call("room.leave", room="games")
        await local.event("room", state="left")
        assert [event["data"].get("text", "") for event in local.heard] == ["@Ann, tea?", "", ""]
        heard = await all_of_it.messages(4)
        marked = [item["data"]["text"] for item in heard if "mention" in item["data"]]
        assert (len(heard), marked) == (4, ["@Ann, tea?"])


async def test_subscriber_may_subscribe_again_and_hears_everything_once(daemon: Daemon) -> None:
    """What is said before the second answer comes, too: a batch is answered when all of it is done."""
    send = {"jsonrpc": "2.0", "id": 2, "method": "message.send", "params": ["one"]}
    batch = [{"jsonrpc": "2.0", "id": 1, "method": "events.subscribe"}, send]
    async with websocket(daemon.socket) as local:
        await local.call("events.subscribe")
        await local.websocket.send_str(json.dumps(batch))
        while isinstance(document := json.loads(await local.websocket.receive_str(timeout=STOP_S)), dict):
            local.events += document["params"]["events"]
        await local.call("message.send", text="two")
        assert [event["data"]["text"] for event in await local.messages(2)] == ["one", "two"]


async def test_subscriber_that_never_reads_costs_the_others_nothing(daemon: Daemon) -> None:
    text = "x" * 8000
    async with websocket(daemon.socket) as local:
        await local.call("events.subscribe")
        for _ in range(1300):  # what the ring holds: from here on memory is at its bound
            await local.post("message.send", text=text)
        await local.messages(1300)
        before = anonymous_bytes(daemon)
        with contextlib.ExitStack() as stack:
            for since in (None, 0) * (DEAF // 2):  # some stuck in what is new, some in what is told again
                stack.enter_context(deaf_subscriber(daemon.socket, since))
            for _ in range(2000):
                await local.post("message.send", text=text)
            assert len(await local.messages(2000)) == 2000
            assert anonymous_bytes(daemon) - before < DEAF * 1024 * 1024


@pytest.mark.parametrize("spelling", ["message.history", "message\\u002ehistory"])
async def test_client_that_asks_for_pages_and_reads_none_costs_one(spawn: Spawn, spelling: str) -> None:
    daemon = spawn()
    text, page = (
        "x" * 16_000,
        {"jsonrpc": "2.0", "id": 1, "method": "message.history", "params": {"limit": 300}},
    )
    said = [{"jsonrpc": "2.0", "method": "message.send", "params": [text]}] * 50
    for _ in range(6):
        daemon.post(json.dumps(said))
    async with websocket(daemon.socket) as local:
        await local.call("message.history", limit=300)
        before = anonymous_bytes(daemon)
        with deaf_subscriber(daemon.socket) as deaf:
            deaf.sendall(websocket_frame(json.dumps(page).replace("message.history", spelling)) * 60)
            for _ in range(60):  # as many as would wait for the other, 290 MB
                assert len(await local.call("message.history", limit=300)) == 300
            assert anonymous_bytes(daemon) - before < 100 * 1024 * 1024


def deaf_post(path: Path, body: bytes) -> socket.socket:
    """Asks and never reads the answer. The caller closes it."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(DEADLINE_S)
    link.connect(str(path))
    link.sendall(b"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    return link


async def test_posts_for_pages_that_nobody_reads_cost_a_few_pages(spawn: Spawn) -> None:
    daemon = spawn()
    said = [{"jsonrpc": "2.0", "method": "message.send", "params": ["x" * 16_000]}] * 50
    for _ in range(6):
        daemon.post(json.dumps(said))
    async with websocket(daemon.socket) as local:
        await local.call("message.history", limit=300)
        before = anonymous_bytes(daemon)
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                page = request("message.history", {"limit": 300})
                stack.enter_context(deaf_post(daemon.socket, page))
            for _ in range(60):  # as many as would wait for the others, 290 MB
                assert len(await local.call("message.history", limit=300)) == 300
            assert daemon.call("node.status")["rooms"] == ["lobby"]  # what is short waits for nobody
            assert anonymous_bytes(daemon) - before < 100 * 1024 * 1024


def test_posts_that_nobody_reads_make_way_before_others_give_up(spawn: Spawn) -> None:
    """As chatctl asks: over HTTP, and no longer than it waits by default."""
    assert 2 * STALL_S < DEFAULT_TIMEOUT_S
    daemon = spawn()
    said = [{"jsonrpc": "2.0", "method": "message.send", "params": ["x" * 16_000]}] * 50
    for _ in range(2):
        daemon.post(json.dumps(said))
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_PAGES_OVER_HTTP):
            stack.enter_context(deaf_post(daemon.socket, request("message.history", {"limit": 100})))
        asking = Rpc(Place(str(daemon.socket), ("chatd",)))
        assert len(asking.call("message.history", {"limit": 100})) == 100
    assert "Traceback" not in daemon.log


# Who may


def test_socket_is_for_the_owner_alone(daemon: Daemon) -> None:
    assert daemon.socket.stat().st_mode & 0o777 == 0o600
    assert daemon.socket.parent.stat().st_mode & 0o777 == 0o700


def test_folders_that_chatd_makes_are_for_the_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    socket = tmp_path / "run" / "chatd.sock"
    daemon = Daemon(tmp_path / "node", "--home", str(home), "--socket", str(socket))
    daemon.socket = socket
    old = os.umask(0)
    try:
        daemon.start()
    finally:
        os.umask(old)
    daemon.stop()
    for folder in (home, home / "store", socket.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    for file in (home / "identity.key", home / "chatd.lock", home / "store" / "data.mdb"):
        assert file.stat().st_mode & 0o077 == 0


AS_NOBODY = """
import os, socket, sys
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
link = socket.socket(socket.AF_UNIX)
link.settimeout(10)
link.connect(sys.argv[1])
link.sendall(sys.argv[2].encode())
print(link.recv(65536).decode())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_is_refused_even_where_the_modes_let_it_in() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with Daemon(Path(folder) / "node") as daemon:
            daemon.home.chmod(0o755)
            daemon.socket.chmod(0o666)
            body = request("message.send", ["from nobody"]).decode()
            for head in (
                f"POST /rpc HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}",
                WEBSOCKET_UPGRADE.decode(),
            ):
                said = subprocess.run(
                    [sys.executable, "-c", AS_NOBODY, str(daemon.socket), head],
                    capture_output=True,
                    text=True,
                    timeout=20,
                    check=True,
                ).stdout
                assert said.startswith("HTTP/1.1 403 ")
                assert "its owner only" in said
            assert daemon.texts == []


# The end


async def test_stop_does_not_wait_for_clients_that_never_read(spawn: Any) -> None:
    daemon = spawn()
    async with websocket(daemon.socket) as local:
        with deaf_subscriber(daemon.socket), deaf_subscriber(daemon.socket):
            for _ in range(200):
                await local.post("message.send", text="x" * 8000)
            while len(local.answers) < 200:
                await local.receive()
            started = time.monotonic()
            assert daemon.stop() == 0
            assert time.monotonic() - started < STOP_S
        with pytest.raises(Closed) as caught:
            await local.receive()
    assert caught.value.code == 1001
    assert "Traceback" not in daemon.log

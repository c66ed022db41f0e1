"""Client libraries that know nothing of chatd, as they come from PyPI, with a way to the Unix socket."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector
from jsonrpc_async import Server as HttpServer
from jsonrpc_base import ProtocolError
from jsonrpc_websocket import Server as WebSocketServer

from tests.support.daemon import Daemon

DEADLINE_S = 20


@pytest.fixture
async def session(shared: Daemon) -> AsyncIterator[ClientSession]:
    timeout = ClientTimeout(total=DEADLINE_S)
    async with ClientSession(connector=UnixConnector(str(shared.socket)), timeout=timeout) as opened:
        yield opened


async def test_jsonrpc_async_calls_by_name_and_by_place(shared: Daemon, session: ClientSession) -> None:
    chatd = HttpServer("http://chatd/rpc", session)
    assert await chatd.identity.show() == shared.call("identity.show")
    by_name = await chatd.message.send(text="by name", room="lobby")
    by_place = await chatd.message.send("by place", "lobby")
    assert [item["id"] for item in await chatd.message.history(limit=2)] == [by_name["id"], by_place["id"]]
    with pytest.raises(ProtocolError) as caught:
        await chatd.message.send(text=" ")
    code, message, answer = caught.value.args
    assert (code, message) == (1001, "the message is empty")
    assert answer["error"]["data"]["kind"] == "text_empty"


async def test_jsonrpc_websocket_calls_and_hears_events(shared: Daemon, session: ClientSession) -> None:
    chatd = WebSocketServer("http://chatd/ws", session, timeout=DEADLINE_S)
    greeted: list[str] = []
    heard: list[str] = []

    def on_events(events: list[dict[str, dict[str, str]]]) -> None:
        heard.extend(event["data"]["text"] for event in events)

    chatd.hello = lambda **hello: greeted.append(hello["api_version"])
    chatd.events = on_events
    listening = await chatd.ws_connect()
    try:
        await chatd.events.subscribe(topics=["message"])
        for number in range(5):
            await chatd.message.send(text=f"event {number}")
        while len(heard) < 5:
            await chatd.identity.show()
    finally:
        await chatd.close()
        await listening
    assert greeted == ["1.0.0"]
    assert heard == [f"event {number}" for number in range(5)]

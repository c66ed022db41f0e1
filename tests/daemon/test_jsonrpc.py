"""JSON-RPC 2.0, text in and text out: the specification's cases, the caps, and what no error may show."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from chatcore import api
from chatcore.errors import NotInRoom
from chatd import jsonrpc
from chatd.jsonrpc import Dispatcher


class Handlers:
    """`message.send` echoes, `node.status` counts, the rest fails in its own way."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    async def send(self, params: api.SendParams) -> str:
        self.calls.append(params)
        return f"{params.room}: {params.text}"

    async def status(self, params: api.NoParams) -> int:
        self.calls.append(params)
        return len(self.calls)

    async def join(self, params: api.RoomParams) -> None:
        raise NotInRoom(params.room)

    async def stop(self, params: api.NoParams) -> None:
        raise RuntimeError(f"the words of an exception about {params}")

    async def history(self, params: api.HistoryParams) -> int:
        """Answers the later the smaller the limit is."""
        for _ in range(200 - params.limit):
            await asyncio.sleep(0)
        return params.limit


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def dispatcher(handlers: Handlers) -> Dispatcher:
    return Dispatcher(
        {
            "message.send": handlers.send,
            "node.status": handlers.status,
            "room.join": handlers.join,
            "node.stop": handlers.stop,
            "message.history": handlers.history,
        }
    )


async def ask(dispatcher: Dispatcher, request: Any) -> Any:
    text = request if isinstance(request, str) else json.dumps(request)
    answer = await dispatcher.answer(text)
    return None if answer is None else json.loads(answer, parse_constant=pytest.fail)


def call(method: str, params: Any = None, number: Any = 1) -> dict[str, Any]:
    request = {"jsonrpc": "2.0", "id": number, "method": method}
    return request if params is None else {**request, "params": params}


def failure(answer: Any, code: int, kind: str) -> dict[str, Any]:
    """The error, checked to be complete."""
    assert set(answer) == {"jsonrpc", "id", "error"}
    error: dict[str, Any] = answer["error"]
    assert (error["code"], error["data"]["kind"]) == (code, kind)
    assert error["message"]
    assert error["data"]["hint"]
    assert error["data"]["retryable"] in (True, False)
    return error


async def test_call_takes_named_positional_and_default_parameters(dispatcher: Dispatcher) -> None:
    params: Any
    for params in ({"text": "hi", "room": "x"}, {"room": "x", "text": "hi"}, ["hi", "x"]):
        assert await ask(dispatcher, call("message.send", params)) == {
            "jsonrpc": "2.0",
            "id": 1,
            "result": "x: hi",
        }
    assert (await ask(dispatcher, call("message.send", ["hi"])))["result"] == "lobby: hi"
    for params in (None, [], {}):
        assert (await ask(dispatcher, call("node.status", params)))["result"]


@pytest.mark.parametrize("number", [0, -1, 2**70, 1.5, "", "a", "é", "\ud800", None])
async def test_answer_carries_the_id_it_was_asked_with(dispatcher: Dispatcher, number: Any) -> None:
    answer = await dispatcher.answer(json.dumps(call("node.status", number=number)))
    assert answer is not None
    assert json.loads(answer)["id"] == number
    assert answer.decode()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({}, "'text' is missing"),
        ([], "'text' is missing"),
        ({"text": "a", "nope": 1}, "unknown parameter 'nope'"),
        (["a", "b", "c", "d"], "4 parameters, at most 3"),
        ({"text": 1}, "'text' must be text, not a whole number"),
        ({"text": None}, "'text' must be text, not null"),
        ({"text": ["a"]}, "'text' must be text, not a list"),
        ({"text": "a", "room": False}, "'room' must be text, not true or false"),
        ({"text": "x" * (api.MAX_PARAM_CHARS + 1)}, "over 65536 characters"),
    ],
)
async def test_wrong_parameter_is_named(dispatcher: Dispatcher, params: Any, says: str) -> None:
    error = await ask(dispatcher, call("message.send", params))
    assert error["id"] == 1
    assert error["error"]["code"] == -32602
    assert error["error"]["data"]["kind"] == "invalid_params"
    assert says in error["error"]["message"]


@pytest.mark.parametrize("limit", [0, -1, 1001, 2**64, True, 1.0, "5"])
async def test_number_out_of_its_range_is_refused(dispatcher: Dispatcher, limit: Any) -> None:
    answer = await ask(dispatcher, call("message.history", {"limit": limit}))
    assert answer["error"]["code"] == -32602
    assert "'limit' must be" in answer["error"]["message"]


async def test_unknown_method_is_told_the_known_ones(dispatcher: Dispatcher) -> None:
    for name in ("node.nope", "", "__class__", "rpc.discover\ud800"):
        error = failure(await ask(dispatcher, call(name)), -32601, "method_not_found")
        assert "message.send" in error["data"]["hint"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "hello",
        '{"jsonrpc": "2.0", "id": 1, "method": "node.status", "params": [NaN]}',
        '{"jsonrpc": "2.0", "id": NaN, "method": "node.status"}',
        '{"jsonrpc": "2.0", "id": Infinity, "method": "node.status"}',
        '{"jsonrpc": "2.0", "id": 1e999, "method": "node.status"}',
        '{"jsonrpc": "2.0", "id": -1e999, "method": "node.status"}',
        '{"jsonrpc": "2.0", "id": ' + "9" * 5000 + ', "method": "node.status"}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "[" * 100_000 + "]" * 100_000,
        '{"jsonrpc": "2.0", "id": 1} {}',
        "\ufeff{}",
    ],
)
async def test_text_that_is_not_json_is_a_parse_error(dispatcher: Dispatcher, text: str) -> None:
    answer = await ask(dispatcher, text)
    failure(answer, -32700, "parse_error")
    assert answer["id"] is None


@pytest.mark.parametrize(
    ("request_", "flaw"),
    [
        ({}, 'jsonrpc is not "2.0"'),
        (1, "not an object"),
        ("hello", "not an object"),
        (None, "not an object"),
        (True, "not an object"),
        ({"jsonrpc": "1.0", "id": 1, "method": "node.status"}, 'jsonrpc is not "2.0"'),
        ({"id": 1, "method": "node.status"}, 'jsonrpc is not "2.0"'),
        ({"jsonrpc": "2.0", "id": 1}, "method is not a text"),
        ({"jsonrpc": "2.0", "id": 1, "method": 5}, "method is not a text"),
        ({"jsonrpc": "2.0", "id": 1, "method": "node.status", "params": 5}, "params are neither"),
        ({"jsonrpc": "2.0", "id": 1, "method": "node.status", "params": None}, "params are neither"),
        ({"jsonrpc": "2.0", "id": [1], "method": "node.status"}, "id is neither"),
        ({"jsonrpc": "2.0", "id": {}, "method": "node.status"}, "id is neither"),
        ({"jsonrpc": "2.0", "id": True, "method": "node.status"}, "id is neither"),
        ({"jsonrpc": "2.0", "id": 1, "method": "node.status", "extra": 1}, "such as 'extra'"),
    ],
)
async def test_json_that_is_no_request_is_refused_with_what_is_wrong(
    dispatcher: Dispatcher, request_: Any, flaw: str
) -> None:
    answer = await ask(dispatcher, json.dumps(request_))
    error = failure(answer, -32600, "invalid_request")
    assert error["message"].startswith("Invalid request: ")
    assert flaw in error["message"]
    # Whoever has many under way is to know which one it was.
    assert answer["id"] == (1 if isinstance(request_, dict) and type(request_.get("id")) is int else None)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value, at line 1, column 1"),
        ('{"id": 1,}', "line 1, column 10"),
        ('{"id": 1}\n{}', "Extra data, at line 2, column 1"),
        ('{"id": NaN}', "NaN is not JSON"),
        ('{"id": 1e999}', "1e999 is beyond a float"),
        ('{"id": ' + "9" * 5000 + "}", "Exceeds the limit (4300 digits) for integer string conversion"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
async def test_parse_error_says_what_and_where(dispatcher: Dispatcher, text: str, why: str) -> None:
    error = failure(await ask(dispatcher, text), -32700, "parse_error")
    assert error["message"].startswith("Parse error: ")
    assert why in error["message"]


async def test_method_that_is_not_there_is_named(dispatcher: Dispatcher) -> None:
    answer = await ask(dispatcher, {"jsonrpc": "2.0", "id": 1, "method": "node.nope"})
    assert failure(answer, -32601, "method_not_found")["message"] == "Method not found: 'node.nope'"


async def test_nesting_below_the_decoders_limit_is_refused_as_any_other_wrong_value(
    dispatcher: Dispatcher,
) -> None:
    for depth in (50, 200, 400, 800):
        deep = "[" * depth + "]" * depth
        for text in (
            f'{{"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": [{deep}]}}',
            f'{{"jsonrpc": "2.0", "id": 1, "method": "message.send", "params": {{"text": {deep}}}}}',
            f'{{"jsonrpc": "2.0", "id": {deep}, "method": "node.status"}}',
        ):
            answer = await ask(dispatcher, text)
            assert answer["error"]["code"] in (-32600, -32602, -32700)


async def test_notification_is_done_and_not_answered(dispatcher: Dispatcher, handlers: Handlers) -> None:
    assert await ask(dispatcher, {"jsonrpc": "2.0", "method": "message.send", "params": ["quiet"]}) is None
    assert handlers.calls == [api.SendParams("quiet")]
    for request in (
        {"jsonrpc": "2.0", "method": "node.nope"},
        {"jsonrpc": "2.0", "method": "message.send", "params": {"nope": 1}},
        {"jsonrpc": "2.0", "method": "node.stop"},
    ):
        with structlog.testing.capture_logs():
            assert await ask(dispatcher, request) is None


async def test_batch_is_answered_in_its_order(dispatcher: Dispatcher) -> None:
    requests = [call("message.history", {"limit": limit}, limit) for limit in range(1, 101)]
    answers = await ask(dispatcher, requests)
    assert [(answer["id"], answer["result"]) for answer in answers] == [(n, n) for n in range(1, 101)]


async def test_batch_leaves_notifications_out_and_keeps_invalid_items_in_their_place(
    dispatcher: Dispatcher, handlers: Handlers
) -> None:
    answers = await ask(
        dispatcher,
        [
            call("message.send", ["a"], "first"),
            {"jsonrpc": "2.0", "method": "message.send", "params": ["silent"]},
            1,
            [],
            [call("node.status")],
            call("node.nope", number="unknown"),
            call("message.send", ["b"], "last"),
        ],
    )
    assert [answer["id"] for answer in answers] == ["first", None, None, None, "unknown", "last"]
    for invalid in answers[1:4]:
        failure(invalid, -32600, "invalid_request")
    failure(answers[4], -32601, "method_not_found")
    assert api.SendParams("silent") in handlers.calls


async def test_batch_of_notifications_only_is_not_answered(dispatcher: Dispatcher) -> None:
    assert await ask(dispatcher, [{"jsonrpc": "2.0", "method": "node.status"}] * 3) is None


async def test_batch_that_is_empty_is_one_error(dispatcher: Dispatcher) -> None:
    failure(await ask(dispatcher, []), -32600, "invalid_request")


async def test_batch_over_its_cap_is_refused_before_any_of_it_is_done(
    dispatcher: Dispatcher, handlers: Handlers
) -> None:
    full = [call("node.status")] * api.MAX_BATCH_REQUESTS
    assert len(await ask(dispatcher, full)) == api.MAX_BATCH_REQUESTS
    handlers.calls.clear()
    error = failure(await ask(dispatcher, [*full, call("node.status")]), -32600, "batch_too_long")
    assert "101" in error["message"]
    assert handlers.calls == []


async def test_failure_of_ours_has_its_code_and_its_hint(dispatcher: Dispatcher) -> None:
    error = failure(await ask(dispatcher, call("room.join", ["x"])), 1006, "not_in_room")
    assert error["message"] == "this node is not in #x"
    assert error["data"]["hint"] == "join it first: chatctl join '#x'"


async def test_bug_is_an_internal_error_without_the_exceptions_words(dispatcher: Dispatcher) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = await dispatcher.answer(json.dumps(call("node.stop")))
    assert answer is not None
    failure(json.loads(answer), -32603, "internal")
    assert b"words" not in answer
    assert b"RuntimeError" not in answer
    assert [(line["event"], line["method"]) for line in lines] == [("rpc_failed", "node.stop")]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
ALMOST_REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "jsonrpc": st.just("2.0") | JSON_VALUES,
        "id": JSON_VALUES,
        "method": st.sampled_from(["message.send", "node.status", "message.history"]) | JSON_VALUES,
        "params": JSON_VALUES,
    },
)


@given(JSON_VALUES | ALMOST_REQUESTS | st.lists(ALMOST_REQUESTS, max_size=3))
def test_any_json_is_answered_by_json_and_never_an_internal_error(value: Any) -> None:
    handlers = Handlers()
    dispatcher = Dispatcher({"message.send": handlers.send, "node.status": handlers.status})
    answer = asyncio.run(dispatcher.answer(json.dumps(value)))
    if answer is not None:
        assert answer.decode()
        assert b"internal" not in answer
        json.loads(answer, parse_constant=pytest.fail)


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    answer = asyncio.run(Dispatcher({}).answer(text))
    if answer is not None:
        assert b"error" in answer


# Long answers


def page(text: str) -> list[dict[str, Any]]:
    return [{"id": number, "text": text} for number in range(1000)]


@pytest.mark.parametrize("text", ["tea", '日本 "quoted"\n', "half \ud800 a pair"])
@pytest.mark.parametrize("shape", [lambda found: found, lambda found: {"messages": found, "next": None}])
@pytest.mark.parametrize("batch", [False, True])
async def test_long_answer_is_put_into_json_off_the_event_loop_and_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch, text: str, shape: Callable[[Any], Any], *, batch: bool
) -> None:
    found = shape(page(text))
    pieces: list[str] = []

    def spy(encode: Callable[[Any], str]) -> Callable[[Any], str]:
        def encoded(value: Any) -> str:
            assert threading.current_thread() is not threading.main_thread()
            pieces.append(encode(value))
            return pieces[-1]

        return encoded

    for name in ("_compact", "_escaped"):
        monkeypatch.setattr(jsonrpc, name, spy(getattr(jsonrpc, name)))

    async def history(_: api.HistoryParams) -> Any:
        return found

    request = call("message.history", {"room": "lobby"})
    answer = await ask(Dispatcher({"message.history": history}), [request, request] if batch else request)

    assert [each["result"] for each in (answer if batch else [answer])] == [found] * (2 if batch else 1)
    assert max(map(len, pieces)) < 200  # the interpreter lock is given up between two pieces

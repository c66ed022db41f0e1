"""JSON-RPC 2.0 from the client's side."""

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatctl import jsonrpc
from chatctl.failures import BadUsage, RpcRefused
from chatctl.jsonrpc import NotJsonRpc


def test_request_leaves_out_what_is_empty() -> None:
    assert json.loads(jsonrpc.request(7, "a.b", None)) == {"jsonrpc": "2.0", "id": 7, "method": "a.b"}
    assert json.loads(jsonrpc.request(7, "a.b", [1]))["params"] == [1]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"limit": float("nan")}, "the params of a.b cannot be written as JSON: Out of range"),
        ([float("inf")], "cannot be written as JSON"),
        ({"when": object()}, "cannot be written as JSON"),
        ("room", "neither by name nor in order"),
        (7, "neither by name nor in order"),
    ],
)
def test_request_that_no_daemon_could_read_is_the_caller_s_fault(params: Any, why: str) -> None:
    with pytest.raises(BadUsage, match=why):
        jsonrpc.request(1, "a.b", params)


def test_request_takes_any_mapping() -> None:
    assert json.loads(jsonrpc.request(1, "a.b", MappingProxyType({"x": 1})))["params"] == {"x": 1}


def test_refusal_carries_code_kind_and_hint() -> None:
    data = {"kind": "bad_name", "hint": "use letters", "retryable": False}
    with pytest.raises(RpcRefused) as refused:
        jsonrpc.result_of({"jsonrpc": "2.0", "id": 1, "error": {"code": 1004, "message": "no", "data": data}})
    failure = refused.value
    assert (failure.code, failure.message, failure.kind) == (1004, "no", "bad_name")
    assert failure.hint == "use letters"


def test_refusal_without_data_still_says_something() -> None:
    with pytest.raises(RpcRefused, match="code -32603"):
        jsonrpc.result_of({"jsonrpc": "2.0", "error": {"code": -32603}})


@pytest.mark.parametrize("document", [{}, {"error": None}, {"error": {"code": "x"}}, {"error": []}])
def test_neither_result_nor_error_is_not_json_rpc(document: dict[str, Any]) -> None:
    with pytest.raises(NotJsonRpc):
        jsonrpc.result_of(document)


GARBAGE = [b"[" * 100_000, b'{"jsonrpc": "1.0"}', b"[]", b"1"]


@given(st.binary() | st.text().map(str.encode) | st.sampled_from(GARBAGE))
def test_garbage_is_not_json_rpc(data: bytes) -> None:
    with pytest.raises(NotJsonRpc):
        jsonrpc.parse(data)

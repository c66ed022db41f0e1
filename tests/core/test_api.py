"""The table of the local RPC: parameters, and a code for every error."""

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore import addressbook, api, node, peers  # noqa: F401 - so that every error class is known
from chatcore.api import (
    ERROR_CODES,
    INTERNAL_ERROR,
    MAX_PARAM_CHARS,
    METHODS,
    ConnectParams,
    HistoryParams,
    InvalidParams,
    MessageParams,
    NeedsWebSocket,
    NoParams,
    RoomParams,
    SendParams,
    SubscribeParams,
    TooManyRequests,
    error_code,
    error_data,
    parse_params,
)
from chatcore.api.table import cast
from chatcore.errors import (
    BadKeyFile,
    ChatError,
    ClosedByPeer,
    LocalError,
    NodeStopping,
    RemoteError,
    StoreFailed,
    TextEmpty,
)


def all_below(kind: type[ChatError]) -> list[type[ChatError]]:
    """Every class of the core below `kind`."""
    found = [sub for direct in kind.__subclasses__() for sub in (direct, *all_below(direct))]
    return [sub for sub in found if sub.__module__.startswith("chatcore.")]


# Parameters


@pytest.mark.parametrize(
    ("kind", "params", "value"),
    [
        (NoParams, [], NoParams()),
        (NoParams, {}, NoParams()),
        (SendParams, ["hi"], SendParams("hi", "lobby")),
        (SendParams, ["hi", "wine"], SendParams("hi", "wine")),
        (SendParams, {"room": "wine", "text": "hi"}, SendParams("hi", "wine")),
        (SendParams, {"text": "hi", "client_id": "7"}, SendParams("hi", "lobby", "7")),
        (MessageParams, ["0123456789"], MessageParams("0123456789")),
        (HistoryParams, [], HistoryParams("lobby", 50)),
        (HistoryParams, {"limit": 1000}, HistoryParams("lobby", 1000)),
        (SubscribeParams, [None], SubscribeParams(None)),
        (SubscribeParams, {"since": 0}, SubscribeParams(0)),
        (SubscribeParams, {"topics": ["room", "mention"]}, SubscribeParams(None, ["room", "mention"])),
        (RoomParams, ["wine"], RoomParams("wine")),
        (ConnectParams, {"address": "a:1"}, ConnectParams("a:1")),
    ],
)
def test_parameters_are_taken_by_place_or_by_name(kind: type[Any], params: Any, value: object) -> None:
    assert parse_params(kind, params) == value


@pytest.mark.parametrize(
    ("kind", "params", "why"),
    [
        (NoParams, [1], "1 parameters, at most 0"),
        (NoParams, {"x": 1}, "unknown parameter 'x'"),
        (SendParams, [], "'text' is missing"),
        (SendParams, {"room": "wine"}, "'text' is missing"),
        (SendParams, ["a", "b", "c", "d"], "4 parameters, at most 3"),
        (SendParams, {"text": "hi", "Room": "x"}, "unknown parameter 'Room'"),
        (SendParams, {"text": 5}, "'text' must be text, not a whole number"),
        (SendParams, {"text": None}, "'text' must be text, not null"),
        (SendParams, {"text": ["hi"]}, "'text' must be text, not a list"),
        (SendParams, ["x" * (MAX_PARAM_CHARS + 1)], "'text' is over 65536 characters"),
        (HistoryParams, {"limit": 0}, "'limit' must be 1 to 1000, not 0"),
        (HistoryParams, {"limit": 1001}, "'limit' must be 1 to 1000, not 1001"),
        (HistoryParams, {"limit": True}, "'limit' must be a whole number, not true or false"),
        (HistoryParams, {"limit": 5.0}, "'limit' must be a whole number, not a number with a point"),
        (SubscribeParams, {"since": -1}, "'since' must be 0 to"),
        (SubscribeParams, {"since": 2**63}, "'since' must be 0 to"),
        (SubscribeParams, {"since": False}, "'since' must be a whole number or null, not true or false"),
        (SubscribeParams, {"since": "5"}, "'since' must be a whole number or null, not text"),
        (SubscribeParams, {"topics": []}, "'topics' is empty"),
        (SubscribeParams, {"topics": "message"}, "'topics' must be a list or null, not text"),
        (SubscribeParams, {"topics": ["messages"]}, "'topics' cannot hold 'messages'"),
        (SubscribeParams, {"topics": ["room", 5]}, "'topics' cannot hold a whole number"),
        (SubscribeParams, {"topics": ["room", None]}, "'topics' cannot hold null"),
        (SubscribeParams, {"topics": [["room"]]}, "'topics' cannot hold a list"),
        (SubscribeParams, {"topics": ["room"] * 17}, "'topics' has 17 items, over 16"),
    ],
)
def test_wrong_parameters_say_what_is_wrong(kind: type[Any], params: Any, why: str) -> None:
    with pytest.raises(InvalidParams, match=why) as caught:
        parse_params(kind, params)
    assert caught.value.hint


def test_unknown_parameter_says_which_there_are() -> None:
    with pytest.raises(InvalidParams) as caught:
        parse_params(SendParams, {"x" * 1000: 1})
    assert caught.value.hint == "parameters: text, room, client_id"
    assert len(str(caught.value)) < 100

    with pytest.raises(InvalidParams) as caught:
        parse_params(NoParams, ["x"])
    assert caught.value.hint == "it takes no parameters"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
names = st.sampled_from(["text", "room", "limit", "since", "topics", "address", "x"])


@given(
    st.sampled_from([method.params for method in METHODS.values()]),
    st.lists(json_values, max_size=4) | st.dictionaries(names, json_values, max_size=3),
)
def test_any_json_is_parameters_or_invalid(kind: type[Any], params: Any) -> None:
    try:
        value = parse_params(kind, params)
    except InvalidParams:
        return
    assert parse_params(kind, dataclasses.asdict(value)) == value


@pytest.mark.parametrize("name", METHODS)
def test_every_method_takes_a_frozen_class_and_says_what_it_does(name: str) -> None:
    method = METHODS[name]

    assert method.summary
    assert dataclasses.is_dataclass(method.params)
    assert name.count(".") == 1


# Errors


def test_every_local_error_has_a_code_of_its_own() -> None:
    at_start_only = {BadKeyFile}

    assert set(all_below(LocalError)) - at_start_only == set(ERROR_CODES)
    assert len(set(ERROR_CODES.values())) == len(ERROR_CODES)
    assert INTERNAL_ERROR not in ERROR_CODES.values()


def test_every_error_has_a_kind_of_its_own() -> None:
    kinds = [kind.kind for kind in all_below(ChatError)]

    assert sorted(kinds) == sorted(set(kinds))


def test_remote_errors_are_no_local_ones() -> None:
    assert not set(all_below(RemoteError)) & set(all_below(LocalError))


def test_error_codes_are_stable() -> None:
    assert error_code(TextEmpty()) == 1001
    assert error_code(InvalidParams("x")) == -32602
    assert error_code(TooManyRequests(101)) == -32600
    assert error_code(NeedsWebSocket()) == 1011
    assert error_code(BadKeyFile("x")) == INTERNAL_ERROR == -32603


def test_error_data_says_what_to_do_and_whether_again() -> None:
    assert error_data(TextEmpty()) == {"kind": "text_empty", "hint": "write some text", "retryable": False}
    assert error_data(StoreFailed("disk full")) == {
        "kind": "store_failed",
        "hint": "free disk space, then try again",
        "retryable": True,
    }


def test_lost_peer_of_the_examples_is_lost_as_a_node_says_it() -> None:
    assert cast.LOST["reason"] == str(ClosedByPeer(str(NodeStopping())))

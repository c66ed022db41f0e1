"""Every error of the table, from real daemons over their real sockets.

An error that has no case here fails the suite, and so does a case that the table does not know.
"""

import json
import resource
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chatcore.api import ERROR_CODES, MAX_BATCH_REQUESTS, REFUSALS
from chatcore.texts import MAX_TEXT_BYTES
from tests.support.daemon import Daemon, RpcError, run, wait_until
from tests.support.declared import declared_kinds
from tests.support.local import websocket
from tests.support.strangers import OTHER, SPEAKER, STRANGER, signed

Json = dict[str, Any]

LOW = ("-m", "tests.support.lowcaps")


@pytest.fixture(scope="module")
def bob(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("bob") / "node", username="bob") as daemon:
        yield daemon


@pytest.fixture(scope="module")
def ann(tmp_path_factory: pytest.TempPathFactory, bob: Daemon) -> Iterator[Daemon]:
    """Linked with bob."""
    with Daemon(tmp_path_factory.mktemp("ann") / "node", "--bootstrap", bob.address) as daemon:
        daemon.wait_peers(1)
        yield daemon


CASES: list[tuple[str, Json, str]] = [
    ("node.status", {"nope": 1}, "invalid_params"),
    ("node.nonsense", {}, "method_not_found"),
    ("message.send", {"text": " "}, "text_empty"),
    ("message.send", {"text": "x" * (MAX_TEXT_BYTES + 1)}, "text_too_long"),
    ("message.send", {"text": "\ud800"}, "text_not_unicode"),
    ("message.send", {"text": "x", "room": "a b"}, "bad_name"),
    ("message.send", {"text": "x", "room": "elsewhere"}, "not_in_room"),
    ("message.send", {"text": "x", "client_id": ""}, "bad_client_id"),
    ("message.status", {"id": "0" * 64}, "unknown_message"),
    ("message.pin", {"id": "0" * 64}, "no_such_message"),
    ("message.history", {"before": "soon"}, "bad_moment"),
    ("message.search", {"query": "?!"}, "bad_query"),
    ("node.backup", {"path": "here", "passphrase": "x"}, "backup_failed"),
    ("peer.connect", {"address": "nowhere"}, "bad_address"),
    ("peer.block", {"peer": "nobody"}, "unknown_peer"),
    ("peer.block", {"peer": "bob"}, "ambiguous_peer"),
    ("peer.disconnect", {"peer": STRANGER}, "not_linked"),
    ("events.subscribe", {}, "needs_websocket"),
]


"""Of an ordinary daemon: method, parameters, and the kind of error."""


@pytest.mark.parametrize(("method", "params", "kind"), CASES)
def test_method_refuses_as_the_table_says(ann: Daemon, method: str, params: Json, kind: str) -> None:
    refused(ann, method, params, kind)


def refused(daemon: Daemon, method: str, params: Json, kind: str) -> RpcError:
    with pytest.raises(RpcError) as caught:
        daemon.call(method, **params)
    check_error(caught.value.error, method, kind)
    return caught.value


def check_error(error: Json, method: str, kind: str) -> None:
    codes = {each.kind: code for each, code in ERROR_CODES.items()} | {
        item.kind: item.code for item in REFUSALS.values()
    }
    data = error["data"]
    assert (data["kind"], error["code"]) == (kind, codes[kind])
    assert kind in declared_kinds(method)
    more = {"found", "upto"} if kind == "much_not_shown" else set()
    assert set(data) == {"kind", "hint", "retryable"} | more
    assert error["message"]
    assert data["hint"]
    assert "\n" not in error["message"] + data["hint"]
    retryable = {each.kind: each.retryable for each in ERROR_CODES if hasattr(each, "retryable")}
    assert data["retryable"] == retryable.get(kind, False)


# Errors that take some doing

Doing = Callable[["Low"], Awaitable[None] | None]


@dataclass
class Low:
    """A daemon whose caps are low, and what it takes to meet others."""

    daemon: Daemon
    folder: Path
    bob: Daemon


@pytest.fixture(scope="module")
def low(tmp_path_factory: pytest.TempPathFactory, bob: Daemon) -> Iterator[Low]:
    folder = tmp_path_factory.mktemp("low")
    with low_daemon(folder / "node") as daemon:
        yield Low(daemon, folder, bob)


def low_daemon(home: Path, *arguments: str) -> Daemon:
    daemon = Daemon(home, *arguments, username="low")
    daemon.program = (sys.executable, *LOW)
    return daemon


def parse_error(low: Low) -> None:
    check_error(json.loads(low.daemon.post("{")[1])["error"], "node.status", "parse_error")


def invalid_request(low: Low) -> None:
    check_error(json.loads(low.daemon.post("{}")[1])["error"], "node.status", "invalid_request")


def batch_too_long(low: Low) -> None:
    request = {"jsonrpc": "2.0", "id": 1, "method": "node.status"}
    answer = low.daemon.post(json.dumps([request] * (MAX_BATCH_REQUESTS + 1)))[1]
    check_error(json.loads(answer)["error"], "node.status", "batch_too_long")


def batch_answer_too_long(low: Low) -> None:
    """Pages are read until there is enough; whatever else stands in the batch is done."""
    low.daemon.call("message.import", messages=signed("a", "page", "of", "some", "length"))
    methods = ["message.history", "identity.show", "message.search", "message.history", "identity.show"]
    params = {"message.search": ["length"]}
    requests: list[Json] = [
        {"jsonrpc": "2.0", "id": number, "method": method, "params": params.get(method, [])}
        for number, method in enumerate(methods)
    ]
    requests.append({"jsonrpc": "2.0", "method": "message.history"})
    answers = json.loads(low.daemon.post(json.dumps(requests))[1])
    assert [answer["id"] for answer in answers] == list(range(len(methods)))
    assert [("result" in answer) for answer in answers] == [True, True, False, False, True]
    check_error(answers[2]["error"], "message.search", "batch_answer_too_long")
    check_error(answers[3]["error"], "message.history", "batch_answer_too_long")


def internal(low: Low) -> None:
    refused(low.daemon, "node.stats", {}, "internal")
    assert "a bug" in low.daemon.log


def too_many_rooms(low: Low) -> None:
    low.daemon.call("room.join", room="second")
    refused(low.daemon, "room.join", {"room": "third"}, "too_many_rooms")
    low.daemon.call("room.leave", room="second")


def too_many_addresses(low: Low) -> None:
    for port in (1, 2):
        low.daemon.call("peer.connect", address=f"127.0.0.1:{port}")
    refused(low.daemon, "peer.connect", {"address": "127.0.0.1:3"}, "too_many_addresses")
    for port in (1, 2):
        low.daemon.call("peer.disconnect", peer=f"127.0.0.1:{port}")


def own_address(low: Low) -> None:
    refused(low.daemon, "peer.connect", {"address": low.daemon.address}, "own_address")


def own_peer(low: Low) -> None:
    me = low.daemon.call("identity.show")
    for who in (me["peer_id"], me["username"]):
        refused(low.daemon, "peer.block", {"peer": who}, "own_peer")


def aliases(low: Low) -> None:
    low.daemon.call("peer.alias", peer=STRANGER, alias="Zoe")
    refused(low.daemon, "peer.alias", {"peer": OTHER, "alias": "zoë"}, "alias_taken")
    own = low.daemon.call("identity.show")["username"]
    refused(low.daemon, "peer.alias", {"peer": OTHER, "alias": own.upper()}, "alias_taken")
    refused(low.daemon, "node.rename", {"username": "ZOE"}, "alias_taken")


def too_many_aliases(low: Low) -> None:
    low.daemon.call("peer.alias", peer=STRANGER, alias="Zoe")
    refused(low.daemon, "peer.alias", {"peer": OTHER, "alias": "max"}, "too_many_aliases")


def too_many_blocked(low: Low) -> None:
    low.daemon.call("peer.block", peer=STRANGER)
    refused(low.daemon, "peer.block", {"peer": OTHER}, "too_many_blocked")
    low.daemon.call("peer.unblock", peer=STRANGER)


def peer_refused(low: Low) -> None:
    address = low.bob.address
    low.daemon.call("peer.connect", address=address)
    bob_id = low.bob.call("identity.show")["peer_id"]
    wait_until(lambda: any(peer["peer_id"] == bob_id for peer in low.daemon.call("peer.list")), "bob")
    low.daemon.call("peer.block", peer=bob_id)
    refused(low.daemon, "peer.connect", {"address": address}, "peer_refused")
    low.daemon.call("peer.unblock", peer=bob_id)
    low.daemon.call("peer.disconnect", peer=address)


def too_many_pins(low: Low) -> None:
    low.daemon.call("message.import", messages=signed("pinned", "not pinned"))
    first, second = (item["id"] for item in low.daemon.call("message.history", limit=2))
    low.daemon.call("message.pin", id=first)
    refused(low.daemon, "message.pin", {"id": second}, "too_many_pins")
    low.daemon.call("message.unpin", id=first)


def much_not_shown(low: Low) -> None:
    low.daemon.call("message.import", messages=signed("hidden", "hidden as well", "and this"))
    low.daemon.call("peer.block", peer=SPEAKER)
    refused(low.daemon, "message.history", {}, "much_not_shown")
    low.daemon.call("peer.unblock", peer=SPEAKER)


def outbox_full(low: Low) -> None:
    with low_daemon(low.folder / "alone") as alone:
        for number in range(4):
            alone.call("message.send", text=f"{number}")
        refused(alone, "message.send", {"text": "one more"}, "outbox_full")


def renamed_too_often(low: Low) -> None:
    for number in range(3):
        low.daemon.call("node.rename", username=f"low{number}")
    refused(low.daemon, "node.rename", {"username": "once more"}, "renamed_too_often")


def not_caught_up(low: Low) -> None:
    backup = low.folder / "backup"
    low.daemon.call("node.backup", path=str(backup), passphrase="words")
    done = run(
        ("chatctl", "--home", str(low.folder / "restored"), "restore", str(backup)),
        CHATD_PASSPHRASE="words",
    )
    assert done.returncode == 0, done.stderr
    with Daemon(low.folder / "restored") as restored:
        refused(restored, "message.send", {"text": "too early"}, "not_caught_up")


def store_failed(low: Low) -> None:
    """A file that may not grow, as on a full disk."""
    with Daemon(low.folder / "full") as daemon:
        assert daemon.process is not None
        size = (daemon.home / "store" / "data.mdb").stat().st_size
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, size))
        found: list[RpcError] = []
        while not found:
            try:
                daemon.call("message.send", text="x" * MAX_TEXT_BYTES)
            except RpcError as error:
                found.append(error)
        check_error(found[0].error, "message.send", "store_failed")


async def stopping(low: Low) -> None:
    """Asked again and again while the daemon says goodbye."""
    with low_daemon(low.folder / "stopping") as daemon:
        async with websocket(daemon.socket) as local:
            await local.call("node.stop")
            error = None
            while error is None:
                answer = await local.answer(await local.post("room.join", room="lobby"))
                error = answer.get("error")
            check_error(error, "room.join", "stopping")


DOINGS: dict[str, Doing] = {
    "parse_error": parse_error,
    "invalid_request": invalid_request,
    "batch_too_long": batch_too_long,
    "batch_answer_too_long": batch_answer_too_long,
    "internal": internal,
    "too_many_rooms": too_many_rooms,
    "too_many_addresses": too_many_addresses,
    "own_address": own_address,
    "own_peer": own_peer,
    "alias_taken": aliases,
    "too_many_aliases": too_many_aliases,
    "too_many_blocked": too_many_blocked,
    "peer_refused": peer_refused,
    "too_many_pins": too_many_pins,
    "much_not_shown": much_not_shown,
    "outbox_full": outbox_full,
    "renamed_too_often": renamed_too_often,
    "not_caught_up": not_caught_up,
    "store_failed": store_failed,
    "stopping": stopping,
}


@pytest.mark.parametrize("kind", DOINGS)
async def test_error_comes_when_the_table_says(low: Low, kind: str) -> None:
    doing = DOINGS[kind](low)
    if doing is not None:
        await doing


def test_every_error_has_a_case() -> None:
    kinds = {kind.kind for kind in ERROR_CODES} | {item.kind for item in REFUSALS.values()}
    assert {kind for _, _, kind in CASES} | DOINGS.keys() == kinds

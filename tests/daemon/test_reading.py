"""Reading history over the API of a real daemon: pages, searches, and messages in and out."""

import base64
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatcore import api
from chatcore.envelopes import SIGNING_CONTEXT, Announce, Chat, Envelope, open_envelope, seal
from chatcore.identity import Identity
from chatcore.messages import MAX_ROOMS
from chatcore.names import room_id
from chatcore.people import People, Person
from chatcore.wire import pack
from chatcore.words import MAX_QUERY_CHARS, MAX_QUERY_WORDS
from chatd import reading
from chatd.store import Batch, Store, records, shown
from tests.conftest import Spawn
from tests.support.daemon import Daemon, RpcError

Json = dict[str, Any]
BOB = Identity(b"b" * 32)
EVE = Identity(b"e" * 32)
COUNT = 25
START_MS = 1_700_000_000_000


def envelope(number: int, text: str | None = None, *, room: str = "old", network: str = "main") -> Envelope:
    stamp = START_MS + number * 1000 << 16
    return seal(BOB, room_id(network, room), stamp, "bob", Chat(text or f"number {number}"))


def line(envelope: Envelope, room: str = "old") -> Json:
    return {
        "room": room,
        "payload": base64.b64encode(envelope.payload).decode(),
        "signature": base64.b64encode(envelope.signature).decode(),
    }


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """With a room of messages a second apart, that it is not in."""
    with Daemon(tmp_path_factory.mktemp("reading") / "node") as running:
        running.call("message.import", messages=[line(envelope(number)) for number in range(COUNT)])
        yield running
        assert "Traceback" not in running.log


def history(daemon: Daemon, **params: Any) -> list[int]:
    found = daemon.call("message.history", room="old", **params)
    return [int(message["text"].split()[1]) for message in found]


def refusal(daemon: Daemon, method: str, **params: Any) -> Json:
    with pytest.raises(RpcError) as caught:
        daemon.call(method, **params)
    return caught.value.error


# Pages


def test_history_pages_back_to_the_oldest(daemon: Daemon) -> None:
    seen: list[int] = []
    params: Json = {"limit": 10}
    while page := daemon.call("message.history", room="old", **params):
        seen = [int(message["text"].split()[1]) for message in page] + seen
        params["before"] = page[0]["id"]
    assert seen == list(range(COUNT))


def test_history_pages_on_to_the_newest(daemon: Daemon) -> None:
    seen: list[int] = []
    params: Json = {"limit": 10, "after": 0}
    while page := daemon.call("message.history", room="old", **params):
        seen += [int(message["text"].split()[1]) for message in page]
        params["after"] = page[-1]["id"]
    assert seen == list(range(COUNT))


def test_history_takes_ids_their_beginnings_and_times(daemon: Daemon) -> None:
    at = daemon.call("message.history", room="old", limit=COUNT)[10]
    assert history(daemon, before=at["id"], limit=3) == [7, 8, 9]
    assert history(daemon, after=at["id"], limit=3) == [11, 12, 13]
    assert history(daemon, before=at["id"][:10], limit=3) == [7, 8, 9]
    assert history(daemon, before=at["time"], limit=3) == [7, 8, 9]
    assert history(daemon, before=at["time_ms"], limit=3) == [7, 8, 9]
    assert history(daemon, after=at["time_ms"], limit=3) == [10, 11, 12]
    assert history(daemon, after=at["time"].replace("Z", "+00:00"), limit=1) == [10]
    assert history(daemon, before="1960-01-01T00:00:00Z") == history(daemon, before=0) == []
    assert history(daemon, after="9999-12-31T23:59:59.999Z") == []


def test_history_between_two_points_begins_behind_the_first(daemon: Daemon) -> None:
    shown = daemon.call("message.history", room="old", limit=COUNT)
    assert history(daemon, after=shown[4]["id"], before=shown[20]["id"], limit=5) == [5, 6, 7, 8, 9]
    assert history(daemon, after=shown[18]["id"], before=shown[20]["id"]) == [19]
    assert history(daemon, after=shown[4]["id"], before=shown[4]["id"]) == []


def test_history_of_what_is_not_shown_does_not_shorten_a_page(spawn: Spawn) -> None:
    """Kinds of a newer version are stored and not shown."""
    daemon = spawn()
    newer = [unknown(number * 2 + 1) for number in range(20)]
    daemon.call("message.import", messages=[line(item) for item in newer])
    daemon.call("message.import", messages=[line(envelope(number * 2)) for number in range(20)])
    assert history(daemon, limit=5) == [30, 32, 34, 36, 38]
    assert history(daemon, after=0, limit=5) == [0, 2, 4, 6, 8]
    assert len(history(daemon, limit=1000)) == 20


@pytest.fixture
def mixed(tmp_path: Path) -> Iterator[Store]:
    """Of every ten messages one is shown; the others are of unknown kinds, or Eve's, who is blocked."""
    store = Store.open(tmp_path / "store", sync=False)
    kept = threading.Event()
    store.start(lambda _: kept.set())
    kinds = (envelope, odd, unknown, *6 * [said_by_eve], odd)
    found = [kinds[number % 10](number) for number in range(200)]
    store.submit(Batch(1, tuple(found)))
    assert kept.wait(20)
    yield store
    store.close()


def page_of(store: Store, **params: Any) -> list[int]:
    people = People([Person(EVE.peer_id, blocked=True)])
    asked = api.HistoryParams(room="old", **params)
    found = reading.history(store, people, room_id("main", "old"), "old", asked)
    return [int(message["text"].split()[1]) for message in found]


def test_history_passes_over_what_is_not_shown(mixed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "STEP", 7)
    assert page_of(mixed, limit=3) == [170, 180, 190]
    assert page_of(mixed, limit=3, after=0) == [0, 10, 20]
    assert page_of(mixed, limit=1000) == page_of(mixed, limit=1000, after=0) == list(range(0, 200, 10))
    assert page_of(mixed, limit=5, before=START_MS + 15_000) == [0, 10]
    assert page_of(mixed, limit=5, after=START_MS + 175_000) == [180, 190]


def test_history_decodes_little_of_what_is_not_shown(mixed: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[bytes] = []

    def decode(value: bytes) -> tuple[int, Envelope]:
        decoded.append(value)
        return decode_record(value)

    decode_record = records.decode_record
    monkeypatch.setattr(records, "decode_record", decode)
    assert len(page_of(mixed, limit=20)) == 20
    assert len(decoded) == 20 + 40  # only the unusual ones besides


@pytest.mark.parametrize("onwards", [False, True])
def test_history_that_would_pass_over_too_much_says_where_to_go_on(
    mixed: Store, monkeypatch: pytest.MonkeyPatch, *, onwards: bool
) -> None:
    """A short page would be taken for the last one."""
    monkeypatch.setattr(shown, "MAX_PASSED_OVER", 20)
    seen: list[int] = []
    params: Json = {"limit": 3, **({"after": 0} if onwards else {})}
    while True:
        try:
            page = page_of(mixed, **params)
        except api.MuchNotShown as error:
            hint = str(error.hint)
            if asked := re.match("ask for ([0-9]+)", hint):
                params["limit"] = int(asked[1])
            else:
                *_, way, message_id = hint.split()
                params[way] = message_id
                params["limit"] = 3
            continue
        seen = seen + page if onwards else page + seen
        if len(page) < params["limit"]:
            break
        number = page[-1] if onwards else page[0]
        params["after" if onwards else "before"] = str(envelope(number).id)
    assert seen == list(range(0, 200, 10))


def odd(number: int) -> Envelope:
    """Of an unknown kind, which takes two bytes where one would do."""
    plain = unknown(number)
    payload = plain.payload[:1] + b"\xcc" + plain.payload[1:]
    return open_envelope(payload, BOB.sign(SIGNING_CONTEXT, payload))


def said_by_eve(number: int) -> Envelope:
    return seal(EVE, room_id("main", "old"), START_MS + number * 1000 << 16, "eve", Chat(f"number {number}"))


def unknown(number: int) -> Envelope:
    stamp = START_MS + number * 1000 << 16
    payload = pack([77, room_id("main", "old"), BOB.public_key, stamp, "bob", "?"])
    return open_envelope(payload, BOB.sign(SIGNING_CONTEXT, payload))


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({"before": "f" * 64}, 1020, "there is no message ffff"),
        ({"after": "0123456789"}, 1020, "there is no message 0123456789"),
        ({"before": "tomorrow"}, 1021, "'tomorrow' is neither a message id nor a time"),
        ({"before": "2026-03-01"}, 1021, "neither"),
        ({"before": "2026-03-01T12:00:00"}, 1021, "neither"),
        ({"before": "0123456"}, 1021, "neither"),
        ({"before": ""}, 1021, "neither"),
        ({"before": "\x1b[31m" * 100}, 1021, "neither"),
        ({"before": "99999999999999999999:1"}, 1021, "neither"),
        ({"before": -1}, -32602, "'before' must be 0 to"),
        ({"before": 2**48}, -32602, "'before' must be 0 to"),
        ({"before": 1.5}, -32602, "'before' must be a whole number or text or null, not a number"),
        ({"after": True}, -32602, "'after' must be a whole number or text or null, not true"),
        ({"before": 1, "after": 2}, -32602, "`before` is earlier than `after`"),
        ({"limit": 1001}, -32602, "'limit' must be 1 to 1000"),
        ({"limit": 10**30}, -32602, "'limit' must be 1 to 1000"),
        ({"signed": 1}, -32602, "'signed' must be true or false"),
    ],
)
def test_history_refuses_what_makes_no_sense(daemon: Daemon, params: Json, code: int, says: str) -> None:
    error = refusal(daemon, "message.history", room="old", **params)
    assert error["code"] == code
    assert says in error["message"]
    if code > 0 or "earlier" in says:
        assert error["data"]["hint"]


def test_message_id_s_beginning_that_several_share_is_refused() -> None:
    error = api.NoSuchMessage("0123456789", several=True)
    assert str(error) == "several messages begin with 0123456789"
    assert error.hint == "give more of its id"


# Searches


def found(daemon: Daemon, query: str, **params: Any) -> list[str]:
    return [message["text"] for message in daemon.call("message.search", query=query, **params)["messages"]]


def test_search_is_newest_first_and_pages_by_its_next(daemon: Daemon) -> None:
    page = daemon.call("message.search", query="num*", limit=10)
    assert page.keys() == {"messages", "next", "incomplete", "unindexed"}
    assert (page["incomplete"], page["unindexed"]) == (False, 0)
    seen = [message["text"] for message in page["messages"]]
    while page["next"]:
        page = daemon.call("message.search", query="num*", limit=10, before=page["next"])
        seen += [message["text"] for message in page["messages"]]
    assert seen == [f"number {number}" for number in reversed(range(COUNT))]
    assert page["messages"][0]["room"] == "old"


def test_search_keeps_to_room_author_and_time(daemon: Daemon) -> None:
    daemon.call("message.send", text="number 7 is mine")
    assert found(daemon, "number 7") == ["number 7 is mine", "number 7"]
    assert found(daemon, "number 7", room="#Old") == ["number 7"]
    assert found(daemon, "number 7", author="ANN") == ["number 7 is mine"]
    assert found(daemon, "number 7", author=str(BOB.peer_id)) == ["number 7"]
    assert found(daemon, "number 7", author=str(BOB.peer_id)[:10]) == ["number 7"]
    assert found(daemon, "number 7", author=f"bob~{str(BOB.peer_id)[:4]}") == ["number 7"]
    assert found(daemon, "number 7", author="bob~zzzz") == []
    assert found(daemon, "number 7", author="nobody") == []
    assert found(daemon, "number 7", before=START_MS + 7000) == []
    assert found(daemon, "number 7", after=START_MS + 7000, before=START_MS + 7001) == ["number 7"]


def test_search_leaves_out_rooms_of_another_network(spawn: Spawn) -> None:
    daemon = spawn()
    daemon.call("message.send", text="said on main")
    daemon.stop()
    daemon.arguments += ["--network", "other"]
    daemon.start()
    daemon.call("message.send", text="said on other")
    assert found(daemon, "said") == ["said on other"]


@pytest.mark.parametrize(
    ("params", "code", "says"),
    [
        ({}, -32602, "'query' is missing"),
        ({"query": ""}, 1022, "there is no word to search for"),
        ({"query": "!? \x00\x1b*"}, 1022, "there is no word to search for"),
        ({"query": "word " * 10_000}, 1022, f"at most {MAX_QUERY_CHARS} are taken"),
        ({"query": " ".join(f"w{n}" for n in range(MAX_QUERY_WORDS + 1))}, 1022, "has 33 words, at most 32"),
        ({"query": "x", "room": "elsewhere"}, 1006, "not in #elsewhere"),
        ({"query": "x", "room": "!"}, 1004, "not a room name"),
        ({"query": "x", "author": " "}, 1022, "nobody's name"),
        ({"query": "x", "before": 5, "after": 6}, -32602, "`before` is earlier"),
        ({"query": "x", "before": "a" * 64}, 1020, "no message"),
        ({"query": "x", "limit": 0}, -32602, "'limit' must be"),
        ({"query": "x", "limit": 10**9}, -32602, "'limit' must be"),
        ({"query": 5}, -32602, "'query' must be text"),
    ],
)
def test_search_refuses_what_makes_no_sense(daemon: Daemon, params: Json, code: int, says: str) -> None:
    error = refusal(daemon, "message.search", **params)
    assert error["code"] == code
    assert says in error["message"]


def test_search_takes_half_a_surrogate_pair(daemon: Daemon) -> None:
    assert found(daemon, "num* \ud800") == found(daemon, "num*")


# Out and in


def test_signed_history_is_taken_back_as_it_is(daemon: Daemon, spawn: Spawn) -> None:
    signed = daemon.call("message.history", room="old", limit=COUNT, signed=True)
    other = spawn(username="cleo")
    imported = other.call("message.import", messages=signed)
    assert imported == {"stored": COUNT, "duplicates": 0, "refused": []}
    assert other.call("message.import", messages=signed)["duplicates"] == COUNT
    again = other.call("message.history", room="old", limit=COUNT, signed=True)
    for before, after in zip(signed, again, strict=True):
        assert {**before, "seq": 0} == {**after, "seq": 0}
    assert other.call("node.status")["rooms"] == ["lobby"]
    assert [room["room"] for room in other.call("room.list")] == ["lobby"]
    known = {room["room"]: room["joined"] for room in other.call("room.list", left=True)}
    assert known == {"lobby": True, "old": False}
    assert found(other, "number 3") == ["number 3"]


FORGED = {**line(envelope(1)), "signature": base64.b64encode(bytes(64)).decode()}
LATE = seal(BOB, room_id("main", "old"), (time.time_ns() // 1_000_000 + 3_600_000) << 16, "bob", Chat("?"))
EPHEMERAL = seal(BOB, room_id("main", "old"), START_MS << 16, "bob", Announce(60))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (5, "not a JSON object"),
        (None, "not a JSON object"),
        ({}, "it has no room"),
        ({**line(envelope(1)), "room": "two words"}, "not a room name"),
        ({**line(envelope(1)), "room": "tea"}, "not a message of #tea"),
        (line(envelope(1, network="other")), "on the network 'main'"),
        ({"room": "old"}, "it has no payload"),
        ({**line(envelope(1)), "payload": "?"}, "its payload is not base64"),
        ({**line(envelope(1)), "payload": "é"}, "its payload is not base64"),
        ({**line(envelope(1)), "payload": "AAAA"}, "its payload is not a message"),
        ({**line(envelope(1)), "payload": "A" * 40_000}, "its payload is not a message"),
        ({**line(envelope(1)), "signature": "AAAA"}, "its payload is not a message"),
        (FORGED, "its signature does not fit"),
        (line(LATE), "more than 10 minutes ahead"),
        (line(EPHEMERAL), "a kind that is not kept"),
    ],
)
def test_import_refuses_what_live_traffic_would_not_pass(daemon: Daemon, message: Any, says: str) -> None:
    good = line(envelope(0))
    answer = daemon.call("message.import", messages=[good, message, good])
    assert (answer["stored"], answer["duplicates"]) == (0, 2)
    (refused,) = answer["refused"]
    assert refused["index"] == 1
    assert says in refused["reason"]


def test_import_takes_so_many_messages_and_rooms(spawn: Spawn) -> None:
    daemon = spawn()
    error = refusal(daemon, "message.import", messages=[0] * (api.MAX_IMPORT + 1))
    assert error["code"] == -32602
    assert "has 501 items, over 500" in error["message"]
    assert refusal(daemon, "message.import", messages={})["code"] == -32602
    many = [line(envelope(1, room=f"r{number}"), f"r{number}") for number in range(MAX_ROOMS + 5)]
    answer = daemon.call("message.import", messages=many)
    assert answer["stored"] == MAX_ROOMS - 1
    assert len(answer["refused"]) == 6
    assert "this node knows 1 rooms" in answer["refused"][0]["reason"]
    daemon.call("room.join", room="r3")
    assert daemon.call("message.history", room="r3")[0]["text"] == "number 1"

"""What a message from a file has to pass before it is stored."""

import base64
from typing import Any

import pytest

from chatcore.clock import COUNTER_BITS
from chatcore.envelopes import Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatcore.names import room_id
from chatd.importing import Checked, check

AUTHOR = Identity(b"a" * 32)
TEA = room_id("main", "tea")
NOW_MS = 1_700_000_000_000


def message(age_ms: int) -> Envelope:
    return seal(AUTHOR, TEA, (NOW_MS - age_ms) << COUNTER_BITS, "ada", Chat("hello"))


def line(envelope: Envelope) -> dict[str, Any]:
    raw = {"payload": envelope.payload, "signature": envelope.signature}
    return {"room": "tea", **{name: base64.b64encode(value).decode() for name, value in raw.items()}}


def checked(*envelopes: Envelope, floor: int = 0) -> Checked:
    floors: dict[RoomId, int] = {TEA: floor}
    return check([line(envelope) for envelope in envelopes], "main", NOW_MS, floors.__getitem__)


def test_message_with_its_signature_is_taken() -> None:
    hello = message(1000)
    assert checked(hello) == Checked({0: hello}, {}, {TEA: "tea"})


def test_message_older_than_what_is_kept_is_refused_and_the_rest_taken() -> None:
    old, young = message(2000), message(1000)

    found = checked(old, young, floor=young.stamp)

    assert found.envelopes == {1: young}
    assert found.refused == {0: "it is older than this node keeps"}


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("text", "hello", "goodbye"),
        ("username", "ada", "eve"),
        ("time_ms", NOW_MS - 1000, NOW_MS),
        ("id", str(message(1000).id), "0" * 64),
        ("author", str(AUTHOR.peer_id), str(Identity(b"b" * 32).peer_id)),
        ("time", "2023-11-14T22:13:19.000Z", "2023-11-14T22:13:19.001Z"),
    ],
)
def test_what_a_line_shows_must_be_what_was_signed(name: str, right: Any, wrong: Any) -> None:
    hello = message(1000)
    lines = [{**line(hello), name: right}, {**line(hello), name: wrong}]

    found = check(lines, "main", NOW_MS, lambda _: 0)

    assert found.envelopes == {0: hello}
    assert found.refused == {
        1: f"its {name} is not what its author signed; mend it, or leave {name} out of the line"
    }

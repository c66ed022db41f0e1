"""What linked nodes say to each other: exact bytes, round trips, caps, and garbage."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.codec import MAX_BATCH_MESSAGES, MAX_PLAINTEXT_BYTES, decode_batch, encode_message, pack_batches
from chatcore.envelopes import MAX_PAYLOAD_BYTES, Envelope
from chatcore.errors import Malformed, RemoteError
from chatcore.ids import RoomId
from chatcore.messages import (
    MAX_ROOMS,
    MAX_SHORT_IDS,
    Disconnect,
    Goodbye,
    Graft,
    Hello,
    Ihave,
    Introduction,
    LinkMessage,
    Neighbor,
    NeighborReply,
    PeerRequest,
    PeerResponse,
    Ping,
    Pong,
    Prune,
    Publish,
    Receipt,
    Refused,
    Resume,
    RoomRequest,
    RoomResponse,
    Rooms,
    Seen,
    Shuffle,
    ShuffleReply,
    UnknownMessage,
)
from chatcore.records import sign_record
from chatcore.wire import pack
from tests.core.strategies import link_messages, mutations, packed, structures, with_a_wrong_item
from tests.support.core import BOB, chat

ROOM = RoomId(bytes(range(32)))
RECORD = sign_record(BOB, "192.0.2.1:80", 1_700_000_000)
HELLO = Hello(0, ("x",), "main", "chatd/0.1", 8080, "ann", frozenset({ROOM}))


def batch(*items: Any) -> bytes:
    return pack(items)


# Encoding


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (HELLO, [0, 0, ["x"], "main", "chatd/0.1", 8080, "ann", [bytes(ROOM)]]),
        (Goodbye("bye"), [1, "bye"]),
        (Ping(7), [2, 7]),
        (Ping(7, 5), [2, 7, 5]),
        (Pong(2**64 - 1), [3, 2**64 - 1]),
        (Pong(7, 2**48 - 1), [3, 7, 2**48 - 1]),
        (Rooms(frozenset({ROOM})), [4, [bytes(ROOM)]]),
        (PeerRequest(32), [5, 32]),
        (PeerResponse((RECORD,)), [6, [RECORD.signed]]),
        (Seen("192.0.2.1"), [9, bytes([192, 0, 2, 1])]),
        (Introduction((RECORD,)), [10, [RECORD.signed]]),
        (RoomRequest(ROOM, 9, 5), [7, bytes(ROOM), 9, 5]),
        (RoomResponse(9, (RECORD,)), [8, 9, [RECORD.signed]]),
        (Ihave((b"8 bytes.", b"and more")), [17, b"8 bytes.and more"]),
        (Graft((b"8 bytes.",)), [18, b"8 bytes."]),
        (Resume((b"8 bytes.",)), [25, b"8 bytes."]),
        (Receipt((b"8 bytes.",)), [26, b"8 bytes."]),
        (Refused(b"8 bytes.", 1, 3_600_000), [27, b"8 bytes.", 1, 3_600_000]),
        (Prune((b"8 bytes.",)), [19, b"8 bytes."]),
        (Neighbor(ROOM, urgent=True), [20, bytes(ROOM), 1]),
        (NeighborReply(ROOM, accepted=False, members=()), [21, bytes(ROOM), 0, []]),
        (
            NeighborReply(ROOM, accepted=True, members=(RECORD,)),
            [21, bytes(ROOM), 1, [RECORD.signed]],
        ),
        (Disconnect(ROOM), [22, bytes(ROOM)]),
        (Shuffle(ROOM, (RECORD,)), [23, bytes(ROOM), [RECORD.signed]]),
        (ShuffleReply(ROOM, ()), [24, bytes(ROOM), []]),
    ],
)
def test_message_is_written_as_the_protocol_has_it(message: LinkMessage, fields: list[Any]) -> None:
    assert encode_message(message) == msgpack.packb(fields)
    assert decode_batch(batch(fields)) == (message,)


def test_publish_carries_the_signed_bytes_as_they_are() -> None:
    envelope: Envelope = chat(BOB, "hi")
    published = Publish.of(envelope, 16)

    encoded = encode_message(published)

    assert encoded == msgpack.packb([16, 16, envelope.payload, envelope.signature])
    assert decode_batch(b"\x91" + encoded) == (published,)


def test_rooms_are_written_in_one_order() -> None:
    rooms = [RoomId(bytes([number]) * 32) for number in range(20)]

    assert encode_message(Rooms(frozenset(rooms))) == encode_message(Rooms(frozenset(reversed(rooms))))


def test_long_goodbye_is_cut_between_characters() -> None:
    encoded = encode_message(Goodbye("ü" * 63 + "€€"))

    assert decode_batch(b"\x91" + encoded) == (Goodbye("ü" * 63),)


def test_unknown_message_is_not_written() -> None:
    with pytest.raises(ValueError, match="99"):
        encode_message(UnknownMessage(99))


@given(st.lists(link_messages, max_size=8))
def test_messages_survive_the_round_trip(messages: list[LinkMessage]) -> None:
    batches = pack_batches([encode_message(message) for message in messages])

    assert [message for plaintext in batches for message in decode_batch(plaintext)] == messages
    assert all(len(plaintext) <= MAX_PLAINTEXT_BYTES for plaintext in batches)


def test_nothing_packs_into_no_batch() -> None:
    assert pack_batches([]) == []


def test_batches_are_full_before_the_next_begins() -> None:
    ping = encode_message(Ping(1))

    assert [len(decode_batch(item)) for item in pack_batches([ping] * 2500)] == [1024, 1024, 452]


def test_batch_is_never_longer_than_a_frame_holds() -> None:
    largest = encode_message(Publish(1, chat(BOB, "x").id, bytes(MAX_PAYLOAD_BYTES), bytes(64)))

    batches = pack_batches([largest] * 10)

    assert [len(decode_batch(item)) for item in batches] == [3, 3, 3, 1]
    assert max(len(item) for item in batches) <= MAX_PLAINTEXT_BYTES


def test_batch_may_fill_a_frame_to_the_byte() -> None:
    header, item = 3, bytes(1000)
    fit = (MAX_PLAINTEXT_BYTES - header) // len(item)
    rest = MAX_PLAINTEXT_BYTES - header - fit * len(item)

    assert len(pack_batches([item] * fit + [bytes(rest)])) == 1
    assert len(pack_batches([item] * fit + [bytes(rest + 1)])) == 2


# Decoding


def test_empty_batch_is_malformed() -> None:
    with pytest.raises(Malformed):
        decode_batch(b"\x90")


@pytest.mark.parametrize("type_", [11, 15, 99, 255])
def test_unknown_type_is_carried_on(type_: int) -> None:
    assert decode_batch(batch([type_, "whatever", [1]])) == (UnknownMessage(type_),)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([2, 7, 5, "new"], Ping(7, 5)),
        ([1, "bye", 1, 2], Goodbye("bye")),
        ([4, [bytes(ROOM)], 0], Rooms(frozenset({ROOM}))),
        ([6, [RECORD.signed], 0], PeerResponse((RECORD,))),
    ],
)
def test_further_fields_are_ignored(fields: list[Any], message: LinkMessage) -> None:
    assert decode_batch(batch(fields)) == (message,)


def test_room_named_twice_counts_once() -> None:
    assert decode_batch(batch([4, [bytes(ROOM), bytes(ROOM)]])) == (Rooms(frozenset({ROOM})),)


def spoilt(address: bytes) -> bytes:
    """The record with another address in it."""
    return RECORD.signed[:36] + address + RECORD.signed[-64:]


HELLO_FIELDS = [0, 0, [], "main", "agent", 0, "ann", []]


def hello_with(index: int, value: Any) -> list[Any]:
    return [*HELLO_FIELDS[:index], value, *HELLO_FIELDS[index + 1 :]]


@pytest.mark.parametrize(
    "fields",
    [
        5,  # not an array
        [],  # no type
        ["2", 1],
        [True, 1],
        [-1],
        [256],
        [None],
        [2],  # a ping without its nonce
        [2, -1],
        [2, 2**64 - 1.0],
        [2, True],
        [3, "7"],
        [2, 7, -1],
        [2, 7, "now"],
        [3, 7, 2**48],
        [3, 7, None],
        [1],
        [1, b"bye"],
        [1, "x" * 129],
        [4],
        [4, 5],
        [4, [b"short"]],
        [4, ["x" * 32]],
        [4, [bytes([n % 256, n // 256]) + bytes(30) for n in range(MAX_ROOMS + 1)]],
        [5],
        [5, 33],
        [6],
        [6, [5]],
        [6, [RECORD.signed.decode("latin1")]],
        [6, [RECORD.signed[:-1]]],
        [6, [RECORD.signed + b"!"]],
        [6, [spoilt(bytes([127, 0, 0, 1, 0, 0]))]],  # no port
        [6, [spoilt(bytes([0, 0, 0, 0, 0, 80]))]],
        [6, [spoilt(bytes([239, 0, 0, 1, 0, 80]))]],  # a group of hosts
        [6, [spoilt(bytes(10) + bytes([255, 255, 192, 0, 2, 1, 0, 80]))]],  # IPv4 written as IPv6
        [6, [spoilt(bytes([254, 128]) + bytes(14) + bytes([0, 80]))]],  # everybody's own
        [9],
        [9, "192.0.2.1"],
        [9, bytes(5)],
        [10],
        [10, [RECORD.signed] * 4],
        [6, [RECORD.signed] * 33],
        [7, bytes(ROOM), 9],
        [7, bytes(31), 9, 5],
        [7, bytes(ROOM), -1, 5],
        [7, bytes(ROOM), 9, 256],
        [8, 9],
        [8, 9, [b""]],
        [8, 2**64 - 1.0, []],
        [8, 9, [RECORD.signed] * 33],
        [26],
        [26, b""],
        [26, b"7 bytes"],
        [26, bytes(8 * 1025)],
        [27, b"8 bytes.", 1],
        [27, b"7 bytes", 1, 0],
        [27, b"8 bytes.", 256, 0],
        [27, b"8 bytes.", 1, -1],
        [16],
        [16, 1, b"payload"],
        [16, 256, b"payload", bytes(64)],
        [16, -1, b"payload", bytes(64)],
        [16, True, b"payload", bytes(64)],
        [16, 1, b"", bytes(64)],
        [16, 1, "payload", bytes(64)],
        [16, 1, bytes(MAX_PAYLOAD_BYTES + 1), bytes(64)],
        [16, 1, b"payload", bytes(63)],
        [16, 1, b"payload", "x" * 64],
        [17],
        [17, b""],
        [17, b"7 bytes"],
        [17, "8 chars."],
        [17, [b"8 bytes."]],
        [17, bytes(8 * MAX_SHORT_IDS + 8)],
        [18, b""],
        [18, b"9 bytes.."],
        [19, b""],
        [19, None],
        [20],
        [20, bytes(ROOM)],
        [20, bytes(31), 0],
        [20, bytes(ROOM), 2],
        [20, bytes(ROOM), True],
        [21, bytes(ROOM), 1],
        [21, bytes(ROOM), -1, []],
        [21, bytes(ROOM), 1, ["a.example:1"]],
        [21, bytes(ROOM), 1, [RECORD.signed] * 33],
        [22],
        [22, "x" * 32],
        [23, bytes(ROOM)],
        [23, bytes(ROOM), [b""]],
        [24, bytes(33), []],
        [24, bytes(ROOM), [RECORD.signed] * 33],
        HELLO_FIELDS[:7],
        hello_with(1, 65_536),
        hello_with(2, ["x"] * 33),
        hello_with(2, ["x" * 33]),
        hello_with(2, [5]),
        hello_with(3, "x" * 65),
        hello_with(4, "x" * 65),
        hello_with(5, 65_536),
        hello_with(6, ""),
        hello_with(6, "ü" * 33),
        hello_with(7, None),
    ],
)
def test_message_with_a_wrong_field_is_malformed(fields: Any) -> None:
    with pytest.raises(Malformed):
        decode_batch(batch(fields))


def test_one_malformed_message_spoils_its_batch() -> None:
    with pytest.raises(Malformed):
        decode_batch(batch([2, 1], [2]))


def test_batch_of_too_many_messages_is_malformed() -> None:
    assert len(decode_batch(batch(*[[2, 1]] * MAX_BATCH_MESSAGES))) == MAX_BATCH_MESSAGES
    with pytest.raises(Malformed):
        decode_batch(batch(*[[2, 1]] * (MAX_BATCH_MESSAGES + 1)))


# Garbage


def refuses_only_as_remote(plaintext: bytes) -> None:
    try:
        messages = decode_batch(plaintext)
    except RemoteError:
        return
    for message in messages:  # whatever was taken can be said again
        if not isinstance(message, UnknownMessage):
            assert decode_batch(b"\x91" + encode_message(message)) == (message,)


valid_batches = st.lists(link_messages, max_size=3).map(
    lambda messages: b"".join([bytes([0x90 + len(messages)]), *map(encode_message, messages)])
)
valid_items: st.SearchStrategy[list[Any]] = link_messages.map(
    lambda message: list(msgpack.unpackb(encode_message(message)))
)


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)


@given(packed(st.lists(structures, max_size=4)))
def test_random_structures_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)


@given(mutations(valid_batches))
def test_broken_batches_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)


@given(packed(st.lists(with_a_wrong_item(valid_items), max_size=3)))
def test_messages_with_a_wrong_item_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)

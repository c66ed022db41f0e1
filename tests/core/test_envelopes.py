"""Signed envelopes: exact bytes, round trips, caps, signatures, and garbage."""

import hashlib
from typing import Any

import msgpack
import nacl.signing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.envelopes import (
    MAX_PAYLOAD_BYTES,
    Announce,
    Body,
    Chat,
    Envelope,
    Join,
    Leave,
    UnknownBody,
    check_text,
    open_envelope,
    seal,
)
from chatcore.errors import Malformed, RemoteError, TextEmpty, TextNotUnicode, TextTooLong
from chatcore.ids import MessageId, RoomId
from chatcore.texts import MAX_TEXT_BYTES
from tests.core.strategies import (
    bodies,
    mutations,
    packed,
    room_ids,
    stamps,
    structures,
    usernames,
    with_a_wrong_item,
)
from tests.support.core import BOB, LOBBY, STAMP, chat, forged, identity, written

SIGNATURE = bytes(64)


def header(kind: int = 1, **changes: Any) -> list[Any]:
    fields = {"kind": kind, "room": bytes(32), "author": bytes(32), "stamp": 5, "username": "ann"}
    return list((fields | changes).values())


def opened(*fields: Any) -> Envelope:
    return open_envelope(bytes(msgpack.packb(list(fields))), SIGNATURE)


def test_chat_is_written_as_the_protocol_has_it() -> None:
    envelope = chat(BOB, "hi")
    payload = msgpack.packb([1, bytes(LOBBY), BOB.public_key, STAMP, "somebody", "hi"])

    assert envelope.payload == payload
    assert envelope.id == hashlib.blake2b(payload, digest_size=32).digest()
    signed = nacl.signing.VerifyKey(BOB.public_key)
    assert signed.verify(b"chatd envelope 1\0" + payload, envelope.signature)


@pytest.mark.parametrize(
    ("body", "kind", "fields", "durable"),
    [
        (Chat("hi"), 1, ["hi"], True),
        (Join(), 128, [], False),
        (Leave(), 129, [], False),
        (Announce(15), 130, [15], False),
    ],
)
def test_body_is_written_under_its_kind(body: Body, kind: int, fields: list[Any], durable: bool) -> None:
    envelope = written(BOB, body)
    decoded = msgpack.unpackb(envelope.payload)

    assert (decoded[0], decoded[5:]) == (kind, fields)
    assert envelope.durable is durable


def test_unknown_body_is_not_written() -> None:
    with pytest.raises(ValueError, match="77"):
        written(BOB, UnknownBody(77))


@given(st.integers(1, 9), room_ids, stamps, usernames, bodies)
def test_envelope_survives_the_round_trip(
    author: int, room: RoomId, stamp: int, username: str, body: Body
) -> None:
    envelope = seal(identity(author), room, stamp, username, body)

    assert open_envelope(envelope.payload, envelope.signature) == envelope
    assert envelope.is_signed()


def test_known_id_is_taken_at_its_word() -> None:
    envelope = chat(BOB, "hi")
    known = MessageId(bytes(32))

    assert open_envelope(envelope.payload, envelope.signature, known).id == known


# Signatures


def test_forged_signature_does_not_hold() -> None:
    assert not forged(chat(BOB, "hi")).is_signed()


def test_signature_of_somebody_else_does_not_hold() -> None:
    envelope = chat(BOB, "hi")

    assert not envelope._replace(author=identity(9).public_key).is_signed()


@given(st.integers(0, 10_000))
def test_any_flipped_bit_breaks_the_signature(position: int) -> None:
    envelope = chat(BOB, "hi")
    payload = bytearray(envelope.payload)
    payload[position // 8 % len(payload)] ^= 1 << position % 8

    assert not envelope._replace(payload=bytes(payload)).is_signed()


def test_small_order_key_signs_nothing() -> None:
    # With the neutral element as key, this signature would hold for every message (RFC 8032, section 8.4).
    neutral = bytes([1]) + bytes(31)

    assert not chat(BOB, "hi")._replace(author=neutral, signature=neutral + bytes(32)).is_signed()


def test_signature_moved_by_the_groups_order_does_not_hold() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    envelope = chat(BOB, "hi")
    scalar = int.from_bytes(envelope.signature[32:], "little") + order
    moved = envelope.signature[:32] + scalar.to_bytes(32, "little")

    assert not envelope._replace(signature=moved).is_signed()


# Decoding


def test_unknown_kinds_are_opened_whatever_they_hold() -> None:
    assert opened(*header(77), [1, [2]]).body == UnknownBody(77)
    assert opened(*header(77)).durable
    assert not opened(*header(255)).durable


def test_further_fields_are_ignored() -> None:
    assert opened(*header(1), "hi", 1, [2]).body == Chat("hi")
    assert opened(*header(128), "x").body == Join()


@pytest.mark.parametrize(
    "fields",
    [
        [],
        header()[:4],
        header(1),  # a chat without its text
        [*header(1), 5],
        [*header(1), b"hi"],
        [*header(1), ""],
        [*header(1), "x" * (MAX_TEXT_BYTES + 1)],
        header(130),
        [*header(130), 0],
        [*header(130), 3601],
        [*header(130), True],
        [*header(130), "15"],
        header(kind=256),
        header(kind=-1),
        header(128, room=bytes(31)),
        header(128, room="x" * 32),
        header(128, author=bytes(33)),
        header(128, author=None),
        header(128, stamp=-1),
        header(128, stamp=1.0),
        header(128, username=""),
        header(128, username="ü" * 33),
        header(128, username=b"ann"),
    ],
)
def test_envelope_with_a_wrong_field_is_malformed(fields: list[Any]) -> None:
    with pytest.raises(Malformed):
        opened(*fields)


def test_kind_that_is_a_boolean_is_malformed() -> None:
    with pytest.raises(Malformed):
        opened(*[True, *header()[1:]], "hi")


def test_payload_over_its_size_is_malformed_before_it_is_decoded() -> None:
    filler = MAX_PAYLOAD_BYTES - len(msgpack.packb([*header(77), bytes(20_000)])) + 20_000

    assert len(opened(*header(77), bytes(filler)).payload) == MAX_PAYLOAD_BYTES
    with pytest.raises(Malformed):
        opened(*header(77), bytes(filler + 1))


@pytest.mark.parametrize("size", [0, 63, 65])
def test_signature_of_another_size_is_malformed(size: int) -> None:
    with pytest.raises(Malformed):
        open_envelope(chat(BOB, "hi").payload, bytes(size))


# What people may send


@pytest.mark.parametrize("text", ["x", " x ", "ü" * 8192, "a\0b", "👩‍👩‍👧"])
def test_text_that_may_be_sent_fits_an_envelope(text: str) -> None:
    check_text(text)
    envelope = chat(BOB, text)

    assert open_envelope(envelope.payload, envelope.signature).body == Chat(text)


def test_text_that_may_not_be_sent_says_why() -> None:
    with pytest.raises(TextEmpty):
        check_text(" \n\t ")
    with pytest.raises(TextEmpty):
        check_text("\x01\u200b\r")  # shows nothing either
    with pytest.raises(TextNotUnicode):
        check_text("\udc80")
    with pytest.raises(TextTooLong) as caught:
        check_text("x" * 16_385)
    assert (caught.value.size, caught.value.limit) == (16_385, 16_384)


# Garbage


def refuses_only_as_remote(payload: bytes) -> None:
    try:
        envelope = open_envelope(payload, SIGNATURE)
    except RemoteError:
        return
    assert envelope.payload == payload
    assert not envelope.is_signed()


valid_fields = st.builds(lambda body: msgpack.unpackb(written(BOB, body).payload), bodies)


@given(st.binary(max_size=200))
def test_random_bytes_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)


@given(packed(structures))
def test_random_structures_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)


@given(mutations(bodies.map(lambda body: written(BOB, body).payload)))
def test_broken_payloads_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)


@given(packed(with_a_wrong_item(valid_fields)))
def test_payloads_with_a_wrong_item_raise_only_remote_error(garbage: bytes) -> None:
    refuses_only_as_remote(garbage)

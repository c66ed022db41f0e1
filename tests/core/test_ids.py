"""Ids: 32 bytes, one way to write each kind."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.ids import MessageId, PeerId, RoomId
from tests.core.strategies import digests

KINDS = [PeerId, RoomId, MessageId]
AnyId = PeerId | RoomId | MessageId


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0, 31, 33])
def test_id_of_another_size_is_refused(kind: type[AnyId], size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        kind(bytes(size))


@given(st.sampled_from(KINDS), digests)
def test_id_survives_being_written_and_parsed(kind: type[AnyId], digest: bytes) -> None:
    written = str(kind(digest))

    assert kind.parse(written) == kind(digest) == digest
    assert type(kind.parse(written)) is kind
    assert kind(digest).short == written[:10]
    assert repr(kind(digest)) == f"{kind.__name__}({written[:10]})"


def test_peer_id_is_base32_for_people() -> None:
    digest = hashlib.sha256(b"x").digest()

    assert str(PeerId(digest)) == "fvyrmqvxe2yeialcpsu7xlbs6xefgd5rsa6mjwycewdrpeq2jcaq"


def test_message_id_is_hexadecimal() -> None:
    assert str(MessageId(bytes(range(32)))) == bytes(range(32)).hex()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a" * 51 + "b",  # the spare bits are not zero
        "A" * 52,
        "1" * 52,
        "a" * 51 + "=",
        "a" * 53,
        "ß" * 52,
        "ſ" * 52,  # upper() makes it an S
        "a" * 51 + "\n",
    ],
)
def test_what_is_no_peer_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"id|hex|not|32|ASCII"):
        PeerId.parse(text)


@pytest.mark.parametrize(
    "text", ["", "0", "0" * 63, "0" * 62, "0" * 66, "G" * 64, "A" * 64, "00 " * 32, "٠" * 64]
)
def test_what_is_no_message_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"id|hex|not|32|ASCII"):
        MessageId.parse(text)


@given(st.text(max_size=60) | st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=52, max_size=52))
def test_garbage_is_an_id_or_raises_value_error(text: str) -> None:
    for kind in KINDS:
        try:
            parsed = kind.parse(text)
        except ValueError:
            continue
        assert str(parsed) == text

"""Identities: keys, signatures for one purpose, key files."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.errors import BadKeyFile
from chatcore.identity import Identity, peer_id_of, verify
from chatcore.ids import PeerId

# RFC 8032, section 7.1, test 1
RFC_SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
RFC_PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
RFC_SIGNATURE = bytes.fromhex(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
)


def test_keys_and_signatures_are_those_of_rfc_8032() -> None:
    identity = Identity(RFC_SEED)

    assert identity.public_key == RFC_PUBLIC
    assert identity.sign(b"", b"") == RFC_SIGNATURE
    assert identity.peer_id == PeerId(hashlib.sha256(RFC_PUBLIC).digest()) == peer_id_of(RFC_PUBLIC)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seed_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"not {size}"):
        Identity(bytes(size))


def test_signature_serves_one_purpose_only() -> None:
    identity = Identity(RFC_SEED)
    signature = identity.sign(b"to pay", b"1")

    assert verify(identity.public_key, signature, b"to pay", b"1")
    assert not verify(identity.public_key, signature, b"to owe", b"1")
    assert not verify(identity.public_key, signature, b"to pay", b"2")


def test_seed_never_shows() -> None:
    identity = Identity(RFC_SEED)

    assert repr(identity) == f"Identity({identity.peer_id.short})"
    assert RFC_SEED.hex() not in f"{identity!r} {identity}"


# Key files


@given(st.binary(min_size=32, max_size=32))
def test_key_file_survives_the_round_trip(seed: bytes) -> None:
    identity = Identity(seed)
    text = identity.to_key_file()

    assert Identity.from_key_file(text).public_key == identity.public_key
    assert Identity.from_key_file(text).to_key_file() == text
    assert len(text) <= 1024
    assert text.count("\n") == 1


@given(st.integers(0, 200), st.sampled_from("0123456789abcdef"))
def test_key_file_with_a_changed_digit_is_refused(position: int, digit: str) -> None:
    text = Identity(RFC_SEED).to_key_file()
    start = text.index(" ") + 1
    at = start + position % 64
    damaged = text[:at] + digit + text[at + 1 :]

    if damaged != text:
        with pytest.raises(BadKeyFile):
            Identity.from_key_file(damaged)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chatd-ed25519-1",
        "chatd-ed25519-2 " + "00" * 32 + " x",
        "chatd-ed25519-1 zz x",
        "chatd-ed25519-1 " + "00" * 31 + " x",
        "chatd-ed25519-1 " + "00" * 32 + " x",
        Identity(RFC_SEED).to_key_file() * 2,
    ],
)
def test_what_is_no_key_file_is_refused(text: str) -> None:
    with pytest.raises(BadKeyFile):
        Identity.from_key_file(text)


@given(st.text(max_size=200) | st.text(max_size=80).map(lambda rest: f"chatd-ed25519-1 {rest}"))
def test_garbage_raises_only_bad_key_file(text: str) -> None:
    with pytest.raises(BadKeyFile):
        Identity.from_key_file(text)

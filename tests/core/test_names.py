"""What people type: names and addresses, in one spelling or refused."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.errors import BadAddress, BadName
from chatcore.names import (
    join_address,
    network_name,
    normal_address,
    room_id,
    room_name,
    split_address,
    username,
)
from tests.core.strategies import addresses

# Rooms


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("lobby", "lobby"),
        ("#Lobby", "lobby"),
        ("  LOBBY ", "lobby"),
        ("a.b-c_1", "a.b-c_1"),
        ("Straße", "strasse"),
        ("ＷＩＮＥ", "wine"),  # full width
        ("Café", "café"),
        ("Cafe\u0301", "café"),  # the same, its accent apart
        ("日本語", "日本語"),
        ("हिन्दी", "हिन्दी"),  # with vowel signs
        ("\u0130\u0331", "i\u0331\u0307"),  # two marks that folding leaves in the wrong order
        ("x" * 32, "x" * 32),
    ],
)
def test_room_name_has_one_spelling(typed: str, name: str) -> None:
    assert room_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "#",
        " ",
        "##x",
        "a b",
        "a/b",
        "a#b",
        "x" * 33,
        "ß" * 17,
        "a\0",
        "😀",
        "\ud800",
        "a\u202eb",
        "a\u200bb",
    ],
)
def test_what_is_no_room_name_is_refused(typed: str) -> None:
    with pytest.raises(BadName) as caught:
        room_name(typed)
    assert (caught.value.what, caught.value.name) == ("room", typed)
    assert "32" in caught.value.hint


@given(st.text(max_size=40))
def test_room_name_is_stable_or_refused(typed: str) -> None:
    try:
        name = room_name(typed)
    except BadName:
        return
    assert room_name(name) == name
    assert room_name("#" + name) == name


def test_room_id_is_as_the_protocol_has_it() -> None:
    digest = hashlib.blake2b(b"main\0lobby", digest_size=32, person=b"chatd-room").digest()

    assert room_id("main", "lobby") == digest


def test_room_id_does_not_mix_network_and_name() -> None:
    assert len({room_id("main", "lobby"), room_id("mainl", "obby"), room_id("other", "lobby")}) == 3


# Users and networks


@pytest.mark.parametrize("name", ["ann", "Ann B.", "x" * 64, "ü" * 32, "😀", "नमस्ते"])
def test_username_is_taken_as_it_is(name: str) -> None:
    assert username(name) == name


@pytest.mark.parametrize(
    "name", ["", " ann", "ann ", "a\nb", "a\x1b[31m", "x" * 65, "ü" * 33, "\ud800", "a\u202eb"]
)
def test_what_is_no_username_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        username(name)


@given(st.text(max_size=70))
def test_username_fits_an_envelope_or_is_refused(name: str) -> None:
    try:
        username(name)
    except BadName:
        return
    assert 1 <= len(name.encode()) <= 64


@pytest.mark.parametrize("name", ["main", "my-net.2_x", "x" * 64])
def test_network_name_is_taken_as_it_is(name: str) -> None:
    assert network_name(name) == name


@pytest.mark.parametrize("name", ["", "Main", "a b", "ü", "x" * 65, "main\n"])
def test_what_is_no_network_name_is_refused(name: str) -> None:
    with pytest.raises(BadName):
        network_name(name)


# Addresses


@pytest.mark.parametrize(
    ("typed", "host", "port"),
    [
        ("friend.example:8080", "friend.example", 8080),
        ("Friend.Example:1", "friend.example", 1),
        ("192.0.2.7:65535", "192.0.2.7", 65535),
        ("[2001:DB8:0::1]:80", "2001:db8::1", 80),
        ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("localhost:00080", "localhost", 80),
        ("a_b-c.:1", "a_b-c.", 1),
        ("x" * 253 + ":1", "x" * 253, 1),
    ],
)
def test_address_is_split_into_host_and_port(typed: str, host: str, port: int) -> None:
    assert split_address(typed) == (host, port)
    assert split_address(join_address(host, port)) == (host, port)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        ":",
        ":80",
        "host",
        "host:",
        "host:0",
        "host:65536",
        "host:+80",
        "host:8 0",
        "host:٨٠",  # digits, and not ASCII ones
        "host:²",
        "host:000080",
        "host:00000199999",
        "host:" + "0" * 5000 + "80",
        "host:000001" + "0" * 5000,
        "ho st:80",
        "-host:80",
        "host-:80",
        "x" * 254 + ":80",
        "2001:db8::1:80",
        "[2001:db8::1:80",
        "[]:80",
        "[host]:80",
        "[1.2.3.4]:80",
        "[::1%]:80",
        "[::1%a b]:80",
        "[::1%a\x1b[2J]:80",
        "[::1%a%b]:80",
        "höst:80",
        "host\n:80",
        "user@host:80",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(BadAddress) as caught:
        normal_address(typed)
    assert caught.value.hint


@given(addresses)
def test_address_has_one_spelling(typed: str) -> None:
    normal = normal_address(f" {typed.upper()} ")

    assert normal_address(normal) == normal


@given(st.text(max_size=30) | st.from_regex(r"\[?[0-9a-zA-Z:.%]{0,20}\]?:[0-9]{0,7}", fullmatch=True))
def test_garbage_is_an_address_or_refused(typed: str) -> None:
    try:
        normal = normal_address(typed)
    except BadAddress:
        return
    assert normal_address(normal) == normal
    assert normal.isascii()
    assert normal.isprintable()
    assert len(normal) <= 262


@pytest.mark.parametrize("invisible", ["\ufe0f", "\u034f", "\u3164", "\U000e0100"])
def test_room_name_with_invisible_letters_is_refused(invisible: str) -> None:
    with pytest.raises(BadName):
        room_name(f"lobby{invisible}")

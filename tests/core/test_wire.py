"""Strict msgpack: what is refused, and that refusing costs no memory."""

import tracemalloc

import msgpack
import pytest

from chatcore.errors import Malformed
from chatcore.wire import MAX_BIN_BYTES, MAX_ITEMS, MAX_STR_BYTES, pack, unpack_array

MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "value", [[], [0, 1, 2**64 - 1], ["", "ü"], [b"", b"\xff"], [[], [[1]]], [-5, 1.5, None, True]]
)
def test_array_survives_the_round_trip(value: list[object]) -> None:
    assert unpack_array(pack(value)) == value


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01",  # a number
        b"\xa1x",  # a text
        b"\x80",  # a map
        b"\x91\x80",  # an empty map inside: no map is ever needed
        b"\x91\x81\x01\x02",
        b"\x91\xc7\x00\x05",  # an empty extension
        b"\x91\xc1",  # a byte msgpack never uses
        b"\x91\xd4\x05x",  # an extension
        b"\x91\xd6\xff\x00\x00\x00\x00",  # the timestamp extension
        b"\x91",  # cut short
        b"\x90\x90",  # bytes left over
        b"\x91\xa1\xff",  # text that is not UTF-8
        b"\x91\xa3\xed\xa0\x80",  # half a surrogate pair
        b"\x91" * 5000 + b"\x90",  # deep
    ],
)
def test_anything_but_one_plain_array_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        unpack_array(data)


@pytest.mark.parametrize(
    ("longest", "too_long"),
    [
        (["x" * MAX_STR_BYTES], ["x" * (MAX_STR_BYTES + 1)]),
        ([bytes(MAX_BIN_BYTES)], [bytes(MAX_BIN_BYTES + 1)]),
        ([0] * MAX_ITEMS, [0] * (MAX_ITEMS + 1)),
    ],
)
def test_caps_are_exact(longest: list[object], too_long: list[object]) -> None:
    assert unpack_array(pack(longest)) == longest
    with pytest.raises(Malformed):
        unpack_array(pack(too_long))


def peak_of_decoding(data: bytes) -> int:
    with pytest.raises(Malformed):  # once before, so that nothing made but once is counted
        unpack_array(data)
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            unpack_array(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header",
    [
        b"\xdd\xff\xff\xff\xff",  # an array of 2**32 - 1
        b"\xdc\xff\xff",
        b"\x91\xdd\xff\xff\xff\xff",  # inside another
        b"\xdf\xff\xff\xff\xff",  # a map
        b"\xdb\xff\xff\xff\xff",  # a text
        b"\xc6\xff\xff\xff\xff",  # a binary
        b"\xc9\xff\xff\xff\xff\x01",  # an extension
    ],
)
def test_header_that_claims_gigabytes_allocates_nothing(header: bytes) -> None:
    assert peak_of_decoding(header) < 64 * 1024


def test_frame_of_nested_headers_allocates_no_more_than_the_stack_is_deep() -> None:
    # Each may claim as much as is allowed. The decoder's own limit of 1,024 levels bounds the sum.
    header = b"\xdc" + MAX_ITEMS.to_bytes(2, "big")

    assert peak_of_decoding(header * 20_000) < 20 * MEBIBYTE


def test_shortest_form_is_not_asked_for() -> None:
    assert unpack_array(b"\xdc\x00\x01\xcf" + bytes(7) + b"\x05") == [5]


def test_pack_writes_bytes_as_binary_and_text_as_text() -> None:
    assert pack([b"\x01", "a", [1]]) == msgpack.packb([b"\x01", "a", [1]]) == b"\x93\xc4\x01\x01\xa1a\x91\x01"

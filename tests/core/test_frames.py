"""Bytes to frames, at every split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.errors import FrameTooLong
from chatcore.frames import MAX_FRAME_BYTES, MAX_HANDSHAKE_FRAME_BYTES, FrameDecoder, encode_frame


def drain(decoder: FrameDecoder) -> list[bytes]:
    frames = []
    while (frame := decoder.next_frame()) is not None:
        frames.append(frame)
    return frames


def test_frame_is_its_length_and_its_body() -> None:
    assert encode_frame(b"hi") == b"\x00\x00\x00\x02hi"
    assert encode_frame(b"") == b"\x00\x00\x00\x00"


def test_longest_frame_survives_and_a_longer_one_is_not_made() -> None:
    decoder = FrameDecoder(MAX_FRAME_BYTES)
    decoder.feed(encode_frame(bytes(MAX_FRAME_BYTES)))

    assert decoder.next_frame() == bytes(MAX_FRAME_BYTES)
    with pytest.raises(ValueError, match="65536"):
        encode_frame(bytes(MAX_FRAME_BYTES + 1))


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_frames_come_out_alike_however_the_stream_is_cut(bodies: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(encode_frame(body) for body in bodies)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)))))
    decoder = FrameDecoder()
    frames = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        decoder.feed(stream[start:end])
        frames += drain(decoder)

    assert frames == bodies


def test_frames_come_out_alike_at_every_split_point() -> None:
    bodies = [b"one", b"", b"three" * 10]
    stream = b"".join(encode_frame(body) for body in bodies)
    for cut in range(len(stream) + 1):
        decoder = FrameDecoder()
        decoder.feed(stream[:cut])
        first = drain(decoder)
        decoder.feed(stream[cut:])
        assert first + drain(decoder) == bodies


def test_half_a_frame_waits() -> None:
    decoder = FrameDecoder()
    decoder.feed(b"\x00\x00\x00\x05hal")

    assert decoder.next_frame() is None
    decoder.feed(b"f!")
    assert decoder.next_frame() == b"half!"


@pytest.mark.parametrize("size", [MAX_HANDSHAKE_FRAME_BYTES + 1, 2**32 - 1])
def test_frame_over_the_limit_is_refused_on_its_header_alone(size: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(size.to_bytes(4, "big"))

    with pytest.raises(FrameTooLong) as caught:
        decoder.next_frame()
    assert (caught.value.size, caught.value.limit) == (size, MAX_HANDSHAKE_FRAME_BYTES)


def test_raised_limit_counts_for_the_next_frame() -> None:
    decoder = FrameDecoder(limit=4)
    decoder.feed(encode_frame(b"four") + encode_frame(b"fives"))

    assert decoder.next_frame() == b"four"
    decoder.limit = 5
    assert decoder.next_frame() == b"fives"


@given(st.binary(max_size=300))
def test_garbage_raises_only_frame_too_long(garbage: bytes) -> None:
    decoder = FrameDecoder(limit=100)
    decoder.feed(garbage)
    try:
        frames = drain(decoder)
    except FrameTooLong:
        return
    assert b"".join(encode_frame(frame) for frame in frames) == garbage[: sum(4 + len(it) for it in frames)]

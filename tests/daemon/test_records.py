"""The store's bytes: what goes in comes out, and anything else is refused."""

import io
from pathlib import Path

import lmdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatcore.envelopes import KIND_CHAT, Chat, Envelope, seal
from chatcore.identity import Identity
from chatcore.ids import RoomId
from chatd.store import records
from chatd.store.records import NotDataFile, RecordDamaged

AUTHOR = Identity(b"a" * 32)
ROOM = RoomId(b"r" * 32)


def envelope_at(stamp: int, text: str = "hello") -> Envelope:
    return seal(AUTHOR, ROOM, stamp, "ada", Chat(text))


def encoded(envelope: Envelope, received_ms: int = 7) -> bytes:
    return records.encode_record(records.pack_u64(received_ms), envelope.signature, envelope.payload)


def test_record_decodes_to_what_was_encoded() -> None:
    envelope = envelope_at(5)
    assert records.decode_record(encoded(envelope, 1234)) == (1234, envelope)


def test_record_refused_whichever_bit_is_flipped() -> None:
    value = encoded(envelope_at(5))
    for index in range(len(value)):
        flipped = bytearray(value)
        flipped[index] ^= 1 << index % 8
        with pytest.raises(RecordDamaged):
            records.decode_record(bytes(flipped))


def test_record_refused_at_every_length_it_is_cut_to() -> None:
    value = encoded(envelope_at(5))
    for length in range(len(value)):
        with pytest.raises(RecordDamaged):
            records.decode_record(value[:length])


def test_record_refused_when_its_checksum_fits_something_that_is_no_envelope() -> None:
    with pytest.raises(RecordDamaged):
        records.decode_record(records.seal(bytes(200)))


@given(st.binary(max_size=300))
def test_garbage_raises_only_damage(data: bytes) -> None:
    for decode in (records.decode_record, records.decode_room, records.unseal):
        with pytest.raises(RecordDamaged):
            decode(data)


@given(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=20))
def test_room_keys_sort_by_stamp(stamps: list[int]) -> None:
    keys = sorted(records.room_key(envelope_at(stamp)) for stamp in stamps)
    assert [key[32:40] for key in keys] == [records.pack_u64(stamp) for stamp in sorted(stamps)]
    assert keys[-1] < records.room_key_end(ROOM)


@pytest.mark.parametrize("joined", [True, False])
def test_room_decodes_to_what_was_encoded(joined: bool) -> None:
    assert records.decode_room(records.encode_room("lobby", joined=joined)) == ("lobby", joined)


def test_header_agrees_with_lmdb_after_many_commits(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), lib_version=0) as env:
        for number in range(20):
            with env.begin(write=True) as txn:
                txn.put(b"%d" % number, bytes(3000))
        last_page, page_bytes = env.info()["last_pgno"], env.stat()["psize"]
    with (tmp_path / "data.mdb").open("rb") as file:
        assert records.read_header(file) == (page_bytes, last_page + 1)


@given(st.binary(max_size=400))
def test_header_of_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(NotDataFile):
        records.read_header(io.BytesIO(data))


def test_header_of_another_data_format_is_refused(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"a", b"b")
    data = bytearray((tmp_path / "data.mdb").read_bytes())
    data[20:24] = (3).to_bytes(4, "little")
    with pytest.raises(NotDataFile, match="format 3"):
        records.read_header(io.BytesIO(data))


# Peeks


@given(st.integers(1, 2**64 - 1))
def test_peek_tells_what_decoding_tells(stamp: int) -> None:
    assert records.peek(encoded(envelope_at(stamp))) == (KIND_CHAT, AUTHOR.public_key)


@given(st.binary(max_size=200))
def test_peek_never_fails(value: bytes) -> None:
    records.peek(value)
    assert records.peek(value[: records.RECORD_HEADER_BYTES + 69]) is None

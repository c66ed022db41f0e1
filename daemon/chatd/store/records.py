"""The bytes of the store: keys, records and their checksums, and the header of LMDB's data file.

Pure layout. Knows neither LMDB's calls nor files that are open; it never trusts what it reads back.
"""

import struct
import zlib
from typing import BinaryIO, NamedTuple

from chatcore.envelopes import Envelope, message_id, open_envelope
from chatcore.errors import Malformed
from chatcore.identity import SIGNATURE_BYTES
from chatcore.ids import DIGEST_BYTES, RoomId
from chatcore.index import Signed
from chatcore.names import MAX_ROOM_NAME_CHARS
from chatcore.wire import pack, unpack_array

U64_BYTES = 8
CHECKSUM_BYTES = 4
RECORD_HEADER_BYTES = CHECKSUM_BYTES + U64_BYTES + SIGNATURE_BYTES

# How msgpack writes the start of an envelope: a short array of a small number and two strings of 32 bytes.
_ARRAY = 0x9
_FIRST_LONG_KIND = 0x80
_KEY = b"\xc4\x20"
_HEADER_BYTES = 2 + 2 * (len(_KEY) + DIGEST_BYTES)

_U64 = struct.Struct(">Q")

pack_u64 = _U64.pack
"""Big-endian, so that LMDB's order of bytes is the order of numbers."""


class RecordDamaged(Exception):
    """A value is not what was written; `why` is for the log and holds nothing of its content."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class NotDataFile(Exception):
    """The file is not one that LMDB 0.9 wrote on this kind of machine; `why` says how that shows."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def unpack_u64(value: bytes) -> int:
    """Raises RecordDamaged."""
    if len(value) != U64_BYTES:
        raise RecordDamaged("a number of the wrong size")
    return int.from_bytes(value, "big")


def seal(body: bytes) -> bytes:
    """`crc32(body) || body`. LMDB has no checksums: a byte flipped on disk would otherwise be served."""
    return zlib.crc32(body).to_bytes(CHECKSUM_BYTES, "big") + body


def unseal(value: bytes) -> bytes:
    """Raises RecordDamaged."""
    body = value[CHECKSUM_BYTES:]
    if len(value) < CHECKSUM_BYTES or zlib.crc32(body) != int.from_bytes(value[:CHECKSUM_BYTES], "big"):
        raise RecordDamaged("its checksum is wrong")
    return body


def encode_record(received: bytes, signature: bytes, payload: bytes) -> bytes:
    """`received` is wall time in ms as `pack_u64` made it; one group of messages shares it."""
    return seal(received + signature + payload)


def decode_record(value: bytes) -> tuple[int, Envelope]:
    """When it was received (wall ms) and what it says.

    The id is hashed again: an index entry may be damaged too, and must not lend its id to another message.

    Raises:
        RecordDamaged: wrong checksum, or not an envelope.
    """
    body = unseal(value)
    try:
        envelope = open_envelope(
            body[U64_BYTES + SIGNATURE_BYTES :], body[U64_BYTES : U64_BYTES + SIGNATURE_BYTES]
        )
    except Malformed as error:
        raise RecordDamaged("it is not an envelope") from error
    return int.from_bytes(body[:U64_BYTES], "big"), envelope


def signed_part(value: bytes) -> Signed:
    """What its author signed. The id is hashed again, as above.

    Raises:
        RecordDamaged: wrong checksum, or too short.
    """
    body = unseal(value)
    payload = body[U64_BYTES + SIGNATURE_BYTES :]
    if not payload:
        raise RecordDamaged("it is not an envelope")
    return Signed(message_id(payload), payload, body[U64_BYTES : U64_BYTES + SIGNATURE_BYTES])


def peek(value: bytes) -> tuple[int, bytes] | None:
    """A message's kind and its author's key, as any node packs them; None where only decoding tells.

    Much faster than that. No checksum is looked at: good for passing a message over, not for showing it.
    """
    header = value[RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + _HEADER_BYTES]
    if len(header) < _HEADER_BYTES or header[0] >> 4 != _ARRAY or header[1] >= _FIRST_LONG_KIND:
        return None
    if header[2:4] != _KEY or header[4 + DIGEST_BYTES : 6 + DIGEST_BYTES] != _KEY:
        return None
    return header[1], header[6 + DIGEST_BYTES :]


def room_key(envelope: Envelope) -> bytes:
    """`room || stamp || id`: one room's messages stand together, in the order everybody sees them."""
    return envelope.room + pack_u64(envelope.stamp) + envelope.id


def stamp_of(key: bytes) -> int:
    """The stamp within a key that `room_key` made."""
    return int.from_bytes(key[DIGEST_BYTES : DIGEST_BYTES + U64_BYTES], "big")


def id_of(key: bytes) -> bytes:
    """The id within a key that `room_key` made."""
    return key[DIGEST_BYTES + U64_BYTES :]


def room_key_end(room: RoomId) -> bytes:
    """Sorts after every message of the room, and before the next room but for one key nobody can aim at."""
    return room + b"\xff" * (U64_BYTES + DIGEST_BYTES)


def encode_room(name: str, *, joined: bool) -> bytes:
    return seal(pack([name, joined]))


def decode_room(value: bytes) -> tuple[str, bool]:
    """Raises RecordDamaged. Fields of a newer version, behind these two, are ignored."""
    try:
        fields = unpack_array(unseal(value))
    except Malformed as error:
        raise RecordDamaged("a room that is not msgpack") from error
    if len(fields) < 2 or type(fields[0]) is not str or type(fields[1]) is not bool:
        raise RecordDamaged("a room without its fields")
    if not 1 <= len(fields[0]) <= MAX_ROOM_NAME_CHARS:
        raise RecordDamaged("a room whose name is too long")
    return fields[0], fields[1]


class DataHeader(NamedTuple):
    """What the newer of LMDB's two meta pages says."""

    page_bytes: int
    pages: int
    """How many the file should hold. Free ones at its end may never have been written."""


# Page header, then MDB_meta with its two MDB_db (liblmdb 0.9, mdb.c), in the machine's own sizes and order.
_META_PAGE = struct.Struct("@NHHI IIPN IHHNNNNN IHHNNNNN NN")
_MAGIC = 0xBEEFC0DE
_DATA_VERSION = 1
_FLAG_META = 0x08
_MIN_PAGE_BYTES = 256
_MAX_PAGE_BYTES = 32_768


class _Meta(NamedTuple):
    page_bytes: int
    last_page: int
    txn: int


def read_header(file: BinaryIO) -> DataHeader:
    """Read both meta pages without mapping anything: a file cut short would kill the process that maps it.

    Raises:
        NotDataFile: it is empty, too short, or another format.
    """
    first = _read_meta(file, 0)
    metas = (first, _read_meta(file, first.page_bytes))
    newer = max(metas, key=lambda meta: meta.txn)
    return DataHeader(first.page_bytes, newer.last_page + 1)


def _read_meta(file: BinaryIO, offset: int) -> _Meta:
    file.seek(offset)
    data = file.read(_META_PAGE.size)
    if len(data) < _META_PAGE.size:
        raise NotDataFile("it is cut short")
    fields = _META_PAGE.unpack(data)
    flags, magic, version, page_bytes = fields[2], fields[4], fields[5], fields[8]
    last_page, txn = fields[24], fields[25]
    if magic != _MAGIC or not flags & _FLAG_META:
        raise NotDataFile("it is not an LMDB file")
    if version != _DATA_VERSION:
        raise NotDataFile(f"it has LMDB's data format {version}, chatd uses {_DATA_VERSION}")
    if not _MIN_PAGE_BYTES <= page_bytes <= _MAX_PAGE_BYTES or page_bytes & (page_bytes - 1):
        raise NotDataFile("its header is damaged")
    return _Meta(page_bytes, last_page, txn)

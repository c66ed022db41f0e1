"""The fields of a decoded message, each checked as it is taken out.

Every function here raises Malformed for a field that is missing, of another type, or beyond its cap. `item`
is a message as it came: an array that opens with its type. Knows no message.
"""

from typing import Any

from chatcore.errors import Malformed
from chatcore.ids import DIGEST_BYTES, MessageId, RoomId
from chatcore.messages import (
    MAX_BOUND_BYTES,
    MAX_PEER_RECORDS,
    MAX_ROOMS,
    MAX_SHORT_IDS,
    SHORT_ID_BYTES,
)
from chatcore.records import PeerRecord, open_record


def int_at(item: list[Any], index: int, most: int) -> int:
    value = item[index] if index < len(item) else None
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed(f"field {index} of message type {item[0]} is not a number up to {most}")
    return value


def text_of(value: Any, most: int) -> str:
    if type(value) is not str or len(value.encode()) > most:
        raise Malformed(f"a text that is none, or over {most} bytes")
    return value


def list_at(item: list[Any], index: int, most: int) -> list[Any]:
    value = item[index] if index < len(item) else None
    if type(value) is not list or len(value) > most:
        raise Malformed(f"field {index} of message type {item[0]} is not a list of at most {most}")
    return value


def field_at(item: list[Any], index: int) -> Any:
    return item[index] if index < len(item) else None


def rooms_at(item: list[Any], index: int) -> frozenset[RoomId]:
    return frozenset(RoomId(_digest_of(value)) for value in list_at(item, index, MAX_ROOMS))


def _digest_of(value: Any) -> bytes:
    if type(value) is not bytes or len(value) != DIGEST_BYTES:
        raise Malformed(f"an id that is not {DIGEST_BYTES} bytes")
    return value


def records_at(item: list[Any], index: int, most: int = MAX_PEER_RECORDS) -> tuple[PeerRecord, ...]:
    return tuple([_record_of(value) for value in list_at(item, index, most)])


def short_ids_of(item: list[Any]) -> tuple[bytes, ...]:
    joined = field_at(item, 1)
    if (
        type(joined) is not bytes
        or len(joined) % SHORT_ID_BYTES
        or not 0 < len(joined) <= MAX_SHORT_IDS * SHORT_ID_BYTES
    ):
        raise Malformed(f"message type {item[0]} without its ids")
    return tuple([joined[at : at + SHORT_ID_BYTES] for at in range(0, len(joined), SHORT_ID_BYTES)])


def short_id_of(item: list[Any]) -> bytes:
    value = field_at(item, 1)
    if type(value) is not bytes or len(value) != SHORT_ID_BYTES:
        raise Malformed(f"message type {item[0]} without its id")
    return value


def room_of(item: list[Any]) -> RoomId:
    return RoomId(_digest_of(field_at(item, 1)))


def _record_of(value: Any) -> PeerRecord:
    if type(value) is not bytes:
        raise Malformed("a peer record that is not bytes")
    return open_record(value)


def sized(value: Any, size: int) -> bytes:
    if type(value) is not bytes or len(value) != size:
        raise Malformed(f"not {size} bytes")
    return value


def bound_of(value: Any) -> bytes:
    if type(value) is not bytes or len(value) > MAX_BOUND_BYTES:
        raise Malformed("a range without its bound")
    return value


def ids_of(joined: Any, most: int) -> tuple[MessageId, ...]:
    if type(joined) is not bytes or len(joined) % DIGEST_BYTES or len(joined) > most * DIGEST_BYTES:
        raise Malformed(f"ids that are none, or more than {most}")
    return tuple([MessageId(joined[at : at + DIGEST_BYTES]) for at in range(0, len(joined), DIGEST_BYTES)])

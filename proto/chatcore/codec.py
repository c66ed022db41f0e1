"""Link messages to bytes and back; everything in them is checked here, once.

A frame's plaintext is one msgpack array of messages, each an array that opens with its type; a busy sender
so puts hundreds into one frame, one encryption and one system call. Types and trailing fields of a newer
minor version are ignored.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgpack

from chatcore.addresses import host_bytes, host_of
from chatcore.envelopes import MAX_PAYLOAD_BYTES, message_id
from chatcore.errors import Malformed
from chatcore.fields import (
    bound_of,
    field_at,
    ids_of,
    int_at,
    list_at,
    records_at,
    room_of,
    rooms_at,
    short_id_of,
    short_ids_of,
    sized,
    text_of,
)
from chatcore.frames import MAX_FRAME_BYTES
from chatcore.identity import SIGNATURE_BYTES
from chatcore.messages import (
    FINGERPRINT_BYTES,
    MAX_CAPABILITIES,
    MAX_CAPABILITY_BYTES,
    MAX_COMPARED_RANGES,
    MAX_FETCH_IDS,
    MAX_HISTORY_MESSAGES,
    MAX_HOPS,
    MAX_INTRODUCTIONS,
    MAX_LISTED_IDS,
    MAX_MINOR,
    MAX_NONCE,
    MAX_PARTS,
    MAX_PEER_RECORDS,
    MAX_REASON_BYTES,
    MAX_REFUSED_REASON,
    MAX_ROSTER_WORDS,
    MAX_TOKEN,
    MAX_USER_AGENT_BYTES,
    MAX_WALL_MS,
    ROOM_TAG_BYTES,
    Compare,
    Compared,
    Disconnect,
    FetchIds,
    FetchRange,
    Goodbye,
    Graft,
    Hello,
    History,
    HistoryMessage,
    Ihave,
    Introduction,
    LinkMessage,
    Listed,
    MembershipMessage,
    Neighbor,
    NeighborReply,
    Part,
    PeerRequest,
    PeerResponse,
    Ping,
    Pong,
    Prune,
    Publish,
    Range,
    Receipt,
    Refused,
    Resume,
    RoomRequest,
    RoomResponse,
    Rooms,
    Roster,
    RosterRequest,
    Seen,
    Shuffle,
    ShuffleReply,
    ToldWord,
    UnknownMessage,
)
from chatcore.names import MAX_NETWORK_BYTES, MAX_PORT, MAX_USERNAME_BYTES
from chatcore.records import PeerRecord
from chatcore.wire import pack, unpack_array

NOISE_TAG_BYTES = 16
MAX_PLAINTEXT_BYTES = MAX_FRAME_BYTES - NOISE_TAG_BYTES
MAX_BATCH_MESSAGES = 1024

TYPE_HELLO = 0
TYPE_GOODBYE = 1
TYPE_PING = 2
TYPE_PONG = 3
TYPE_ROOMS = 4
TYPE_PEER_REQUEST = 5
TYPE_PEER_RESPONSE = 6
TYPE_ROOM_REQUEST = 7
TYPE_ROOM_RESPONSE = 8
TYPE_SEEN = 9
TYPE_INTRODUCTION = 10
TYPE_PUBLISH = 16
TYPE_IHAVE = 17
TYPE_GRAFT = 18
TYPE_PRUNE = 19
TYPE_NEIGHBOR = 20
TYPE_NEIGHBOR_REPLY = 21
TYPE_DISCONNECT = 22
TYPE_SHUFFLE = 23
TYPE_SHUFFLE_REPLY = 24
TYPE_RESUME = 25
TYPE_RECEIPT = 26
TYPE_REFUSED = 27
TYPE_COMPARE = 32
TYPE_COMPARED = 33
TYPE_FETCH_IDS = 34
TYPE_FETCH_RANGE = 35
TYPE_HISTORY = 36
TYPE_ROSTER_REQUEST = 40
TYPE_ROSTER = 41
MAX_TYPE = 255


_ARRAY_HEADER_BYTES = 3

_TYPES_OF_IDS: dict[type[LinkMessage], int] = {
    Ihave: TYPE_IHAVE,
    Graft: TYPE_GRAFT,
    Prune: TYPE_PRUNE,
    Resume: TYPE_RESUME,
    Receipt: TYPE_RECEIPT,
}


def encode_message(message: LinkMessage) -> bytes:
    """One message, ready to stand in a batch; made once however many links it goes to."""
    match message:
        case Publish(hops, _, payload, signature):
            return pack((TYPE_PUBLISH, hops, payload, signature))
        case Hello():
            return pack(
                (
                    TYPE_HELLO,
                    message.minor,
                    message.capabilities,
                    message.network,
                    message.user_agent,
                    message.listen_port,
                    message.username,
                    sorted(message.rooms),
                )
            )
        case Goodbye(reason):
            return pack((TYPE_GOODBYE, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")))
        case Ping(nonce, wall_ms):
            return pack((TYPE_PING, nonce) if wall_ms is None else (TYPE_PING, nonce, wall_ms))
        case Pong(nonce, wall_ms):
            return pack((TYPE_PONG, nonce) if wall_ms is None else (TYPE_PONG, nonce, wall_ms))
        case Rooms(rooms):
            return pack((TYPE_ROOMS, sorted(rooms)))
        case PeerRequest() | PeerResponse() | RoomRequest() | RoomResponse() | Seen() | Introduction():
            return _encode_whereabouts(message)
        case Ihave(ids) | Graft(ids) | Prune(ids) | Resume(ids) | Receipt(ids):
            return pack((_TYPES_OF_IDS[type(message)], b"".join(ids)))
        case Refused(id_, reason, detail):
            return pack((TYPE_REFUSED, id_, reason, detail))
        case Neighbor() | NeighborReply() | Disconnect() | Shuffle() | ShuffleReply():
            return _encode_membership(message)
        case Compare() | Compared() | FetchIds() | FetchRange() | History():
            return _encode_history(message)
        case RosterRequest(room):
            return pack((TYPE_ROSTER_REQUEST, room))
        case Roster(room, last, words):
            return pack((TYPE_ROSTER, room, int(last), words))
        case UnknownMessage(type_):
            raise ValueError(f"type {type_} has no encoding here")


_Whereabouts = PeerRequest | PeerResponse | RoomRequest | RoomResponse | Seen | Introduction


def _encode_whereabouts(message: _Whereabouts) -> bytes:
    match message:
        case PeerRequest(most):
            return pack((TYPE_PEER_REQUEST, most))
        case PeerResponse(peers):
            return pack((TYPE_PEER_RESPONSE, _pack_records(peers)))
        case RoomRequest(room, nonce, hops):
            return pack((TYPE_ROOM_REQUEST, room, nonce, hops))
        case RoomResponse(nonce, members):
            return pack((TYPE_ROOM_RESPONSE, nonce, _pack_records(members)))
        case Seen(host):
            return pack((TYPE_SEEN, host_bytes(host)))
        case Introduction(records):
            return pack((TYPE_INTRODUCTION, _pack_records(records)))


def _encode_membership(message: MembershipMessage) -> bytes:
    match message:
        case Neighbor(room, urgent):
            return pack((TYPE_NEIGHBOR, room, int(urgent)))
        case NeighborReply(room, accepted, members):
            return pack((TYPE_NEIGHBOR_REPLY, room, int(accepted), _pack_records(members)))
        case Disconnect(room):
            return pack((TYPE_DISCONNECT, room))
        case Shuffle(room, members):
            return pack((TYPE_SHUFFLE, room, _pack_records(members)))
        case ShuffleReply(room, members):
            return pack((TYPE_SHUFFLE_REPLY, room, _pack_records(members)))


def _encode_history(message: HistoryMessage) -> bytes:
    match message:
        case Compare(token, room, ranges):
            triples = [(item.lower, item.upper, item.fingerprint) for item in ranges]
            return pack((TYPE_COMPARE, token, room, triples))
        case Compared(token, answers):
            return pack((TYPE_COMPARED, token, [[_pack_part(part) for part in parts] for parts in answers]))
        case FetchIds(token, room, ids):
            return pack((TYPE_FETCH_IDS, token, room, b"".join(ids)))
        case FetchRange(token, room, lower, upper):
            return pack((TYPE_FETCH_RANGE, token, room, lower, upper))
        case History(token, lower, messages):
            pairs = [(item.payload, item.signature) for item in messages]
            return pack((TYPE_HISTORY, token, lower, pairs))


def _pack_part(part: Part | Listed) -> tuple[bytes, bytes] | tuple[bytes, bytes, int]:
    if isinstance(part, Listed):
        return (part.lower, b"".join(part.ids))
    return (part.lower, part.fingerprint, part.count)


def _pack_records(records: Iterable[PeerRecord]) -> list[bytes]:
    return [record.signed for record in records]


def pack_batches(encoded: Iterable[bytes]) -> list[bytes]:
    """Encoded messages, in order, as few plaintexts as hold them."""
    batches: list[bytes] = []
    batch: list[bytes] = []
    size = _ARRAY_HEADER_BYTES
    for item in encoded:
        if batch and (size + len(item) > MAX_PLAINTEXT_BYTES or len(batch) == MAX_BATCH_MESSAGES):
            batches.append(_join(batch))
            batch, size = [], _ARRAY_HEADER_BYTES
        batch.append(item)
        size += len(item)
    if batch:
        batches.append(_join(batch))
    return batches


def _join(batch: Sequence[bytes]) -> bytes:
    header: bytes = msgpack.Packer().pack_array_header(len(batch))
    return header + b"".join(batch)


def decode_batch(plaintext: bytes) -> tuple[LinkMessage, ...]:
    """The messages of one frame, in order.

    Raises:
        Malformed: anything in it is not as docs/protocol.md has it.
    """
    items = unpack_array(plaintext)
    if not 1 <= len(items) <= MAX_BATCH_MESSAGES:
        raise Malformed(f"a frame of {len(items)} messages, not 1 to {MAX_BATCH_MESSAGES}")
    return tuple([_decode(item) for item in items])


def _decode(item: Any) -> LinkMessage:
    if type(item) is not list or not item:
        raise Malformed("a message that is not an array")
    type_ = item[0]
    if type_ == TYPE_PUBLISH and type(type_) is int:
        return _decode_publish(item)
    if type(type_) is not int or not 0 <= type_ <= MAX_TYPE:
        raise Malformed("a message without a type")
    decode = _DECODERS.get(type_)
    return UnknownMessage(type_) if decode is None else decode(item)


def _decode_publish(item: list[Any]) -> Publish:
    if len(item) < 4:
        raise Malformed("a publish without its fields")
    _, hops, payload, signature = item[:4]
    if (
        type(hops) is not int
        or not 0 <= hops <= MAX_HOPS
        or type(payload) is not bytes
        or not 0 < len(payload) <= MAX_PAYLOAD_BYTES
        or type(signature) is not bytes
        or len(signature) != SIGNATURE_BYTES
    ):
        raise Malformed("a publish with a wrong field")
    return Publish(hops, message_id(payload), payload, signature)


def _wall_ms(item: list[Any]) -> int | None:
    return int_at(item, 2, MAX_WALL_MS) if len(item) > 2 else None


def _decode_hello(item: list[Any]) -> Hello:
    username = text_of(field_at(item, 6), MAX_USERNAME_BYTES)
    if not username:
        raise Malformed("a hello without a username")
    return Hello(
        minor=int_at(item, 1, MAX_MINOR),
        capabilities=tuple(
            text_of(value, MAX_CAPABILITY_BYTES) for value in list_at(item, 2, MAX_CAPABILITIES)
        ),
        network=text_of(field_at(item, 3), MAX_NETWORK_BYTES),
        user_agent=text_of(field_at(item, 4), MAX_USER_AGENT_BYTES),
        listen_port=int_at(item, 5, MAX_PORT),
        username=username,
        rooms=rooms_at(item, 7),
    )


def _decode_seen(item: list[Any]) -> Seen:
    value = field_at(item, 1)
    try:
        return Seen(host_of(value if type(value) is bytes else b""))
    except ValueError as error:
        raise Malformed("not an IP address") from error


def _token(item: list[Any]) -> int:
    return int_at(item, 1, MAX_TOKEN)


def _range(value: Any) -> Range:
    if type(value) is not list or len(value) < 3:
        raise Malformed("a range without its fields")
    lower, upper = bound_of(value[0]), bound_of(value[1])
    if lower >= upper:
        raise Malformed("a range that ends before it begins")
    return Range(lower, upper, sized(value[2], FINGERPRINT_BYTES))


def _part(value: Any) -> Part | Listed:
    if type(value) is not list or len(value) < 2:
        raise Malformed("a part without its fields")
    if len(value) == 2:
        return Listed(bound_of(value[0]), ids_of(value[1], MAX_LISTED_IDS))
    return Part(bound_of(value[0]), sized(value[1], FINGERPRINT_BYTES), int_at(value, 2, MAX_NONCE))


def _decode_compare(item: list[Any]) -> Compare:
    ranges = tuple([_range(value) for value in list_at(item, 3, MAX_COMPARED_RANGES)])
    if not ranges:
        raise Malformed("a comparison of nothing")
    return Compare(_token(item), sized(field_at(item, 2), ROOM_TAG_BYTES), ranges)


def _decode_compared(item: list[Any]) -> Compared:
    answers = list_at(item, 2, MAX_COMPARED_RANGES)
    if any(type(parts) is not list for parts in answers) or sum(map(len, answers)) > MAX_PARTS:
        raise Malformed(f"an answer that is none, or of more than {MAX_PARTS} parts")
    return Compared(_token(item), tuple([tuple([_part(part) for part in parts]) for parts in answers]))


def _decode_fetch_ids(item: list[Any]) -> FetchIds:
    room = sized(field_at(item, 2), ROOM_TAG_BYTES)
    return FetchIds(_token(item), room, ids_of(field_at(item, 3), MAX_FETCH_IDS))


def _decode_fetch_range(item: list[Any]) -> FetchRange:
    room = sized(field_at(item, 2), ROOM_TAG_BYTES)
    lower, upper = bound_of(field_at(item, 3)), bound_of(field_at(item, 4))
    if lower >= upper:
        raise Malformed("a range that ends before it begins")
    return FetchRange(_token(item), room, lower, upper)


def _decode_history(item: list[Any]) -> History:
    pairs = list_at(item, 3, MAX_HISTORY_MESSAGES)
    if any(type(pair) is not list for pair in pairs):
        raise Malformed("a history of something else than messages")
    messages = tuple([_decode_publish([TYPE_PUBLISH, 0, *pair]) for pair in pairs])
    return History(_token(item), bound_of(field_at(item, 2)), messages)


def _decode_roster(item: list[Any]) -> Roster:
    words = list_at(item, 3, MAX_ROSTER_WORDS)
    if any(type(word) is not list or len(word) < 3 for word in words):
        raise Malformed("a roster of something else than announcements")
    return Roster(room_of(item), bool(int_at(item, 2, 1)), tuple([_told_word(word) for word in words]))


def _told_word(value: list[Any]) -> ToldWord:
    publish = _decode_publish([TYPE_PUBLISH, 0, *value[1:3]])
    return ToldWord(int_at(value, 0, MAX_NONCE), publish.payload, publish.signature)


_DECODERS: dict[int, Callable[[list[Any]], LinkMessage]] = {
    TYPE_HELLO: _decode_hello,
    TYPE_GOODBYE: lambda item: Goodbye(text_of(field_at(item, 1), MAX_REASON_BYTES)),
    TYPE_PING: lambda item: Ping(int_at(item, 1, MAX_NONCE), _wall_ms(item)),
    TYPE_PONG: lambda item: Pong(int_at(item, 1, MAX_NONCE), _wall_ms(item)),
    TYPE_ROOMS: lambda item: Rooms(rooms_at(item, 1)),
    TYPE_PEER_REQUEST: lambda item: PeerRequest(int_at(item, 1, MAX_PEER_RECORDS)),
    TYPE_PEER_RESPONSE: lambda item: PeerResponse(records_at(item, 1)),
    TYPE_ROOM_REQUEST: lambda item: RoomRequest(
        room_of(item), int_at(item, 2, MAX_NONCE), int_at(item, 3, MAX_HOPS)
    ),
    TYPE_ROOM_RESPONSE: lambda item: RoomResponse(int_at(item, 1, MAX_NONCE), records_at(item, 2)),
    TYPE_SEEN: _decode_seen,
    TYPE_INTRODUCTION: lambda item: Introduction(records_at(item, 1, MAX_INTRODUCTIONS)),
    TYPE_IHAVE: lambda item: Ihave(short_ids_of(item)),
    TYPE_GRAFT: lambda item: Graft(short_ids_of(item)),
    TYPE_PRUNE: lambda item: Prune(short_ids_of(item)),
    TYPE_RESUME: lambda item: Resume(short_ids_of(item)),
    TYPE_RECEIPT: lambda item: Receipt(short_ids_of(item)),
    TYPE_REFUSED: lambda item: Refused(
        short_id_of(item), int_at(item, 2, MAX_REFUSED_REASON), int_at(item, 3, MAX_NONCE)
    ),
    TYPE_NEIGHBOR: lambda item: Neighbor(room_of(item), bool(int_at(item, 2, 1))),
    TYPE_NEIGHBOR_REPLY: lambda item: NeighborReply(
        room_of(item), bool(int_at(item, 2, 1)), records_at(item, 3)
    ),
    TYPE_DISCONNECT: lambda item: Disconnect(room_of(item)),
    TYPE_SHUFFLE: lambda item: Shuffle(room_of(item), records_at(item, 2)),
    TYPE_SHUFFLE_REPLY: lambda item: ShuffleReply(room_of(item), records_at(item, 2)),
    TYPE_COMPARE: _decode_compare,
    TYPE_COMPARED: _decode_compared,
    TYPE_FETCH_IDS: _decode_fetch_ids,
    TYPE_FETCH_RANGE: _decode_fetch_range,
    TYPE_HISTORY: _decode_history,
    TYPE_ROSTER_REQUEST: lambda item: RosterRequest(room_of(item)),
    TYPE_ROSTER: _decode_roster,
}

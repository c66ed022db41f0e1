"""What hypothesis draws: link messages, envelopes, and valid encodings with something broken in them."""

from typing import Any

import msgpack
from hypothesis import strategies as st

from chatcore import messages
from chatcore.addresses import pack_address, scope_of
from chatcore.envelopes import MAX_INTERVAL_S, MAX_PAYLOAD_BYTES, Announce, Chat, Join, Leave, message_id
from chatcore.ids import MessageId, PeerId, RoomId
from chatcore.names import join_address
from chatcore.records import PeerRecord, open_record

digests = st.binary(min_size=32, max_size=32)
room_ids = digests.map(RoomId)
peer_ids = digests.map(PeerId)
stamps = st.integers(0, 2**64 - 1)


def texts(max_bytes: int, *, min_size: int = 0) -> st.SearchStrategy[str]:
    """Any Unicode text of at most so many bytes of UTF-8."""
    return st.text(min_size=min_size, max_size=max_bytes).filter(lambda text: len(text.encode()) <= max_bytes)


usernames = texts(64, min_size=1)
bodies = st.one_of(
    texts(300, min_size=1).map(Chat),
    st.just(Join()),
    st.just(Leave()),
    st.integers(1, MAX_INTERVAL_S).map(Announce),
)

ports = st.integers(1, 65_535)
hosts = st.one_of(
    st.from_regex(r"[a-z0-9_]([a-z0-9_.-]{0,20}[a-z0-9_])?", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda host: f"[{host}]"),
)
addresses = st.builds(lambda host, port: f"{host}:{port}", hosts, ports)

hellos = st.builds(
    messages.Hello,
    minor=st.integers(0, messages.MAX_MINOR),
    capabilities=st.lists(texts(32), max_size=messages.MAX_CAPABILITIES).map(tuple),
    network=texts(64),
    user_agent=texts(64),
    listen_port=st.integers(0, 65_535),
    username=usernames,
    rooms=st.frozensets(room_ids, max_size=8),
)


def _publish(hops: int, payload: bytes, signature: bytes) -> messages.Publish:
    return messages.Publish(hops, message_id(payload), payload, signature)


publishes = st.builds(
    _publish,
    st.integers(0, messages.MAX_HOPS),
    st.binary(min_size=1, max_size=200) | st.just(bytes(MAX_PAYLOAD_BYTES)),
    st.binary(min_size=64, max_size=64),
)
ip_addresses = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str).filter(lambda host: not host.startswith("::ffff:")),
).filter(lambda host: scope_of(host) is not None)
"""Where somebody can be dialled."""


def _record(public_key: bytes, host: str, port: int, time: int, signature: bytes) -> PeerRecord:
    address = pack_address(join_address(host, port))
    return open_record(public_key + time.to_bytes(4, "big") + address + signature)


records = st.lists(
    st.builds(
        _record,
        digests,
        ip_addresses,
        ports,
        st.integers(0, 2**32 - 1),
        st.binary(min_size=64, max_size=64),
    ),
    max_size=messages.MAX_PEER_RECORDS,
).map(tuple)
"""As they come: who signed them is another question."""

short_ids = st.one_of(
    st.lists(
        st.binary(min_size=messages.SHORT_ID_BYTES, max_size=messages.SHORT_ID_BYTES), min_size=1, max_size=9
    ).map(tuple),
    st.just(
        tuple(number.to_bytes(messages.SHORT_ID_BYTES, "big") for number in range(messages.MAX_SHORT_IDS))
    ),
)
walls = st.none() | st.integers(0, messages.MAX_WALL_MS)
tokens = st.integers(0, messages.MAX_TOKEN)
room_tags = st.binary(min_size=messages.ROOM_TAG_BYTES, max_size=messages.ROOM_TAG_BYTES)
fingerprints = st.binary(min_size=messages.FINGERPRINT_BYTES, max_size=messages.FINGERPRINT_BYTES)
bounds = st.binary(max_size=messages.MAX_BOUND_BYTES)
spans = st.tuples(bounds, bounds).filter(lambda pair: pair[0] != pair[1]).map(sorted)
message_ids = st.lists(digests.map(MessageId), max_size=5).map(tuple)
parts = st.one_of(
    st.builds(messages.Part, bounds, fingerprints, st.integers(0, messages.MAX_NONCE)),
    st.builds(messages.Listed, bounds, message_ids),
)
ranges = st.builds(lambda span, print_: messages.Range(span[0], span[1], print_), spans, fingerprints)
history_messages = st.one_of(
    st.builds(messages.Compare, tokens, room_tags, st.lists(ranges, min_size=1, max_size=4).map(tuple)),
    st.builds(
        messages.Compared, tokens, st.lists(st.lists(parts, max_size=5).map(tuple), max_size=4).map(tuple)
    ),
    st.builds(messages.FetchIds, tokens, room_tags, message_ids),
    st.builds(
        lambda token, room, span: messages.FetchRange(token, room, span[0], span[1]), tokens, room_tags, spans
    ),
    st.builds(
        messages.History,
        tokens,
        bounds,
        st.lists(publishes.map(lambda item: item._replace(hops=0)), max_size=2).map(tuple),
    ),
)
told_words = st.builds(
    lambda age_s, item: messages.ToldWord(age_s, item.payload, item.signature),
    st.integers(0, messages.MAX_NONCE),
    publishes,
)
link_messages = st.one_of(
    history_messages,
    publishes,
    hellos,
    texts(128).map(messages.Goodbye),
    st.builds(messages.Ping, st.integers(0, messages.MAX_NONCE), walls),
    st.builds(messages.Pong, st.integers(0, messages.MAX_NONCE), walls),
    st.frozensets(room_ids, max_size=8).map(messages.Rooms),
    st.just(
        messages.Rooms(
            frozenset(RoomId(bytes([n % 256, n // 256]) + bytes(30)) for n in range(messages.MAX_ROOMS))
        )
    ),
    st.integers(0, messages.MAX_PEER_RECORDS).map(messages.PeerRequest),
    records.map(messages.PeerResponse),
    st.builds(
        messages.RoomRequest, room_ids, st.integers(0, messages.MAX_NONCE), st.integers(0, messages.MAX_HOPS)
    ),
    ip_addresses.map(messages.Seen),
    records.map(lambda several: messages.Introduction(several[: messages.MAX_INTRODUCTIONS])),
    st.builds(messages.RoomResponse, st.integers(0, messages.MAX_NONCE), records),
    short_ids.map(messages.Ihave),
    short_ids.map(messages.Graft),
    short_ids.map(messages.Prune),
    short_ids.map(messages.Resume),
    short_ids.map(messages.Receipt),
    st.builds(
        messages.Refused,
        st.binary(min_size=8, max_size=8),
        st.integers(0, messages.MAX_REFUSED_REASON),
        st.integers(0, messages.MAX_NONCE),
    ),
    st.builds(messages.Neighbor, room_ids, st.booleans()),
    st.builds(messages.NeighborReply, room_ids, st.booleans(), records),
    room_ids.map(messages.Disconnect),
    st.builds(messages.Shuffle, room_ids, records),
    st.builds(messages.ShuffleReply, room_ids, records),
    room_ids.map(messages.RosterRequest),
    st.builds(messages.Roster, room_ids, st.booleans(), st.lists(told_words, max_size=3).map(tuple)),
)

# Broken things

scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.binary(max_size=70),
    st.text(max_size=70),
    st.sampled_from([0, 1, 16, 128, 130, 255, 256, bytes(32), bytes(64)]),
)
structures: st.SearchStrategy[Any] = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
)


def packed(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    return strategy.map(lambda value: bytes(msgpack.packb(value)))


@st.composite
def mutations(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """A valid encoding with a few bytes changed, taken out or put in."""
    data = bytearray(draw(valid))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.integers(0, 3)):
            case 0:
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case 1:
                del data[at : at + draw(st.integers(1, 8))]
            case 2:
                data[at:at] = draw(st.binary(max_size=8))
            case _:
                data = data[:at]
    return bytes(data)


@st.composite
def with_a_wrong_item(draw: st.DrawFn, valid: st.SearchStrategy[list[Any]]) -> list[Any]:
    """A valid array with one item replaced, dropped or doubled: right as msgpack, wrong as a message."""
    items = list(draw(valid))
    at = draw(st.integers(0, max(0, len(items) - 1)))
    items[at : at + 1] = draw(st.lists(structures, max_size=2))
    return items
